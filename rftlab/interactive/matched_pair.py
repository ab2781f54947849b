"""SFT and RFT on the same labels beside the untrained base: a small grid that is run and watched in a notebook."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftlab import plots
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.kernels import cool, default_kernel, default_workers, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.grid import Grid
from rftlab.grid.plan import Plan
from rftlab.interactive.pair_view import PairView
from rftlab.record import SAMPLES, cells_dir, read, read_lines
from rftlab.record.beside import beside
from rftlab.shown.beside import Beside
from rftlab.shown.tables import TextTable
from rftlab.tasks.base import draw_labels
from rftlab.tasks.folds import task_of

if TYPE_CHECKING:
    from rftlab.answer.card import Answer

# An answer within a minute: no out-of-distribution items, no retention, nothing sampled.
_QUICK: Mapping[str, Any] = {
    "evaluation.test_items": 200, "evaluation.train_items": 20, "evaluation.ood_items": 0,
    "evaluation.sampled_items": 0, "evaluation.retention": "", "evaluation.along_the_way": 5,
    "evaluation.along_items": 50,
}  # fmt: skip


class MatchedPair:
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
        self.results, self.methods = Path(results), ("sft", rft)
        common = {**_QUICK, "task": task, "budget.amount": steps, **(more or {})}
        cells = [
            Cell.make({**common, "method": method, "labels": labels if method != "base" else 0, "seed": seed})
            for seed in range(seeds)
            for method in ("base", *self.methods)
        ]
        plan = Plan(named=("base", *self.methods), max_seeds=seeds)
        self.grid = Grid(self.results.name, tuple(cells), plan=plan).settled()
        self._task = task_of(cells[0])

    def examples(self, n: int = 2) -> TextTable:
        """The first ``n`` labelled examples of seed 0: prompt, rationale and answer."""
        trained = next(cell for cell in self.grid.cells if cell.method == self.methods[0])
        shown = draw_labels(trained, self._task).train[:n]
        return TextTable([{"prompt": e.prompt, "rationale": e.rationale, "answer": e.answer} for e in shown])

    def run(self) -> None:
        """Run what is left of the grid, and show both methods while they train.

        Raises:
            RftlabError: cells failed; the sentence says where their logs are.
        """
        done, left = self.grid.split(self.results)
        view = PairView(self.methods, len(self.grid.cells))
        for cell in done:
            view.read(cell, self._folder(cell))
        view.draw()
        workers = default_workers(left) if left else 1
        settings = replace(kernel_settings(default_kernel(), workers), keep="best")
        try:
            outcomes = run_cells(left, self.results, view, workers=workers, settings=settings, grid=self.grid)
        finally:
            cool()
        view.draw()
        if failed := [each for each in outcomes if each.status == "failed"]:
            where = f"; its notebook is {failed[0].folder}/notebook.ipynb" if failed[0].folder else ""
            raise RftlabError(f"{len(failed)} of {len(outcomes)} cells failed: {failed[0].error}{where}")

    def before_after(self, n: int = 4) -> Beside:
        """The first ``n`` test items with the greedy completions of base, SFT and RFT at seed 0.

        Raises:
            RftlabError: one of them has not run.
        """
        first = [cell for cell in self.grid.cells if cell.seed == self.grid.cells[0].seed]
        answers = []
        for cell in first:
            rows = [r for r in read_lines(self._folder(cell) / SAMPLES) if r["part"] == "test"]
            answers.append(rows[:n])
        return beside([plots.title(cell.method_name) for cell in first], answers)

    def card(self) -> "Answer":
        """The answer of the study, with its numbers and what it does not cover.

        Raises:
            RftlabError: no cell has finished.
        """
        from rftlab.report import card

        return card(self.results)

    def _folder(self, cell: Cell) -> Path:
        folder = cells_dir(self.results) / cell.id
        if read(folder) is None:
            raise RftlabError(f"{cell.label} has not run yet; call run() first")
        return folder
