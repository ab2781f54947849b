"""Several answers to a question: the exact expectations against enumeration of every subset."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.stats import best_of, majority, pass_at_k
from rftlab.stats.sampling import EXACT_UP_TO, between

Draw = tuple[str, bool]
drawn = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.booleans()), min_size=1, max_size=8)


def profile(draws: list[Draw]) -> tuple[list[tuple[int, int]], int]:
    """What `majority` takes, of rows (answer, right)."""
    names = {answer for answer, _ in draws if answer}
    rows = Counter(draws)
    return [(rows[name, True], rows[name, False]) for name in names], sum(not answer for answer, _ in draws)


def voted(draws: tuple[Draw, ...]) -> float:
    """The share of the most frequent answers of some draws that is right, counted by hand."""
    votes = Counter(answer for answer, _ in draws if answer)
    if not votes:
        return 0.0
    first = {answer for answer, count in votes.items() if count == max(votes.values())}
    return len(first & {answer for answer, right in draws if right}) / len(first)


@settings(max_examples=60, deadline=None)
@given(drawn, st.data())
def test_a_majority_is_the_mean_over_every_subset(draws: list[Draw], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(draws)))
    subsets = list(combinations(draws, k))
    assert majority(*profile(draws), k) == pytest.approx(sum(map(voted, subsets)) / len(subsets))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.data())
def test_the_best_of_k_is_the_mean_over_every_subset(rewards: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(rewards)))
    best = [max(subset) for subset in combinations(rewards, k)]
    assert best_of(rewards, k) == pytest.approx(sum(best) / len(best))


@given(st.integers(0, 20), st.integers(1, 20))
def test_the_best_of_right_and_wrong_is_pass_at_k(right: int, k: int) -> None:
    assert best_of([1.0] * right + [0.0] * (20 - right), k) == pytest.approx(pass_at_k(right, 20, k)[0])


@given(drawn)
def test_one_draw_is_the_plain_mean_and_no_draw_has_a_majority_of_nothing(draws: list[Draw]) -> None:
    answered = sum(right for answer, right in draws if answer)
    assert majority(*profile(draws), 1) == pytest.approx(answered / len(draws))
    assert majority([], len(draws), len(draws)) == 0


def test_more_votes_help_who_is_right_more_often_than_any_other_answer_and_hurt_who_is_not() -> None:
    leading, behind = [(8, 0), (0, 4), (0, 4)], [(4, 0), (0, 8), (0, 4)]
    helped = [majority(leading, 0, k) for k in (1, 4, 8, 16)]
    hurt = [majority(behind, 0, k) for k in (1, 4, 8, 16)]
    assert helped == sorted(helped)
    assert hurt == sorted(hurt, reverse=True)
    assert (helped[-1], hurt[-1]) == (1, 0)


def test_an_estimate_of_many_draws_is_near_what_is_counted_out() -> None:
    half = EXACT_UP_TO // 2
    few, many = [(half, 0), (0, half)], [(1000, 0), (0, 1000)]
    assert majority(few, 0, 3) == pytest.approx(0.5)
    assert majority(many, 0, 3) == pytest.approx(0.5, abs=0.03) == majority(many, 0, 3)
    assert majority([(0, 700), (1300, 0)], 0, 1) == pytest.approx(0.65, abs=0.03)


def test_a_fractional_number_of_draws_mixes_its_neighbours() -> None:
    assert between([0.2, 0.6], 2.25) == pytest.approx(0.3)
    assert between([0.2], 2.0) == pytest.approx(0.2)


@pytest.mark.parametrize("k", [0, 4])
def test_more_draws_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}, and there are 3 draws"):
        majority([(1, 1)], 1, k)
    with pytest.raises(ValueError, match="give 1 <= k <= 3"):
        best_of(np.ones(3), k)
