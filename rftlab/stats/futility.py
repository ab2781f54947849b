"""Whether a study that may still grow has any chance left to decide a comparison, given what its seeds said so far."""

from math import isnan, sqrt

import numpy as np
import pandas as pd
from scipy import stats

from rftlab.stats.crossed import POOLED_FREEDOM, Spread, seed_spread
from rftlab.stats.differences import shared

HOPELESS = 0.1
"""Chance below which a comparison is given up."""
_CALM = 0.8
"""How calm seeds are supposed to be: the lower limit of their variance at this confidence, since a few tell little."""


def chance_to_decide(
    table: pd.DataFrame, margin: float, *, largest: int, confidence: float, pooled: Spread | None = None
) -> float:
    """Chance that a difference is decided once all declared seeds are there, by what the seeds so far say.

    It is decided if its interval lies above 0, below 0, or within the margin. The chance is the largest of those under
    three suppositions on the seeds to come: their mean is the estimate; it is the margin, on the side of the estimate;
    nothing is there. Stopping at a small chance makes no false verdict likelier: the repeated intervals stay as they
    are (a non-binding rule).

    Args:
        table: a `paired_table`, two seeds at least.
        margin: smallest effect that matters, above 0, in the unit of the table.
        largest: seeds at the last look.
        confidence: of the interval at the last look.
        pooled: how much seeds differ, if more than this table tells of it.

    Returns:
        1 where the table cannot tell (one seed), or no seed is to come.

    Source: stochastic curtailment (Lan, Simon, Halperin 1982), with estimated variances; looks in between are left out.
    """
    values, crossed = shared(table)
    if values.size and not crossed:
        values = np.nanmean(values, axis=1)[:, None]
    seeds, items = values.shape if values.size else (0, 0)
    if not 2 <= seeds < largest:
        return 1.0
    own = seed_spread(values)
    known = pooled if pooled and pooled.freedom > own.freedom else own
    variance = max(own.variance, known.variance)
    variance *= min(1.0, known.freedom / float(stats.chi2.ppf(_CALM, known.freedom)))
    mean = float(values.mean())
    left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + mean
    rest = float((left**2).sum()) / ((seeds - 1) * (items - 1)) if items > 1 else 0.0
    by_item = max(0.0, float(values.mean(axis=0).var(ddof=1)) - rest / seeds) / items if items > 1 else 0.0
    freedom = known.freedom * (largest - 1) / (seeds - 1)
    if known is pooled:
        freedom *= POOLED_FREEDOM
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * sqrt(variance / largest + by_item)
    to_come = largest - seeds
    spread = sqrt(variance * to_come) / largest
    chances = [
        _decided((seeds * mean + to_come * supposed) / largest, spread, half, margin)
        for supposed in (mean, np.copysign(margin, mean), 0.0)
    ]
    return max(chances)


def _decided(expected: float, spread: float, half: float, margin: float) -> float:
    """Chance that a normal mean leaves an interval of this half width that lies beside 0, or within the margin."""
    if not spread:
        return float(abs(expected) > half or abs(expected) < margin - half)
    beyond = stats.norm.sf(half, expected, spread) + stats.norm.cdf(-half, expected, spread)
    inner = margin - half
    within = stats.norm.cdf(inner, expected, spread) - stats.norm.cdf(-inner, expected, spread) if inner > 0 else 0.0
    found = float(beyond + within)
    return 1.0 if isnan(found) else min(1.0, found)
