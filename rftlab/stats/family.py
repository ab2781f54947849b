"""Intervals that hold together: of every comparison of a family, at every look of a study.

A family of K comparisons gets intervals of confidence 1 - alpha / K each (Bonferroni), so that with probability
1 - alpha or more all of them hold their truths at once, however they depend on each other: no false "better" anywhere,
and whoever is picked because of these intervals was picked safely. The exact distribution of the largest |t| would gain
1 to 3 % of the width. Looks of a study that may grow (`sequential`) share the same alpha.
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache

import pandas as pd

from rftlab.stats.crossed import Spread
from rftlab.stats.differences import Difference, table_difference, table_spread
from rftlab.stats.intervals import Floats
from rftlab.stats.sequential import COARSE, look_confidence


@lru_cache(maxsize=1024)
def family_confidence(
    comparisons: int, *, alpha: float = 0.05, seeds: int = 0, largest: int = 0, first: int = 3
) -> float:
    """Confidence of each of K intervals that shall hold together with probability 1 - alpha or more.

    Args:
        comparisons: K, all that were declared, also those without records yet; at least 1.
        alpha: of the whole family, and over all of its looks.
        seeds: seeds this comparison has so far; used with ``largest`` only.
        largest: seeds at the last look; 0 for a study of a fixed size, looked at once.
        first: seeds at the first look; with fewer the confidence is 1 (an interval without limits).

    Raises:
        ValueError: no comparison, or more seeds than ``largest``.
    """
    if comparisons < 1:
        raise ValueError(f"a family has at least 1 comparison, not {comparisons}")
    share = alpha / comparisons
    return look_confidence(seeds, largest, first=first, alpha=share) if largest else 1 - share


@lru_cache(maxsize=1024)
def final_confidence(seeds: int, comparisons: int, *, alpha: float = 0.05, first: int = 3) -> float:
    """As `family_confidence` at the last look at a study that declares just so many seeds: for plans, and quickly.

    Args:
        seeds: 1 at least.
        comparisons: K.
        alpha: of the whole family, and over all of its looks.
        first: seeds at the first look, or at the only one where there are fewer.

    Returns:
        Right to 3 % of 1 - the confidence; 1 for one seed.
    """
    share = alpha / comparisons
    return look_confidence(seeds, seeds, first=max(2, min(first, seeds)), alpha=share, bins=COARSE)


def simultaneous(
    tables: Sequence[pd.DataFrame | Floats],
    *,
    spreads: Sequence[Spread | None] | None = None,
    comparisons: int | None = None,
    alpha: float = 0.05,
    largest: int = 0,
    first: int = 3,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> list[Difference]:
    """One interval for each comparison of a family, all of them right at once with probability 1 - alpha or more.

    Args:
        tables: a `paired_table` a comparison; an empty one gets an interval of NaN and still counts.
        spreads: what each may pool, see `pooled_spreads`; None for nothing.
        comparisons: K, at least as many as there are tables (the default): those declared and not run count too.
        alpha: of the whole family.
        largest: declared largest number of seeds, if the study may grow or is looked at while it runs; else 0.
        first: seeds at the first look.
        bounds: the range a difference can lie in.

    Raises:
        ValueError: fewer comparisons than tables, or more seeds than ``largest``.
    Source: Bonferroni's inequality (Miller 1981, Simultaneous statistical inference).
    """
    declared = len(tables) if comparisons is None else comparisons
    if declared < len(tables):
        raise ValueError(f"{len(tables)} comparisons are made, but the family was declared to have {declared}")
    return [
        table_difference(
            table,
            pooled=spread,
            confidence=family_confidence(declared, alpha=alpha, seeds=len(table), largest=largest, first=first),
            bounds=bounds,
        )
        for table, spread in zip(tables, spreads or [None] * len(tables), strict=True)
    ]


def pooled_spreads(tables: Sequence[pd.DataFrame | Floats], kinds: Sequence[Hashable]) -> list[Spread]:
    """How much seeds differ in tables of one kind, pooled: one Spread a table, equal for equal kinds.

    Args:
        tables: a `paired_table` each.
        kinds: what makes tables alike, e.g. (task, first arm, second arm): all label budgets of one comparison.
    """
    alike: dict[Hashable, list[Spread]] = {}
    for table, kind in zip(tables, kinds, strict=True):
        alike.setdefault(kind, []).append(table_spread(table))
    pooled = {kind: Spread.pooled(spreads) for kind, spreads in alike.items()}
    return [pooled[kind] for kind in kinds]
