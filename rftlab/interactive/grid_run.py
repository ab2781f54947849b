"""A small grid that is run and watched in a notebook: what is verified, who trains, and the answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftlab import plots, preflight
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.kernels import cool, default_kernel, default_workers, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.execute.results import decided_precision
from rftlab.grid import Grid
from rftlab.interactive.grid_view import GridView, arms
from rftlab.record import SAMPLES, cells_dir, read, read_lines
from rftlab.record.beside import beside
from rftlab.registry import trains
from rftlab.shown.beside import Beside
from rftlab.shown.tables import TextTable
from rftlab.tasks.base import Example
from rftlab.tasks.folds import task_of
from rftlab.tasks.of_cell import draw_labels, verifier_of
from rftlab.verifiers.base import OPEN_TAG, Verifier, make_verifier, tagged

if TYPE_CHECKING:
    from rftlab.answer.card import Answer


class GridRun:
    """A grid in a notebook, from the examples of its task to the answer.

    Args:
        grid: a YAML file, the name of a packaged one (`scenario_math`), or a grid made in code.
        results: the grid's results folder, by default results/NAME; cells that are done there are not run again.

    Raises:
        RftlabError: as `Grid.load`; its learning rates are tuned in a stage, which `rftlab run` alone does; or none of
            its cells trains.
    """

    def __init__(self, grid: str | Path | Grid, results: str | Path = "") -> None:
        self.grid = grid if isinstance(grid, Grid) else Grid.load(grid)
        self.results = Path(results or Path("results") / self.grid.name)
        if self.grid.tuning:
            raise RftlabError(f"{self.grid.name} tunes its learning rates in a stage; run it with: rftlab run")
        shown = next((cell for cell in self.grid.cells if trains(cell.method)), None)
        if shown is None:
            raise RftlabError(f"no cell of {self.grid.name} trains; add a method such as sft")
        self._cell = shown
        task_of(shown)  # an unknown task is said here, before anybody waits

    def examples(self, n: int = 3) -> TextTable:
        """The first ``n`` labelled examples of each task, and the reward in [0, 1] that their answers get.

        Returns:
            Columns prompt, rationale, answer, reward, and task where there are several.
        """
        first = {cell.task_name: cell for cell in reversed(self.grid.cells) if trains(cell.method)}
        shown = TextTable([row for name in reversed(first) for row in _shown(first[name], n)])
        return shown if len(first) > 1 else shown.drop(columns="task")

    def judged(self, answers: Sequence[str], example: int = 0) -> TextTable:
        """What the verifier says of answers of yours to one of the first task's labels.

        Args:
            answers: each is put into answer tags, but for one that has some.
            example: which of the labels, as `examples` numbers them.

        Returns:
            Columns answer, reward in [0, 1], why (a sentence, where the verifier has one).

        Raises:
            RftlabError: there is no such label.
        """
        found, verifier = _labels(self._cell), _verifier(self._cell)
        if not 0 <= example < len(found):
            raise RftlabError(f"there is no example {example}; give 0 to {len(found) - 1}")
        said = [answer if OPEN_TAG in answer else tagged(answer) for answer in answers]
        # One by one: some verifiers take off what repeats the other samples of a prompt.
        scores = [verifier(answer, found[example]) for answer in said]
        return TextTable({"answer": answers, "reward": [s.reward for s in scores], "why": [s.detail for s in scores]})

    def run(self) -> None:
        """Run what is left of the grid, and show its arms while they train.

        Raises:
            RftlabError: something about the grid cannot work, and nothing has run; or cells failed, and the sentence
                says where their logs are.
        """
        done, left = self.grid.split(self.results)
        if left and self.grid.path:
            with self.grid.lines_named():
                preflight.check(self.grid.cells)
        workers = default_workers(left) if left else 1
        view = GridView(self.grid.cells, workers)
        for cell in done:
            view.read(cell, self._folder(cell))
        view.draw()
        precision = decided_precision(self.results)
        settings = kernel_settings(default_kernel(), workers, keep="best", precision=precision)
        try:
            outcomes = run_cells(left, self.results, view, workers=workers, settings=settings, grid=self.grid)
        finally:
            cool()
        view.draw()
        if failed := [each for each in outcomes if each.status == "failed"]:
            where = f"; its notebook is {failed[0].folder}/notebook.ipynb" if failed[0].folder else ""
            raise RftlabError(f"{len(failed)} of {len(outcomes)} cells failed: {failed[0].error}{where}")

    def before_after(self, n: int = 4) -> Beside:
        """The first ``n`` test items with the greedy completions of the base and the arms, asked alike, at one seed.

        Of several label budgets the largest is shown.

        Raises:
            RftlabError: one of them has not run.
        """
        like = self._cell
        alike = [c for c in self.grid.cells if (c.task, c.cot, c.seed) == (like.task, like.cot, like.seed)]
        most = max(cell.labels for cell in alike)
        shown = [cell for cell in alike if cell.labels == most or not trains(cell.method)]
        named = arms(shown)
        answers = [[r for r in read_lines(self._folder(c) / SAMPLES) if r["part"] == "test"][:n] for c in shown]
        return beside([plots.title(named[cell.id]) for cell in shown], answers)

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


def _labels(cell: Cell) -> tuple[Example, ...]:
    return draw_labels(cell, task_of(cell)).asked


def _verifier(cell: Cell) -> Verifier:
    judge, settings = verifier_of(cell, task_of(cell))
    return make_verifier(judge, answer_format=cell.answer_format, settings=settings)


def _shown(cell: Cell, n: int) -> list[dict[str, Any]]:
    shown = _labels(cell)[:n]
    scores = _verifier(cell).score([tagged(example.answer) for example in shown], shown)
    return [
        {"task": cell.task_name, "prompt": e.prompt, "rationale": e.rationale, "answer": e.answer, "reward": s.reward}
        for e, s in zip(shown, scores, strict=True)
    ]
