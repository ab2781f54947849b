"""The two readings of "matched" in one study: at equal labels, each arm trained to its plateau, and at equal compute.

A study whose arms go to their plateau and were scored at FLOP marks on the way can be read twice: by the policies that
its runs ended with, and by those that a bill of so many FLOPs would have bought.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rftlab.answer.outcomes import at_marks, outcomes
from rftlab.contract import SEEDS
from rftlab.registry import trains


class Run(NamedTuple):
    """What a cell can be read at.

    Attributes:
        cell: its id.
        arm: its arm.
        seed: all four of SEEDS.
        end: worth of the answers of the policy that it ended with, in [0, 1], by item.
        at: the same at marks, in FLOPs.
    """

    cell: str
    arm: str
    seed: str
    end: "pd.Series[float]"
    at: "Mapping[float, pd.Series[float]]"


def reading_of(cells: pd.DataFrame) -> str:
    """How trained cells were matched, in words for a sentence; "" if none was trained.

    Args:
        cells: from `folder.read_cells`; methods are named where those of one task were not matched alike.
    """
    said = [name for name in ("task", "method", "budget.amount", "budget.unit", "budget.until") if name in cells]
    trained = cells.loc[cells["method"].map(trains).astype(bool), said].drop_duplicates()
    tasks: dict[str, list[str]] = {}
    for task, group in trained.groupby("task", sort=True):
        name = str(task).rpartition("/")[2]
        matched: dict[str, dict[str, None]] = {}
        for cell in group.to_dict("records"):
            matched.setdefault(_reading(cell), {})[str(cell["method"])] = None
        for text, methods in matched.items():
            tasks.setdefault(text, []).append(name if len(matched) < 2 else f"{', '.join(methods)} on {name}")
    if len(tasks) < 2:
        return next(iter(tasks), "")
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in tasks.items())


def _reading(cell: Mapping[Hashable, Any]) -> str:
    amount = f"{cell['budget.amount']:g} {cell['budget.unit']}"
    if cell.get("budget.until", "spent") == "plateau":
        return f"each arm trained to its plateau, at most {amount}"
    return f"the same compute, {amount}" if cell["budget.unit"] == "flops" else f"the same budget, {amount}"


def capped(cells: pd.DataFrame, methods: Collection[str]) -> dict[str, tuple[int, int]]:
    """Of each method's runs that were to go to their plateau, how many the cap ended before it, of how many.

    Args:
        cells: from `folder.read_cells`.
        methods: which; one without such runs, or none of them ended so, is left out.
    """
    if "at_plateau" not in cells:
        return {}
    found = {}
    for method in methods:
        ends = cells.loc[cells["method"] == method, "at_plateau"].dropna()
        if early := int((ends == 0).sum()):
            found[method] = (early, len(ends))
    return found


def read_runs(results: str | Path, cells: pd.DataFrame, measure: str = "accuracy") -> list[Run]:
    """Outcomes on the test items of every cell, at its end and at each mark that it can be read at.

    A run that ended at its plateau before a mark is read there with the policy that it ended with: whoever had that
    bill would have stopped too. One that its cap ended would have gone on, and has no outcome at later marks. What was
    not trained is the same at all marks.

    Args:
        results: a grid's results folder.
        cells: from `folder.read_cells`, of one panel.
        measure: accuracy or score.
    """
    declared = sorted({mark for marks in cells["evaluation.marks"] for mark in marks})
    runs = []
    for cell in cells.to_dict("records"):
        end, at = outcomes(results, cell["id"], measure), at_marks(results, cell["id"], measure)
        untrained = not trains(cell["method"])
        stays = untrained or cell.get("at_plateau") == 1
        asked = declared if untrained else cell["evaluation.marks"]
        readable = {mark: at.get(mark, end) for mark in asked if mark in at or stays}
        runs.append(Run(cell["id"], cell["arm"], " ".join(str(cell[name]) for name in SEEDS), end, readable))
    return runs


def common_marks(runs: Sequence[Run], arms: Collection[str] = ()) -> list[float]:
    """Marks at which every run can be read, ascending.

    Args:
        runs: from `read_runs`.
        arms: only these count; all, if none is given.
    """
    read = [set(run.at) for run in runs if run.arm in arms or not arms]
    return sorted(set.intersection(*read)) if read else []


def largest_common_mark(runs: Sequence[Run], arms: Collection[str] = ()) -> float | None:
    """The largest of `common_marks`; None if there is none."""
    return max(common_marks(runs, arms), default=None)
