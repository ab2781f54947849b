"""A program that runs many cells of a notebook that trains nothing, and counts what it holds; its argument is JSON.

The run is that of `rftlab run` after its checks: stages, display, keeper and executor are the real ones. What it counts
goes into a file, a line of JSON each: once before the run, at the end of every cell, and once after.
"""

import contextlib
import functools
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import psutil

from rftlab.cell import Cell
from rftlab.execute.keep import Keeper
from rftlab.execute.kernels import TRAINING_MODULES, KernelSettings
from rftlab.execute.local import Listener, run_cells
from rftlab.execute.one_cell import Outcome
from rftlab.grid import Grid
from rftlab.stages import Stages

SEEDS = 10
"""Of each arm, as a large study has them."""


def main(notebook: str, results: str, figures: str, count: int, kind: str, modules: Sequence[str] | None = None) -> int:
    """Run what is left of so many cells; 0 if all are done."""
    folder, grid = Path(results), Grid("many", tuple(cells(count)))
    _, left = grid.split(folder)
    settings = KernelSettings(kind=kind, modules=TRAINING_MODULES if modules is None else tuple(modules))
    if not left:
        return 0
    with (
        Path(figures).open("a", buffering=1) as lines,
        Path(figures).with_suffix(".txt").open("a") as said,
        contextlib.redirect_stdout(said),
    ):
        run = functools.partial(_counted, lines, notebooks={"sft": Path(notebook)})
        keeper = Keeper(grid.cells, folder, "best", forced=False)
        outcomes = Stages(folder, 2, settings, run, lambda _: None).rest(grid, left, keeper)
    return int(any(outcome.status != "done" for outcome in outcomes))


def cells(count: int) -> list[Cell]:
    """So many that differ in labels and seed, and do nothing."""
    return [Cell.make({"labels": 10 + n // SEEDS, "seed": n % SEEDS, "task_settings": {}}) for n in range(count)]


class Counting:
    """A listener that passes all news on, and writes down what the driver holds whenever a cell has ended."""

    def __init__(self, listener: Listener, lines: TextIO) -> None:
        self._listener, self._lines = listener, lines
        self.started, self.progressed, self.noted = listener.started, listener.progressed, listener.noted

    def finished(self, outcome: Outcome) -> None:
        """A cell has ended."""
        self._listener.finished(outcome)
        self.count(outcome.status, outcome.seconds)

    def count(self, status: str, seconds: float = 0.0) -> None:
        """Write a line."""
        told = {"status": status, "seconds": seconds, **held()}
        self._lines.write(json.dumps(told) + "\n")


def _counted(lines: TextIO, left: Sequence[Cell], results: Path, listener: Listener, **options: Any) -> list[Outcome]:
    counting = Counting(listener, lines)
    counting.count("before")
    outcomes = run_cells(left, results, counting, **options)
    gc.collect()
    counting.count("after")
    return outcomes


def held() -> Mapping[str, float]:
    """What this process holds, by name: bytes, counts, and the processor seconds of all that it started so far."""
    me = psutil.Process()
    below = me.children(recursive=True)
    own = [each for each in below if each.ppid() == me.pid]
    return {
        "memory": me.memory_full_info().uss,
        "files": me.num_fds(),
        "threads": me.num_threads(),
        "sockets": len(me.net_connections("all")),
        "processes": len(below),
        "temporary files": sum(len(files) + len(more) for _, more, files in os.walk(tempfile.gettempdir())),
        "parent's memory": max((_of(each, lambda it: it.memory_info().rss) for each in own), default=0),
        "processor": sum(_of(each, lambda it: sum(it.cpu_times()[:4])) for each in (me, *own)),
    }


def _of(process: psutil.Process, figure: Callable[[psutil.Process], float]) -> float:
    """A figure of a process; 0 of one that is gone."""
    try:
        return figure(process)
    except psutil.Error:
        return 0.0


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
