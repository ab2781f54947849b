"""The stages of a study, each run by the same executor: its tuning, what others go on from, its cells, its looks."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rftlab import settling
from rftlab.cell import Cell
from rftlab.execute.display import Display
from rftlab.execute.keep import Keeper
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.one_cell import Outcome
from rftlab.execute.results import results_lock
from rftlab.execute.tuning import StageRun
from rftlab.grid import Grid
from rftlab.policy.weights import Keep
from rftlab.screen import say

RunCells = Callable[..., list[Outcome]]
Planned = Callable[[Cell], float | None]


@dataclass(frozen=True)
class Stages:
    """What all stages of a study have in common.

    Attributes:
        results: the study's folder.
        workers: cells run at once.
        settings: of the processes that run them.
        run_cells: the executor.
        planned: seconds that a cell will take; None where nothing is known.
    """

    results: Path
    workers: int
    settings: KernelSettings
    run_cells: RunCells
    planned: Planned

    def tune(self, stage: StageRun, name: str) -> list[Outcome]:
        """Run the tuning stage, round after round, as far as it goes: an arm with a cell that fails stays open."""
        settings = replace(self.settings, keep="none", stay_warm=True)
        outcomes: list[Outcome] = []
        while wanted := stage.after(outcomes):
            self._leave(stage)
            with self._display(f"{name}, tuning", stage.cells, wanted) as display:
                outcomes += self._run(wanted, display, settings, stage.resolved())
            stage.look()
        self._leave(stage)
        return [*outcomes, *stage.failures]

    def begin(self, grid: Grid, first: list[Cell]) -> list[Outcome]:
        """Run the cells that others go on from; all of their policies are kept."""
        with self._display(f"{grid.name}, what others go on from", first, first) as display:
            return self._run(first, display, replace(self.settings, keep="all", stay_warm=True), grid)

    def rest(self, grid: Grid, left: list[Cell], keeper: Keeper, *, stay_warm: bool = False) -> list[Outcome]:
        """Run what is left of a grid."""
        settings = replace(self.settings, stay_warm=True) if stay_warm else self.settings
        with self._display(grid.name, grid.cells, left) as display:
            return self._run(left, keeper.listener(display), settings, grid)

    def settle(self, grid: Grid, keep: Keep) -> tuple[list[Outcome], Grid]:
        """Look at a study, run the seeds that it still needs, and look again until none is needed."""
        outcomes: list[Outcome] = []
        while True:
            seeds = max(Counter(cell.variant for cell in grid.cells).values())
            grid, left, told = settling.next_look(grid, self.results, [each.cell for each in outcomes])
            say(f"{grid.name}, look after {seeds} seeds: {told}")
            if not left:
                return outcomes, grid
            ran = self.rest(grid, left, Keeper(grid.cells, self.results, keep, forced=False), stay_warm=True)
            outcomes += ran
            if not any(each.status == "done" for each in ran):
                return outcomes, grid

    def _display(self, name: str, cells: "tuple[Cell, ...] | list[Cell]", left: list[Cell]) -> Display:
        return Display(name, cells, left=left, workers=self.workers, results=self.results, planned=self.planned)

    def _run(self, cells: list[Cell], display: object, settings: KernelSettings, grid: Grid) -> list[Outcome]:
        return self.run_cells(cells, self.results, display, workers=self.workers, settings=settings, grid=grid)

    def _leave(self, stage: StageRun) -> None:
        with results_lock(self.results):
            stage.write()
