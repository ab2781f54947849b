"""Ratios with intervals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from rftlab.stats import Interval, ratio_interval

COST = st.floats(0.01, 1e6)
SHARE = st.floats(0.001, 0.9)


def exact(value):
    return Interval(value, value, value, 5)


@given(COST, SHARE, st.floats(0.01, 0.99), st.floats(0, 5))
def test_an_exact_cost_gives_the_inverses_of_the_limits(cost, gain, down, up):
    below = Interval(gain, gain * down, gain * (1 + up), 5)
    found = ratio_interval(exact(cost), below)
    assert found.estimate == pytest.approx(cost / gain)
    assert found.low == pytest.approx(cost / below.high)
    assert found.high == pytest.approx(cost / below.low)


@given(COST, SHARE, st.floats(0, 0.9), st.floats(0.01, 0.99), st.floats(0.001, 1000))
def test_limits_hold_the_estimate_grow_with_either_spread_and_scale(cost, gain, half, down, times):
    below = Interval(gain, gain * down, gain * (2 - down), 5)
    above = Interval(cost, cost * (1 - half), cost * (1 + half), 5)
    found, narrow = ratio_interval(above, below), ratio_interval(exact(cost), below)
    slack = 1e-9 * cost / gain
    assert found.low <= narrow.low + slack <= found.estimate + 2 * slack
    assert found.high >= narrow.high - slack >= found.estimate - 2 * slack
    scaled = ratio_interval(Interval(times * cost, times * above.low, times * above.high, 5), below)
    assert scaled.high == pytest.approx(times * found.high)
    assert scaled.low == pytest.approx(times * found.low, abs=1e-6 * times * cost / gain)


@given(COST, st.floats(-0.5, 0.5), st.floats(-0.9, 0.0))
def test_where_the_gain_may_be_nothing_there_are_no_limits(cost, gain, low):
    found = ratio_interval(exact(cost), Interval(gain, min(low, gain), 0.9, 5))
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(found.estimate) == (gain <= 0)


def test_with_symmetric_limits_it_is_fiellers():
    cost, error, gain, spread, t = 100.0, 8.0, 0.2, 0.03, 2.5
    found = ratio_interval(
        Interval(cost, cost - t * error, cost + t * error, 5), Interval(gain, gain - t * spread, gain + t * spread, 5)
    )
    a, b, c = gain**2 - (t * spread) ** 2, -2 * cost * gain, cost**2 - (t * error) ** 2
    assert [found.low, found.high] == pytest.approx(sorted(np.roots([a, b, c])))


def test_it_holds_the_truth_as_often_as_it_says():
    chance = np.random.default_rng(0)
    cost, gain, t = 50.0, 0.1, float(scipy_stats.norm.ppf(0.975))
    held = 0
    for c, g in zip(chance.normal(cost, 4, 2000), chance.normal(gain, 0.02, 2000), strict=True):
        found = ratio_interval(Interval(c, c - t * 4, c + t * 4, 5), Interval(g, g - t * 0.02, g + t * 0.02, 5))
        held += not found.low > cost / gain and not found.high < cost / gain
    assert 0.935 <= held / 2000 <= 0.97
