"""The mean of a (seeds, items) table, with an interval for new seeds and new items at once.

Seeds and test items are crossed: every seed answers the same items, so that neither is a sample of the other. The
variance of the mean is taken apart into seeds, items and the rest (two-way analysis of variance). How much seeds differ
is hardly known from a few of them: what other budgets of the same comparison say about it is pooled in.

Legend: S seeds, I items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy import special

from rftlab.stats.intervals import Floats, Interval, critical_t, cut

# Simulated (docs/simulations.md): with 1, intervals hold up to .998 where items spread more than seeds; with no limit
# .92 where a method falls in one seed of five.
POOLED_FREEDOM = 1.75
_NOTHING = 1e-18


@dataclass(frozen=True)
class Crossed(Interval):
    """A mean over seeds and items; `n` counts the (seed, item) pairs.

    Attributes:
        p: two-sided p-value of "the mean is 0".
        seeds: how many seeds there are.
        items: how many items a seed has (the smallest such number).
        freedom: degrees of freedom of the t-quantile; NaN where none is used.
        covers: in words, what a repetition of the experiment may change without leaving the interval.
    """

    p: float
    seeds: int
    items: int
    freedom: float
    covers: str


@dataclass(frozen=True)
class Spread:
    """Variance of a seed's mean around the mean of all seeds.

    Attributes:
        variance: NaN for one seed.
        freedom: its degrees of freedom, 0 for one seed.
        overlap: share of the variance that no number of seeds averages out, because they are folds of the same rows
            (`fold_overlap`); 0 where seeds are independent.
    """

    variance: float
    freedom: float
    overlap: float = 0.0

    @staticmethod
    def pooled(spreads: Sequence["Spread"]) -> "Spread":
        """One estimate from several tables, weighted by their degrees of freedom."""
        freedom = sum(spread.freedom for spread in spreads)
        total = sum(spread.variance * spread.freedom for spread in spreads if spread.freedom)
        overlap = max((spread.overlap for spread in spreads), default=0.0)
        return Spread(total / freedom if freedom else nan, freedom, overlap)

    @staticmethod
    def summed(first: "Spread", second: "Spread") -> "Spread":
        """Of a difference of two arms, from the spread of each: their seeds hardly move together.

        For one budget, where nothing can be pooled over budgets: pool each arm over the arms of its kind, then add.
        Source: Satterthwaite 1946.
        """
        parts = [spread for spread in (first, second) if spread.freedom]
        overlap = max(first.overlap, second.overlap)
        if len(parts) < 2:
            return Spread(nan, 0, overlap)
        total = first.variance + second.variance
        weight = sum(spread.variance**2 / spread.freedom for spread in parts)
        return Spread(total, total**2 / weight if weight else first.freedom + second.freedom, overlap)


def seed_spread(table: Floats, *, overlap: float = 0.0) -> Spread:
    """How much seeds' means differ in a table (S, I) without NaN, or with some where seeds have items of their own."""
    means = np.nanmean(table, axis=1)
    if means.size < 2:
        return Spread(nan, 0, overlap)
    return Spread(float(means.var(ddof=1)), means.size - 1, overlap)


def fold_overlap(folds: int) -> float:
    """What is added to 1 / S where the S seeds are folds of the same rows, each tested on one of ``folds`` parts.

    The variance of the mean of S fold means is (1 / S + n_test / n_train) times their own variance. n_train is the rows
    that labels may be drawn from, not those drawn: with the label budget in its place intervals of 10 labels are 1.8
    to 3.8 times as wide for nothing, since draws of few labels share little (docs/simulations.md).

    Source: Nadeau and Bengio 2003, Inference for the generalization error (corrected resampled t); Bouckaert and Frank
        2004, for repeated folds.
    """
    return 1 / (folds - 1)


def crossed_interval(
    table: Floats, *, pooled: Spread | None = None, confidence: float = 0.95, bounds: tuple[float, float] | None = None
) -> Crossed:
    """Mean of a full table (S, I) and its interval over new seeds and new items.

    Args:
        table: values, no NaN.
        pooled: how much seeds differ over all tables of this kind, this one among them (all label budgets of one
            comparison). The spread used is the larger of the table's own and the pooled one: a method that falls in one
            seed of five at some budget then widens the interval at the budgets where it happened not to. Its
            ``overlap`` widens all limits that speak of seeds.
        confidence: between 0 and 1.
        bounds: the range the mean can lie in; the limits are cut to it.

    Returns:
        One seed: an interval over items only. One item: over seeds only. Without ``pooled`` at most S - 1 degrees of
        freedom, with it at most 1.75 times the pooled ones. Where all values are equal the limits are those of an exact
        binomial for "none of I items differs".
    Source: Satterthwaite 1946; Searle, Casella, McCulloch 1992, Variance components, chapter 4 (two-way crossed);
        differs: a negative variance component of one factor is taken as 0, which errs on the wide side.
    """
    seeds, items = table.shape
    mean = float(table.mean())
    squares = _Squares.of(table)
    own = seed_spread(table)
    spread = pooled if own.freedom and pooled and pooled.freedom > own.freedom else own
    by_seed = items * max(own.variance, spread.variance) if own.freedom else 0.0
    rest, by_item = squares.rest, squares.by_item
    if own.freedom and items > 1:
        square = max(by_seed + by_item - rest, by_seed, by_item)
        parts = [(by_seed, spread.freedom), (by_item, items - 1), (rest, own.freedom * (items - 1))]
        weight = sum(part**2 / freedom for part, freedom in parts)
        # Where a few seeds all happen to be calm, Satterthwaite takes the sum for better known than it is.
        most = POOLED_FREEDOM * spread.freedom if spread is pooled else own.freedom
        freedom = min(square**2 / weight, most) if weight else most
    elif own.freedom:
        square, freedom = by_seed, spread.freedom
    else:
        square, freedom = by_item, items - 1
    covers = _covers(seeds, items, pooled=spread is pooled)
    if not square > _NOTHING:
        return _certain(mean, seeds, items, confidence, bounds, covers)
    shared = pooled.overlap if pooled and own.freedom else 0.0
    error = sqrt((square / seeds + by_seed * shared) / items)
    half = critical_t(freedom, confidence) * error
    p = float(2 * special.stdtr(freedom, -abs(mean) / error))
    return Crossed(mean, *cut(mean - half, mean + half, bounds), table.size, p, seeds, items, float(freedom), covers)


@dataclass(frozen=True)
class _Squares:
    by_item: float
    rest: float

    @staticmethod
    def of(table: Floats) -> "_Squares":
        seeds, items = table.shape
        if items < 2:
            return _Squares(nan, nan)
        over_items = table.mean(axis=0)
        by_item = seeds * float(over_items.var(ddof=1))
        if seeds < 2:
            return _Squares(by_item, nan)
        rest = table - table.mean(axis=1, keepdims=True) - over_items + table.mean()
        return _Squares(by_item, float((rest**2).sum()) / ((seeds - 1) * (items - 1)))


def _certain(
    mean: float, seeds: int, items: int, confidence: float, bounds: tuple[float, float] | None, covers: str
) -> Crossed:
    """Every value is the same: of I items none differed, so that at most a share ``most`` of all items does."""
    if items < 2:
        return Crossed(mean, nan, nan, seeds * items, nan, seeds, items, nan, covers)
    most = 1 - ((1 - confidence) / 2) ** (1 / items)
    floor, ceiling = bounds or (mean - 1, mean + 1)
    low, high = mean - most * (mean - floor), mean + most * (ceiling - mean)
    p = 2.0 ** (1 - items) if mean else 1.0
    return Crossed(mean, low, high, seeds * items, p, seeds, items, nan, covers)


def _covers(seeds: int, items: int, *, pooled: bool) -> str:
    if seeds == 1:
        return "the choice of test items; not a new training run (one seed)"
    if items == 1:
        return "new seeds; the test items are taken as they are"
    few = f"; with {seeds} seeds the spread between seeds is itself hardly known" if seeds < 5 and not pooled else ""
    return f"new seeds and new test items{few}"
