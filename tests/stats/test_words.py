"""The five words: exactly one for every interval."""

from math import inf, isnan, nan

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rftlab import stats

LIMIT = st.one_of(st.floats(-1.5, 1.5), st.sampled_from([0.0, 0.05, -0.05, inf, -inf]))


def holds(low: float, high: float, margin: float) -> dict[str, bool]:
    """The words' definitions, each by itself; the first that holds in this order is the word."""
    return {
        "better": low > 0,
        "worse": high < 0,
        "same": -margin < low and high < margin,
        "better or same": low > -margin,
        "open": True,
    }


@given(LIMIT, LIMIT, st.floats(0.001, 0.5))
@example(0.0, 0.0, 0.05)
@example(0.05, -0.05, 0.05)
def test_every_interval_has_exactly_one_word_the_first_whose_definition_holds(one, other, margin):
    low, high = sorted((one, other))
    found = stats.decide(low, high, margin)
    assert found in stats.WORDS
    assert found == next(word for word, true in holds(low, high, margin).items() if true)


@given(LIMIT, LIMIT, st.floats(0.001, 0.5))
def test_from_the_other_side_better_is_worse_and_same_is_same(one, other, margin):
    low, high = sorted((one, other))
    there, back = stats.decide(low, high, margin), stats.decide(-high, -low, margin)
    mirrored = {"better": "worse", "worse": "better", "same": "same", "better or same": "open"}
    assert back == mirrored.get(there, back)
    assert there == mirrored.get(back, there)


@pytest.mark.parametrize(("low", "high"), [(nan, nan), (nan, 0.2), (0.1, nan)])
def test_without_an_interval_the_word_is_open(low, high):
    assert stats.decide(low, high, 0.05) == "open"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.01, 0.04, "better"), (-0.04, -0.01, "worse"), (-0.04, 0.04, "same"), (-0.04, 0.3, "better or same"),
     (-0.05, 0.05, "open"), (0.0, 0.3, "better or same"), (-0.3, 0.01, "open")],
)  # fmt: skip
def test_words_at_a_margin_of_five_points(low, high, word):
    assert stats.decide(low, high, 0.05) == word


def test_a_win_by_less_than_matters_is_better_and_negligible():
    assert stats.decide(0.01, 0.04, 0.05) == "better"
    assert stats.negligible(0.01, 0.04, 0.05)
    assert not stats.negligible(0.01, 0.06, 0.05)


@pytest.mark.parametrize(("low", "high", "margin"), [(0.2, 0.1, 0.05), (0.1, 0.2, 0.0), (0.1, 0.2, nan)])
def test_limits_in_the_wrong_order_and_no_margin_are_refused(low, high, margin):
    with pytest.raises(ValueError, match=r"wrong order|above 0"):
        stats.decide(low, high, margin)


def test_one_seed_is_open_and_may_only_suggest():
    one, two = (stats.Difference(0.2, 0.1, 0.3, 100, 0.001, seeds, 50, 4.0, "") for seeds in (1, 2))
    assert (stats.word(one, 0.05), stats.suggestion(one, 0.05)) == ("open", "better")
    assert (stats.word(two, 0.05), stats.suggestion(two, 0.05)) == ("better", "open")


def test_turning_a_comparison_round_mirrors_all_of_it():
    found = stats.Difference(0.2, -0.1, 0.3, 100, 0.2, 2, 50, 4.0, "", (-0.05, 0.25))
    back = stats.turned(found)
    assert (back.estimate, back.low, back.high, back.runs) == (-0.2, -0.3, 0.1, (-0.25, 0.05))
    assert stats.turned(back) == found
    assert not isnan(back.p)
