"""The area between two curves on log labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from rftlab import stats


def table(mean: float, seeds=(0, 1, 2), items: int = 30, seed: int = 0, spread: float = 0.02) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = mean + rng.normal(0, spread, (len(seeds), 1)) + rng.normal(0, 0.1, (len(seeds), items))
    return pd.DataFrame(values, index=list(seeds), columns=[f"i{n}" for n in range(items)])


@given(
    st.lists(st.integers(1, 5000), min_size=2, max_size=6, unique=True).flatmap(
        lambda labels: st.tuples(
            st.just(labels), st.lists(st.floats(-1, 1), min_size=len(labels), max_size=len(labels))
        )
    ),
    st.floats(0.05, 0.45),
    st.floats(0.55, 0.95),
)
def test_weights_give_the_integral_of_the_curve_on_a_log_axis(case, start, end):
    labels, heights = case
    x = np.log(sorted(labels))
    ends = x[0] + np.array([start, end]) * (x[-1] - x[0])
    weights = stats.log_weights(labels, *np.exp(ends))
    ordered = [height for _, height in sorted(zip(labels, heights, strict=True))]
    inside = x[(x > ends[0]) & (x < ends[1])]
    whole = quad(lambda at: np.interp(at, x, ordered), *ends, points=inside if len(inside) else None, limit=200)[0]
    assert weights @ heights == pytest.approx(whole / (ends[1] - ends[0]), abs=1e-6)
    assert weights.sum() == pytest.approx(1)


def test_budgets_at_the_ends_of_the_range_weigh_half_a_gap():
    assert stats.log_weights([100, 10, 1000], 10, 1000) == pytest.approx([0.5, 0.25, 0.25])
    assert stats.log_weights([10, 100, 1000], 10, 100) == pytest.approx([0.5, 0.5, 0.0])


@pytest.mark.parametrize("labels", [[10, 30], [30, 100], []])
def test_a_range_that_the_budgets_do_not_cover_is_refused(labels):
    with pytest.raises(ValueError, match="do not cover the range from 10 to 100"):
        stats.area({n: table(0.1) for n in labels}, 10, 100)


@pytest.mark.parametrize(("low", "high"), [(-1, 10), (10, 10), (100, 10)])
def test_an_empty_range_is_refused(low, high):
    with pytest.raises(ValueError, match="a range of labels"):
        stats.log_weights([1, 1000], low, high)


def test_the_area_is_the_weighted_mean_and_is_paired_by_seed_and_item():
    tables = {10: table(0.1, seed=1), 30: table(0.2, seed=2), 100: table(0.3, seed=3)}
    found = stats.area(tables, 10, 100)
    weights = stats.log_weights([10, 30, 100], 10, 100)
    assert found.difference.estimate == pytest.approx(
        sum(w * t.to_numpy().mean() for w, t in zip(weights, tables.values(), strict=True))
    )
    assert found.difference.seeds == 3
    assert found.difference.freedom <= 6
    assert not found.depends


def test_only_seeds_with_all_budgets_count_and_the_others_still_tell_the_spread():
    tables = {
        10: table(0.1, seeds=range(5)),
        30: table(0.2, seeds=range(1, 6), seed=1),
        100: table(0.3, range(5), seed=2),
    }
    found = stats.area(tables, 10, 100)
    assert found.difference.seeds == 4
    assert {labels: one.seeds for labels, one in found.by_budget.items()} == {10: 5, 30: 5, 100: 5}
    assert found.by_budget[10].freedom <= 12


def test_no_seed_with_all_budgets_gives_no_interval():
    found = stats.area({10: table(0.1, seeds=[0, 1]), 100: table(0.3, seeds=[2, 3])}, 10, 100)
    assert np.isnan(found.difference.low)
    assert found.difference.n == 0


def test_a_choice_of_more_budgets_on_the_same_line_leaves_the_area_where_it_is():
    few = stats.area({10: table(0.0, spread=0), 100: table(0.2, spread=0)}, 10, 100).difference.estimate
    line = {n: table(0.2 * np.log10(n / 10), spread=0) for n in (10, 12, 14, 17, 20, 100)}
    assert stats.area(line, 10, 100).difference.estimate == pytest.approx(few, abs=0.01)


def test_budgets_that_conclude_oppositely_are_named():
    found = stats.area({10: table(0.3, seed=1), 30: table(0.0, seed=2), 100: table(-0.3, seed=3)}, 10, 100)
    assert found.depends
    assert not found.difference.conclusive
