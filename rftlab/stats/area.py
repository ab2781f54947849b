"""One difference over a range of label budgets: the area between two curves on log labels.

A mean over whatever budgets a grid happens to have can change its sign with the choice of budgets. The mean height
between two learning curves over a fixed range of log labels does not, and seeds and items stay paired in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.integrate import trapezoid

from rftlab.stats.crossed import Spread
from rftlab.stats.differences import Difference, table_difference, table_spread
from rftlab.stats.intervals import Floats


@dataclass(frozen=True)
class Area:
    """The mean difference of two methods over a range of log labels.

    Attributes:
        difference: mean height between the curves, first minus second, from the seeds that have all budgets.
        by_budget: the difference at every budget that the area rests on, at the same confidence.
    """

    difference: Difference
    by_budget: dict[float, Difference]

    @property
    def depends(self) -> bool:
        """Whether two budgets conclude oppositely: then no single difference speaks for the range."""
        return any(d.low > 0 for d in self.by_budget.values()) and any(d.high < 0 for d in self.by_budget.values())


def area(
    tables: Mapping[float, pd.DataFrame],
    low: float,
    high: float,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
    overlap: float = 0.0,
) -> Area:
    """Mean difference over log labels from ``low`` to ``high``, with an interval for new seeds and new items.

    The curve between two budgets is the straight line on a log axis (trapezoids; at an end of the range that is no
    budget, the line is read there). Each seed and item has an area of its own, so that pairing is kept.

    Args:
        tables: a `paired_table` for each label budget, of the same two methods. Budgets outside the range that no end
            of it lies next to carry no weight, but tell how much seeds differ.
        low: smallest budget of the claim, above 0.
        high: largest.
        confidence: of this claim; by Bonferroni for one of several.
        bounds: the range a difference can lie in.
        overlap: `fold_overlap` where seeds are folds of the same rows.

    Returns:
        From the seeds and items that every budget with a weight has. The spread of seeds is pooled over all tables; for
        the area its variance is that times the sum of the squared weights, and never less than the areas' own. Its
        degrees of freedom are S - 1 times (sum w^2)^2 / sum w^4, about two budgets' worth from 10 to 100 labels at
        three budgets: a method may fall at some budgets and not at others, and with all B (S - 1) the interval of two
        seeds then held in .926 of simulated cases.

    Raises:
        ValueError: an empty range, or one that the budgets do not cover.
    Source: Satterthwaite 1946, for a weighted sum of variances that are not known to be equal.
    """
    weights = dict(zip(tables, log_weights(list(tables), low, high).tolist(), strict=True))
    heights, whole = weighted(tables, weights, overlap=overlap)
    spread = Spread.pooled([table_spread(table, overlap=overlap) for table in tables.values()])
    return Area(
        table_difference(heights, pooled=whole, confidence=confidence, bounds=bounds),
        {
            n: table_difference(tables[n], pooled=spread, confidence=confidence, bounds=bounds)
            for n in sorted(tables)
            if weights[n]
        },
    )


def weighted(
    tables: Mapping[float, pd.DataFrame], weights: Mapping[float, float], *, overlap: float = 0.0
) -> tuple[pd.DataFrame, Spread]:
    """The weighted sum of a difference's tables, and how much seeds differ in it, pooled as in `area`.

    Args:
        tables: a `paired_table` for each label budget, of the same two methods.
        weights: of each budget; not all 0.
        overlap: `fold_overlap` where seeds are folds of the same rows.

    Returns:
        A row a seed and a column an item, those that every budget with a weight has; and the spread.
    """
    used = {labels: weight for labels, weight in weights.items() if weight}
    spread = Spread.pooled([table_spread(table, overlap=overlap) for table in tables.values()])
    seeds = reduce(pd.Index.intersection, [tables[labels].index for labels in used])
    items = reduce(pd.Index.intersection, [tables[labels].columns for labels in used])
    total = reduce(add, [weight * tables[labels].loc[seeds, items] for labels, weight in used.items()])
    squares = np.square(list(used.values()))
    budgets = float(squares.sum() ** 2 / np.square(squares).sum())
    return total, Spread(spread.variance * float(squares.sum()), spread.freedom * budgets / len(tables), overlap)


def log_weights(labels: ArrayLike, low: float, high: float) -> Floats:
    """Weight of each budget in the mean height of a curve over [low, high] on a log axis; they add up to 1.

    Args:
        labels: budgets in any order, none twice; 0 stands where 1 does.
        low: 0 or above.
        high: above ``low``.

    Raises:
        ValueError: an empty range, a budget given twice, or a range that the budgets do not cover.
    """
    found = np.asarray(labels, dtype=float)
    if not 0 <= low < high:
        raise ValueError(f"a range of labels goes from 0 or more to a larger number, not from {low:g} to {high:g}")
    if len(np.unique(found.clip(1))) < len(found):
        raise ValueError("a label budget is given twice")
    if not len(found) or found.min() > low or found.max() < high:
        have = ", ".join(f"{n:g}" for n in np.sort(found)) or "none"
        raise ValueError(f"the budgets ({have}) do not cover the range from {low:g} to {high:g} labels")
    x = np.log(np.sort(found).clip(1))
    ends = np.log(np.clip([low, high], 1, None))
    knots = np.concatenate([ends[:1], x[(x > ends[0]) & (x < ends[1])], ends[1:]])
    # The curve of one budget alone, 1 there and 0 at all others, has that budget's weight as its area.
    heights = np.array([np.interp(knots, x, unit) for unit in np.eye(len(x))])
    by_order = trapezoid(heights, knots, axis=1) / (ends[1] - ends[0])
    return by_order[np.argsort(np.argsort(found))]
