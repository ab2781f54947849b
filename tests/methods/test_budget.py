"""A budget is met in every unit, or the record says that it was not; what is paid for is trained on; time moves."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from rftlab.methods.base import TrainingRun, load_method
from rftlab.methods.monitor import Monitor
from rftlab.parts import Budget
from rftlab.tasks.base import Example
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.test_cost import TRAINED
from tests.toy_mdp import toy_policy, toy_run

FEW = {"prompts_per_step": 2, "num_generations": 4}
SMALL: dict[str, dict[str, Any]] = {
    **dict.fromkeys(TRAINED, FEW), "sft": {}, "sft+grpo": {"stages": [
        {"method": "sft", "share": 0.25}, {"method": "grpo", "share": 0.75, "settings": FEW}]},
    "kto": {"generations": 64, "up_from": 0.4}, "dpo": {"pair_generations": 64},
    "rlhf": {**FEW, "pair_generations": 64, "reward_share": 0.4},
    "rejection_sft": {"samples": 100}, "distill-offline": {"samples": 100},
}  # fmt: skip
_FURTHER = [("rlhf", "flops"), ("ppo", "seconds"), ("rejection_sft", "seconds")]
AMOUNT = {"tokens": 1600.0, "flops": 3e8, "seconds": 1.5}


def spend(method: str, unit: str, amount: float, **arguments: Any) -> TrainingRun:
    """A finished run; its clock ticks a second for 1e8 FLOPs."""
    policy = toy_policy(0)
    clock: list[Monitor] = []
    monitor = Monitor(
        policy, Budget(unit=unit, amount=amount), clock=lambda: clock[0].cost.flops / 1e8 if clock else 0.0
    )
    clock.append(monitor)
    run = replace(toy_run(method, 0, policy=policy, **arguments), monitor=monitor)
    load_method(method).train(run)
    monitor.close()
    return run


def steps_cost(run: TrainingRun, unit: str) -> list[float]:
    spent = [
        row["tokens_generated"] + row["tokens_trained"] if unit == "tokens" else row[unit] for row in run.monitor.trace
    ]
    return [after - before for before, after in itertools.pairwise([0.0, *spent])]


@pytest.mark.parametrize(
    ("method", "unit"),
    [(method, "tokens") for method in TRAINED]
    + [("grpo", "flops"), ("sft", "seconds")]
    + [pytest.param(*case, marks=pytest.mark.slow) for case in _FURTHER],
)
def test_a_budget_is_met_within_a_step_never_overspent_and_what_is_off_is_said(method: str, unit: str) -> None:
    amount = AMOUNT[unit]
    run = spend(method, unit, amount, **SMALL[method])
    spent, largest = run.monitor.cost.spent(unit), max(steps_cost(run, unit)[-12:])
    assert amount - 1.2 * largest <= spent <= amount + 0.1 * largest
    said = " ".join(run.monitor.warnings)
    assert ("was spent" in said) == (abs(spent / amount - 1) > 0.05)
    assert ("one step costs" in said) == (run.monitor._largest > 0.05 * amount)


def test_more_rollouts_than_the_budget_holds_are_said_and_the_rest_left() -> None:
    run = spend("grpo", "tokens", 500.0, prompts_per_step=2, num_generations=16)
    assert run.monitor.cost.optimizer_steps == 1
    assert any("one step costs up to" in sentence for sentence in run.monitor.warnings)
    assert any("of the budget of 500 tokens was spent" in sentence for sentence in run.monitor.warnings)


@pytest.mark.parametrize("method", ["sft", "grpo", "ppo", "rejection_sft", "sft+grpo"])
def test_a_budget_of_two_and_a_half_steps_is_two_in_every_method(method: str) -> None:
    run = spend(method, "steps", 2.5, **SMALL[method])
    assert run.monitor.cost.optimizer_steps == 2
    assert run.monitor.warnings == ["a budget of 2.5 steps is 2 whole ones"]
    assert run.monitor.fraction == 1


def test_a_reused_draw_does_not_end_the_budget_early() -> None:
    """The first of four updates pays for the draw; the other three are known to be cheaper."""
    run = spend("grpo", "flops", 3e8, minibatches=4, **FEW)
    assert run.monitor.fraction > 0.9


LABELS = [Example(f"e{i}", "abc"[i % 3] * (1 + i // 3 % 4), "ca", rationale="ca") for i in range(40)]


@pytest.mark.parametrize(("unit", "amount"), [("tokens", 1500.0), pytest.param("seconds", 0.6, marks=pytest.mark.slow)])
def test_rejection_sampling_trains_whatever_the_label_budget(unit: str, amount: float) -> None:
    tokens = []
    for labels in (1, 40):
        run = spend("rejection_sft", unit, amount, examples=LABELS[:labels])
        assert len({row["train/asked"] for row in run.monitor.trace}) <= 3
        assert run.monitor.cost.spent(unit) == pytest.approx(amount, rel=0.1)
        tokens.append(run.monitor.cost.tokens_trained)
    assert min(tokens) > 0.6 * max(tokens), "the label curve would show the bookkeeping"


def test_rejection_sampling_never_leaves_a_round_it_sampled_untrained() -> None:
    every = FunctionVerifier(lambda completion, example: 1.0)
    run = spend("rejection_sft", "tokens", 60.0, verifier=every, examples=LABELS[:8])
    assert run.monitor.cost.tokens_generated > 60, "more than the budget was sampled before that could be known"
    assert run.monitor.cost.optimizer_steps == 1
    assert len({(row["train/kept"], row["tokens_generated"]) for row in run.monitor.trace}) == 1


def test_prompts_that_had_no_turn_come_first_in_the_next_round() -> None:
    seen: list[str] = []
    every = FunctionVerifier(lambda completion, example: seen.append(example.id) or 0.0)
    spend("rejection_sft", "tokens", 2000.0, verifier=every, examples=LABELS)
    assert len(set(seen)) == len(LABELS)


def test_time_moves_while_a_method_samples() -> None:
    never = FunctionVerifier(lambda completion, example: 0.0)
    run = spend("rejection_sft", "seconds", 1.0, verifier=never)
    assert run.monitor.cost.optimizer_steps == 0
    assert 0.4 <= run.monitor.cost.seconds <= 1.05


def test_a_stage_that_takes_no_step_is_said() -> None:
    run = spend("sft+grpo", "tokens", 8.0)
    assert run.monitor.cost.optimizer_steps == 1
    (said,) = [sentence for sentence in run.monitor.warnings if "stage" in sentence]
    assert said == (
        "stage 2 of sft+grpo, grpo, took no step: nothing was left of its share of the budget; what is measured here "
        "is the other stages"
    )


def test_the_draw_that_normalises_the_score_is_trained_on() -> None:
    run = spend("rlhf", "steps", 12.0, **SMALL["rlhf"], sft_share=0.1)
    rows = [row for row in run.monitor.trace if "train/score" in row]
    assert rows[0]["train/score"] <= 1e-6, "normalised to 0 on this draw, before what is taken off cut completions"
    drawn = run.monitor.cost.verifier_calls - 2 * 64
    assert drawn == 8 * -(-len(rows) // 4)


def test_preparation_is_neither_a_step_nor_part_of_the_schedule() -> None:
    run = spend("dpo", "tokens", 3000.0, pair_generations=64, warmup_ratio=0.0)
    rates = [row["train/learning_rate"] for row in run.monitor.trace]
    assert rates[0] == pytest.approx(run.learning_rate)
    assert rates[-1] < 0.25 * run.learning_rate
    assert not any("one step costs" in sentence and "up to 5" in sentence for sentence in run.monitor.warnings)
