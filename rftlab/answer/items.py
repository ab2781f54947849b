"""Outcomes of many cells, item by item."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rftlab import record
from rftlab.answer.outcomes import outcomes
from rftlab.contract import SEEDS


def item_table(results: str | Path, cells: pd.DataFrame, measure: str = "accuracy") -> pd.DataFrame:
    """Columns id, seed, item, value for `stats.paired_difference`: one row per cell and item; a seed is all of SEEDS.

    Cells of several label budgets may be given: an item then appears once per budget. Cells without samples come in as
    one item, their mean.

    Args:
        results: a grid's results folder.
        cells: from `read_cells`.
        measure: one of `PART_OF`.
    """
    found = list(by_seed(results, cells, measure))
    counts = [len(values) for *_, values in found]
    return pd.DataFrame(
        {
            "id": np.repeat([cell for cell, *_ in found], counts),
            "seed": np.repeat([seed for _, seed, _ in found], counts),
            "item": [item for *_, values in found for item in values.index],
            "value": [value for *_, values in found for value in values],
        }
    )


def by_seed(
    results: str | Path, cells: pd.DataFrame, measure: str = "accuracy"
) -> "Iterator[tuple[str, str, pd.Series[float]]]":
    """Id, seed (all of SEEDS) and outcomes by item of every cell; one item, their mean, of one without samples."""
    for cell, mean, *seeds in cells[["id", measure, *SEEDS]].itertuples(index=False, name=None):
        values = outcomes(results, cell, measure)
        yield cell, " ".join(map(str, seeds)), values if len(values) else pd.Series({"all": mean})


def read_lines(results: str | Path, cell: str, name: str, containing: str = "") -> Iterable[dict[str, Any]]:
    """Rows of a cell's trace or samples; only the lines that hold the text ``containing``, which saves parsing."""
    return record.read_lines(record.cells_dir(Path(results)) / cell / name, containing)
