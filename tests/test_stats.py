"""Intervals and differences against scipy, statsmodels, brute force and simulated truth."""

from itertools import combinations, product
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from rftlab import stats


def long(matrix: np.ndarray) -> pd.DataFrame:
    seeds, items = matrix.shape
    pairs = list(product(range(seeds), range(items)))
    return pd.DataFrame({"seed": [s for s, _ in pairs], "item": [f"i{i}" for _, i in pairs], "value": matrix.ravel()})


def difference_of(d: np.ndarray, **options) -> stats.Difference:
    return stats.paired_difference(long(d), long(np.zeros_like(d)), **options)


def spread_of(*tables: np.ndarray) -> stats.Spread:
    return stats.Spread.pooled([stats.difference_spread(long(d), long(np.zeros_like(d))) for d in tables])


def test_t_interval_agrees_with_scipy_ttest():
    values = [0.61, 0.72, 0.66, 0.7]
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = stats.t_interval(values)
    assert (found.low, found.high, found.n) == (pytest.approx(expected.low), pytest.approx(expected.high), 4)


@pytest.mark.parametrize("values", [[], [0.5], [0.4, 0.4, 0.4], [0.5, None, nan]])
def test_an_interval_that_cannot_be_computed_is_nan_and_never_zero_wide(values):
    found = stats.t_interval(values)
    assert isnan(found.low)
    assert isnan(found.high)
    assert not found.conclusive


def test_t_interval_is_cut_to_the_range_of_an_accuracy():
    found = stats.t_interval([0.9, 1.0], bounds=(0, 1))
    assert found.high == 1.0
    assert 0 <= found.low < 0.9


def test_bootstrap_is_nan_for_constant_data_and_near_t_for_normal_data():
    assert isnan(stats.bootstrap_interval([1.0] * 30).low)
    values = np.random.default_rng(3).normal(size=200)
    bootstrapped, exact = stats.bootstrap_interval(values), stats.t_interval(values)
    assert bootstrapped.low == pytest.approx(exact.low, abs=0.03)
    assert bootstrapped.high == pytest.approx(exact.high, abs=0.03)


def test_wilson_solves_its_defining_equation():
    found = stats.wilson_interval(3, 20)
    z = scipy_stats.norm.ppf(0.975)
    for limit in (found.low, found.high):
        assert (0.15 - limit) ** 2 == pytest.approx(z**2 * limit * (1 - limit) / 20)
    assert isnan(stats.wilson_interval(0, 0).estimate)


def test_strata_are_weighted_by_their_shares_and_the_interval_holds() -> None:
    assert stats.stratified_interval((3, 15), (20, 20), (1, 1)).estimate == pytest.approx(0.45)
    one = stats.stratified_interval((3, 0), (20, 0), (7, 0))
    alone = stats.wilson_interval(3, 20)
    assert (one.low, one.high) == pytest.approx((alone.low, alone.high))
    assert isnan(stats.stratified_interval((3, 0), (20, 0), (7, 1)).low)
    shares, n = (0.1, 0.9), 15
    found = {(a, b): stats.stratified_interval((a, b), (n, n), shares) for a in range(n + 1) for b in range(n + 1)}
    covered = []
    for p, q in product((0.5, 0.7, 0.9, 0.95), repeat=2):
        truth = shares[0] * p + shares[1] * q
        chances = {k: scipy_stats.binom.pmf(k[0], n, p) * scipy_stats.binom.pmf(k[1], n, q) for k in found}
        covered.append(sum(chance for k, chance in chances.items() if found[k].low <= truth <= found[k].high))
    assert 0.93 < sum(covered) / len(covered) < 0.97
    assert min(covered) > 0.9


def test_items_interval_uses_wilson_for_right_or_wrong_and_the_bootstrap_for_graded_rewards():
    assert stats.items_interval([1, 0, 0, 1]) == stats.wilson_interval(2, 4)
    graded = [0.1, 0.5, 0.9, 0.4, 0.6, 0.3]
    assert stats.items_interval(graded) == stats.bootstrap_interval(graded)


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
@settings(max_examples=40, deadline=None)
def test_pass_at_k_is_the_share_of_k_subsets_with_a_correct_one(case):
    n, c, k = case
    outcomes = [True] * c + [False] * (n - c)
    brute = np.mean([any(chosen) for chosen in combinations(outcomes, k)])
    assert stats.pass_at_k(c, n, k)[0] == pytest.approx(brute)


def test_pass_at_k_is_nan_for_fewer_than_k_samples():
    found = stats.pass_at_k([1, 1], [4, 3], 4)
    assert found[0] == 1.0
    assert isnan(found[1])


def test_summarise_gives_the_t_interval_of_every_group_and_drops_missing_ones():
    frame = pd.DataFrame({"arm": list("aaabbc"), "v": [0.2, 0.4, 0.35, 0.5, None, None]})
    table = stats.summarise(frame, ["arm"], "v").set_index("arm")
    expected = stats.t_interval([0.2, 0.4, 0.35])
    assert tuple(table.loc["a", ["mean", "low", "high", "n"]]) == pytest.approx(
        (expected.estimate, expected.low, expected.high, 3)
    )
    assert isnan(table.loc["b", "low"])
    assert "c" not in table.index


def test_paired_difference_with_one_seed_is_the_paired_t_test_over_items():
    rng = np.random.default_rng(0)
    first, second = rng.random((1, 30)), rng.random((1, 30))
    expected = scipy_stats.ttest_rel(first[0], second[0])
    found = stats.paired_difference(long(first), long(second))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(expected.confidence_interval().low)
    assert "one seed" in found.covers


def test_paired_difference_with_one_item_is_the_paired_t_test_over_seeds():
    first, second = np.array([[0.8], [0.7], [0.9]]), np.array([[0.5], [0.55], [0.52]])
    found = stats.paired_difference(long(first), long(second))
    assert found.p == pytest.approx(scipy_stats.ttest_rel(first[:, 0], second[:, 0]).pvalue)
    assert "new seeds" in found.covers


def test_mean_squares_agree_with_a_two_way_anova():
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(1)
    d = rng.normal(size=(4, 1)) * 0.3 + rng.normal(size=(1, 12)) * 0.4 + rng.normal(size=(4, 12)) * 0.2
    squares = anova_lm(ols("value ~ C(seed) + C(item)", long(d)).fit())
    by_seed, by_item, left = squares["sum_sq"] / squares["df"]
    variance = (by_seed + by_item - left) / d.size
    freedom = (by_seed + by_item - left) ** 2 / (by_seed**2 / 3 + by_item**2 / 11 + left**2 / 33)
    assert freedom > 3, "more than the seeds alone have"
    found = difference_of(d, bounds=None)
    half = scipy_stats.t.ppf(0.975, 3) * np.sqrt(variance)
    assert (found.high - found.low) / 2 == pytest.approx(half)
    pooled = difference_of(d, bounds=None, pooled=stats.Spread(by_seed / 12, 6))
    half = scipy_stats.t.ppf(0.975, min(freedom_of(by_seed, by_item, left, 6, 11, 33), 10.5)) * np.sqrt(variance)
    assert (pooled.high - pooled.low) / 2 == pytest.approx(half)


def freedom_of(by_seed: float, by_item: float, left: float, *freedoms: int) -> float:
    """Satterthwaite's."""
    parts = zip((by_seed, by_item, left), freedoms, strict=True)
    return (by_seed + by_item - left) ** 2 / sum(square**2 / freedom for square, freedom in parts)


def test_items_of_their_own_for_every_seed_fall_back_to_seed_means():
    rng = np.random.default_rng(2)
    table = long(rng.random((3, 10)))
    table["item"] += table["seed"].astype(str)
    zero = table.assign(value=0.0)
    found = stats.paired_difference(table, zero)
    expected = stats.t_interval(table.groupby("seed")["value"].mean(), bounds=(-1, 1))
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert "items differ by seed" in found.covers


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_swapping_the_sides_mirrors_the_difference(seed):
    rng = np.random.default_rng(seed)
    first, second = (long((rng.random((3, 8)) < p).astype(float)) for p in (0.7, 0.4))
    there, back = stats.paired_difference(first, second), stats.paired_difference(second, first)
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.low == pytest.approx(-back.high, nan_ok=True)


def test_only_what_both_sides_have_is_compared():
    first, second = long(np.ones((2, 6))), long(np.zeros((3, 4)))
    found = stats.paired_difference(first, second)
    assert (found.seeds, found.items, found.estimate) == (2, 4, 1.0)


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_the_interval_holds_the_truth_as_often_as_it_says_also_with_two_seeds(spread):
    rng = np.random.default_rng(7)
    held = []
    for _ in range(250):
        logit = rng.normal(0, spread, (2, 1)) + rng.normal(0, 1.2, (1, 60)) + 0.5
        other = rng.normal(0, spread, (2, 1)) + rng.normal(0, 1.2, (1, 60)) + 0.5
        d = (rng.random((2, 60)) < 1 / (1 + np.exp(-logit))) * 1.0 - (rng.random((2, 60)) < 1 / (1 + np.exp(-other)))
        found = difference_of(d)
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) >= 0.90


def test_negative_control_a_plain_item_bootstrap_fails_the_same_simulation():
    rng = np.random.default_rng(7)
    held = []
    for _ in range(120):
        p = 1 / (1 + np.exp(-rng.normal(0, 1.0, (2, 2, 1))))
        d = np.diff((rng.random((2, 2, 60)) < p) * 1.0, axis=0)[0]
        found = stats.bootstrap_interval(d.ravel(), resamples=200)
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) < 0.7


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests_and_skips_nan():
    found = stats.holm([0.01, 0.04, nan])
    assert found[:2] == pytest.approx([0.02, 0.04])
    assert isnan(found[2])


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.integers(2, 9))
def test_a_verdict_says_inconclusive_exactly_where_zero_is_in_the_interval(mean, below, above, seeds):
    found = stats.Difference(mean, mean - below, mean + above, 10, 0.5, seeds, 5, 4.0, "")
    assert ("inconclusive" in stats.verdict("A", "B", found)) == (found.low <= 0 <= found.high)


def test_verdict_reads_like_a_sentence():
    found = stats.Difference(0.12, 0.03, 0.2, 400, 0.01, 2, 200, 1.0, "")
    assert stats.verdict("RFT", "SFT", found) == "RFT vs SFT: +12 points [+3, +20], 2 seeds x 200 items: RFT is better"


@pytest.mark.parametrize("seeds", [1, 3])
def test_certain_differences_have_an_interval(seeds):
    every = difference_of(np.ones((seeds, 1000)))
    assert every.estimate == every.high == 1.0
    assert 0.99 < every.low < 1
    assert every.conclusive
    none = difference_of(np.zeros((seeds, 1000)))
    exact = scipy_stats.binomtest(0, 1000).proportion_ci(method="exact").high
    assert (none.low, none.high) == (pytest.approx(-exact), pytest.approx(exact))
    assert not none.conclusive


def test_one_pair_has_no_interval_and_is_inconclusive_in_words():
    assert "inconclusive (no interval" in stats.verdict("A", "B", difference_of(np.ones((1, 1))))


@pytest.mark.parametrize(("gained", "lost"), [(4, 0), (9, 2), (0, 0)])
def test_one_seed_right_or_wrong_has_mcnemars_exact_p(gained, lost):
    d = np.repeat([[1.0, -1.0, 0.0]], [gained, lost, 200 - gained - lost], axis=1)
    expected = scipy_stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert difference_of(d).p == pytest.approx(expected)


def test_a_seed_that_falls_elsewhere_widens_the_interval_here():
    rng = np.random.default_rng(0)
    calm = rng.normal(0.1, 0.3, (3, 200))
    fallen = calm - np.array([[0], [0], [0.3]])
    alone = difference_of(calm)
    pooled = difference_of(calm, pooled=spread_of(calm, fallen))
    assert pooled.low < alone.low
    assert alone.freedom == 2
    assert pooled.freedom <= 1.75 * 4


def test_verdict_tells_runs_that_differ_from_seeds_that_spread():
    rng = np.random.default_rng(0)
    d = np.array([[0.2], [0.7]]) + rng.normal(0, 0.2, (1, 100)) + rng.normal(0, 0.1, (2, 100))
    assert "the seeds spread too much" in stats.verdict("A", "B", difference_of(d))
