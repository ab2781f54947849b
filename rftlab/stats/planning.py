"""What differences so many seeds and items can show, how many seeds one would take, and whether its items forbid it."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

import numpy as np
import pandas as pd
from scipy import optimize, stats

from rftlab.stats.crossed import Spread, seed_spread
from rftlab.stats.differences import shared

MOST_SEEDS = 100
"""Seeds beyond which nothing is planned."""


def seeds_to_show(
    table: pd.DataFrame,
    effect: float,
    *,
    items: int | None = None,
    spread: Spread | None = None,
    confidence: Callable[[int], float] = lambda _: 0.95,
    power: float = 0.8,
) -> float:
    """Smallest number of seeds with which a true difference of ``effect`` would probably be shown.

    Args:
        table: a `paired_table`, two seeds at least; of one column, a mean a seed, items are taken as they are.
        effect: true difference, above 0, in the unit of the table.
        items: test items that would be asked, if other than the table's.
        spread: how much seeds differ, if more than this table tells of it.
        confidence: of the interval that a comparison gets with so many seeds; it need not grow with them.
        power: probability with which it shall be shown.

    Returns:
        inf where it would take more than `MOST_SEEDS`; NaN where the table cannot tell: one seed, or one value a seed,
        the same in all.

    Source: the noncentral t, with the upper 80 % limit of the seeds' variance (right power in 88 % of plans made from
        3-seed pilots, against 58 % with the estimate itself).
    """
    parts = Components.of(table, spread)
    return parts.seeds_to_show(effect, items=items, confidence=confidence, power=power) if parts else nan


def items_forbid(
    table: pd.DataFrame,
    effect: float,
    *,
    items: int | None = None,
    spread: Spread | None = None,
    confidence: float = 0.95,
    power: float = 0.8,
) -> bool:
    """Whether chance among items alone would hide a true difference of ``effect``, whatever the number of seeds.

    Where seeds are folds of the same rows, chance among these rows.

    Args:
        table: a `paired_table`.
        effect: true difference, above 0.
        items: test items that would be asked, if other than the table's.
        spread: how much seeds differ, if more than this table tells of it.
        confidence: of the interval.
        power: probability with which it shall be shown.
    """
    parts = Components.of(table, spread)
    if parts is None:
        return False
    error = sqrt(parts.by_item / (items or parts.items) + parts.by_seed * parts.overlap)
    return bool(error and stats.norm.sf(stats.norm.ppf(0.5 + confidence / 2) - effect / error) < power)


@dataclass(frozen=True)
class Components:
    """The variance of a difference taken apart: of a seed, of an item, of the rest; and what it was estimated from.

    Attributes:
        seeds: that it was estimated from, two at least.
        items: the same.
        by_seed: variance of a seed's true difference, at the upper 80 % limit of what so few seeds tell of it.
        by_item: of an item's.
        rest: of what is left in one outcome.
        freedom: degrees of freedom that a comparison of so many seeds has; they grow with the seeds.
        overlap: share of a seed's variance that seeds do not average out, as where they are folds of the same rows.
    """

    seeds: int
    items: int
    by_seed: float
    by_item: float
    rest: float
    freedom: float
    overlap: float = 0.0

    @staticmethod
    def of(table: pd.DataFrame, spread: Spread | None) -> "Components | None":
        """Of a `paired_table`; None where it cannot tell.

        Args:
            table: of two seeds at least that differ.
            spread: how much seeds differ, if more than this table tells of it.
        """
        values, crossed = shared(table)
        if values.size and not crossed:  # seeds with items of their own: the mean of each carries both kinds of chance
            values = np.nanmean(values, axis=1)[:, None]
        seeds, asked = values.shape if values.size else (0, 0)
        if seeds < 2 or (asked == 1 and not np.ptp(values)):
            return None
        known = spread if spread and spread.freedom > seeds - 1 else seed_spread(values)
        left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
        rest = float((left**2).sum()) / ((seeds - 1) * (asked - 1)) if asked > 1 else 0.0
        by_item = max(0.0, float(values.mean(axis=0).var(ddof=1)) - rest / seeds) if asked > 1 else 0.0
        upper = known.variance * known.freedom / stats.chi2.ppf(0.2, known.freedom)
        overlap = spread.overlap if spread else 0.0
        return Components(seeds, asked, max(0.0, upper - rest / asked), by_item, rest, known.freedom, overlap)

    def seeds_to_show(
        self,
        effect: float,
        *,
        items: int | None = None,
        confidence: Callable[[int], float] = lambda _: 0.95,
        power: float = 0.8,
    ) -> float:
        """As the function of this name; at least as many seeds as this was estimated from."""
        there = range(self.seeds, MOST_SEEDS + 1)
        index = 0
        # From below: with the confidence of too few seeds come too few, until those at hand are enough with their own.
        while index < len(there):
            level = confidence(there[index])
            enough = bisect_left(there, power, key=lambda seeds: self.power(effect, seeds, items, level))
            if enough <= index:
                break
            index = enough
        return there[index] if index < len(there) else inf

    def detectable(
        self, seeds: int, *, items: int | None = None, confidence: float = 0.95, power: float = 0.8
    ) -> float:
        """Smallest true difference that so many seeds, and items, would probably show; inf where no difference is.

        Args:
            seeds: two at least; of one alone nothing is said (inf).
            items: test items; None for those this was estimated from.
            confidence: of the interval.
            power: probability with which it shall be shown.
        """
        if seeds < 2 or not confidence < 1:
            return inf
        most = 1.0
        while self.power(most, seeds, items, confidence) < power:
            most *= 2
            if most > 2**20:
                return inf
        found = optimize.brentq(lambda effect: self.power(effect, seeds, items, confidence) - power, 1e-9, most)
        return float(found)

    def power(self, effect: float, seeds: int, items: int | None, confidence: float) -> float:
        """Probability that so many seeds, and items, show a true difference of ``effect``."""
        items = items or self.items
        by_seed = self.by_seed * (1 / seeds + self.overlap)
        error = sqrt(by_seed + self.by_item / items + self.rest / (seeds * items))
        freedom = self.freedom * (seeds - 1) / (self.seeds - 1)
        critical = float(stats.t.ppf(0.5 + confidence / 2, freedom)) if confidence < 1 else inf
        found = float(stats.nct.sf(critical, freedom, effect / error)) if error else 1.0
        return float(effect > critical * error) if isnan(found) else found  # far out SciPy has no number
