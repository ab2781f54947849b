"""SFT and RFT on the same labels beside the untrained base: a small grid that is run and watched in a notebook."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.grid.plan import Plan
from rftlab.interactive.grid_run import GridRun

# An answer within a minute: no out-of-distribution items, no retention, nothing sampled.
_QUICK: Mapping[str, Any] = {
    "evaluation.test_items": 200, "evaluation.train_items": 20, "evaluation.ood_items": 0,
    "evaluation.sampled_items": 0, "evaluation.retention": "", "evaluation.along_the_way": 5,
    "evaluation.along_items": 50,
}  # fmt: skip


class MatchedPair(GridRun):
    """Base, SFT and RFT, with the same labels and seeds.

    Args:
        task: registered task, or path.py:function.
        labels: label budget of both methods.
        steps: optimiser steps of both.
        seeds: how many, 0 upwards.
        rft: the RFT method.
        results: the grid's results folder; cells that are done there are not run again.
        more: further parameters of every cell, dotted (`model`, `evaluation.test_items`).

    Raises:
        RftlabError: anything about them that cannot work.
    """

    def __init__(
        self,
        task: str,
        *,
        labels: int = 10,
        steps: int = 30,
        seeds: int = 3,
        rft: str = "grpo",
        results: str | Path = "results/start_here",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        if seeds < 1:
            raise RftlabError(f"seeds is {seeds}; give 1 or more")
        common = {**_QUICK, "task": task, "budget.amount": steps, **(more or {})}
        cells = [
            Cell.make({**common, "method": method, "labels": labels if method != "base" else 0, "seed": seed})
            for seed in range(seeds)
            for method in ("base", "sft", rft)
        ]
        plan = Plan(named=("base", "sft", rft), max_seeds=seeds)
        super().__init__(Grid(Path(results).name, tuple(cells), plan=plan).settled(), results)
