"""What a rule of the ledger finds in a study: differences that a claim says are above 0, or what is missing."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from rftlab import stats
from rftlab.stats import Difference, Spread

Tables = Mapping[float, pd.DataFrame]


class Panel(NamedTuple):
    """Task, model and variant: what a claim is tested in."""

    task: str
    model: str
    variant: str


class Contrast(NamedTuple):
    """One difference that a claim says is above 0.

    Attributes:
        name: what is subtracted from what.
        tables: label budget -> outcomes of the first minus those of the second, a row a seed and a column an item;
            all of them tell how much seeds differ.
        span: budgets from and to which it is meant, as the area over log labels; None takes all there are.
        slope: it is the rise of the difference with every tenfold of labels.
        bound: largest value that it can have.
    """

    name: str
    tables: Tables
    span: tuple[float, float] | None = None
    slope: bool = False
    bound: float = 1.0

    @property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest budget of it."""
        return self.span or (min(self.tables), max(self.tables))


class Tested(NamedTuple):
    """A slice of a study that a claim can be tested in.

    Attributes:
        panel: where.
        prompt: how arms were trained and asked, in words.
        part: which part of the claim; "" for the whole of it.
        arms: arm -> differences that must all be above 0; of several arms the best one counts.
        controls: the same with a control in the place of the arm that the claim favours, of those that were run; None
            where controls say nothing of the claim.
        cells: ids of the cells it rests on.
        failed: preconditions that do not hold.
        notes: what has to be said beside it.
        include: block of cells that would mend what failed; "" for none.
        primary: greedy and by the estimand of the claim, and so confirmatory where the plan names the claim.
        alike: the claim says that there is no difference.
        asked: the parameter that says how many of its items are asked.
    """

    panel: Panel
    prompt: str
    part: str
    arms: Mapping[str, tuple[Contrast, ...]]
    controls: Mapping[str, tuple[Contrast, ...]] | None
    cells: tuple[str, ...]
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    include: str = ""
    primary: bool = True
    alike: bool = False
    asked: str = "evaluation.test_items"


class Missing(NamedTuple):
    """Why a claim cannot be tested in a panel, and the block of cells that would test it."""

    panel: Panel | None
    why: str
    include: str = ""


class Measured(NamedTuple):
    """A contrast with its interval.

    Attributes:
        contrast: which.
        difference: with limits.
        by_budget: the difference at each budget that it rests on, at the same confidence.
        table: what it was computed from, a row a seed.
        spread: of seeds, as pooled.
    """

    contrast: Contrast
    difference: Difference
    by_budget: Mapping[float, Difference]
    table: pd.DataFrame
    spread: Spread


def measure(contrast: Contrast, confidence: float, overlap: float = 0.0) -> Measured:
    """A contrast's difference over its span, with an interval for new seeds and items.

    Args:
        contrast: which.
        confidence: of the interval.
        overlap: `rftlab.stats.fold_overlap` where seeds are folds of the same rows.
    """
    tables, bounds = contrast.tables, (-contrast.bound, contrast.bound)
    low, high = contrast.ends
    pooled = Spread.pooled([stats.table_spread(table, overlap=overlap) for table in tables.values()])
    if contrast.slope:
        table, spread = stats.weighted(tables, _rise(tables), overlap=overlap)
        return Measured(contrast, _interval(table, spread, confidence, None), {}, table, spread)
    if low == high:
        found = _interval(tables[low], pooled, confidence, bounds)
        return Measured(contrast, found, {low: found}, tables[low], pooled)
    area = stats.area(tables, low, high, confidence=confidence, bounds=bounds, overlap=overlap)
    weights = dict(zip(tables, stats.log_weights(list(tables), low, high).tolist(), strict=True))
    return Measured(contrast, area.difference, area.by_budget, *stats.weighted(tables, weights, overlap=overlap))


def beside(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """One table minus another, at the seeds and items that both have."""
    rows, columns = first.index.intersection(second.index), first.columns.intersection(second.columns)
    return first.loc[rows, columns] - second.loc[rows, columns]


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """The mean of every seed, as a table of one column: what is left where items cannot be paired."""
    return table.mean(axis=1).to_frame("mean").dropna()


def _interval(table: pd.DataFrame, spread: Spread, confidence: float, bounds: tuple[float, float] | None) -> Difference:
    return stats.table_difference(table, pooled=spread, confidence=confidence, bounds=bounds)


def _rise(tables: Tables) -> dict[float, float]:
    """Weights of budgets in the least-squares slope over log10 of labels."""
    decades = np.log10(list(tables))
    centred = decades - decades.mean()
    return dict(zip(tables, (centred / (centred**2).sum()).tolist(), strict=True))
