"""Run one cell: a Cell in, a folder with its record and its executed notebook out. What every executor launches.

A cell is worked on in a staging folder beside its final one and renamed when it has succeeded, so that `cells/<id>`
holds a finished cell or does not exist. Success means that the notebook ran to its end without an exception and left
a record of that very cell; nothing else is believed. Running a finished cell again does nothing.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rftlab import record, scalars, trackers
from rftlab.cell import FOLLOWS, Cell
from rftlab.digests import notebook_changed, with_all_digests
from rftlab.digests.notebooks import notebook_path
from rftlab.errors import RftlabError
from rftlab.execute.folders import SHARED, failed_with, write_files
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.notebook import NotebookFailed, NotebookRun, OnProgress, check_parameters, declared_parameters
from rftlab.execute.trace_so_far import TraceSoFar
from rftlab.files.staging import staged, swap_in
from rftlab.files.told_paths import below_home
from rftlab.grid import is_done
from rftlab.json_values import unread
from rftlab.policy.weights import CHECKPOINTS, POLICY
from rftlab.record.copied import ERROR, FAILED
from rftlab.registry import METHODS, find

CELL = "cell.json"


@dataclass(frozen=True)
class Outcome:
    """How running a cell ended.

    Attributes:
        cell: the cell.
        status: "done", "failed", "stopped" (ended from outside with the run; nothing is kept), or "skipped" (left out
            at a request, likewise).
        seconds: wall time, kernel start included; 0 if it was done already.
        folder: where its notebook and record are; None if nothing is kept.
        error: one line, "" unless it failed.
    """

    cell: Cell
    status: str
    seconds: float
    folder: Path | None
    error: str = ""


class CellRun:
    """One cell to run in a results folder; `stop` may be called from another thread.

    Args:
        cell: the cell.
        results: the grid's results folder.
        settings: how its kernel is started.
        notebooks: notebook per method, where it is not the registered one.
    """

    def __init__(
        self,
        cell: Cell,
        results: Path,
        settings: KernelSettings | None = None,
        notebooks: Mapping[str, Path] | None = None,
    ) -> None:
        self.cell, self.results = cell, results.resolve()
        self._settings = replace(settings or KernelSettings(), shared=self.results / SHARED)
        self._notebook = notebook_of(cell, notebooks)
        self._own_notebook = cell.method in (notebooks or {})
        self._run: NotebookRun | None = None
        self.stopped = False

    def run(self, on_progress: OnProgress = lambda _: None) -> Outcome:
        """Run the notebook and file what it leaves under `cells/<id>` or `failed/<id>`.

        Raises:
            RftlabError: the notebook's parameters are not the cell's.
        """
        final = record.cells_dir(self.results) / self.cell.id
        if is_done(self.cell, self.results):
            return Outcome(self.cell, "done", 0.0, final)
        began = time.monotonic()
        with staged(final) as staging:
            trace = TraceSoFar(staging)

            def heard(progress: Mapping[str, Any]) -> None:
                trace.hear(progress)
                on_progress(progress)

            try:
                self._execute(staging, heard)
                trace.remove()
                _require_record(self.cell, staging).seal(staging)
            except NotebookFailed as error:
                if self.stopped:
                    return Outcome(self.cell, "stopped", time.monotonic() - began, None)
                folder = self._file_failure(staging, str(error))
                return Outcome(self.cell, "failed", time.monotonic() - began, folder, str(error))
            record.put_in_place(staging, final)
        shutil.rmtree(self.results / FAILED / self.cell.id, ignore_errors=True)
        (self.results / SHARED / CHECKPOINTS / f"{self.cell.id}.pt").unlink(missing_ok=True)
        return Outcome(self.cell, "done", time.monotonic() - began, final)

    def stop(self) -> None:
        """End the kernel now; `run` then returns an outcome "stopped"."""
        self.stopped = True
        if self._run is not None:
            self._run.stop()

    def _execute(self, staging: Path, on_progress: OnProgress) -> None:
        if not self._own_notebook and notebook_changed(self.cell, self._notebook):
            raise NotebookFailed(
                f"NotebookChanged: {self._notebook.name} changed after the grid was read; run the grid again"
            )
        parameters = parameters_of(self.cell, self._notebook, str(staging), self._settings.report_to)
        target, grid = staging / record.NOTEBOOK, self._settings.grid_folder
        folders = (self.results, *([grid] if grid else []))
        self._run = NotebookRun(self._notebook, target, parameters, self._settings, on_progress, folders)
        if self.stopped:
            raise NotebookFailed("stopped")
        self._run.execute()

    def _file_failure(self, staging: Path, error: str) -> Path:
        shutil.rmtree(staging / POLICY, ignore_errors=True)
        told = self._run.told if self._run else below_home
        write_files(of_failure(self.cell, told(error)), staging)
        folder = self.results / FAILED / self.cell.id
        folder.parent.mkdir(exist_ok=True)
        swap_in(staging, folder)
        return folder


def of_failure(cell: Cell, error: str) -> dict[str, bytes]:
    """Files of a cell that failed, as its folder has them at least: what went wrong, and the cell."""
    told = json.dumps(below_home(cell.model_dump(mode="json")), indent=1)
    return {ERROR: f"{error}\n".encode(), CELL: f"{told}\n".encode()}


def parameters_of(cell: Cell, notebook: Path, out: str = "", report_to: Sequence[str] = ()) -> dict[str, Any]:
    """What a notebook is given: what it declares of the cell's parameters, and what differs from their defaults.

    Beside them a folder for its record, and trackers, if any are asked for or it takes them.

    Raises:
        RftlabError: the notebook is not there or is none.
    """
    declared = declared_parameters(notebook)
    plain = Cell.make({leader: getattr(cell, leader) for leader in FOLLOWS.values()})
    parameters = scalars.shortened(cell.to_parameters(), plain.to_parameters(), declared)
    if report_to or trackers.PARAMETER in declared:
        parameters[trackers.PARAMETER] = ",".join(report_to)
    return {**parameters, "out": out}


def ready(
    cells: Sequence[Cell], notebooks: Mapping[str, Path] | None = None, report_to: Sequence[str] = ()
) -> list[Cell]:
    """The cells as they will be filed: those without digests are given them.

    Cells whose notebook the caller names are taken as they are.

    Raises:
        RftlabError: a notebook's parameters are not the cells', or a file cannot be read.
    """
    filled = [
        cell if cell.digests or cell.method in (notebooks or {}) else now
        for cell, now in zip(cells, with_all_digests(cells), strict=True)
    ]
    for cell in filled:
        notebook = notebook_of(cell, notebooks)
        check_parameters(notebook, parameters_of(cell, notebook, report_to=report_to))
    return filled


def notebook_of(cell: Cell, notebooks: Mapping[str, Path] | None = None) -> Path:
    """The notebook a grid executes for a cell's method.

    Raises:
        RftlabError: unknown method, or its notebook is not there.
    """
    find(METHODS, cell.method, "method")
    path = (notebooks or {}).get(cell.method) or notebook_path(cell.method)
    if not path.is_file():
        raise RftlabError(f"method {cell.method!r} is run by the notebook {path}, which is not there")
    return path.resolve()


def read_failure(cell: Cell, results: Path) -> Outcome | None:
    """How the cell failed when it was last run, None if it did not."""
    error = failed_with(cell.id, results)
    return None if error is None else Outcome(cell, "failed", 0.0, results / FAILED / cell.id, error)


def read_cell(path: Path) -> Cell:
    """Cell from its JSON file.

    Raises:
        RftlabError: no such file, not JSON, or not a cell.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RftlabError(f"cannot read the cell {path}: {unread(error)}; give a JSON object of parameters") from None
    if not isinstance(values, dict):
        raise RftlabError(f"{path} is not a cell: give a JSON object of its parameters")
    try:
        return Cell.make(values)
    except RftlabError as error:
        raise RftlabError(f"{path}: {error}") from None


def _require_record(cell: Cell, folder: Path) -> record.Record:
    try:
        found = record.read(folder)
    except RftlabError as error:
        raise NotebookFailed(f"BadRecord: {error}") from None
    if found is None:
        raise NotebookFailed(
            "NoRecord: the notebook ran to its end but saved no record; its last cell has to save(out)"
        )
    if found.id != cell.id:
        raise NotebookFailed(f"WrongRecord: the notebook saved a record of cell {found.id}, not of {cell.id}")
    return found
