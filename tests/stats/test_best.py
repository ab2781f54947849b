"""The best set instead of a single leader."""

from itertools import combinations, permutations
from math import nan

from hypothesis import given
from hypothesis import strategies as st

from rftlab import stats

ARMS = ["a", "b", "c", "d"]


def interval(low: float, high: float) -> stats.Interval:
    return stats.Interval((low + high) / 2, low, high, 5)


def test_arms_that_cannot_be_told_apart_are_all_best():
    differences = {pair: interval(-0.1, 0.1) for pair in combinations(ARMS, 2)}
    assert stats.best_set(ARMS, differences) == ARMS


def test_an_arm_that_another_is_better_than_is_left_out_whichever_side_it_stands_on():
    assert stats.best_set(["a", "b"], {("a", "b"): interval(0.1, 0.2)}) == ["a"]
    assert stats.best_set(["a", "b"], {("b", "a"): interval(0.1, 0.2)}) == ["b"]


def test_one_loss_is_enough():
    differences = {("a", "b"): interval(-0.1, 0.1), ("b", "c"): interval(0.1, 0.2), ("a", "c"): interval(-0.1, 0.3)}
    assert stats.best_set(["a", "b", "c"], differences) == ["a", "b"]


def test_no_interval_rules_nobody_out():
    assert stats.best_set(["a", "b"], {("a", "b"): interval(nan, nan)}) == ["a", "b"]
    assert stats.best_set(["a", "b"], {}) == ["a", "b"]


def test_a_circle_is_best_together_and_what_it_beats_is_not():
    circle = {("a", "b"): interval(0.1, 0.2), ("b", "c"): interval(0.1, 0.2), ("c", "a"): interval(0.1, 0.2)}
    assert stats.best_set(ARMS, {**circle, ("a", "d"): interval(0.1, 0.2)}) == ["a", "b", "c"]


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=6, max_size=6))
def test_the_best_set_is_never_empty_and_does_not_depend_on_order(signs):
    pairs = list(combinations(ARMS, 2))
    differences = {p: interval(0.2 * s - 0.1, 0.2 * s + 0.1) for p, s in zip(pairs, signs, strict=True)}
    found = set(stats.best_set(ARMS, differences))
    assert found
    for order in list(permutations(ARMS))[::7]:
        assert set(stats.best_set(list(order), differences)) == found
