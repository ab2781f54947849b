"""An arm's tuning as far as the scores that are there decide it: rounds, rungs that are stopped, growth, choice.

Of each arm the stages of its method are tuned one after the other, the first one first, the others at the rate chosen
or the default. Nothing here reads a file or runs a cell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rftlab.cell import Cell
from rftlab.execute import rungs
from rftlab.execute.rungs import Rung, Score
from rftlab.grid.tuning import Stage, rung_cell

Scores = Callable[[Cell], Score | None]
"""The score of a cell of the stage; None if it has not run."""


@dataclass(frozen=True)
class Ladder:
    """What became of one stage of a method.

    Attributes:
        name: of the stage.
        tried: rate -> its scores, in order of seeds; fewer than others have where it was stopped.
        added: rates that the ladder grew by.
        chosen: the rate chosen; None while that is open.
        failed: whether training diverged at every rate.
    """

    name: str
    tried: Mapping[float, Rung]
    added: tuple[float, ...] = ()
    chosen: float | None = None
    failed: bool = False

    @property
    def interior(self) -> bool:
        """Whether the rate chosen is no end of what was tried; False where nothing was."""
        return bool(self.tried) and self.chosen is not None and min(self.tried) < self.chosen < max(self.tried)

    @property
    def undecided(self) -> bool:
        """Whether a rate was taken though the scores of all rates that did not diverge were the same."""
        whole = [tried for tried in self.tried.values() if not any(score.diverged for score in tried)]
        return self.chosen is not None and rungs.undecided(whole)


@dataclass
class Arm:
    """One arm of the study at one label budget, as far as it is tuned.

    Attributes:
        prototype: what its tuning cells have in common.
        budgets: label budgets of the study that take its rates.
        ladders: one for each stage of the method that has been begun.
        wanted: cells that have to run before the next decision; none once all is decided.
        cells: all cells that were asked for, in order.
        rates: chosen, one for each stage; None while one is open.
    """

    prototype: Cell
    budgets: list[int] = field(default_factory=list)
    ladders: list[Ladder] = field(default_factory=list)
    wanted: list[Cell] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    rates: tuple[float, ...] | None = None

    @property
    def failed(self) -> str:
        """Why no rate can be chosen, as a sentence; "" if one can."""
        lost = next((ladder for ladder in self.ladders if ladder.failed), None)
        if lost is None:
            return ""
        tried = ", ".join(f"{rate:g}" for rate in sorted(lost.tried))
        where = f"{self.prototype.method_name} at {self.prototype.labels} labels"
        return f"training diverged at every learning rate of {where} ({tried}); give lower ones: tuning.ladders"


def tune(prototype: Cell, stage: Stage, ladders: Sequence[tuple[str, float, tuple[float, ...]]], scores: Scores) -> Arm:
    """An arm as far as its tuning can be decided by the scores that are there.

    Args:
        prototype: of the arm.
        stage: what the grid declares.
        ladders: of each stage of the method: its name, its default rate and its ladder, rising.
        scores: of cells that have run.
    """
    arm = Arm(prototype)
    rates = [default for _, default, _ in ladders]
    for place, (name, default, ladder) in enumerate(ladders):

        def at(rate: float, seed: int, place: int = place) -> Cell:
            return rung_cell(prototype, (*rates[:place], rate, *rates[place + 1 :]), seed)

        found = _Climb(stage, default, at, scores, arm).up(name, ladder)
        arm.ladders.append(found)
        if found.chosen is None:
            return arm
        rates[place] = found.chosen
    arm.rates = tuple(rates)
    return arm


class _Climb:
    """One ladder: its rounds, its growth, its choice."""

    def __init__(
        self, stage: Stage, default: float, at: Callable[[float, int], Cell], scores: Scores, arm: Arm
    ) -> None:
        self._stage, self._default, self._at, self._scores, self._arm = stage, default, at, scores, arm
        self._tried: dict[float, list[Score]] = {}

    def up(self, name: str, ladder: Sequence[float]) -> Ladder:
        """Go on until a cell is wanted, or the rate is chosen."""
        if len(ladder) == 1:  # there is nothing to choose
            return Ladder(name, {}, chosen=ladder[0])
        added: list[float] = []
        left = self._round(ladder, beside={})
        while left is not None:
            whole = {rate: self._tried[rate] for rate in left}
            if not whole:
                return Ladder(name, self._tried, tuple(added), failed=True)
            chosen = rungs.choose(whole, self._default)
            further = rungs.beyond(sorted(self._tried), chosen)
            equal = len(whole) == len(self._tried) and rungs.alike(whole.values())
            if further is None or equal or len(added) == self._stage.growth:
                return Ladder(name, self._tried, tuple(added), chosen)
            added.append(further)
            grown = self._round([further], beside={chosen: self._tried[chosen]})
            left = None if grown is None else [*left, *grown]
        return Ladder(name, self._tried, tuple(added))

    def _round(self, ladder: Sequence[float], beside: Mapping[float, Rung]) -> list[float] | None:
        """Rungs run to the last seed, those that cannot win left behind at the marks; None if cells have to run first.

        ``beside`` is what they are held against, too.
        """
        running, begin = list(ladder), 0
        for mark in self._stage.marks:
            asked = {
                (rate, seed): self._at(rate, seed) for rate in running for seed in self._stage.tuning_seeds[begin:mark]
            }
            self._arm.cells += asked.values()
            found = {key: self._scores(cell) for key, cell in asked.items()}
            self._arm.wanted = [asked[key] for key, score in found.items() if score is None]
            if self._arm.wanted:
                return None
            for (rate, _), score in found.items():
                self._tried.setdefault(rate, []).append(score or Score(()))
            so_far = {
                **{rate: scores[:mark] for rate, scores in beside.items()},
                **{r: self._tried[r] for r in running},
            }
            if mark == self._stage.seeds:
                running = [rate for rate in running if not any(score.diverged for score in self._tried[rate])]
            else:
                running = [rate for rate in rungs.survivors(so_far) if rate in running]
            begin = mark
        return running
