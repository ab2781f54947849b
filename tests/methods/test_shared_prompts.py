"""One pass over each distinct prompt gives the log-probabilities, entropies and gradients of whole rows."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from trl.trainer.utils import add_fused_lm_head

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.methods.shared_prompts import can_share, score
from tests.policy.test_decode import OWN_FORWARD, WRITTEN_OUT, build

T = 9
STEP = {"budget.unit": "steps", "budget.amount": 1.0, "labels": 10, "evaluation.along_the_way": 0}
ONE_EACH = {"llama", "mistral, sliding", "qwen2, sliding", "qwen3, sliding", "smollm3, sliding", "phi3, sliding"}
PROMPTS = [(5, 6, 7), (8, 9), (5, 6, 7, 10, 11, 12)]


def adapted(name: str) -> Any:
    """A small model with an adapter that says something, and TRL's head."""
    base = build(WRITTEN_OUT[name]())
    add_fused_lm_head(base, temperature=0.7, outputs=("log_probs", "entropy"))
    model = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    return model.train()


def rows() -> tuple[Tensor, Tensor]:
    """Ids and mask of 20 rows; the completion of one is masked whole, as TRL does to one that was cut."""
    torch.manual_seed(2)
    width, ids, mask = max(map(len, PROMPTS)), [], []
    for number in range(20):
        prompt, length = PROMPTS[number % 3], 1 + number % T
        completion = torch.randint(2, 40, (length,)).tolist()
        ids.append([0] * (width - len(prompt)) + [*prompt] + completion + [0] * (T - length))
        seen = int(number != 7)
        mask.append([0] * (width - len(prompt)) + [1] * len(prompt) + [seen] * length + [0] * (T - length))
    return torch.tensor(ids), torch.tensor(mask)


def whole(model: Any, ids_B_S: Tensor, mask_B_S: Tensor) -> tuple[Tensor, Tensor]:
    """As TRL scores them."""
    labels = ids_B_S.masked_fill(mask_B_S == 0, -100)
    labels[:, :-T] = -100
    out = model(input_ids=ids_B_S, attention_mask=mask_B_S, labels=labels, fused_lm_head=True)
    return out.log_probs[:, -T:], out.entropy[:, -T:]


def gradients(model: Any, logps_B_T: Tensor, entropies_B_T: Tensor) -> Tensor:
    model.zero_grad()
    (logps_B_T * torch.linspace(-1, 2, logps_B_T.numel()).view_as(logps_B_T) + 0.1 * entropies_B_T).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


@pytest.mark.parametrize(
    "name", [name if name in ONE_EACH else pytest.param(name, marks=pytest.mark.slow) for name in WRITTEN_OUT]
)
def test_scores_and_gradients_are_those_of_whole_rows(name: str) -> None:
    model, (ids_B_S, mask_B_S) = adapted(name), rows()
    assert can_share(model, ids_B_S.shape[1])
    expected, found = whole(model, ids_B_S, mask_B_S), score(model, ids_B_S, mask_B_S, T)
    for of_rows, shared in zip(expected, found, strict=True):
        torch.testing.assert_close(shared, of_rows, atol=2e-5, rtol=1e-4)
    of_rows, shared = gradients(model, *expected), gradients(model, *found)
    assert (shared - of_rows).norm() < 1e-4 * of_rows.norm()


def test_what_it_is_not_tested_with_is_scored_in_whole_rows() -> None:
    assert not any(can_share(build(make()), 16) for make in OWN_FORWARD.values())
    model = adapted("llama")
    assert not can_share(torch.nn.Sequential(model), 16), "wrapped"


@pytest.mark.parametrize("name", ["llama", "qwen3, sliding"])
def test_activations_computed_again_give_the_same_gradients_bit_for_bit(name: str) -> None:
    model, (ids_B_S, mask_B_S) = adapted(name), rows()
    passes: list[Any] = []
    model.get_base_model().model.layers[0].mlp.register_forward_pre_hook(lambda *_: passes.append(1))
    kept, once = gradients(model, *score(model, ids_B_S, mask_B_S, T)), len(passes)
    model.get_base_model().activation_checkpointing_enable()
    assert can_share(model, ids_B_S.shape[1])
    again = gradients(model, *score(model, ids_B_S, mask_B_S, T))
    assert torch.equal(again, kept)
    assert (once, len(passes)) == (3, 3 + 6), "the prompts and two parts, each passed through twice"


def test_a_dropout_is_drawn_for_each_row() -> None:
    base = build(WRITTEN_OUT["llama"]())
    assert not can_share(get_peft_model(base, LoraConfig(lora_dropout=0.1, target_modules="all-linear")).train(), 16)


@pytest.mark.parametrize("method", ["grpo", pytest.param("rloo", marks=pytest.mark.slow)])
def test_a_step_feeds_each_prompt_once(method: str) -> None:
    group = {"prompts_per_step": 2, "num_generations": 8}
    run = Experiment(Cell.make({**STEP, "method": method, "settings": group}))
    fed: list[tuple[int, ...]] = []
    run.policy.model.get_input_embeddings().register_forward_pre_hook(
        lambda _, ids: fed.append(tuple(ids[0].shape)) if torch.is_grad_enabled() else None
    )
    run.train()
    assert [rows for rows, _ in fed] == [2, 8, 8]
    assert run.cost.tokens_trained == sum(rows * tokens for rows, tokens in fed)
