"""A run that ends at its plateau: one rule for every method, which stops it and keeps the best policy."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.methods.base import TrainingRun, load_method
from rftlab.methods.cost import Cost
from rftlab.methods.marks import Marks
from rftlab.methods.monitor import Monitor
from rftlab.methods.plateau import Plateau
from rftlab.parts import Budget
from rftlab.stopping import refuse_unreadable
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import graded
from tests.methods.test_budget import SMALL
from tests.methods.test_cost import TRAINED
from tests.toy_mdp import toy_policy, toy_run

Weights = dict[str, Tensor]


def weights(run: TrainingRun) -> Weights:
    return {name: p.detach().clone() for name, p in run.policy.model.named_parameters() if p.requires_grad}


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def to_plateau(
    method: str,
    curve: Sequence[float],
    *,
    cap: int = 12,
    patience: int = 2,
    kind: str = "lora",
    marks: Sequence[float] = (),
    **settings: Any,
) -> tuple[TrainingRun, dict[float, Weights]]:
    """A run that is evaluated after every step, each stage to this curve; its weights by step, and by mark."""
    policy = toy_policy(0, kind=kind)
    seen: dict[float, Weights] = {}

    def evaluate() -> dict[str, float]:
        stops = [row["kind"] == "stop" for row in monitor.trace]
        since = len(stops) - stops[::-1].index(True) if any(stops) else 0
        seen[monitor.cost.optimizer_steps] = weights(run)
        return {"eval/accuracy": curve[sum(row["kind"] == "eval" for row in monitor.trace[since:])]}

    def score(mark: float, *, untrained: bool) -> float:
        seen[mark] = weights(run)
        return 0.0

    monitor = Monitor(
        policy, Budget(amount=float(cap), until="plateau"), evaluate=evaluate, evaluations=cap,
        plateau=Plateau(policy, patience=patience, items=100), marks=Marks(marks, score),
    )  # fmt: skip
    run = toy_run(method, 0, policy=policy, kind=kind, verifier=FunctionVerifier(graded), **settings)
    run = replace(run, monitor=monitor)
    with monitor:
        load_method(method).train(run)
    monitor.end_stage()
    return run, seen


OWN: dict[str, dict[str, Any]] = {
    "rejection_sft": {"samples": 100, "min_reward": 0.1}, "ddpg": {"warmup_updates": 0},
    "kto": {"up_from": 0.4}, "sdpo": {"success_reward_threshold": 0.2}, "distill-offline": {"min_reward": 0.1},
    "sft-matched-rollouts": {"min_reward": 0.1},
}  # fmt: skip


@pytest.mark.parametrize("method", TRAINED)
def test_every_method_stops_at_its_plateau_and_keeps_the_last_of_its_best_policies(method: str) -> None:
    cap = 24
    curve = [0.1, 0.5, 0.5, 0.2, 0.2] + [0.2] * cap
    run, seen = to_plateau(method, curve, cap=cap, **{**SMALL[method], **OWN.get(method, {})})
    kept = run.monitor.kept
    assert kept is not None
    assert (kept.reason, kept.accuracy) == ("plateau", 0.5)
    stops = [row for row in run.monitor.trace if row["kind"] == "stop"]
    late = [stop["step"] - stop["restored_step"] for stop in stops if stop["reason"] == "plateau"]
    assert set(late) <= {1, 3}, (
        "so many steps too many: 3 in a later stage, none of which is above what it started from"
    )
    assert stops[-1]["restored_step"] == kept.cost.optimizer_steps < run.monitor.cost.optimizer_steps < cap
    assert same(weights(run), seen[kept.cost.optimizer_steps])
    if method != "grpo-format":  # the toy has no format to learn
        assert not same(weights(run), seen[kept.cost.optimizer_steps + 1])
    assert not any("was spent" in said or "not at its plateau" in said for said in run.monitor.warnings)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_at_the_cap_the_best_policy_is_kept_and_the_record_warns_that_it_had_not_stood_still(kind: str) -> None:
    run, seen = to_plateau("sft", [0.1, 0.3, 0.6, 0.5, 0.5], cap=4, patience=3, kind=kind)
    kept = run.monitor.kept
    assert kept is not None
    assert (kept.reason, kept.cost.optimizer_steps, run.monitor.cost.optimizer_steps) == ("cap", 3, 4)
    assert same(weights(run), seen[3])
    (said,) = run.monitor.warnings
    assert "not at its plateau" in said
    assert "last risen at step 3" in said


def test_each_stage_of_a_sequence_ends_with_its_best_and_the_run_with_that_of_the_last() -> None:
    stages = [{"method": "sft", "share": 0.5}, {"method": "sft", "share": 0.5}]
    curves = {"first": [0.1, 0.9, 0.2, 0.2], "second": [0.3, 0.4, 0.1, 0.1, 0.1, 0.1]}
    calls = iter([*curves["first"], *curves["second"]])
    run, seen = to_plateau("sft+grpo", _Calls(calls), cap=12, stages=stages)
    first, second = [row for row in run.monitor.trace if row["kind"] == "stop"]
    assert (first["step"], first["restored_step"], first["restored_value"]) == (4, 2, 0.9)
    assert (second["step"], second["restored_step"], second["restored_value"]) == (10, 6, 0.4)
    assert same(weights(run), seen[6])


class _Calls(list[float]):
    """A curve that is not the same in every stage."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __getitem__(self, _: Any) -> Any:
        return next(self._values)


@pytest.mark.parametrize(
    ("curve", "patience", "stops", "best"),
    [
        ([0.5, 0.51, 0.51, 0.51], 2, 3, 3),  # one item of a hundred is no gain, but it is kept
        ([0.5, 0.51, 0.52, 0.52, 0.52], 2, 5, 5),  # two one by one are
        ([0.5, 0.4, 0.6, 0.4, 0.4], 2, 5, 3),
        ([0.9, 0.1, 0.5, 0.8], 3, 4, 1),
    ],
)  # fmt: skip
def test_the_rule(curve: list[float], patience: int, stops: int, best: int) -> None:
    plateau = Plateau(toy_policy(0), patience=patience, items=100)
    for step, accuracy in enumerate(curve, start=1):
        assert not plateau.reached
        plateau.evaluated(accuracy, Cost(optimizer_steps=step))
        if plateau.reached:
            break
    assert step == stops
    kept = plateau.end_stage("cap")
    assert kept is not None
    assert kept.cost.optimizer_steps == best


@pytest.mark.parametrize(("curve", "stops"), [([0.1] * 9, 5), ([0.1, 0.1, 0.1, 0.2, 0.2, 0.2], 6)])
def test_a_run_that_is_not_yet_above_its_start_is_given_twice_the_patience(curve: list[float], stops: int) -> None:
    plateau = Plateau(toy_policy(0), patience=2, items=100)
    plateau.starts_from(0.1)
    for step, accuracy in enumerate(curve, start=1):
        plateau.evaluated(accuracy, Cost(optimizer_steps=step))
        if plateau.reached:
            break
    assert step == stops


def test_a_stage_that_was_never_evaluated_leaves_the_policy_as_it_is() -> None:
    plateau = Plateau(toy_policy(0), patience=1, items=10)
    assert plateau.end_stage("cap") is None
    assert plateau.kept is None


@pytest.mark.parametrize("method", ["sft", "grpo", "dpo"])
def test_the_rate_rises_and_stays_whatever_the_method_does_otherwise(method: str) -> None:
    run, _ = to_plateau(method, [i / 10 for i in range(12)], cap=10, **{**SMALL[method], "warmup_ratio": 0.2})
    rates = [row["train/learning_rate"] for row in run.monitor.trace if row["kind"] == "train"]
    assert rates == pytest.approx([run.learning_rate / 2] + [run.learning_rate] * 9)


SEEN = {"evaluation.along_the_way": 15}
COSINE = {"stages": [{"settings": {"lr_scheduler_type": "cosine"}}]}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"evaluation.along_the_way": 0}, "along_the_way is 0"),
        ({"evaluation.along_the_way": 3}, "after 5 evaluations .* only 3"),
        ({"settings": {"lr_scheduler_type": "linear"}, **SEEN}, "'linear', but .* nobody knows"),
        ({"method": "sft+grpo", "settings": COSINE, **SEEN}, "'cosine'"),
    ],
)  # fmt: skip
def test_a_plateau_that_cannot_be_seen_or_decayed_to_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(RftlabError, match=says):
        refuse_unreadable(Cell.make({"budget.until": "plateau", **values}))
    refuse_unreadable(Cell.make({"budget.until": "spent", **values}))
    refuse_unreadable(Cell.make({"budget.until": "plateau", **values, "method": "base"}))


def test_the_recorded_policy_is_the_restored_one_and_both_costs_are_recorded(small_cell: Any) -> None:
    values = {"budget.until": "plateau", "budget.amount": 12.0, "budget.patience": 2, "evaluation.along_the_way": 12}
    experiment = Experiment(small_cell(**values, **{"evaluation.along_items": 20}))
    trace = experiment.train()
    stop = experiment.trace[-1]
    assert stop["kind"] == "stop"
    looks = trace[trace["kind"] == "eval"].set_index("step")["eval/accuracy"]
    assert stop["restored_value"] == looks[looks.index > 0].max() == looks[stop["restored_step"]]
    assert experiment.evaluate()["development_accuracy"] == stop["restored_value"]
    cost = experiment.record().cost
    assert cost["restored_optimizer_steps"] == stop["restored_step"] <= cost["optimizer_steps"] == stop["step"]
    assert 0 < cost["restored_flops"] <= cost["flops"]
    assert cost["at_plateau"] == (stop["reason"] == "plateau")
