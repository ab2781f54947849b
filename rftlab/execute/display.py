"""What a person sees while a grid runs: a live table on a terminal, one line per finished cell elsewhere.

Beside it the run's state stands in a file, for who watches from another process (`progress_file`).
"""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.alike import kind_of_error
from rftlab.execute.one_cell import Outcome
from rftlab.execute.progress_file import Progress, ProgressFile, Running
from rftlab.execute.time_left import TimeLeft
from rftlab.record.outcomes import SCORE
from rftlab.screen import fitted, spinner, wrapped

_BAR_COLUMNS = 60


class Display:
    """Listens to a run and shows it.

    Args:
        name: the grid's name.
        cells: all of its cells.
        left: those of them that are to be run now.
        workers: cells run at once, for the estimate of the time left; 0 counts those that are running.
        results: the folder that is filled, where the state is left too; None leaves it nowhere.
        planned: seconds that a cell takes as far as was known before; None where nothing was.
        stream: where to; standard output by default.
    """

    def __init__(
        self,
        name: str,
        cells: Sequence[Cell],
        *,
        left: Sequence[Cell],
        workers: int,
        results: Path | None = None,
        planned: Callable[[Cell], float | None] = lambda _: None,
        stream: TextIO | None = None,
    ) -> None:
        self._name, self._before, self._left = name, len(cells) - len(left), [cell.id for cell in left]
        self._labels = Cell.labels_apart(cells)
        self._stream = stream or sys.stdout
        self._console = Console(file=self._stream)
        self._running: dict[str, tuple[Cell, float, Mapping[str, Any]]] = {}
        self._ended: dict[str, Outcome] = {}
        self._errors: set[str] = set()
        self._time_left = TimeLeft(left, workers, planned)
        self._file = ProgressFile(results)
        self._spinner = spinner("", self._console)
        self._live = Live(get_renderable=self._screen, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        # A kernel sets FORCE_COLOR for what it starts: to rich the log of such a run is a terminal too.
        if self._console.is_terminal and self._stream.isatty():
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
        """A cell has ended: one line, with what it measured or, the first time, with its error."""
        self._running.pop(outcome.cell.id, None)
        if outcome.status == "stopped":
            return
        self._ended[outcome.cell.id] = outcome
        if outcome.status == "done":
            self._time_left.learn(outcome.cell, outcome.seconds)
        self._file.update(self.progress, now=True)
        count = f"[{self._before + len(self._ended)}/{self._before + len(self._left)}]"
        status = "" if outcome.status == "done" else f"{outcome.status}: "
        said = self._failure(outcome) if outcome.status == "failed" else measured(outcome)
        after = ", ".join(filter(None, (said, f"{outcome.seconds:.1f} s")))
        self.noted(f"{count} {status}{self._label(outcome.cell)}: {after}")

    def noted(self, text: str) -> None:
        """Something about the whole run: one line."""
        self._console.print(fitted(text, self._stream), markup=False, highlight=False, soft_wrap=True)

    def progress(self) -> Progress:
        """How far it is."""
        now = time.monotonic()
        running = [
            Running.of(cell.id, self._label(cell), now - began, said) for cell, began, said in [*self._running.values()]
        ]
        ended, since = dict(self._ended), {each.id: each.seconds for each in running}
        failed = sum(outcome.status == "failed" for outcome in ended.values())
        left = self._time_left.seconds(since, [name for name in self._left if name not in ended and name not in since])
        of = self._before + len(self._left)
        return Progress(self._name, self._before + len(ended), of, failed, left, tuple(running))

    def _failure(self, outcome: Outcome) -> str:
        """Its error, which is not said again of cells that fail alike."""
        kind = kind_of_error(outcome.error)
        if kind in self._errors:
            return "as before"
        self._errors.add(kind)
        return outcome.error

    def _label(self, cell: Cell) -> str:
        return self._labels.get(cell.id, cell.label)

    def _screen(self) -> Group:
        progress = self.progress()
        begun = self._ended or self._running
        self._spinner.update(text=Text(f"{progress}{'' if begun else '; loading the base'}"))
        bar = Table.grid()
        columns = min(_BAR_COLUMNS, self._console.width)
        bar.add_row(ProgressBar(total=max(1, progress.cells), completed=progress.ended, width=columns))
        return Group(self._spinner, bar, *rows(progress.running, self._console))


def measured(outcome: Outcome) -> str:
    """What a finished cell is judged by: `accuracy 62 %`, `development accuracy 62 %` of a rung; "" if it has none."""
    asked = outcome.cell.evaluation
    with contextlib.suppress(RftlabError, OSError, ValueError):
        found = record.read(outcome.folder) if outcome.folder else None
        metrics = found.metrics if found else {}
        if metrics.get("diverged"):
            return "diverged"
        of_part = "development " if asked.part == "development" else ""
        value = metrics.get(f"{of_part}{asked.decides}".replace(" ", "_"))
        if value is not None:
            said = f"{value:.2f}" if asked.decides == SCORE else f"{100 * value:.0f} %"
            return f"{of_part}{asked.decides} {said}"
    return ""


def rows(running: Sequence[Running], console: Console) -> list[RenderableType]:
    """A row for each cell that runs, in columns where these fit the terminal, else in two lines; then what goes wrong.

    What is too wide even so goes on in a further line, broken at words.
    """
    table = _table(running)
    found: list[RenderableType] = [table]
    if Measurement.get(console, console.options.update(max_width=10_000), table).maximum > console.width:
        found = [line for each in running for line in _stacked(each, console.width)]
    for each in running:
        if each.warning:
            found.append(Text(wrapped(f"  {each.label}: {each.warning}", console.width), style="yellow"))
    return found


def _table(running: Sequence[Running]) -> Table:
    table = Table.grid(padding=(0, 2))
    for each in running:
        texts = (f"  {each.label}", f"{each.seconds:.0f} s", f"{each.phase} {each.steps}", each.measure)
        table.add_row(*map(Text, texts))
    for number, column in enumerate(table.columns):
        column.no_wrap, column.justify = True, "right" if number == 1 else "left"
    return table


def _stacked(each: Running, columns: int) -> list[Text]:
    does = "  ".join(filter(None, (f"{each.seconds:.0f} s", f"{each.phase} {each.steps}".rstrip(), each.measure)))
    return [Text(wrapped(f"{indent}{text}", columns)) for indent, text in (("  ", each.label), ("      ", does))]
