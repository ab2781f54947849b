"""Hold what `rftlab plan` says against what grids take: `python -m tests.bench.forecasts [NAME ...]`; prints Markdown.

Each grid is planned by short runs in an empty folder, then run; then its cells are held out seed by seed and predicted
from those of the other seeds, as a plan does where cells are known.
"""

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rftlab
from rftlab.advise import costs
from rftlab.advise.costs import AXES, Amount, Rates
from rftlab.advise.measured import Measured, measured
from rftlab.cell import Cell
from rftlab.execute.kernels import cool, default_kernel, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.grid import Grid
from tests.execute.stub_notebook import Quiet

Taken = Mapping[str, float]
COLUMNS = {
    "seconds": "time, s", "peak_bytes": "peak memory, MB", "tokens_generated": "tokens generated, k",
    "tokens_trained": "tokens trained, k", "flops": "training GFLOPs", "disk_bytes": "disk, MB",
}  # fmt: skip
_UNITS = {"peak_bytes": 1e6, "tokens_generated": 1e3, "tokens_trained": 1e3, "flops": 1e9, "disk_bytes": 1e6}
SEEDS = [0, 1]
GRIDS: dict[str, dict[str, Any]] = {
    "base, SFT, GRPO on word": {"method": ["base", "sft", "grpo"], "labels": 50},
    "SFT+GRPO, RLOO on rare": {"task": "arithmetic/rare", "method": ["sft+grpo", "rloo"], "labels": 100},
    "PPO, CHORD on word": {"method": ["ppo", "chord"], "labels": 30},
    "DPO, rejection SFT on word": {"method": ["dpo", "rejection_sft"], "labels": 100},
    "SAC, HPT on band": {"task": "arithmetic/band", "method": ["sac", "hpt"], "labels": 50},
    "full fine-tuning, SFT, GRPO": {"method": ["sft", "grpo"], "labels": 50, "adapter.kind": "full"},
    "3e11 FLOPs each, SFT, GRPO": {
        "method": ["sft", "grpo"], "labels": 300, "budget.unit": "flops", "budget.amount": 3e11,
    },
    "direct, SFT, GRPO, 10 labels": {"method": ["sft", "grpo"], "labels": 10, "cot": False},
}  # fmt: skip


def main() -> int:
    """Print both tables, and how far off predictions were by axis."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.forecasts", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or some of: {'; '.join(GRIDS)}")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(GRIDS)):
        parser.error(f"no grid {', '.join(unknown)}")
    head = ["grid", "load", *COLUMNS.values()]
    print(f"| {' | '.join(head)} |\n|---|--:|{'---|' * len(COLUMNS)}")
    probed: list[tuple[Mapping[str, Amount], Taken]] = []
    held: list[tuple[Mapping[str, Amount], Taken]] = []
    for name in options.names or GRIDS:
        both, ran = _held_against(name, options.workers)
        probed.append(both)
        held += _held_out(ran, options.workers)
        print(f"| {name} | {os.getloadavg()[0]:.1f} | {' | '.join(_cells(*both))} |", flush=True)
    cool()
    for what, pairs in (("from short runs", probed), ("from the other seed's cells", held)):
        print(f"\n{what}: {len(pairs)} predictions\n\n| | four of five within a factor of | took / planned | inside |")
        print("|---|--:|--:|--:|")
        for axis in (*COLUMNS, "asked"):
            print(f"| {axis} | {_errors(pairs, axis)} |")
    return 0


def _held_against(name: str, workers: int) -> tuple[tuple[Mapping[str, Amount], Taken], list[Measured]]:
    """A grid's forecast and what it took, with its cells."""
    values = GRIDS[name]
    cells = [
        Cell.make({**values, "method": method, "seed": seed, **({"labels": 0} if method == "base" else {})})
        for method in values["method"]
        for seed in SEEDS
    ]
    grid = Grid("forecast", tuple(cells)).settled()
    with tempfile.TemporaryDirectory(prefix="forecasts-") as folder:
        results = Path(folder) / "results"
        forecast = rftlab.plan(grid, results, workers=workers)
        print(f"{name}: {forecast}", file=sys.stderr, flush=True)
        settings = kernel_settings(default_kernel(), workers, keep="best")
        began = time.perf_counter()
        run_cells(list(grid.cells), results, Quiet(), workers=workers, settings=settings, grid=grid)
        took = time.perf_counter() - began
        ran = measured(results, grid.cells)
    assert len(ran) == len(cells)
    return (forecast.amounts, {**_taken(ran), "seconds": took}), ran


def _held_out(ran: Sequence[Measured], workers: int) -> list[tuple[Mapping[str, Amount], Taken]]:
    """Each seed's cells predicted from the other seed's."""
    found = []
    for seed in SEEDS:
        rest = Rates.of_cells([m for m in ran if m.cell.seed != seed])
        own = [m for m in ran if m.cell.seed == seed]
        amounts = [each for m in own if (each := rest.predict(m.cell)) is not None]
        summed = {
            axis: (Amount.largest if axis == "peak_bytes" else Amount.summed)([each[axis] for each in amounts])
            for axis in AXES
        }
        walls = zip(*(each["wall"] for each in amounts), strict=True)
        summed["seconds"] = Amount(*(costs.makespan(each, workers) for each in walls))
        found.append((summed, {**_taken(own), "seconds": costs.makespan([m.wall for m in own], workers)}))
    return found


def _taken(ran: Sequence[Measured]) -> dict[str, float]:
    taken = {axis: sum(costs.actual(m)[axis] for m in ran) for axis in AXES}
    return taken | {"peak_bytes": max(m.peak_bytes for m in ran)}


def _cells(planned: Mapping[str, Amount], took: Taken) -> list[str]:
    cells = []
    for axis in COLUMNS:
        unit = _UNITS.get(axis, 1.0)
        estimate, low, high = (each / unit for each in planned[axis])
        missed = "" if low <= took[axis] / unit <= high else " *"
        cells.append(f"{estimate:,.0f} [{low:,.0f}, {high:,.0f}], took {took[axis] / unit:,.0f}{missed}")
    return cells


def _errors(pairs: Sequence[tuple[Mapping[str, Amount], Taken]], axis: str) -> str:
    logs = [math.log(took[axis] / planned[axis].estimate) for planned, took in pairs if took[axis] > 0]
    inside = [planned[axis].low <= took[axis] <= planned[axis].high for planned, took in pairs if took[axis] > 0]
    if not logs:
        return "| |"
    width = sorted(map(abs, logs))[-(-4 * len(logs) // 5) - 1]
    return f"{math.exp(width):.2f} | {math.exp(statistics.fmean(logs)):.2f} | {sum(inside)} of {len(inside)}"


if __name__ == "__main__":
    sys.exit(main())
