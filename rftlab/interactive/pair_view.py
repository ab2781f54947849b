"""What a notebook shows while a matched pair trains: how far it is, both methods' curves, a completion of each."""

import base64
import html
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rftlab import plots
from rftlab.cell import Cell
from rftlab.execute.one_cell import Outcome
from rftlab.progress import kernel_shell
from rftlab.record import TRACE, read, read_lines
from rftlab.shown.progress import Sampled, bar, sampled

_EVERY_S = 1.5


class PairView:
    """Listens to a run of cells (`rftlab.execute.local.Listener`), and draws.

    Args:
        methods: those drawn, in this order; cells of others are counted.
        cells: how many there are in all.
    """

    def __init__(self, methods: Sequence[str], cells: int) -> None:
        self._methods, self._cells, self._ended = methods, cells, 0
        self._traces: dict[str, tuple[str, list[Mapping[str, Any]]]] = {}
        self._bases: list[float] = []
        self._samples: dict[str, list[Sampled]] = {}
        self._doing: dict[str, str] = {}
        self._ids = {name: f"rftlab-{name}-{uuid.uuid4().hex}" for name in ("bar", "curves", "completions")}
        self._shown: set[str] = set()
        self._drawn_at, self._note = 0.0, ""

    def read(self, cell: Cell, folder: Path) -> None:
        """Take a cell that is done."""
        self._ended += 1
        found = read(folder)
        if cell.method in self._methods:
            self._traces[cell.id] = (cell.method, list(read_lines(folder / TRACE)))
        elif found and (accuracy := found.metrics.get("development_accuracy")) is not None:
            self._bases.append(accuracy)

    def started(self, cell: Cell) -> None:
        """A cell begins."""
        self._doing[cell.id] = f"{cell.label}: starting"
        self._draw_if_due()

    def progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        """A cell has gone on."""
        self._doing[cell.id] = f"{cell.label}: {progress.get('phase')} {progress.get('step')}/{progress.get('total')}"
        if cell.method in self._methods:
            self._traces.setdefault(cell.id, (cell.method, []))[1].extend(progress.get("trace") or ())
            if new := progress.get("completions"):
                self._samples[cell.method] = [Sampled(**each) for each in new]
        self._draw_if_due()

    def finished(self, outcome: Outcome) -> None:
        """A cell has ended."""
        self._doing.pop(outcome.cell.id, None)
        if outcome.status == "done" and outcome.folder:
            self.read(outcome.cell, outcome.folder)
        self._draw_if_due()

    def noted(self, text: str) -> None:
        """Something about the whole run."""
        self._note = text

    def _draw_if_due(self) -> None:
        if time.monotonic() - self._drawn_at >= _EVERY_S:
            self.draw()

    def draw(self) -> None:
        """Draw what is known now, in place; nothing outside a notebook."""
        if kernel_shell() is None:
            return
        doing = "; ".join(self._doing.values())
        text = f"{self._ended} of {self._cells} cells{f'; {doing}' if doing else ''}"
        note = f"<div>{html.escape(self._note)}</div>" if self._note else ""
        self._display("bar", {"text/html": bar(text, self._ended / self._cells) + note, "text/plain": text})
        picture = base64.b64encode(plots.to_bytes(self.figure(), "png", dpi=100)).decode()
        self._display("curves", {"image/png": picture, "text/plain": "curves of both methods"})
        if self._samples:
            self._display("completions", {"text/html": self._completions(), "text/plain": "completions"})
        self._drawn_at = time.monotonic()

    def figure(self) -> Any:
        """Curves of both methods beside each other, one line a seed, with the mean of the base across."""
        runs: dict[str, list[pd.DataFrame]] = {method: [] for method in self._methods}
        for method, rows in self._traces.values():
            if rows:
                runs[method].append(pd.DataFrame(rows))
        return plots.trainings_beside(runs, base=sum(self._bases) / len(self._bases) if self._bases else None)

    def _completions(self) -> str:
        """One of each method."""
        columns = "".join(
            f"<div style='flex: 1; min-width: 16em'>{sampled(self._samples[m][:1], plots.title(m))}</div>"
            for m in self._methods
            if self._samples.get(m)
        )
        return f"<div style='display: flex; flex-wrap: wrap; gap: 1.5em'>{columns}</div>"

    def _display(self, name: str, data: Mapping[str, str]) -> None:
        from IPython.display import display

        display(dict(data), raw=True, display_id=self._ids[name], update=name in self._shown)
        self._shown.add(name)
