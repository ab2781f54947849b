"""FLOP marks: each policy is scored once where training crosses them, and training is the same with and without."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.methods.base import load_method
from rftlab.methods.marks import Marks
from rftlab.methods.monitor import Monitor
from rftlab.parts import Budget
from rftlab.stopping import refuse_unreadable
from tests.methods.test_budget import SMALL
from tests.methods.test_plateau import Weights, same, to_plateau, weights
from tests.toy_mdp import toy_policy, toy_run

FAST: dict[str, Any] = {
    "budget.until": "plateau", "budget.amount": 6.0, "budget.patience": 2, "evaluation.along_the_way": 6,
}  # fmt: skip


def marked(method: str, amounts: list[float], **settings: Any) -> tuple[Monitor, dict[float, tuple[Weights, bool]]]:
    """A run of eight steps on the toy, and the weights that were scored at each mark."""
    policy, seen = toy_policy(0), {}

    def score(mark: float, *, untrained: bool) -> float:
        assert mark not in seen
        seen[mark] = (weights(run), untrained)
        return 0.0

    monitor = Monitor(policy, Budget(amount=8.0), marks=Marks(amounts, score))
    run = replace(toy_run(method, 0, policy=policy, **{**SMALL[method], **settings}), monitor=monitor)
    with monitor:
        load_method(method).train(run)
    return monitor, seen


def flops(monitor: Monitor) -> list[float]:
    return [row["flops"] for row in monitor.trace if row["kind"] == "train"]


@pytest.mark.parametrize("method", ["sft", "grpo", "ppo", "rejection_sft", "sft+grpo"])
def test_a_mark_is_read_at_the_last_step_within_it(method: str) -> None:
    plain, _ = marked(method, [])
    after = flops(plain)
    between = [(low + high) / 2 for low, high in itertools.pairwise(after[2:6])]
    monitor, seen = marked(method, [after[0] / 2, *between, 2 * after[-1]])
    assert flops(monitor) == after, "marks are not charged"
    rows = [row for row in monitor.trace if row["kind"] == "mark"]
    assert [row["mark"] for row in rows] == [after[0] / 2, *between], "beyond the end there is nothing to score"
    assert seen[after[0] / 2][1], "the untrained policy, as the first step is beyond it"
    # Steps of unlike size, such as a stage's first, are seen to have gone beyond a mark once they are over.
    assert all(row["flops"] <= row["mark"] or row["step"] in (3, 4, 5) for row in rows[1:])
    if method in ("sft", "ppo"):
        assert [row["step"] for row in rows] == [1, 3, 4, 5]


def test_where_a_run_goes_to_its_plateau_the_best_policy_so_far_stands_at_a_mark() -> None:
    curve = [0.1, 0.9, 0.2, 0.2, 0.2]
    plain, seen = to_plateau("sft", curve, patience=3)
    spent = {row["step"]: row["flops"] for row in plain.monitor.trace if row["kind"] == "train"}
    run, again = to_plateau("sft", curve, patience=3, marks=[spent[4]])
    (row,) = [row for row in run.monitor.trace if row["kind"] == "mark"]
    assert (row["step"], row["marked_step"]) == (4, 2)
    assert same(again[spent[4]], seen[2])
    assert all(same(again[step], seen[step]) for step in seen)


@pytest.mark.parametrize(
    ("method", "more"), [("sft", {"adapter.dropout": 0.1}), ("grpo", {"settings": SMALL["grpo"]})]
)  # fmt: skip
def test_a_run_with_marks_and_one_without_leave_the_same_policy_bit_for_bit(
    method: str, more: dict[str, Any], small_cell: Callable[..., Cell]
) -> None:
    plain = Experiment(small_cell(**FAST, method=method, **more))
    plain.train()
    plain.evaluate()
    after = [row["flops"] for row in plain.trace if row["kind"] == "train"]
    marks = [after[0] / 2, (after[1] + after[2]) / 2, after[-1] * 2]
    with_marks = Experiment(small_cell(**FAST, method=method, **more, **{"evaluation.marks": marks}))
    with_marks.train()
    with_marks.evaluate()
    one, two = (dict(e.policy.model.named_parameters()) for e in (plain, with_marks))
    assert all(torch.equal(one[name], two[name]) for name in one)
    a, b = plain.record(), with_marks.record()
    assert a.metrics == b.metrics
    assert {k: v for k, v in a.cost.items() if "seconds" not in k and "peak" not in k} == {
        k: v for k, v in b.cost.items() if "seconds" not in k and "peak" not in k
    }
    unmarked = [row for row in with_marks.trace if row["kind"] != "mark"]
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in t] for t in (plain.trace, unmarked)]
    assert timeless[0] == timeless[1]


def test_the_outcomes_at_marks_are_small_rows_of_the_samples(small_cell: Callable[..., Cell], tmp_path: Any) -> None:
    from rftlab.record import SAMPLES, read_lines

    experiment = Experiment(small_cell(**FAST, **{"evaluation.marks": [1.0, 1e20]}), out=tmp_path)
    before = [row["reward"] for row in experiment._along.ask_test_items(experiment.policy)]
    experiment.train()
    experiment.evaluate()
    experiment.save()
    rows = [row for row in read_lines(tmp_path / SAMPLES) if row["part"] == "mark"]
    assert {row["mark"] for row in rows} == {1.0}
    assert all(set(row) == {"part", "mark", "item", "reward"} for row in rows)
    assert [row["reward"] for row in rows] == before, "the first mark lies before the first step"


def test_marks_are_refused_where_a_rate_may_decay_over_more_than_they_are() -> None:
    with pytest.raises(RftlabError, match="set budget.until: plateau"):
        refuse_unreadable(Cell.make({"evaluation.marks": [1e9]}))
    with pytest.raises(RftlabError, match="each above the one before"):
        Cell.make({"evaluation.marks": [2e9, 1e9]})
    refuse_unreadable(Cell.make({"evaluation.marks": [1e9], "method": "base"}))
