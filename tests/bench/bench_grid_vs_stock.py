"""Wall time of a grid: rftlab (two workers, warm kernels) against papermill over stock TRL notebooks, one by one.

The cells are the demo grid's, all of them at their full size; the time of rftlab includes starting the process that
kernels are forked from. The baseline gets one compute thread or all cores, whichever was faster on a small GRPO cell,
tried before (rows `stock_trial`). Rows `grid_time.*` say where the time of a cell went.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

from rftlab.cell import Cell
from rftlab.execute.kernels import cores, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.grid import Grid
from tests.bench import phases
from tests.bench.measure import Row, ratios, row, seconds, take_turns
from tests.bench.stock_grid import run_stock
from tests.execute.stub_notebook import Quiet

DEMO = Path(__file__).parents[2] / "notebooks" / "grids" / "demo.yaml"
SMALL = {
    "task": "arithmetic/word",
    "model": "tiny-base",
    "cot": True,
    "decoding.max_new_tokens": 16,
    "evaluation": {
        "test_items": 5, "train_items": 5, "ood_items": 5, "sampled_items": 2, "samples": 2, "along_the_way": 0,
    },
}  # fmt: skip
WORKERS = 2


def run(quick: bool = False) -> dict[str, Row]:
    """One round, about twenty minutes; if quick, of two small cells with one thread."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    # The stock notebook measures no retention, so neither do we here.
    cells = [Cell.make({**cell.flat(), "evaluation.retention": ""}) for cell in Grid.load(DEMO).cells]
    if quick:
        cells = [_small(method) for method in ("sft", "grpo")]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        grid = _Grid(cells, Path(scratch))
        trials = {} if quick else {threads: grid.try_stock(threads) for threads in sorted({1, cores()})}
        grid.stock_threads = min(trials, key=trials.__getitem__, default=1)
        took = take_turns(1, {"rftlab": grid.by_rftlab, "stock": grid.by_stock})
    return {
        **{f"grid_vs_stock.stock_trial_{threads}_threads": row([s], "s") for threads, s in trials.items()},
        "grid_vs_stock": ratios(took["stock"], took["rftlab"]),
        "grid_vs_stock.rftlab": row(took["rftlab"], "s"),
        "grid_vs_stock.stock": row(took["stock"], "s"),
        "grid_vs_stock.rftlab_cells_per_hour": row([3600 * len(cells) / s for s in took["rftlab"]], "cells/h"),
        **_profile("rftlab", grid.ours),
        **_profile("stock", grid.theirs),
    }


def _small(method: str, *, steps: float = 3.0) -> Cell:
    return Cell.make({**SMALL, "method": method, "labels": 50, "budget.amount": steps})


class _Grid:
    def __init__(self, cells: list[Cell], scratch: Path) -> None:
        self.cells, self.scratch = cells, scratch
        self.ours: list[dict[str, float]] = []
        self.theirs: list[dict[str, float]] = []
        self.stock_threads = 1

    def by_rftlab(self) -> float:
        results = self.scratch / f"rftlab{time.monotonic_ns()}"
        settings, listener = kernel_settings("warm", WORKERS), Quiet()
        took = seconds(lambda: run_cells(self.cells, results, listener, workers=WORKERS, settings=settings))
        for outcome in listener.outcomes:
            assert outcome.status == "done", outcome.error
            self.ours.append(phases.of_rftlab(outcome.folder, outcome.seconds))
        return took

    def try_stock(self, threads: int) -> float:
        small = _small("grpo", steps=8.0)
        return seconds(lambda: run_stock([small], self.scratch / f"trial{threads}", threads=threads))

    def by_stock(self) -> float:
        executed: list[Path] = []
        folder = self.scratch / f"stock{time.monotonic_ns()}"
        took = seconds(lambda: executed.extend(run_stock(self.cells, folder, threads=self.stock_threads)))
        self.theirs += [phases.of_stock(notebook) for notebook in executed]
        return took


def _profile(arm: str, cells: list[dict[str, float]]) -> dict[str, Row]:
    """Mean seconds of a phase over cells; least and most of any cell."""
    rows = {}
    for phase in dict.fromkeys(name for cell in cells for name in cell):
        spent = [cell.get(phase, 0.0) for cell in cells]
        rows[f"grid_time.{arm}.{phase}"] = {**row(spent, "s/cell"), "median": statistics.mean(spent)}
    return rows
