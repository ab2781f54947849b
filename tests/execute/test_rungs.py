"""The rule that chooses a learning rate, on made-up scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.execute.rungs import Score, accuracy, alike, beyond, choose, difference, estimate, survivors


def score(right: int, of: int = 20, sampled: float | None = None) -> Score:
    return Score((1.0,) * right + (0.0,) * (of - right), sampled)


def rung(*rights: int, sampled: float | None = None) -> list[Score]:
    return [score(right, sampled=sampled) for right in rights]


DIVERGED = Score(())
scores = st.lists(st.integers(0, 20), min_size=3, max_size=3).map(lambda rights: rung(*rights, sampled=rights[0] / 20))
ladders = st.dictionaries(st.sampled_from([1e-4, 3e-4, 1e-3, 3e-3, 1e-2]), scores, min_size=1)


def test_the_clear_winner_is_chosen_whatever_was_sampled() -> None:
    assert choose({1e-4: rung(2, 3, 2, sampled=0.9), 1e-3: rung(18, 19, 17, sampled=0.1)}, 1e-4) == 1e-3


def test_within_one_standard_error_the_sampled_accuracy_decides() -> None:
    rungs = {1e-4: rung(18, 17, 19, sampled=0.2), 1e-3: rung(17, 18, 18, sampled=0.5), 1e-2: rung(3, 2, 4, sampled=0.9)}
    assert choose(rungs, 1e-4) == 1e-3


def test_a_tie_in_everything_goes_to_the_rate_nearest_to_the_default_and_then_to_the_lower() -> None:
    rungs = {rate: rung(0, 0, 0, sampled=0.0) for rate in (1e-4, 1e-3, 1e-2)}
    assert choose(rungs, 1e-3) == 1e-3
    assert choose(rungs, math.sqrt(1e-4 * 1e-3)) == 1e-4
    assert alike(rungs.values())


@given(ladders)
def test_what_is_chosen_is_level_with_the_best_and_none_that_is_level_was_sampled_better(rungs: dict) -> None:
    chosen = choose(rungs, 1e-3)
    best = max(rungs.values(), key=lambda each: accuracy(each).mean)
    behind = difference(best, rungs[chosen])
    assert behind.mean <= behind.error + 1e-12
    assert rungs[chosen][0].sampled >= best[0].sampled


@given(ladders)
def test_the_order_in_which_rungs_are_named_changes_nothing(rungs: dict) -> None:
    backwards = dict(reversed(rungs.items()))
    assert choose(rungs, 1e-3) == choose(backwards, 1e-3)
    assert survivors(rungs) == survivors(backwards)


@given(ladders)
def test_at_least_half_of_the_rungs_survive_a_mark_and_the_best_is_always_among_them(rungs: dict) -> None:
    left = survivors(rungs)
    assert len(left) >= len(rungs) / 2
    assert max(accuracy(each).mean for each in rungs.values()) in [accuracy(rungs[rate]).mean for rate in left]


def test_a_rung_that_is_far_behind_or_diverged_is_stopped() -> None:
    assert survivors({1e-4: [score(1)], 1e-3: [score(15)], 1e-2: [score(14)], 1e-1: [DIVERGED]}) == [1e-3, 1e-2]
    assert survivors({1e-4: [DIVERGED]}) == []


def test_the_standard_error_is_that_over_seeds_and_never_below_that_over_items() -> None:
    apart = estimate([[0.0] * 10, [1.0] * 10])
    assert apart == (0.5, pytest.approx(0.5))
    halves = [[0.0, 1.0] * 10] * 3  # equal means: over three seeds alone it would be 0
    assert estimate(halves).error == pytest.approx(math.sqrt(np.var(halves[0], ddof=1) / 20 / 3))
    assert estimate(halves[:1]).error == pytest.approx(np.std(halves[0], ddof=1) / math.sqrt(20))
    assert all(map(math.isnan, estimate([])))


def test_a_difference_is_paired_so_that_what_both_get_right_adds_no_error() -> None:
    assert difference([score(12), score(9)], [score(12), score(9), score(1)]) == (0.0, 0.0)


def test_a_ladder_grows_at_the_end_that_won_by_its_own_ratio() -> None:
    ladder = [3e-4, 1e-3, 3e-3]
    assert beyond(ladder, 3e-3) == 9e-3
    assert beyond(ladder, 3e-4) == 9e-5
    assert beyond(ladder, 1e-3) is None
    assert beyond([1e-3], 1e-3) is None
