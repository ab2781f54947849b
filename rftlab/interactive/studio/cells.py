"""What a results folder says of a grid's cells, read again whenever somebody looks: where each stands, and its state.

Nothing is remembered but what files hold, so that a page that is opened late, or beside a run that a terminal started,
shows the same. Of files that have not changed since the last look nothing is read again.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rftlab import plots, record
from rftlab.cell import Cell
from rftlab.contract import SEEDS
from rftlab.errors import RftlabError
from rftlab.execute import requests
from rftlab.execute.folders import failed_with
from rftlab.execute.progress_file import Progress, Running, read_progress
from rftlab.grid import Grid
from rftlab.plots.cells import prompt_name
from rftlab.record.copied import ERROR, FAILED
from rftlab.registry import METHODS

KINDS = ("waiting", "running", "done", "failed", "skipped", "damaged")
"""States of a cell."""
# What tells no row from another: seeds and budgets are columns, the rest is filled in by the workbench.
_WITHIN_A_ROW = frozenset({*SEEDS, "labels", "digests", "tuned_by", "learning_rates", "start_from"})
_IN_A_NAME = frozenset({"task", "task_settings", "method", "cot", "cot_eval"})


class Spot(NamedTuple):
    """Where a cell stands: row and column of `Layout`, from 0; cells of one arm at one budget differ in their seed."""

    id: str
    label: str
    row: int
    column: int
    seed: int


class Layout(NamedTuple):
    """Cells in rows (task, method, prompt and whatever else is swept) and columns (label budgets)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    spots: tuple[Spot, ...]


class State(NamedTuple):
    """How a cell is.

    Attributes:
        kind: of `KINDS`.
        share: accuracy in [0, 1] of one that is done, steps done of one that trains; None for any other.
        said: progress, error or reason, in a line; "" for none.
    """

    kind: str
    share: float | None = None
    said: str = ""


class Look(NamedTuple):
    """What a look found: the layout, the state of every cell by its id, and how far a run is; None where none runs."""

    layout: Layout
    states: Mapping[str, State]
    progress: Progress | None

    def count(self, kind: str) -> int:
        """Cells in a state."""
        return sum(state.kind == kind for state in self.states.values())

    @property
    def told(self) -> str:
        """Such as `36 cells: 12 done, 2 running, 22 waiting`."""
        counts = [f"{count} {kind}" for kind in KINDS if (count := self.count(kind))]
        size = len(self.states)
        return f"{size} cell{'s' * (size != 1)}: {', '.join(counts)}" if size else "no cells yet"


@dataclass
class Folder:
    """A results folder that is looked at again and again.

    Attributes:
        results: the folder; it need not be there yet.
        grid: the file it is, or will be, run from; None if that is not known.
        cells: as the last look found them, by id.
    """

    results: Path
    grid: Path | None = None
    cells: dict[str, Cell] = field(default_factory=dict)
    _layout: Layout = field(default_factory=lambda: Layout((), (), ()))
    _listed: object = None
    _read: dict[tuple[str, str], tuple[int, State]] = field(default_factory=dict)

    def look(self) -> Look:
        """Read what has changed.

        Raises:
            RftlabError: the list of its cells, or the grid where nothing was run yet, cannot be read.
        """
        self._list()
        progress = read_progress(self.results)
        running = {each.id: each for each in progress.running} if progress else {}
        out, again = requests.skipped(self.results), requests.retried(self.results)
        done = self._found(record.cells_dir(self.results), record.RECORD, self._done)
        failed = self._found(self.results / FAILED, ERROR, self._failed)

        def state(name: str) -> State:
            if name in running:
                return _running(running[name], leaving=name in out)
            if name in done:
                return done[name]
            if name in out:
                return State("skipped", said="left out, as was asked")
            if name in again:
                return State("waiting", said="asked for again")
            return failed.get(name) or State("waiting")

        return Look(self._layout, {name: state(name) for name in self.cells}, progress)

    def _list(self) -> None:
        """The cells: of the grid that was run, of the one that will be, or of records that lie there without a grid."""
        listed = self.results / record.GRID
        source = listed if listed.is_file() else self.grid if self.grid and self.grid.is_file() else None
        if source is None:
            self._take(records := _by_hand(self.results), tuple(cell.id for cell in records))
        elif (key := (source, source.stat().st_mtime_ns)) != self._listed:
            self._take(_cells_of(source) if source == listed else Grid.load(source).cells, key)

    def _take(self, cells: Sequence[Cell], key: object) -> None:
        if key != self._listed:
            self._layout, self.cells, self._listed = layout(cells), {cell.id: cell for cell in cells}, key

    def _found(self, folder: Path, file: str, read: Callable[[str], State]) -> dict[str, State]:
        """The states of those cells of the study that have a folder there with this file."""
        found = {}
        try:
            names = [name for name in os.listdir(folder) if name in self.cells]
        except OSError:
            return {}
        for name in names:
            try:
                changed = (folder / name / file).stat().st_mtime_ns
            except OSError:
                continue
            known = self._read.get((file, name))
            if known is None or known[0] != changed:
                known = self._read[file, name] = changed, read(name)
            found[name] = known[1]
        return found

    def _done(self, name: str) -> State:
        try:
            found = record.read(record.cells_dir(self.results) / name)
        except RftlabError as error:
            return State("damaged", said=str(error))
        if found is None or found.id != name:
            return State("damaged", said="it holds the record of another cell")
        measure = self.cells[name].evaluation.decides
        return State("done", found.metrics.get(measure), f"{plots.title(measure)}")

    def _failed(self, name: str) -> State:
        return State("failed", said=failed_with(name, self.results) or "")


def layout(cells: Sequence[Cell]) -> Layout:
    """Rows and columns for cells, in the order of their grid, budgets rising."""
    budgets = sorted({_budget(cell) for cell in cells})
    rows: dict[str, tuple[int, dict[str, Any], Cell]] = {}
    labels = Cell.labels_apart(cells)
    spots = []
    for cell, flat in zip(cells, (cell.flat() for cell in cells), strict=True):
        apart = {name: value for name, value in flat.items() if _tells_rows_apart(name, cell)}
        key = json.dumps(apart, sort_keys=True, default=str)
        row, _, _ = rows.setdefault(key, (len(rows), apart, cell))
        spots.append(Spot(cell.id, labels[cell.id], row, budgets.index(_budget(cell)), cell.seed))
    return Layout(tuple(_row_names([*rows.values()])), tuple(map(_column, budgets)), tuple(spots))


def _by_hand(results: Path) -> list[Cell]:
    """The cells that have a record where no grid was run."""
    folder = record.cells_dir(results)
    found = record.examine_all(folder) if folder.is_dir() else []
    return [each.parameters for each in found if isinstance(each, record.Record)]


def _cells_of(listed: Path) -> list[Cell]:
    try:
        return [Cell.make(values) for values in json.loads(listed.read_text(encoding="utf-8"))["cells"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RftlabError(f"{listed} cannot be read ({error}); run the grid again, which writes it") from None


def _tells_rows_apart(name: str, cell: Cell) -> bool:
    if name == "learning_rates":  # swept, or chosen by a stage
        return not cell.tuned_by
    return name not in _WITHIN_A_ROW or (name == "start_from" and not cell.started_by)


def _budget(cell: Cell) -> tuple[int, int]:
    entry = METHODS.get(cell.method)
    return (cell.labels if entry is None or entry.uses_labels else 0), cell.prompts


def _column(budget: tuple[int, int]) -> str:
    labels, prompts = budget
    return f"{labels}{f' + {prompts} prompts' if prompts else ''}" if labels or prompts else "no labels"


def _row_names(rows: Sequence[tuple[int, Mapping[str, Any], Cell]]) -> list[str]:
    """Task (where there are several), method and prompt; those that share a name with what they differ in."""
    tasks = {cell.task_name for _, _, cell in rows}
    alike: dict[str, list[Mapping[str, Any]]] = {}
    names = []
    for _, apart, cell in rows:
        prompt = prompt_name(cell.cot, cell.cot_eval)
        task = [cell.task_name.rpartition("/")[2]] if len(tasks) > 1 else []
        names.append(", ".join([*task, plots.title(cell.method_name), prompt]))
        alike.setdefault(names[-1], []).append(apart)
    differ = {
        name: [key for key in group[0] if key not in _IN_A_NAME and any(each[key] != group[0][key] for each in group)]
        for name, group in alike.items()
    }
    return [
        ", ".join([name, *(f"{key}={_value(apart[key])}" for key in differ[name])])
        for name, (_, apart, _) in zip(names, rows, strict=True)
    ]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _running(now: Running, *, leaving: bool) -> State:
    share = min(1.0, now.step / now.total) if now.phase == "train" and now.step is not None and now.total else None
    said = "  ".join(filter(None, (now.phase, now.steps, now.measure, now.warning)))
    return State("running", share, f"ending, as was asked; {said}" if leaving else said)
