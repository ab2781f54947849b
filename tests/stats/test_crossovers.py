"""Crossovers in both directions, none, several."""

from math import inf, isnan, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab import stats


def interval(low: float, mean: float, high: float) -> stats.Interval:
    return stats.Interval(mean, low, high, 2)


def around(*means: float, half: float = 0.1) -> list[stats.Interval]:
    return [interval(mean - half, mean, mean + half) for mean in means]


def test_crossover_is_interpolated_on_the_log_axis():
    found = stats.crossover([10, 1000], around(-0.2, 0.2))
    assert (found.outcome, found.overtaking) == ("found", "first")
    assert found.estimate == pytest.approx(100)
    assert log(found.low) == pytest.approx(log(10) + log(100) * 0.25)
    assert log(found.high) == pytest.approx(log(10) + log(100) * 0.75)


@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0.01, 0.3)), min_size=2, max_size=5))
def test_from_the_other_side_the_same_budget_is_found_and_the_other_overtakes(points):
    labels = [10 * 3**n for n in range(len(points))]
    there = stats.crossover(labels, [interval(m - h, m, m + h) for m, h in points])
    back = stats.crossover(labels, [interval(-m - h, -m, -m + h) for m, h in points])
    assert there.outcome == back.outcome
    assert (there.estimate, there.low, there.high) == pytest.approx((back.estimate, back.low, back.high), nan_ok=True)
    assert {there.overtaking, back.overtaking} in ({"first", "second"}, {""})


@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0.01, 0.3)), min_size=2, max_size=5))
def test_limits_hold_the_estimate_and_no_conclusive_budget(points):
    labels = [10 * 3**n for n in range(len(points))]
    differences = [interval(m - h, m, m + h) for m, h in points]
    found = stats.crossover(labels, differences)
    if found.outcome == "found":
        assert found.low <= found.estimate <= found.high
        assert not any(d.conclusive for n, d in zip(labels, differences, strict=True) if found.low < n < found.high)


def test_crossover_is_none_in_range_where_one_side_leads_throughout():
    assert stats.crossover([10, 100], around(0.2, 0.2)).outcome == "none in range"


def test_a_lead_that_turns_twice_has_no_single_crossover():
    found = stats.crossover([10, 30, 100], around(0.2, -0.2, 0.2))
    assert (found.outcome, found.overtaking) == ("several", "")
    assert isnan(found.estimate)


def test_undecided_budgets_between_two_leads_widen_the_limits():
    narrow = stats.crossover([10, 100], around(-0.2, 0.2))
    wide = stats.crossover([10, 20, 50, 100], around(-0.2, -0.05, 0.05, 0.2))
    assert wide.outcome == "found"
    assert wide.high - wide.low > narrow.high - narrow.low


@pytest.mark.parametrize(("means", "overtaking"), [((-0.1, 0.1), "first"), ((0.1, -0.1), "second"), ((0.0, 0.0), "")])
def test_crossover_is_inconclusive_where_the_intervals_hold_zero(means, overtaking):
    found = stats.crossover([10, 100], around(*means, half=0.2))
    assert (found.outcome, found.overtaking) == ("inconclusive", overtaking)
    assert (found.low, found.high) == (0.0, inf)


def test_crossover_with_undefined_intervals_is_inconclusive():
    assert stats.crossover([10, 100], [interval(nan, -0.1, nan), interval(nan, 0.1, nan)]).outcome == "inconclusive"
    assert stats.crossover([], []).outcome == "inconclusive"


def test_order_of_the_budgets_does_not_matter():
    labels, differences = [10, 30, 100], around(-0.3, -0.15, 0.25)
    assert stats.crossover(labels, differences) == stats.crossover(labels[::-1], differences[::-1])


def test_a_budget_without_an_interval_is_passed_over():
    found = stats.crossover([10, 30, 100], [*around(-0.2), interval(nan, nan, nan), *around(0.2)])
    assert found.outcome == "found"
    assert np.isfinite([found.estimate, found.low, found.high]).all()
