"""How far a run is, for whoever watches from another process: `progress.json` in the results folder while it runs."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from rftlab.record import write_atomically
from rftlab.shown.progress import seconds_left

FILE = "progress.json"
_EVERY_S = 1.0
LOADING = "loading the base"
"""What a cell does before it says so itself: its kernel starts, imports, loads task and base."""


@dataclass(frozen=True)
class Running:
    """A cell that runs now.

    Attributes:
        id: of the cell.
        label: for people.
        seconds: since it began.
        phase: what it does, such as training.
        step: done of `total`; None where it does not say.
        total: as `step`.
        at_most: whether `total` is a cap, before which it may end.
        measure: last reward or loss, with its name; "" for none.
        warning: last one; "" for none.
    """

    id: str
    label: str
    seconds: float
    phase: str
    step: float | None
    total: float | None
    at_most: bool
    measure: str
    warning: str

    @staticmethod
    def of(cell_id: str, label: str, seconds: float, said: Mapping[str, Any]) -> "Running":
        """From the last message that the cell sent."""
        measures = {name: value for name in ("reward", "loss") if (value := _number(said.get(name))) is not None}
        return Running(
            cell_id, label, seconds, str(said.get("phase", LOADING)), _number(said.get("step")),
            _number(said.get("total")), bool(said.get("at_most")),
            next((f"{name} {value:.3f}" for name, value in measures.items()), ""), str(said.get("warning", "")),
        )  # fmt: skip

    @property
    def steps(self) -> str:
        """Such as `12/60`; "" where it does not say."""
        if self.step is None or self.total is None:
            return ""
        return f"{self.step:g}{' of at most ' if self.at_most else '/'}{self.total:g}"

    def __str__(self) -> str:
        said = (self.label, f"{self.seconds:.0f} s", self.phase, self.steps, self.measure)
        return "  ".join(filter(None, said))


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        name: of what runs: the grid, or its tuning stage.
        ended: cells that have ended, those of earlier runs included.
        cells: of all.
        failed: of those that ended in this run.
        seconds_left: expected; None where nothing tells how long a cell of some kind takes.
        running: cells that run now.
    """

    name: str
    ended: int
    cells: int
    failed: int
    seconds_left: float | None
    running: tuple[Running, ...]

    def __str__(self) -> str:
        """One line, as over the live table of a terminal."""
        failed = f", {self.failed} failed" if self.failed else ""
        left = "estimating the time left" if self.seconds_left is None else seconds_left(self.seconds_left)
        more = f", {left}" if self.ended < self.cells else ""
        return f"{self.name}: {self.ended} of {self.cells} cells{failed}{more}"


class ProgressFile:
    """The file while a run goes on; without a folder, nothing. A disk that is full stops nobody."""

    def __init__(self, results: Path | None) -> None:
        self._path = results / FILE if results else None
        self._written = 0.0

    def update(self, progress: Callable[[], Progress], *, now: bool = False) -> None:
        """Write what ``progress`` gives, at most once a second unless ``now``, and only in a folder that is there."""
        if self._path is None or (not now and time.monotonic() - self._written < _EVERY_S):
            return
        self._written = time.monotonic()
        with contextlib.suppress(OSError):
            writer = {"pid": os.getpid(), "since": psutil.Process().create_time()}
            write_atomically(self._path, json.dumps({"progress": asdict(progress()), **writer}))

    def remove(self) -> None:
        """The run has ended."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def read_progress(results: Path) -> Progress | None:
    """How far the run in a results folder is; None where none runs, or it has not begun its first cell.

    The folder's lock is not tried for it: whoever holds it for a moment would turn away a run that wants it.
    """
    try:
        body = json.loads((results / FILE).read_text(encoding="utf-8"))
        if psutil.Process(body["pid"]).create_time() != body["since"]:  # a run that was killed leaves its file
            return None
        progress = body["progress"]
        return Progress(**{**progress, "running": tuple(Running(**each) for each in progress["running"])})
    except (OSError, ValueError, TypeError, KeyError, psutil.Error):
        return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
