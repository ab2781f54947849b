"""Outcomes item by item, and the paired differences of arms that they give."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rftlab import record, stats
from rftlab.answer.results import is_base
from rftlab.contract import SEEDS, SEEDS_OF_SAMPLING
from rftlab.record.outcomes import ACCURACY, SCORE, worth


class Part(NamedTuple):
    """The rows of samples.jsonl that a measure is of: part, kind of item ("" for all), and what a row is worth."""

    name: str
    kind: str
    worth: str


PART_OF: Mapping[str, Part] = {
    "accuracy": Part("test", "", ACCURACY),
    "score": Part("test", "", SCORE),
    "apart_accuracy": Part("test", "", "apart_accuracy"),
    "apart_score": Part("test", "", "apart_score"),
    "sampled_accuracy": Part("sampled", "", ACCURACY),
    "sampled_score": Part("sampled", "", SCORE),
    "ood_accuracy": Part("ood", "", ACCURACY),
    "ood_score": Part("ood", "", SCORE),
    "ood_rule_accuracy": Part("ood", "rule", ACCURACY),
    "ood_surface_accuracy": Part("ood", "surface", ACCURACY),
    "retention_accuracy": Part("retention", "", ACCURACY),
    "train_accuracy": Part("train", "", ACCURACY),
    "base_train_accuracy": Part("base_train", "", ACCURACY),
}
"""Measures that arms are paired by over items."""


@lru_cache(maxsize=20_000)
def outcomes(results: str | Path, cell: str, measure: str = "accuracy") -> Mapping[str, float]:
    """What a cell's answer to each item is worth by a measure, by item id; empty if the cell kept no such samples.

    Items that were sampled are named with the number of the draw: arms are paired draw by draw.

    Args:
        results: a grid's results folder.
        cell: its id.
        measure: one of `PART_OF`.
    """
    part = PART_OF[measure]
    lines = read_lines(results, cell, record.SAMPLES, containing=f'"part": "{part.name}"')
    rows = [line for line in lines if line["part"] == part.name and part.kind in ("", line.get("kind"))]
    return {f"{r['item']} {r['draw']}" if part.name == "sampled" else r["item"]: worth(r, part.worth) for r in rows}


def item_table(results: str | Path, cells: pd.DataFrame, measure: str = "accuracy") -> pd.DataFrame:
    """Columns id, seed, item, value for `stats.paired_difference`: one row per cell and item; a seed is all of SEEDS.

    Cells of several label budgets may be given: an item then appears once per budget. Cells without samples come in as
    one item, their mean.

    Args:
        results: a grid's results folder.
        cells: from `read_cells`.
        measure: one of `PART_OF`.
    """
    rows = [
        (cell, seed, item, value)
        for cell, mean, *seeds in cells[["id", measure, *SEEDS]].itertuples(index=False, name=None)
        for seed in [" ".join(map(str, seeds))]
        for item, value in (outcomes(results, cell, measure) or {"all": mean}).items()
    ]
    return pd.DataFrame(rows, columns=["id", "seed", "item", "value"])


def difference(
    results: str | Path,
    trained: pd.DataFrame,
    other: pd.DataFrame,
    spread: stats.Spread | None = None,
    measure: str = "accuracy",
) -> stats.Difference:
    """Trained cells minus others, paired over test items and seeds; an untrained one has every seed it fits.

    Args:
        results: a grid's results folder.
        trained: cells of one arm, at one label budget or several, over which they are averaged.
        other: cells of another arm at the same, or untrained ones.
        spread: `seed_spread` of the two arms, by the same measure.
        measure: one of `PART_OF`.
    """
    if spread:  # the mean of several budgets spreads less: seeds of one budget tell nothing of those of another
        spread = stats.Spread(spread.variance / trained["labels"].nunique(), spread.freedom)
    return stats.paired_difference(*_item_tables(results, trained, other, measure), pooled=spread)


def seed_spread(
    results: str | Path, trained: pd.DataFrame, other: pd.DataFrame, measure: str = "accuracy"
) -> stats.Spread:
    """How much the difference of two arms varies from seed to seed, pooled over all label budgets both have."""
    base = bool(is_base(other).all())
    sides = ((part, other if base else other[other["labels"] == n]) for n, part in trained.groupby("labels"))
    return stats.Spread.pooled(
        [stats.difference_spread(*_item_tables(results, *both, measure)) for both in sides if len(both[1])]
    )


def _item_tables(
    results: str | Path, trained: pd.DataFrame, other: pd.DataFrame, measure: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if is_base(other).all():
        seeds = trained[list(SEEDS)].drop_duplicates()
        other = other[["id", measure, *SEEDS_OF_SAMPLING]].merge(seeds, on=list(SEEDS_OF_SAMPLING))
    return item_table(results, trained, measure), item_table(results, other, measure)


def read_lines(results: str | Path, cell: str, name: str, containing: str = "") -> Iterable[dict[str, Any]]:
    """Rows of a cell's trace or samples; only the lines that hold the text ``containing``, which saves parsing."""
    return record.read_lines(record.cells_dir(Path(results)) / cell / name, containing)
