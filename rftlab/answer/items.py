"""Outcomes item by item, and the paired differences of arms that they give."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from rftlab import record, stats
from rftlab.answer.results import is_base
from rftlab.contract import SEEDS, SEEDS_OF_SAMPLING


@lru_cache(maxsize=20_000)
def outcomes(results: str | Path, cell: str) -> Mapping[str, float]:
    """Reward of a cell's greedy answer to each test item, by item id; empty if the cell kept no samples."""
    lines = read_lines(results, cell, record.SAMPLES, containing='"part": "test"')
    return {line["item"]: float(line["reward"]) for line in lines if line["part"] == "test"}


def item_table(results: str | Path, cells: pd.DataFrame) -> pd.DataFrame:
    """Columns seed, item, value for `stats.paired_difference`: one row per cell and test item; a seed is all of SEEDS.

    Cells of several label budgets may be given: an item then appears once per budget. Cells without samples come in as
    one item, their accuracy.
    """
    rows = [
        (seed, item, value)
        for cell, accuracy, *seeds in cells[["id", "accuracy", *SEEDS]].itertuples(index=False, name=None)
        for seed in [" ".join(map(str, seeds))]
        for item, value in (outcomes(results, cell) or {"all": accuracy}).items()
    ]
    return pd.DataFrame(rows, columns=["seed", "item", "value"])


def difference(
    results: str | Path, trained: pd.DataFrame, other: pd.DataFrame, spread: stats.Spread | None = None
) -> stats.Difference:
    """Trained cells minus others, paired over test items and seeds; an untrained one has every seed it fits.

    Args:
        results: a grid's results folder.
        trained: cells of one arm, at one label budget or several, over which they are averaged.
        other: cells of another arm at the same, or untrained ones.
        spread: `seed_spread` of the two arms.
    """
    if spread:  # the mean of several budgets spreads less: seeds of one budget tell nothing of those of another
        spread = stats.Spread(spread.variance / trained["labels"].nunique(), spread.freedom)
    return stats.paired_difference(*_item_tables(results, trained, other), pooled=spread)


def seed_spread(results: str | Path, trained: pd.DataFrame, other: pd.DataFrame) -> stats.Spread:
    """How much the difference of two arms varies from seed to seed, pooled over all label budgets both have."""
    base = bool(is_base(other).all())
    sides = ((part, other if base else other[other["labels"] == n]) for n, part in trained.groupby("labels"))
    return stats.Spread.pooled(
        [stats.difference_spread(*_item_tables(results, *both)) for both in sides if len(both[1])]
    )


def _item_tables(results: str | Path, trained: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    if is_base(other).all():
        seeds = trained[list(SEEDS)].drop_duplicates()
        other = other[["id", "accuracy", *SEEDS_OF_SAMPLING]].merge(seeds, on=list(SEEDS_OF_SAMPLING))
    return item_table(results, trained), item_table(results, other)


def read_lines(results: str | Path, cell: str, name: str, containing: str = "") -> Iterable[dict[str, Any]]:
    """Rows of a cell's trace or samples; only the lines that hold the text ``containing``, which saves parsing."""
    return record.read_lines(record.cells_dir(Path(results)) / cell / name, containing)
