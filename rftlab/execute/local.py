"""The embedded executor: many cells at once on this machine, one driver, a thread and a kernel process per cell."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from rftlab.cell import Cell
from rftlab.errors import RftlabError, told
from rftlab.execute import folders, interrupts, requests
from rftlab.execute.alike import Alike
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.kernels import KernelSettings, kernel_settings
from rftlab.execute.one_cell import CellRun, Outcome, ready
from rftlab.execute.results import results_lock, write_grid
from rftlab.grid import Grid


class Listener(Protocol):
    """Who is told how a run goes; called from the threads that run the cells, one call at a time."""

    def started(self, cell: Cell) -> None:
        """A cell has been given a worker."""

    def progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        """A running cell says where it is: phase, step, total, reward, loss."""

    def finished(self, outcome: Outcome) -> None:
        """A cell has ended, in whichever way."""

    def noted(self, text: str) -> None:
        """Something about the whole run that a person may want to know."""


class Unheard:
    """A listener that says nothing: what becomes of the cells is said in the end, or by a subclass."""

    def started(self, cell: Cell) -> None:
        """Nothing."""

    def progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        """Nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Nothing."""

    def noted(self, text: str) -> None:
        """Nothing."""


def run_cells(
    cells: Sequence[Cell],
    results: Path,
    listener: Listener,
    *,
    workers: int,
    settings: KernelSettings | None = None,
    notebooks: Mapping[str, Path] | None = None,
    grid: Grid | None = None,
) -> list[Outcome]:
    """Run cells in parallel; a failing one does not stop the others, three in a row that fail alike do.

    Args:
        cells: what is left of a grid.
        results: the grid's results folder; made if it is not there.
        listener: told of every start, step and end.
        workers: cells run at once.
        settings: how kernels are started; by default cold ones that share the cores evenly.
        notebooks: notebook per method, where it is not the registered one.
        grid: the whole grid, noted in the folder for `rftlab status`; None for cells of no grid.

    Returns:
        Outcomes in the order the cells ended.

    Raises:
        RftlabError: a notebook's parameters are not the cells', or another run works in the folder; nothing is
            written then.
        Interrupted: SIGINT, SIGTERM or SIGHUP, or a request to stop (`rftlab.execute.requests`).
    """
    settings = settings or kernel_settings("cold", workers)
    cells = ready(cells, notebooks, settings.report_to)
    with results_lock(results), interrupts.collected() as caught, requests.heeded(results, caught):
        folders.sweep(results)
        for sentence in folders.clear_the_way(cells, results):
            listener.noted(sentence)
        if grid is not None:
            write_grid(results, grid, precision=settings.precision)
        with _kernels(settings, listener, caught) as settings:
            return _Pool(results, listener, settings, notebooks or {}, caught).run(cells, workers)


@contextlib.contextmanager
def _kernels(settings: KernelSettings, listener: Listener, caught: list[int]) -> Iterator[KernelSettings]:
    """The settings, made cold where warm kernels are not possible; whatever keeps kernels warm is ended after."""
    if settings.kind == "cold":
        yield settings
        return
    from rftlab.execute import warm

    try:
        try:
            warm.zygote_for(settings.modules, settings.environment()).wait_until_ready(lambda: caught)
        except (RftlabError, OSError) as error:
            listener.noted(f"{error}: going on with cold kernels".replace("; use --kernel cold", ""))
            settings = replace(settings, kind="cold")
        yield settings
    finally:
        if not settings.stay_warm:
            warm.close_all()


class _Pool:
    """Threads that run cells, and the bookkeeping to end them."""

    def __init__(
        self,
        results: Path,
        listener: Listener,
        settings: KernelSettings,
        notebooks: Mapping[str, Path],
        caught: list[int],
    ) -> None:
        self._results, self._settings, self._notebooks = results, settings, notebooks
        self._listener = Alike(listener, keep_going=settings.keep_going)
        self._caught = caught
        self._lock = threading.Lock()
        self._running: set[CellRun] = set()
        self._queued_again: set[str] = set()

    def run(self, cells: Sequence[Cell], workers: int) -> list[Outcome]:
        outcomes: dict[str, Outcome] = {}
        with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="cell") as pool:
            pending: set[Future[Outcome]] = {pool.submit(self._run_one, cell) for cell in cells}
            while pending and not self._caught:
                # A timeout, because a signal does not wake a thread that waits on a lock on every platform.
                finished, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                ended = [future.result() for future in finished]
                outcomes |= {outcome.cell.id: outcome for outcome in ended}
                self._skip()
                pending |= {pool.submit(self._run_one, cell) for cell in self._again(cells, outcomes)}
            if self._caught:
                self._stop()
                pool.shutdown(wait=True, cancel_futures=True)
        if self._caught:
            raise Interrupted(self._caught[0])
        return [*outcomes.values()]

    def _run_one(self, cell: Cell) -> Outcome:
        run = CellRun(cell, self._results, self._settings, self._notebooks)
        with self._lock:
            if self._caught or self._listener.stopped:
                return Outcome(cell, "stopped", 0.0, None)
            if cell.id in self._queued_again:
                self._queued_again.discard(cell.id)
                requests.heed_retry(self._results, cell.id)
            if cell.id in requests.skipped(self._results):
                self._listener.finished(skipped := Outcome(cell, "skipped", 0.0, None))
                return skipped
            self._running.add(run)
            self._listener.started(cell)
        try:
            outcome = run.run(lambda progress: self._progressed(cell, progress))
        except Exception as error:  # the disk is full, a folder is not writable: this cell's trouble, not the grid's
            outcome = Outcome(cell, "failed", 0.0, None, told(error))
        with self._lock:
            self._running.discard(run)
            if outcome.status == "stopped" and not self._caught:
                outcome = replace(outcome, status="skipped")
            self._listener.finished(outcome)
        return outcome

    def _progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        with self._lock:
            self._listener.progressed(cell, progress)

    def _skip(self) -> None:
        """End the cells that run and are not wanted any more."""
        with self._lock:
            skipped = requests.skipped(self._results)
            unwanted = [run for run in self._running if run.cell.id in skipped]
        for run in unwanted:
            run.stop()

    def _again(self, cells: Sequence[Cell], outcomes: dict[str, Outcome]) -> list[Cell]:
        """The cells that are asked for again, no longer among the outcomes; such a request of others is done with.

        Theirs stays until they begin, so that who watches sees that they wait.
        """
        asked, again = requests.retried(self._results), []
        for cell in cells:
            if cell.id not in asked or cell.id in self._queued_again:
                continue
            ended = outcomes.get(cell.id)
            if ended and ended.status in ("failed", "skipped"):
                again.append(outcomes.pop(cell.id).cell)
                self._queued_again.add(cell.id)
            elif ended or not self._ends(cell):
                requests.heed_retry(self._results, cell.id)
        return again

    def _ends(self, cell: Cell) -> bool:
        """Whether a cell was told to end and has not yet."""
        with self._lock:
            return any(run.cell.id == cell.id and run.stopped for run in self._running)

    def _stop(self) -> None:
        with self._lock:
            running = list(self._running)
        for run in running:
            run.stop()
