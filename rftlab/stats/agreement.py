"""How far two people agree who sorted the same things into the same words."""

from math import nan

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.inter_rater import cohens_kappa

from rftlab.stats.intervals import Interval, wilson_interval


def kappa_interval(table: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Cohen's kappa of a square table of counts, and its interval.

    The limits are those of the agreement (Wilson's), carried over with the agreement by chance held at what the margins
    say. The usual normal ones have no width where all agree, and are too narrow near there.

    Args:
        table: counts, one rater's words in rows and the other's in columns; may be halves.
        confidence: between 0 and 1.

    Returns:
        All NaN for no counts, and where both gave one and the same word throughout: then chance alone explains it.
    Source: Cohen 1960, by `statsmodels.stats.inter_rater.cohens_kappa`. differs: the limits; `tests/stats` holds how
    often they hold.
    """
    counts = np.asarray(table, dtype=float)
    total = counts.sum()
    if not total:
        return Interval(nan, nan, nan, 0)
    chance = float(counts.sum(axis=0) @ counts.sum(axis=1)) / total**2
    if chance >= 1 - 1e-12:
        return Interval(nan, nan, nan, round(total))
    agreed = wilson_interval(float(np.trace(counts)), round(total), confidence=confidence)
    low, high = (min(1.0, float(limit - chance) / (1 - chance)) for limit in (agreed.low, agreed.high))
    return Interval(float(cohens_kappa(counts, return_results=False)), low, high, round(total))
