"""Evaluation: counted by hand on completions we know, apart from any training reward."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.evaluate import ask, ask_parts, evaluate
from rftlab.evaluate.divergence import kl_from_base, kl_to_base
from rftlab.evaluate.rates import pass_at
from rftlab.experiment import Experiment
from rftlab.policy.load import load_policy
from rftlab.policy.rollout import Rollout
from rftlab.tasks.base import load_task
from rftlab.verifiers.base import make_verifier


def rows(passed: list[list[bool]]) -> list[dict]:
    return [{"item": str(i), "reward": float(p)} for i, item in enumerate(passed) for p in item]


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5))
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_pass(passed: list[list[bool]]) -> None:
    result = pass_at(rows(passed), 4)
    for k in (1, 2, 4):
        subsets = [any(chosen) for item in passed for chosen in itertools.combinations(item, k)]
        assert math.isclose(result[f"pass_at_{k}"], sum(subsets) / len(subsets), abs_tol=1e-12)


def test_pass_at_k_of_nothing_is_unknown() -> None:
    assert pass_at([], 4) == {"pass_at_1": None, "pass_at_2": None, "pass_at_4": None}


def test_metrics_agree_with_the_samples_they_come_from(small_cell: Callable[..., Cell]) -> None:
    cell = small_cell(
        **{
            "decoding.max_new_tokens": 40,
            "evaluation.test_items": 40,
            "evaluation.sampled_items": 10,
            "evaluation.samples": 4,
        }
    )
    task = load_task(cell.task)
    verifier = make_verifier(task.verifier)
    outcome = evaluate(load_policy(cell), task, task.labels(8, seed=0, development=4), verifier, cell)
    by_part: dict[str, list[dict]] = {}
    for row in outcome.samples:
        by_part.setdefault(row["part"], []).append(row)
    assert {part: len(found) for part, found in by_part.items()} == {
        "test": 40, "train": 4, "base_train": 4, "development": 4, "ood": 8, "retention": 8, "sampled": 40
    }  # fmt: skip
    developed = [row["reward"] for row in by_part["development"]]
    assert outcome.metrics["development_accuracy"] == pytest.approx(sum(developed) / 4)
    rewards = [row["reward"] for row in by_part["test"]]
    assert outcome.metrics["accuracy"] == pytest.approx(sum(rewards) / 40)
    for row in by_part["test"]:
        example = next(e for e in task.test if e.id == row["item"])
        assert verifier(row["completion"], example).reward == row["reward"]
    assert outcome.metrics["kl_to_base"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("moved", [True, False])
def test_parts_answered_in_one_draw_are_answered_as_by_themselves(small_cell: Callable[..., Cell], moved: bool) -> None:
    cell = small_cell(**{"decoding.max_new_tokens": 40})
    task, policy = load_task(cell.task), load_policy(cell)
    for name, weight in policy.model.named_parameters() if moved else ():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    beyond = [example for examples in task.ood_asked(9).values() for example in examples]
    parts = {"test": task.test[:30], "train": task.labels(8, seed=0).train, "development": (), "ood": beyond}
    verifier = make_verifier("exact")
    alone = [ask(policy, examples, verifier, cell, part=part) for part, examples in parts.items()]
    assert list(ask_parts(policy, parts, verifier, cell)) == alone


def test_sampled_evaluation_repeats_and_follows_its_seed(small_cell: Callable[..., Cell]) -> None:
    def completions(seed: int) -> list[str]:
        cell = small_cell(seed_sampling=seed, **{"decoding.max_new_tokens": 40})
        task = load_task(cell.task)
        asked = ask(load_policy(cell), task.test[:4], make_verifier("exact"), cell, part="sampled", samples=4)
        return [row["completion"] for row in asked]

    assert completions(0) == completions(0) != completions(1)


def test_both_kls_are_sums_over_the_vocabulary_at_every_token(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell())
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.05)
    prompt = policy.encode_prompt("Q: 3 + 4?\nA:")
    completions = [policy.encode_prompt(" 7"), policy.encode_prompt(" 3+4=7.")]
    rollouts = [Rollout(prompt, ids, [0.0] * len(ids), truncated=True) for ids in completions]

    def distributions(ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            return policy.model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].softmax(-1)

    own = torch.cat([distributions(ids) for ids in completions])
    with policy.as_base():
        base = torch.cat([distributions(ids) for ids in completions])
    reverse, forward = ((p * (p / q).log()).sum(-1).mean().item() for p, q in ((own, base), (base, own)))
    assert kl_to_base(policy, rollouts) == pytest.approx(reverse, abs=1e-5)
    assert kl_from_base(policy, rollouts) == pytest.approx(forward, abs=1e-5)
    assert reverse > 1e-3
    assert abs(reverse - forward) > 1e-4


def test_a_prompt_that_does_not_fit_beside_its_cap_is_refused_with_its_id(small_cell: Callable[..., Cell]) -> None:
    cell = small_cell(**{"decoding.max_new_tokens": 500})
    task = load_task(cell.task)
    with pytest.raises(RftlabError, match=f"the prompt of example {task.test[0].id} has .* up to 500 .* the 512 of"):
        ask(load_policy(cell), task.test[:1], make_verifier("exact"), cell, part="test")
    with pytest.raises(RftlabError, match="the prompt of example .* up to 500 that is more than the 512 of"):
        Experiment(cell)
