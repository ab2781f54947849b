"""The interval of runs that are folds of the same rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from rftlab import stats


def folded(rng, rows=60, folds=5, seeds=5, spread=0.3):
    """A table of differences, a row a seed: NaN where a row is in another fold."""
    table = np.full((seeds, rows), np.nan)
    for seed in range(seeds):
        if seed % folds == 0:
            parts = np.array_split(rng.permutation(rows), folds)
        table[seed, parts[seed % folds]] = rng.normal(0.1, spread, len(parts[seed % folds]))
    return pd.DataFrame(table)


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(2, 14))
def test_it_is_the_corrected_resampled_t(number, folds, seeds):
    table = folded(np.random.default_rng(number), rows=40, folds=folds, seeds=seeds)
    spread = stats.table_spread(table, overlap=stats.fold_overlap(folds))
    found = stats.table_difference(table, pooled=spread, bounds=None)
    means = table.mean(axis=1)
    if stats.differences.shared(table)[1]:  # two folds may happen to share most of their rows
        return
    # Nadeau and Bengio 2003, equation 9, with n_test / n_train = 1 / (K - 1).
    error = np.sqrt((1 / seeds + 1 / (folds - 1)) * means.var(ddof=1))
    half = scipy_stats.t.ppf(0.975, seeds - 1) * error
    assert (found.low, found.high) == pytest.approx((means.mean() - half, means.mean() + half))
    assert found.covers == "new rows and new seeds (seeds are folds of the same rows; wider for what these share)"
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(abs(means.mean()) / error, seeds - 1))


def test_repeats_of_the_same_rows_never_make_it_as_narrow_as_new_rows_would():
    rng = np.random.default_rng(1)
    table = folded(rng, seeds=100)
    corrected = stats.table_difference(table, pooled=stats.table_spread(table, overlap=0.25))
    as_seeds = stats.table_difference(table, pooled=stats.table_spread(table))
    assert corrected.high - corrected.low > 4 * (as_seeds.high - as_seeds.low)
    assert corrected.estimate == as_seeds.estimate


def test_pooling_over_budgets_and_weights_keep_what_folds_share():
    rng = np.random.default_rng(2)
    tables = {float(n): folded(rng) for n in (10, 30, 100)}
    for table in tables.values():
        table[:] = np.where(np.isnan(tables[10.0]), np.nan, rng.normal(0.1, 0.3, table.shape))
    spreads = [stats.table_spread(table, overlap=0.25) for table in tables.values()]
    assert stats.Spread.pooled(spreads).overlap == stats.Spread.summed(*spreads[:2]).overlap == 0.25
    wide = stats.area(tables, 10, 100, overlap=0.25)
    narrow = stats.area(tables, 10, 100)
    ratio = (wide.difference.high - wide.difference.low) / (narrow.difference.high - narrow.difference.low)
    assert ratio == pytest.approx(np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    for n in tables:
        assert wide.by_budget[n].high > narrow.by_budget[n].high


def test_where_all_rows_say_the_same_the_interval_is_that_of_so_many_rows():
    table = folded(np.random.default_rng(3))
    table = table.where(table.isna(), 1.0)
    found = stats.table_difference(table, pooled=stats.table_spread(table, overlap=0.25))
    assert (found.estimate, found.high, found.seeds, found.items) == (1.0, 1.0, 5, 12)
    assert found.low == pytest.approx(1 - 2 * (1 - 0.025 ** (1 / 60)))
    assert stats.word(found, 0.05) == "better"


def test_an_arms_mean_over_folds_is_widened_and_counts_the_items_of_a_fold():
    table = folded(np.random.default_rng(4)).clip(0, 1)
    found = stats.table_mean(table, pooled=stats.table_spread(table, overlap=0.25))
    alone = stats.table_mean(table, pooled=stats.table_spread(table))
    assert found.high - found.low > 1.4 * (alone.high - alone.low)
    assert (found.seeds, found.items, found.n) == (5, 12, 60)


def test_more_seeds_are_not_asked_for_where_the_rows_forbid_it():
    table = folded(np.random.default_rng(5), spread=0.5)
    spread = stats.table_spread(table, overlap=0.25)
    assert stats.seeds_to_show(table, 0.05, spread=spread) == float("inf")
    assert stats.items_forbid(table, 0.05, spread=spread)
    assert not stats.items_forbid(table, 0.05, spread=stats.table_spread(table))
    assert stats.seeds_to_show(table, 0.9, spread=spread) < 20


def test_summaries_of_other_measures_are_widened_too():
    frame = pd.DataFrame({"arm": "a", "v": [0.2, 0.3, 0.5, 0.4, 0.6], "overlap": 0.25})
    wide = stats.summarise(frame, ["arm"], "v", overlap="overlap").iloc[0]
    narrow = stats.summarise(frame, ["arm"], "v").iloc[0]
    assert (wide["high"] - wide["mean"]) / (narrow["high"] - narrow["mean"]) == pytest.approx(1.5)
