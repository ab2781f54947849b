"""What a person sees while a grid runs: a live table on a terminal, one line per finished cell elsewhere."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rftlab.cell import Cell
from rftlab.execute.one_cell import Outcome


class Display:
    """Listens to a run and shows it.

    Args:
        name: the grid's name.
        cells: all of its cells.
        left: how many of them are to be run now.
        workers: cells run at once, for the estimate of the time left; 0 counts those that are running.
        stream: where to; standard output by default.
    """

    def __init__(
        self, name: str, cells: Sequence[Cell], *, left: int, workers: int, stream: TextIO | None = None
    ) -> None:
        self._name, self._before, self._total, self._workers = name, len(cells) - left, left, workers
        self._labels = Cell.labels_apart(cells)
        self._console = Console(file=stream or sys.stdout)
        self._running: dict[str, tuple[Cell, float, Mapping[str, Any]]] = {}
        self._seconds: list[float] = []
        self._failed = 0
        self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def started(self, cell: Cell) -> None:
        """A cell has been given a worker."""
        self._running[cell.id] = (cell, time.monotonic(), {})

    def progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        """A running cell says where it is."""
        if cell.id in self._running:
            self._running[cell.id] = (*self._running[cell.id][:2], progress)

    def finished(self, outcome: Outcome) -> None:
        """A cell has ended: one line."""
        self._running.pop(outcome.cell.id, None)
        if outcome.status == "stopped":
            return
        self._seconds.append(outcome.seconds)
        self._failed += outcome.status == "failed"
        ended = self._before + len(self._seconds)
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

    def _table(self) -> Group:
        ended, all_cells = self._before + len(self._seconds), self._before + self._total
        failed = f", {self._failed} failed" if self._failed else ""
        head = f"{self._name}: {ended} of {all_cells} cells{failed}{self._time_left()}"
        rows = Table.grid(padding=(0, 2))
        for cell, began, progress in list(self._running.values()):
            step, total = _number(progress.get("step")), _number(progress.get("total"))
            rows.add_row(
                Text(self._label(cell)),
                Text(f"{time.monotonic() - began:4.0f} s"),
                Text(str(progress.get("phase", "starting"))),
                Text(
                    f"{step:g}{' of at most ' if progress.get('at_most') else '/'}{total:g}"
                    if step is not None and total is not None
                    else ""
                ),
                Text(_measure(progress)),
                Text(str(progress.get("warning", "")), style="yellow"),
            )
        return Group(Text(head), ProgressBar(total=max(1, all_cells), completed=ended, width=60), rows)

    def _time_left(self) -> str:
        if not self._seconds:
            return "" if self._running else ", warming up"
        mean = sum(self._seconds) / len(self._seconds)
        spent = sum(min(mean, time.monotonic() - began) for _, began, _ in self._running.values())
        at_once = self._workers or len(self._running) or 1
        seconds = max(0.0, mean * (self._total - len(self._seconds)) - spent) / at_once
        return f", about {seconds:.0f} s left" if seconds < 90 else f", about {seconds / 60:.0f} min left"


def _measure(progress: Mapping[str, Any]) -> str:
    for name in ("reward", "loss"):
        value = _number(progress.get(name))
        if value is not None:
            return f"{name} {value:.3f}"
    return ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
