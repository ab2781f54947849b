"""What an interval of means cannot say: seeds that collapsed, how many more could, the worst and the middle ones."""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from rftlab.stats.intervals import Floats

_LEAST_FALL = 0.1


@dataclass(frozen=True)
class Collapse:
    """How an arm's seeds fared one by one.

    Attributes:
        collapsed: seeds that collapsed.
        seeds: seeds that there are.
        at_most: upper limit of the share of all seeds that would collapse; NaN without seeds.
        worst: lowest accuracy of a seed.
        middle: interquartile mean of the seeds' accuracies: the mean without the lowest and the highest quarter (with
            fewer than four seeds none is left out).
    """

    collapsed: int
    seeds: int
    at_most: float
    worst: float
    middle: float


def collapse(accuracies: ArrayLike, base: float = nan, *, confidence: float = 0.95) -> Collapse:
    """Counts the seeds that collapsed, with a bound for what five lucky seeds do not show.

    A seed has collapsed if its accuracy is below half of what could be expected, and by 10 points or more. Expected is
    the larger of the arm's median seed and of the base: the median alone would miss an arm that mostly collapses, the
    base alone a run that falls back from .9 to just above a weak base. The 10 points keep chance among few right
    answers from being called a collapse.

    Args:
        accuracies: one a seed, from 0 to 1.
        base: accuracy of the untrained base; NaN if it is not known.
        confidence: of ``at_most``, one-sided.

    Source: Clopper and Pearson 1934 (exact binomial limit); Agarwal et al. 2021 (2108.13264), the
        interquartile mean.
    """
    found = np.asarray(accuracies, dtype=float).ravel()
    found = found[~np.isnan(found)]
    if not found.size:
        return Collapse(0, 0, nan, nan, nan)
    gone = int(collapsed(found, base).sum())
    middle = float(stats.trim_mean(found, 0.25))
    return Collapse(gone, found.size, at_most(gone, found.size, confidence=confidence), float(found.min()), middle)


def collapsed(accuracies: ArrayLike, base: float = nan) -> np.ndarray:
    """Whether each seed collapsed, by the rule of `collapse`; False for NaN."""
    found: Floats = np.asarray(accuracies, dtype=float)
    known = found[~np.isnan(found)]
    expected = np.fmax(np.median(known) if known.size else nan, base)
    with np.errstate(invalid="ignore"):
        return (found < expected / 2) & (expected - found >= _LEAST_FALL)


def at_most(happened: int, seeds: int, *, confidence: float = 0.95) -> float:
    """Largest share of all seeds at which so few of these are still believable: .45 for none of 5.

    Source: Clopper and Pearson 1934, one-sided.
    """
    return float(special.betaincinv(happened + 1, seeds - happened, confidence)) if happened < seeds else 1.0
