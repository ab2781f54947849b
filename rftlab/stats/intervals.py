"""Means with intervals, over seeds or over items, and the unbiased pass@k."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb, inf, nan, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

Floats = NDArray[np.float64]
UNIT = (0.0, 1.0)
_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits, in the unit of the values it came from.

    Attributes:
        estimate: NaN if there were no values.
        low: lower limit; NaN where it cannot be computed.
        high: upper limit; NaN where it cannot be computed.
        n: how many values it rests on.
    """

    estimate: float
    low: float
    high: float
    n: int

    @property
    def conclusive(self) -> bool:
        """Whether zero lies strictly outside the interval; False where there is no interval."""
        return self.low > 0 or self.high < 0


def t_interval(values: ArrayLike, *, confidence: float = 0.95, bounds: tuple[float, float] | None = None) -> Interval:
    """Mean of independent values (one a seed) and its Student-t interval.

    Args:
        values: any shape, flattened; NaN and None are left out.
        confidence: between 0 and 1.
        bounds: the range the mean can lie in, e.g. (0, 1) for an accuracy; the limits are cut to it.

    Returns:
        Limits are NaN for fewer than two values, and for values without any spread: equal results of a few seeds say
        nothing about how far the next one may lie.
    """
    found = _present(values)
    if not found.size:
        return Interval(nan, nan, nan, 0)
    mean = float(found.mean())
    if found.size < 2 or np.ptp(found) <= _NO_SPREAD * max(1.0, abs(mean)):
        return Interval(mean, nan, nan, found.size)
    half = critical_t(found.size - 1, confidence) * float(found.std(ddof=1)) / sqrt(found.size)
    return Interval(mean, *cut(mean - half, mean + half, bounds), found.size)


def bootstrap_interval(
    values: ArrayLike,
    *,
    statistic: Callable[..., float] = np.mean,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """BCa bootstrap interval of a statistic of independent values (`scipy.stats.bootstrap`).

    For twenty values or more: with a handful the bootstrap is too narrow, use `t_interval`.

    Returns:
        Limits are NaN for fewer than two values and for constant values, where BCa is undefined.
    Source: Efron 1987, Better bootstrap confidence intervals.
    """
    found = _present(values)
    estimate = float(statistic(found)) if found.size else nan
    if found.size < 2 or np.ptp(found) == 0:
        return Interval(estimate, nan, nan, found.size)
    rng = np.random.default_rng(seed)
    limits = stats.bootstrap(
        (found,), statistic, confidence_level=confidence, n_resamples=resamples, rng=rng, method="BCa"
    ).confidence_interval
    return Interval(estimate, float(limits.low), float(limits.high), found.size)


def wilson_interval(successes: float, trials: int, *, confidence: float = 0.95) -> Interval:
    """Share of successes and its Wilson score interval; all NaN for no trials.

    Args:
        successes: 0 to ``trials``.
        trials: how many independent items were tried.
        confidence: between 0 and 1.
    Source: Wilson 1927, by `statsmodels.stats.proportion.proportion_confint`.
    """
    if trials <= 0:
        return Interval(nan, nan, nan, 0)
    low, high = proportion_confint(successes, trials, alpha=1 - confidence, method="wilson")
    return Interval(successes / trials, float(low), float(high), trials)


def stratified_interval(
    successes: Sequence[float], trials: Sequence[int], shares: Sequence[float], *, confidence: float = 0.95
) -> Interval:
    """Share of successes in a whole of which each stratum is a known share, sampled apart.

    Each stratum's Wilson limits are put together by the distances from its estimate, so that one that was sampled more
    than its share neither counts more nor narrows the interval more.

    Args:
        successes: in each stratum.
        trials: of each stratum; all NaN where one with a share has none.
        shares: of the strata in the whole, any positive unit.
        confidence: between 0 and 1.
    Source: Zou and Donner 2008 (method of variance estimates recovery); Newcombe 1998 for two strata.
    """
    whole = sum(shares)
    found = [
        (share / whole, wilson_interval(right, tried, confidence=confidence))
        for right, tried, share in zip(successes, trials, shares, strict=True)
        if share
    ]
    estimate = sum(weight * each.estimate for weight, each in found)
    below = sqrt(sum((weight * (each.estimate - each.low)) ** 2 for weight, each in found))
    above = sqrt(sum((weight * (each.high - each.estimate)) ** 2 for weight, each in found))
    return Interval(estimate, estimate - below, estimate + above, sum(trials))


def items_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Mean over items and its interval: Wilson where every value is 0 or 1, else BCa bootstrap.

    It covers the choice of the items only: another training run may land outside.
    """
    found = _present(values)
    if np.isin(found, UNIT).all():
        return wilson_interval(float(found.sum()), found.size, confidence=confidence)
    return bootstrap_interval(found, confidence=confidence)


def pass_at_k(correct: ArrayLike, samples: ArrayLike, k: int) -> Floats:
    """Unbiased estimate, item by item, that at least one of k completions is correct: 1 - C(n-c, k) / C(n, k).

    Args:
        correct: c, correct completions of an item, 0 <= c <= n.
        samples: n, completions drawn for that item.
        k: at least 1.

    Returns:
        One value in [0, 1] an item; NaN where n < k.
    Source: Chen et al. 2021 (2107.03374) section 2.1.
    """
    pairs = np.broadcast_arrays(np.atleast_1d(correct).astype(int), np.atleast_1d(samples).astype(int))
    return np.array([nan if n < k else 1 - comb(n - c, k) / comb(n, k) for c, n in zip(*pairs, strict=True)])


def summarise(
    frame: pd.DataFrame, by: Sequence[str], value: str, *, bounds: tuple[float, float] | None = None, overlap: str = ""
) -> pd.DataFrame:
    """One row per group: the columns ``by``, then mean, low, high (95 % t-interval over the rows) and n.

    Rows must be independent (one a seed), or folds of the same rows, whose `fold_overlap` the column ``overlap`` holds.
    Groups in which ``value`` is always missing are left out.
    """
    shared = frame[overlap] if overlap else 0.0
    numbers = frame[list(by)].assign(value=pd.to_numeric(frame[value]), shared=shared).dropna(subset="value")
    groups = numbers.groupby(list(by), sort=True, dropna=False)
    found = groups["value"].agg(["mean", "std", "count", "min", "max"]).reset_index()
    widened = groups["shared"].max().to_numpy()
    spread = found["max"] - found["min"] > _NO_SPREAD * found["mean"].abs().clip(lower=1.0)
    freedom = (found["count"] - 1).where(spread)
    half = stats.t.ppf(0.975, freedom) * found["std"] * np.sqrt(1 / found["count"] + widened)
    low, high = bounds or (None, None)
    limits = {"low": (found["mean"] - half).clip(lower=low), "high": (found["mean"] + half).clip(upper=high)}
    return found.assign(**limits, n=found["count"])[[*by, "mean", "low", "high", "n"]]


def critical_t(freedom: float, confidence: float) -> float:
    """|t| that Student's t leaves with probability 1 - ``confidence``; inf for a confidence of 1."""
    return -float(special.stdtrit(freedom, (1 - confidence) / 2)) if confidence < 1 else inf


def _present(values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=float).ravel()
    return found[~np.isnan(found)]


def cut(low: float, high: float, bounds: tuple[float, float] | None) -> tuple[float, float]:
    """The limits, moved inside the range that the estimated quantity can lie in."""
    floor, ceiling = bounds or (-np.inf, np.inf)
    return max(float(low), floor), min(float(high), ceiling)
