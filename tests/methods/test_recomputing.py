"""Activations computed again in backward passes: the same gradients, bit for bit, and layers passed through twice."""

from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods.base import load_method
from rftlab.methods.spread import refuse_recomputing
from rftlab.policy.precision import compute_in_half
from rftlab.registry import METHODS
from rftlab.tasks.base import Example
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import graded
from tests.toy_mdp import toy_policy, toy_run

# Prompts of two tokens: those of one are not shared by their completions.
LABELLED = tuple(
    Example(f"e{i}", prompt, answer, rationale=answer) for i, (prompt, answer) in enumerate([("ab", "ca"), ("cb", "b")])
)
DRAW = {"prompts_per_step": 2, "num_generations": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "sft": {}, "rejection_sft": {}, "dpo": {"pair_generations": 8},
    "sft+grpo": {"stages": [{"method": "sft", "share": 0.5}, {"method": "grpo", "share": 0.5, "settings": DRAW}]},
}  # fmt: skip
# grpo-format is grpo but for its reward, which no completion of the toy's earns.
RECOMPUTES = [name for name, entry in METHODS.items() if entry.recomputes and name != "grpo-format"]
FAST = ("sft", "grpo", "rloo")


def has_a(completion: str, example: Any) -> float:
    """A reward that some completions have whole, as those have to that are fine-tuned on."""
    return float("a" in completion)


class Trained(NamedTuple):
    """Gradients of the updates, how often a layer was passed through with gradients, and tokens and FLOPs charged."""

    gradients: list[torch.Tensor]
    passes: int
    charged: tuple[int, float]


def trained(monkeypatch: pytest.MonkeyPatch, method: str, *, recompute: bool, half: bool = False) -> Trained:
    policy = toy_policy(3)
    if half:
        compute_in_half(policy.model.get_base_model(), "cpu")
        policy.computes_in = torch.bfloat16
    run = toy_run(
        method, 3, steps=2, policy=policy, examples=LABELLED, **SETTINGS.get(method, DRAW),
        verifier=FunctionVerifier(has_a if method == "rejection_sft" else graded),
    )  # fmt: skip
    run = replace(run, cell=Cell.make({**run.cell.flat(), "gradient_checkpointing": recompute}))
    own = [p for p in policy.model.parameters() if p.requires_grad]
    gradients: list[torch.Tensor] = []
    passes = 0
    stepped = torch.optim.AdamW.step

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        gradients.append(torch.cat([p.grad.flatten() for p in own if p.grad is not None]))
        return stepped(self, *args, **kwargs)

    def passed(module: Any, *_: Any) -> None:
        nonlocal passes
        passes += module.training and torch.is_grad_enabled()

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "step", step)
        # Computing again ends with the last tensor that is needed, before a layer's last part has given its own.
        policy.model.get_base_model().model.layers[0].mlp.register_forward_pre_hook(passed)
        torch.manual_seed(0)
        load_method(method).train(run)
    return Trained(gradients, passes, (run.monitor.cost.tokens_trained, run.monitor.cost.flops))


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in RECOMPUTES]
)
def test_gradients_are_the_same_and_layers_are_passed_through_twice(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, again = (trained(monkeypatch, method, recompute=recompute) for recompute in (False, True))
    assert len(kept.gradients) >= 1
    assert all(torch.equal(a, b) for a, b in zip(kept.gradients, again.gradients, strict=True))
    assert again.charged == kept.charged
    assert again.passes > kept.passes > 0
    assert again.passes == 2 * kept.passes or method in ("chord", "hpt", "interleaved")


def test_in_bf16_too(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, again = (trained(monkeypatch, "sft", recompute=recompute, half=True) for recompute in (False, True))
    assert all(torch.equal(a, b) for a, b in zip(kept.gradients, again.gradients, strict=True))
    assert again.passes == 2 * kept.passes


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.trains and not entry.recomputes])
def test_a_method_whose_passes_keep_all_refuses(method: str) -> None:
    refuse_recomputing(method, False)
    with pytest.raises(RftlabError, match=f"gradient_checkpointing is true, and passes of method '{method}' .* sft, "):
        refuse_recomputing(method, True)


def test_it_makes_no_other_cell() -> None:
    asked, plain = Cell.make({"gradient_checkpointing": True}), Cell.make({})
    assert (asked.id, asked.variant) == (plain.id, plain.variant)
    refuse_recomputing("base", True)
