"""Where two curves over label budgets cross, in either direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nan

import numpy as np

from rftlab.stats.intervals import Floats, Interval


@dataclass(frozen=True)
class Crossover:
    """The label budget at which the difference of two methods, first minus second, changes its sign.

    Attributes:
        estimate: labels, interpolated on a log scale; NaN if the sign does not change in the range.
        low: lower limit in labels; 0 where the range is open below.
        high: upper limit in labels; inf where the range is open above.
        outcome: "found", "none in range", "several" or "inconclusive".
        overtaking: "first", "second", or "" where neither is seen to overtake: which method leads with more labels.
    """

    estimate: float
    low: float
    high: float
    outcome: str
    overtaking: str


def crossover(labels: Sequence[float], differences: Sequence[Interval]) -> Crossover:
    """Label budget at which one method overtakes the other, from the differences first minus second at each budget.

    The estimate is where the straight line between neighbouring differences crosses zero on a log-label axis, between
    the last budget that the one wins and the first that the other wins; the limits are where the intervals' own limits
    cross it there (the budgets at which zero is still possible).

    Args:
        labels: budgets; 0 stands where 1 does.
        differences: one interval a budget, in the same order. For a claim about all budgets at once they are
            simultaneous ones.

    Returns:
        "found": a conclusive lead of one turns into a conclusive lead of the other, once. "several": it turns more
        than once, so that who leads depends on the budget and no single crossover exists. "none in range": one side
        leads conclusively at every budget. Otherwise "inconclusive", with the estimate and ``overtaking`` if the means
        change their sign exactly once.
    """
    order = np.argsort(np.asarray(labels, dtype=float))
    x = np.log(np.asarray(labels, dtype=float)[order].clip(1))
    mean, low, high = (np.array([getattr(differences[i], name) for i in order]) for name in ("estimate", "low", "high"))
    lead = np.where(low > 0, 1, np.where(high < 0, -1, 0))
    won = np.flatnonzero(lead)
    turns = won[1:][np.diff(lead[won]) != 0]
    if len(turns) > 1:
        return Crossover(nan, nan, nan, "several", "")
    if len(won) and len(won) == len(x) and not len(turns):
        return Crossover(nan, nan, nan, "none in range", "")
    if len(turns):
        after = int(turns[0])
        before = int(won[won < after].max())
        upward = lead[after] > 0
        part = slice(before, after + 1)
        near, far = (high, low) if upward else (low, high)
        crossed = _zeros(x[part], mean[part])
        limits = _zeros(x[part], near[part])[0], _zeros(x[part], far[part])[-1]
        return Crossover(crossed[len(crossed) // 2], *limits, "found", "first" if upward else "second")
    return _perhaps(x, mean, low, high)


def _perhaps(x: Floats, mean: Floats, low: Floats, high: Floats) -> Crossover:
    """What can be said where no lead turns conclusively."""
    crossed = _zeros(x, mean)
    if len(crossed) != 1:
        return Crossover(nan, 0.0, inf, "inconclusive", "")
    upward = mean[np.isfinite(mean) & (mean != 0)][-1] > 0
    near, far = (_zeros(x, limit) for limit in ((high, low) if upward else (low, high)))
    first = next((at for at in near if at <= crossed[0]), 0.0)
    last = next((at for at in reversed(far) if at >= crossed[0]), inf)
    return Crossover(crossed[0], first, last, "inconclusive", "first" if upward else "second")


def _zeros(x: Floats, y: Floats) -> list[float]:
    """Exponentials of the x where the line through the points (x, y) changes its sign, in rising order."""
    known = np.isfinite(y)
    x, y = x[known], y[known]
    signs = np.sign(y)
    found = []
    for i, j in pairwise(np.flatnonzero(signs)):
        if signs[i] != signs[j]:
            # A run of exact zeros between two signs is crossed in its middle.
            ends = [x[k] - y[k] * (x[k + 1] - x[k]) / (y[k + 1] - y[k]) for k in (i, j - 1)]
            found.append(float(np.exp(np.mean(ends))))
    return found
