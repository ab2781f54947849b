"""Seeds that collapsed, and what few seeds cannot rule out."""

from math import isnan, nan

import pytest
from scipy import stats as scipy_stats

from rftlab import stats


@pytest.mark.parametrize(("happened", "seeds"), [(0, 5), (1, 5), (0, 3), (4, 10), (5, 5)])
def test_the_bound_is_clopper_and_pearsons_upper_limit(happened, seeds):
    exact = scipy_stats.binomtest(happened, seeds, alternative="less").proportion_ci(0.95, method="exact").high
    assert stats.at_most(happened, seeds) == pytest.approx(exact)


def test_none_of_five_still_leaves_forty_five_percent():
    found = stats.collapse([0.9, 0.92, 0.88, 0.9, 0.91], base=0.6)
    assert (found.collapsed, found.seeds) == (0, 5)
    assert found.at_most == pytest.approx(0.45, abs=0.002)


@pytest.mark.parametrize(
    ("accuracies", "base", "count"),
    [
        ([0.9, 0.0, 0.9], 0.6, 1),
        ([0.9, 0.78, 0.93], 0.6, 0),  # a bad seed, not a collapse
        ([0.1, 0.0, 0.05], 0.6, 3),  # all of them: the base tells
        ([0.9, 0.3, 0.9], 0.05, 1),  # back to little, though above the base
        ([0.04, 0.01, 0.05], 0.02, 0),  # half of almost nothing is chance
        ([0.9, 0.0, 0.9], nan, 1),
        ([0.9, nan, 0.9], 0.6, 0),
    ],
)
def test_a_seed_collapsed_if_it_has_less_than_half_of_what_could_be_expected(accuracies, base, count):
    assert stats.collapse(accuracies, base).collapsed == count
    assert stats.collapsed(accuracies, base).sum() == count


def test_the_worst_seed_and_the_middle_ones():
    found = stats.collapse([0.9, 0.1, 0.8, 0.7, 0.6])
    assert found.worst == 0.1
    assert found.middle == pytest.approx(0.7)


def test_without_seeds_nothing_is_known():
    found = stats.collapse([nan])
    assert found.seeds == 0
    assert isnan(found.at_most)
    assert isnan(found.worst)
