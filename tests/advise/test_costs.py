"""Costs predicted from what was measured: a made-up machine whose law is known."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.advise import costs
from rftlab.advise.costs import COVERAGE, Amount, Rates, makespan
from rftlab.advise.measured import Measured, kind_of
from rftlab.cell import Cell


def ran(slow: float = 1.0, **values: Any) -> Measured:
    """A cell of the made-up machine: 2 s to start, 1 s and .3 s a step to train, .01 s a completion, .002 s an item."""
    cell = Cell.make({"labels": 50, "evaluation.ood_items": 0, "evaluation.retention": "", **values})
    evaluation, steps = cell.evaluation, cell.budget.amount
    asked = {"test": evaluation.test_items, "sampled": evaluation.sampled_items * evaluation.samples}
    n = sum(asked.values())
    train, along = 1 + 0.3 * steps, (evaluation.along_the_way + 1) * 0.002 * evaluation.along_items
    return Measured(
        cell, wall=slow * (2 + train + along + 0.01 * n), train=slow * train, along=slow * along,
        evaluation=slow * 0.01 * n, steps=steps, tokens_generated=100 * steps, tokens_trained=300 * steps,
        flops=1e9 * steps, peak_bytes=5e8, sample_bytes=400.0 * n, other_bytes=1e5,
        asked=asked,
    )  # fmt: skip


SHORT = {"budget.amount": 2.0, "evaluation.test_items": 10, "evaluation.sampled_items": 2, "evaluation.along_items": 5}
LONGER = {
    "budget.amount": 8.0,
    "evaluation.test_items": 60,
    "evaluation.sampled_items": 9,
    "evaluation.along_items": 20,
}


@given(
    steps=st.integers(1, 500), items=st.integers(1, 1000), sampled=st.integers(0, 50), looks=st.integers(0, 9),
    along=st.integers(1, 200),
)  # fmt: skip
def test_two_short_runs_tell_what_any_length_takes_where_costs_are_straight_lines(steps, items, sampled, looks, along):
    values = {
        "budget.amount": float(steps), "evaluation.test_items": items, "evaluation.sampled_items": sampled,
        "evaluation.along_the_way": looks, "evaluation.along_items": along,
    }  # fmt: skip
    truth = ran(**values)
    if not looks:
        truth = replace(truth, wall=truth.wall - truth.along)
    found = Rates.of_probes([ran(**SHORT), ran(**LONGER)]).predict(truth.cell)
    assert found is not None
    for axis, value in costs.actual(truth).items():
        assert found[axis].estimate == pytest.approx(value, rel=1e-6), axis
        assert found[axis].low <= value <= found[axis].high


@pytest.mark.parametrize(("unit", "amount"), [("flops", 4e10), ("tokens", 16_000.0), ("seconds", 13.0)])
def test_a_budget_in_another_unit_is_turned_into_steps(unit, amount):
    cell = Cell.make({**ran().cell.flat(), "budget.unit": unit, "budget.amount": amount})
    found = Rates.of_probes([ran(**SHORT), ran(**LONGER)]).predict(cell)
    assert found is not None
    assert found["tokens_trained"].estimate == pytest.approx(300 * 40)
    assert found["wall"].estimate == pytest.approx(ran(**{"budget.amount": 40.0}).wall)


def test_a_plateau_is_planned_to_its_cap_and_may_end_at_its_patience():
    until = {"budget.until": "plateau", "evaluation.along_the_way": 20, "budget.patience": 5}
    cell = Cell.make({**ran().cell.flat(), **until})
    found = Rates.of_probes([ran(**SHORT), ran(**LONGER)]).predict(cell)
    assert found is not None
    assert found["flops"].estimate == pytest.approx(4e10)
    assert found["flops"].low < 1e10 < found["flops"].estimate
    ended = [replace(ran(**until), steps=steps) for steps in (20, 30)]
    known = Rates.of_cells(ended).predict(cell)
    assert known is not None
    assert known["tokens_trained"].estimate == pytest.approx(300 * 40)  # 25 steps, at 480 tokens each


def test_cells_of_another_kind_say_nothing_and_amounts_make_no_kind():
    known = Rates.of_cells([ran(seed=0), ran(seed=1)])
    assert known.predict(Cell.make({**ran().cell.flat(), "method": "grpo"})) is None
    assert known.predict(Cell.make({**ran().cell.flat(), "adapter.r": 8})) is None
    assert kind_of(ran(seed=3, labels=10, **LONGER).cell) == kind_of(ran().cell)


def test_the_cells_with_the_nearest_labels_are_gone_by():
    known = Rates.of_cells([ran(labels=10), ran(slow=2, labels=100)])
    found = known.predict(ran(labels=200).cell)
    assert found is not None
    assert found["wall"].estimate == pytest.approx(ran(slow=2, labels=100).wall)


def test_an_interval_is_as_wide_as_cells_that_were_held_out_were_off():
    alike = Rates.of_cells([ran(seed=seed) for seed in range(6)])
    apart = Rates.of_cells([ran(slow=slow, seed=seed) for seed, slow in enumerate((0.3, 0.6, 1, 1, 1.7, 3))])
    assert alike.held_out == apart.held_out == 6
    assert alike.own_error == pytest.approx(0, abs=1e-9)
    for known in (alike, apart):
        found = known.predict(ran().cell)
        assert found is not None
        assert found["wall"].low < found["wall"].estimate < found["wall"].high
    assert alike.errors["wall"] == pytest.approx(costs.RUNS_OF_CELLS["wall"])
    assert apart.errors["wall"] > 2 * alike.errors["wall"]
    assert apart.errors["flops"] == alike.errors["flops"]


def test_an_untrained_arm_trains_nothing():
    base = replace(ran(), train=0.0, steps=0.0, tokens_generated=0.0, tokens_trained=0.0, flops=0.0)
    found = Rates.of_probes([base]).predict(base.cell)
    assert found is not None
    assert found["flops"] == Amount(0.0, 0.0, 0.0)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_a_makespan_is_neither_shorter_than_the_work_nor_longer_than_list_scheduling_allows(seconds, workers):
    found = makespan(seconds, workers)
    least = max(max(seconds), sum(seconds) / workers)
    assert least * (1 - 1e-9) <= found <= sum(seconds) / workers + max(seconds) + 1e-9


def test_sums_and_the_largest_keep_their_intervals():
    both = [Amount(2, 1, 3), Amount(5, 4, 9)]
    assert Amount.summed(both) == (7, 5, 12)
    assert Amount.largest(both) == (5, 4, 9)
    assert Amount.summed([]) == (0, 0, 0)
    assert 0.5 < COVERAGE < 1
    assert math.isclose(Amount(2, 1, 3).times(2).high, 6)
