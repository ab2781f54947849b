"""What a person sees while a grid runs: a live table on a terminal, one line per finished cell elsewhere.

Beside it the run's state stands in a file, for who watches from another process (`progress_file`).
"""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rftlab.cell import Cell
from rftlab.execute.one_cell import Outcome
from rftlab.execute.progress_file import Progress, ProgressFile, Running


class Display:
    """Listens to a run and shows it.

    Args:
        name: the grid's name.
        cells: all of its cells.
        left: how many of them are to be run now.
        workers: cells run at once, for the estimate of the time left; 0 counts those that are running.
        results: the folder that is filled, where the state is left too; None leaves it nowhere.
        stream: where to; standard output by default.
    """

    def __init__(
        self,
        name: str,
        cells: Sequence[Cell],
        *,
        left: int,
        workers: int,
        results: Path | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self._name, self._before, self._total, self._workers = name, len(cells) - left, left, workers
        self._labels = Cell.labels_apart(cells)
        self._console = Console(file=stream or sys.stdout)
        self._running: dict[str, tuple[Cell, float, Mapping[str, Any]]] = {}
        self._ended: dict[str, Outcome] = {}
        self._file = ProgressFile(results)
        self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._file.remove()

    def started(self, cell: Cell) -> None:
        """A cell has been given a worker, for the first time or again."""
        self._ended.pop(cell.id, None)
        self._running[cell.id] = (cell, time.monotonic(), {})
        self._file.update(self.progress, now=True)

    def progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        """A running cell says where it is."""
        if cell.id in self._running:
            self._running[cell.id] = (*self._running[cell.id][:2], progress)
            self._file.update(self.progress)

    def finished(self, outcome: Outcome) -> None:
        """A cell has ended: one line."""
        self._running.pop(outcome.cell.id, None)
        if outcome.status == "stopped":
            return
        self._ended[outcome.cell.id] = outcome
        self._file.update(self.progress, now=True)
        ended = self._before + len(self._ended)
        line = (
            f"[{ended}/{self._before + self._total}] {outcome.status:<6} {self._label(outcome.cell)}  "
            f"{outcome.seconds:.1f} s"
        )
        self._console.print(f"{line}  {outcome.error}".rstrip(), markup=False, highlight=False, soft_wrap=True)

    def noted(self, text: str) -> None:
        """Something about the whole run: one line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _label(self, cell: Cell) -> str:
        return self._labels.get(cell.id, cell.label)

    def progress(self) -> Progress:
        """How far it is."""
        now = time.monotonic()
        running = [
            Running.of(cell.id, self._label(cell), now - began, said) for cell, began, said in [*self._running.values()]
        ]
        failed = sum(outcome.status == "failed" for outcome in [*self._ended.values()])
        return Progress(
            self._name, self._before + len(self._ended), self._before + self._total, failed, self._seconds_left(),
            tuple(running),
        )  # fmt: skip

    def _table(self) -> Group:
        progress = self.progress()
        rows = Table.grid(padding=(0, 2))
        for each in progress.running:
            rows.add_row(
                Text(each.label),
                Text(f"{each.seconds:4.0f} s"),
                Text(each.phase),
                Text(each.steps),
                Text(each.measure),
                Text(each.warning, style="yellow"),
            )
        warming = "" if self._ended or self._running else ", warming up"
        bar = ProgressBar(total=max(1, progress.cells), completed=progress.ended, width=60)
        return Group(Text(f"{progress}{warming}"), bar, rows)

    def _seconds_left(self) -> float | None:
        took = [outcome.seconds for outcome in [*self._ended.values()] if outcome.status != "skipped"]
        if not took:
            return None
        mean = sum(took) / len(took)
        spent = sum(min(mean, time.monotonic() - began) for _, began, _ in [*self._running.values()])
        at_once = self._workers or len(self._running) or 1
        return max(0.0, mean * (self._total - len(self._ended)) - spent) / at_once
