"""The learning rate's course: the same share of the budget for all methods, in every unit, and never 0."""

import pytest

from rftlab.methods.base import RateSettings, load_method
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import graded
from tests.methods.test_budget import SMALL, spend
from tests.methods.test_cost import TRAINED
from tests.toy_mdp import toy_run

WITH_RATE = [name for name in TRAINED if issubclass(load_method(name).Settings, RateSettings)]


def test_every_method_but_sequences_has_the_same_warm_up() -> None:
    assert set(TRAINED) - set(WITH_RATE) == {"sft+grpo"}
    assert {load_method(name).Settings().warmup_ratio for name in WITH_RATE} == {0.05}


@pytest.mark.parametrize("method", [m for m in WITH_RATE if m not in {"trpo", "rlhf"}])
def test_the_first_update_has_a_rate_and_the_warm_up_is_that_share_of_the_budget(method: str) -> None:
    own = {
        "ddpg": {"warmup_updates": 0}, "rejection_sft": {"rounds": 1, "min_reward": 0.1},
        "distill-offline": {"min_reward": 0.1}, "sft-matched-rollouts": {"min_reward": 0.1},
    }.get(method, {})  # fmt: skip
    settings = {**SMALL[method], **own, "warmup_ratio": 0.5, "lr_scheduler_type": "constant_with_warmup"}
    run = spend(method, "steps", 8.0, verifier=FunctionVerifier(graded), **settings)
    rates = [row["train/learning_rate"] / run.learning_rate for row in run.monitor.trace]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("unit", ["steps", "tokens", "flops", "seconds"])
def test_a_linear_decay_ends_with_the_budget_in_every_unit(unit: str) -> None:
    run = spend("sft", unit, {"steps": 40.0, "tokens": 400.0, "flops": 5.3e7, "seconds": 0.53}[unit])
    shares = [row["train/learning_rate"] / run.learning_rate for row in run.monitor.trace]
    assert len(shares) == pytest.approx(40, abs=2)
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert shares[2:] == pytest.approx([1 - (k - 2) / 38 for k in range(2, len(shares))], abs=0.06)
    assert shares[-1] > 0


def test_a_schedule_runs_over_its_stage() -> None:
    stages = [{"method": "sft", "share": 0.5}, {"method": "sft", "share": 0.5}]
    run = spend("sft+grpo", "steps", 20.0, rate=1e-3, stages=stages)
    rates = [row["train/learning_rate"] for row in run.monitor.trace]
    assert rates[:10] == pytest.approx(rates[10:])
    assert rates[0] > 5 * rates[9] > 0


@pytest.mark.parametrize(("schedule", "shares"), [("linear", [1, 0.5]), ("cosine", [1, 0.5]), ("constant", [1, 1])])
def test_shapes(schedule: str, shares: list[float]) -> None:
    monitor = toy_run("sft", 0, steps=2).monitor
    found = []
    for _ in shares:
        found.append(monitor.rate(schedule, 0.0))
        monitor.step({})
    assert found == pytest.approx(shares)
