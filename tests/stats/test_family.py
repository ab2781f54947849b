"""Intervals of a family and of one seed, against exact tests and their definitions."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from rftlab import stats


def frame(table) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(table, dtype=float))


def noise(seeds: int, items: int = 40, budgets: int = 1, seed: int = 0) -> list[pd.DataFrame]:
    rng = np.random.default_rng(seed)
    tables = rng.normal(0, 0.3, (budgets, seeds, items)) + rng.normal(0, 0.05, (budgets, seeds, 1))
    return [frame(table) for table in tables]


def test_each_of_k_comparisons_gets_the_kth_part_of_alpha():
    tables = noise(5, budgets=3)
    found = stats.simultaneous(tables)
    for table, one in zip(tables, found, strict=True):
        assert one == stats.table_difference(table, confidence=1 - 0.05 / 3)
    assert stats.family_confidence(1) == pytest.approx(0.95)


def test_comparisons_declared_and_not_yet_run_count_too():
    table = noise(5)
    narrow, wide = (stats.simultaneous(table, comparisons=k)[0] for k in (1, 12))
    assert wide.low < narrow.low < narrow.high < wide.high
    with pytest.raises(ValueError, match="declared to have 1"):
        stats.simultaneous(noise(5, budgets=2), comparisons=1)
    with pytest.raises(ValueError, match="at least 1"):
        stats.family_confidence(0)


def test_a_comparison_without_any_pair_has_no_interval_and_still_costs():
    found = stats.simultaneous([*noise(5), pd.DataFrame()])
    assert np.isnan(found[1].low)
    assert found[0] == stats.simultaneous(noise(5), comparisons=2)[0]


def test_looks_and_family_share_one_alpha():
    share = stats.look_confidence(5, 10, alpha=0.05 / 6)
    assert stats.family_confidence(6, seeds=5, largest=10) == share
    assert share > 1 - 0.05 / 6
    early = stats.simultaneous(noise(2), largest=10)[0]
    assert (early.low, early.high) == (-1.0, 1.0), "before the first look nothing is said"


def test_tables_of_one_kind_share_what_is_known_of_seeds():
    calm, wild, other = noise(3, seed=1)[0], noise(3, seed=2)[0] - np.array([[0.0], [0.0], [0.4]]), noise(3, seed=3)[0]
    first, second, third = stats.pooled_spreads([calm, wild, other], ["a", "a", "b"])
    assert first == second
    assert first.freedom == 4
    assert third == stats.table_spread(other)
    alone, pooled = stats.simultaneous([calm])[0], stats.simultaneous([calm], spreads=[first])[0]
    assert pooled.high - pooled.low > alone.high - alone.low


def test_a_difference_of_two_arms_spreads_as_both_do():
    found = stats.Spread.summed(stats.Spread(4.0, 8), stats.Spread(1.0, 4))
    assert found.variance == 5.0
    assert found.freedom == pytest.approx(25 / (16 / 8 + 1 / 4))
    assert stats.Spread.summed(stats.Spread(4.0, 8), stats.Spread(np.nan, 0)).freedom == 0


@pytest.mark.parametrize("confidence", [0.95, 0.999, 1 - 0.05 / 60])
def test_certain_differences_have_exact_limits_at_any_confidence(confidence):
    found = stats.table_difference(frame(np.ones((3, 200))), confidence=confidence)
    none = scipy_stats.binomtest(0, 200).proportion_ci(confidence, method="exact").high
    assert found.low == pytest.approx(1 - 2 * none)
    assert found.high == 1.0


@pytest.mark.parametrize(("gained", "lost"), [(4, 0), (5, 0), (6, 0), (9, 2), (30, 12), (1, 1), (200, 0)])
@pytest.mark.parametrize("confidence", [0.95, 0.995])
def test_with_one_seed_zero_is_left_out_only_where_exact_mcnemar_agrees(gained, lost, confidence):
    outcomes = np.repeat([[1.0, -1.0, 0.0]], [gained, lost, 200 - gained - lost], axis=1)
    found = stats.table_difference(frame(outcomes), confidence=confidence)
    exact = scipy_stats.binomtest(gained, gained + lost).pvalue
    assert found.p >= exact
    assert not found.conclusive or exact <= 1 - confidence
    assert found.low <= found.estimate <= found.high


def test_four_items_to_none_of_two_hundred_is_no_win():
    found = stats.table_difference(frame([[1.0] * 4 + [0.0] * 196]))
    assert found.p == pytest.approx(0.125)
    assert not found.conclusive


@pytest.mark.parametrize("comparisons", [1, 9, 50])
@pytest.mark.parametrize("seeds", [2, 3, 6, 16])
def test_what_plans_go_by_is_the_confidence_of_the_last_look(seeds, comparisons):
    exact = stats.family_confidence(comparisons, seeds=seeds, largest=seeds, first=min(3, seeds))
    planned = stats.final_confidence(seeds, comparisons)
    assert 1 - planned == pytest.approx(1 - exact, rel=0.03)
