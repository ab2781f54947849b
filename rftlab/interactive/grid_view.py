"""What a notebook shows while a small grid trains: how far it is, the curves of its arms, a completion of each."""

import base64
import html
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rftlab import plots
from rftlab.cell import Cell
from rftlab.execute.one_cell import Outcome
from rftlab.execute.time_left import TimeLeft
from rftlab.progress import kernel_shell
from rftlab.record import TRACE, read, read_lines
from rftlab.registry import trains
from rftlab.shown.progress import Sampled, bar, sampled, seconds_left

_EVERY_S = 1.5
_COMPLETIONS = 4


def arms(cells: Iterable[Cell]) -> dict[str, str]:
    """Id -> arm, for each cell: its method, with what else tells arms apart in brackets, seeds left out.

    Words are used where there are some: `grpo`, `grpo [100 labels]`, `sft [direct, model=tiny-base]`.
    """
    cells = list(cells)
    flats = Cell.as_said(cells)
    trained = [flat for cell, flat in zip(cells, flats, strict=True) if trains(cell.method)]
    apart = [name for name in (trained or flats)[0] if name not in _UNSAID and _differ(trained or flats, name)]
    named = {}
    for cell, flat in zip(cells, flats, strict=True):
        said = [_said(name, flat[name]) for name in apart if trains(cell.method) or name in _ASKED]
        named[cell.id] = f"{cell.method_name} [{', '.join(said)}]" if said else cell.method_name
    return named


_UNSAID = frozenset({"method", "seed", "seed_data", "seed_init", "seed_sampling", "digests", "cot_eval"})
# What an untrained base is told apart by.
_ASKED = frozenset({"task", "model", "cot"})


def _differ(flats: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether a parameter tells arms of one method apart; a method's own settings do not."""
    of_method: dict[str, list[Any]] = {}
    for flat in flats:
        of_method.setdefault(flat["method"], []).append(flat[name])
    return any(values[0] != value for values in of_method.values() for value in values)


def _said(name: str, value: Any) -> str:
    if name == "labels":
        return f"{value} labels"
    if name == "cot":
        return "thinks first" if value else "direct"
    return f"{name}={value}"


class GridView:
    """Listens to a run of cells (`rftlab.execute.local.Listener`), and draws.

    Args:
        cells: all of the grid; the arms that train are drawn in their order.
        workers: cells run at once, for the estimate of the time left.
    """

    def __init__(self, cells: Sequence[Cell], workers: int = 1) -> None:
        self._arms, self._cells, self._ended = arms(cells), cells, 0
        self._drawn = list(dict.fromkeys(self._arms[cell.id] for cell in cells if trains(cell.method)))
        self._traces: dict[str, tuple[str, list[Mapping[str, Any]]]] = {}
        self._bases: dict[tuple[Any, ...], list[float]] = {}
        self._samples: dict[str, list[Sampled]] = {}
        self._doing: dict[str, str] = {}
        self._time_left, self._began = TimeLeft(cells, workers, lambda _: None), dict[str, float]()
        self._waiting = [cell.id for cell in cells]
        steps = {cell.budget.amount for cell in cells if trains(cell.method)}
        counted = all(cell.budget.unit == "steps" and cell.budget.until == "spent" for cell in cells)
        self._steps = max(steps, default=0.0) if counted else 0.0
        self._ids = {name: f"rftlab-{name}-{uuid.uuid4().hex}" for name in ("bar", "curves", "completions")}
        self._shown: set[str] = set()
        self._drawn_at, self._note = 0.0, ""

    def read(self, cell: Cell, folder: Path) -> None:
        """Take a cell that is done."""
        self._ended += 1
        self._begun(cell)
        found = read(folder)
        if trains(cell.method):
            self._traces[cell.id] = (self._arms[cell.id], list(read_lines(folder / TRACE)))
        elif found and (accuracy := found.metrics.get("development_accuracy")) is not None:
            self._bases.setdefault(_asked(cell), []).append(accuracy)

    def _begun(self, cell: Cell) -> None:
        self._began.pop(cell.id, None)
        if cell.id in self._waiting:
            self._waiting.remove(cell.id)

    def started(self, cell: Cell) -> None:
        """A cell begins."""
        self._begun(cell)
        self._began[cell.id] = time.monotonic()
        self._doing[cell.id] = f"{cell.label}: starting"
        self._draw_if_due()

    def progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        """A cell has gone on."""
        step, total = (f"{progress.get(name) or 0:g}" for name in ("step", "total"))
        self._doing[cell.id] = f"{cell.label}: {progress.get('phase')} {step}/{total}"
        if trains(cell.method):
            arm = self._arms[cell.id]
            self._traces.setdefault(cell.id, (arm, []))[1].extend(progress.get("trace") or ())
            if new := progress.get("completions"):
                self._samples.pop(arm, None)
                self._samples[arm] = [Sampled(**each) for each in new]
        self._draw_if_due()

    def finished(self, outcome: Outcome) -> None:
        """A cell has ended."""
        self._doing.pop(outcome.cell.id, None)
        if outcome.status == "done" and outcome.folder:
            self._time_left.learn(outcome.cell, outcome.seconds)
            self.read(outcome.cell, outcome.folder)
        else:
            self._begun(outcome.cell)
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
        text = self.told
        note = f"<div>{html.escape(self._note)}</div>" if self._note else ""
        self._display("bar", {"text/html": bar(text, self._ended / len(self._cells)) + note, "text/plain": text})
        picture = base64.b64encode(plots.to_bytes(self.figure(), "png", dpi=100)).decode()
        self._display("curves", {"image/png": picture, "text/plain": "curves of the arms"})
        if self._samples:
            self._display("completions", {"text/html": self._completions(), "text/plain": "completions"})
        self._drawn_at = time.monotonic()

    @property
    def told(self) -> str:
        """How far it is, how long it will take as far as that is known, and what each running cell does."""
        return "; ".join([f"{self._ended} of {len(self._cells)} cells{self._left()}", *self._doing.values()])

    def _left(self) -> str:
        if not self._began:
            return ""
        now = time.monotonic()
        since = {name: now - began for name, began in self._began.items()}
        left = self._time_left.seconds(since, self._waiting)
        return ", estimating the time left" if left is None else f", {seconds_left(left)}"

    def figure(self) -> Any:
        """Curves of the arms beside each other, one line a seed, with the mean of the base across."""
        runs: dict[str, list[pd.DataFrame]] = {arm: [] for arm in self._drawn}
        for arm, rows in self._traces.values():
            if rows:
                runs[arm].append(pd.DataFrame(rows))
        asked = {self._arms[cell.id]: self._bases.get(_asked(cell)) for cell in self._cells}
        return plots.trainings_beside(
            runs,
            base={arm: sum(found) / len(found) for arm, found in asked.items() if found},
            steps=self._steps,
        )

    def _completions(self) -> str:
        """One of each of the arms that drew last."""
        columns = "".join(
            f"<div style='flex: 1; min-width: 16em'>{sampled(self._samples[arm][:1], plots.title(arm))}</div>"
            for arm in self._drawn
            if arm in [*self._samples][-_COMPLETIONS:]
        )
        return f"<div style='display: flex; flex-wrap: wrap; gap: 1.5em'>{columns}</div>"

    def _display(self, name: str, data: Mapping[str, str]) -> None:
        from IPython.display import display

        display(dict(data), raw=True, display_id=self._ids[name], update=name in self._shown)
        self._shown.add(name)


def _asked(cell: Cell) -> tuple[Any, ...]:
    """What a base and an arm have in common where one is drawn across the other."""
    return (cell.task_name, cell.model, cell.cot)
