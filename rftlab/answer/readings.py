"""The two readings of "matched" in one study: at equal labels, each arm trained to its plateau, and at equal compute.

A study whose arms go to their plateau and were scored at FLOP marks on the way can be read twice. Its outcomes stand in
one table, a row an item: those with no mark are of the policies that the runs ended with, those at a mark of the
policies that a bill of so many FLOPs would have bought.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd

from rftlab import record
from rftlab.answer.items import outcomes, read_lines
from rftlab.answer.results import is_base
from rftlab.contract import SEEDS
from rftlab.record.outcomes import worth

EQUAL_LABELS, EQUAL_COMPUTE = "equal labels", "equal compute"
RUN = ["arm", "labels", "seed"]
_COLUMNS = ["id", *RUN, "item", "mark", "value"]


def reading_of(cells: pd.DataFrame) -> str:
    """How trained cells were matched, in words for a sentence; "" if none was trained.

    Args:
        cells: from `results.read_cells`; the contract of each task lets only one rule through.
    """
    trained = cells[~is_base(cells)]
    tasks: dict[str, list[str]] = {}
    for task, group in trained.groupby("task", sort=True):
        tasks.setdefault(_reading(group.iloc[0]), []).append(str(task).rpartition("/")[2])
    if len(tasks) < 2:
        return next(iter(tasks), "")
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in tasks.items())


def _reading(cell: pd.Series) -> str:
    amount = f"{cell['budget.amount']:g} {cell['budget.unit']}"
    if cell.get("budget.until", "spent") == "plateau":
        return f"each arm trained to its plateau, at most {amount}"
    return f"the same compute, {amount}" if cell["budget.unit"] == "flops" else f"the same budget, {amount}"


def outcome_rows(results: str | Path, cells: pd.DataFrame, measure: str = "accuracy") -> pd.DataFrame:
    """Outcomes on the test items of every cell, at its end and at each mark that it can be read at.

    A run that ended at its plateau before a mark is read there with the policy that it ended with: whoever had that
    bill would have stopped too. One that its cap ended would have gone on, and has no outcome at later marks. What was
    not trained is the same at all marks.

    Args:
        results: a grid's results folder.
        cells: from `results.read_cells`, of one panel.
        measure: accuracy or score.

    Returns:
        Columns id, arm, labels, seed (all four of SEEDS), item, mark (FLOPs; NaN for the end), value in [0, 1].
    """
    declared = sorted({mark for marks in cells["evaluation.marks"] for mark in marks})
    tables = [pd.DataFrame(columns=_COLUMNS).astype({"mark": float, "value": float})]
    for cell, untrained in zip(cells.to_dict("records"), is_base(cells), strict=True):
        end = outcomes(results, cell["id"], measure)
        at = dict(_at_marks(results, cell["id"], measure))
        stays = untrained or cell.get("at_plateau") == 1
        asked = declared if untrained else cell["evaluation.marks"]
        found = {float("nan"): end} | {mark: at.get(mark, end) for mark in asked if mark in at or stays}
        run = {
            "id": cell["id"],
            "arm": cell["arm"],
            "labels": cell["labels"],
            "seed": " ".join(str(cell[name]) for name in SEEDS),
        }
        for mark, values in found.items():
            part = pd.DataFrame({"item": list(values), "value": list(values.values())})
            tables.append(part.assign(**run, mark=mark)[_COLUMNS])
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def at_equal_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the policies that runs ended with, without the column mark."""
    return rows[rows["mark"].isna()].drop(columns="mark").reset_index(drop=True)


def at_equal_compute(rows: pd.DataFrame, mark: float) -> pd.DataFrame:
    """The rows at a mark, without that column; of `common_marks`, or arms are missing."""
    return rows[rows["mark"] == mark].drop(columns="mark").reset_index(drop=True)


def common_marks(rows: pd.DataFrame, arms: Sequence[str] = ()) -> list[float]:
    """Marks at which every run can be read, ascending.

    Args:
        rows: from `outcome_rows`.
        arms: only these count; all, if none is given.
    """
    of = rows[rows["arm"].isin(arms)] if arms else rows
    runs = len(of[RUN].drop_duplicates())
    read = of.dropna(subset="mark").drop_duplicates([*RUN, "mark"]).groupby("mark").size()
    return sorted(read[read == runs].index.astype(float).tolist())


def largest_common_mark(rows: pd.DataFrame, arms: Sequence[str] = ()) -> float | None:
    """The largest of `common_marks`; None if there is none."""
    return max(common_marks(rows, arms), default=None)


@lru_cache(maxsize=20_000)
def _at_marks(results: str | Path, cell: str, measure: str) -> dict[float, dict[str, float]]:
    found: dict[float, dict[str, float]] = {}
    for row in read_lines(results, cell, record.SAMPLES, containing='"part": "mark"'):
        found.setdefault(float(row["mark"]), {})[row["item"]] = worth(row, measure)
    return found
