"""The tuning stage: what it still has to run, what it has chosen, and the study's cells with the rates chosen.

Nothing is remembered between runs but the records of the stage's cells: from them every decision is taken again, in the
same order, so that a stage that was interrupted goes on as if it had not been.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rftlab import record
from rftlab.cell import NOT_YET, Cell
from rftlab.errors import RftlabError
from rftlab.execute import rungs
from rftlab.execute.ladders import Arm, Ladder, Scores, tune
from rftlab.execute.one_cell import Outcome
from rftlab.execute.rungs import Rung, Score
from rftlab.grid import Grid
from rftlab.grid.tuning import LADDERS
from rftlab.record.outcomes import worth

_AXES = (
    "seconds", "evaluation_seconds", "flops", "tokens_generated", "tokens_trained", "optimizer_steps", "verifier_calls",
)  # fmt: skip


class StageRun:
    """The tuning stage of a grid in its results folder.

    Args:
        grid: a settled grid with a stage.
        ladders: its methods' own, as the preflight found them.
        results: the grid's results folder.
        score: of a cell that has run; by default what its record says.

    Raises:
        RftlabError: the grid gives a method another number of ladders than it has stages.
    """

    def __init__(self, grid: Grid, ladders: Mapping[str, Any], results: Path, *, score: Scores | None = None) -> None:
        assert grid.tuning is not None
        self._grid, self._stage, self._results = grid, grid.tuning, results
        self._score = score or self._recorded
        self._known: dict[str, Score] = {}
        self._of = {cell.id: self._stage.prototype(cell) for cell in grid.cells if cell.tuned_by == NOT_YET}
        self._prototypes = {prototype.id: prototype for prototype in self._of.values()}
        self._ladders = {name: self._stage.rungs(each, ladders) for name, each in self._prototypes.items()}
        self.arms: dict[str, Arm] = {}
        self.look()

    def look(self) -> None:
        """Decide what can be decided by the records that are there."""
        for name, prototype in self._prototypes.items():
            if name not in self.arms or self.arms[name].rates is None:
                self.arms[name] = tune(prototype, self._stage, self._ladders[name], self._score)
        for cell in self._grid.cells:
            if cell.id in self._of and cell.labels not in (budgets := self.arms[self._of[cell.id].id].budgets):
                budgets.append(cell.labels)

    @property
    def wanted(self) -> list[Cell]:
        """Cells that have to run before more can be decided, of all arms."""
        return [cell for arm in self.arms.values() for cell in arm.wanted]

    @property
    def cells(self) -> list[Cell]:
        """All cells of the stage so far, each once."""
        return list({cell.id: cell for arm in self.arms.values() for cell in arm.cells}.values())

    def after(self, outcomes: Iterable[Outcome]) -> list[Cell]:
        """Cells to run next, after these outcomes: none of an arm with a cell that failed, none of a stopped run."""
        ended = {outcome.cell.id: outcome.status for outcome in outcomes if outcome.status != "done"}
        if "stopped" in ended.values():
            return []
        return [cell for arm in self.arms.values() if not any(c.id in ended for c in arm.wanted) for cell in arm.wanted]

    @property
    def failures(self) -> list[Outcome]:
        """Arms that can have no rate because training diverged at every one, as outcomes that failed."""
        return [Outcome(arm.prototype, "failed", 0.0, None, arm.failed) for arm in self.arms.values() if arm.failed]

    def __str__(self) -> str:
        """What the stage has done and has to do, in one line."""
        arms, open_ = len(self.arms), sum(arm.rates is None for arm in self.arms.values())
        own = self._stage.tuning_seeds
        seeds = f"seed {own[0]}" if len(own) == 1 else f"seeds {own[0]} to {own[-1]}"
        head = f"tuning of {arms} arm{'s' * (arms != 1)} on {seeds}, {self._stage.items} development items"
        if not open_:
            return f"{head}: done, {len(self.cells)} cells"
        done, most = len(self.cells) - len(self.wanted), sum(self._most(name) for name in self.arms)
        grown = (
            f", besides up to {self._stage.growth} rung{'s' * (self._stage.growth != 1)} where an end of a ladder wins"
            if self._stage.growth
            else ""
        )
        counts = f"{done} cells done, {len(self.wanted)} next, at most {most} in all{grown}"
        return f"{head}: {counts}; the study's rates follow"

    @property
    def at_most(self) -> list[Cell]:
        """A prototype for each cell that may still run if no rung is stopped and none is added."""
        open_ = {name: arm for name, arm in self.arms.items() if arm.rates is None}
        left = {name: self._most(name) - len(arm.cells) + len(arm.wanted) for name, arm in open_.items()}
        return [self._prototypes[name] for name, count in left.items() for _ in range(count)]

    def _most(self, name: str) -> int:
        """Cells of an arm if no rung is stopped and none is added."""
        sizes = [len(ladder) for _, _, ladder in self._ladders[name] if len(ladder) > 1]
        return self._stage.seeds * (sum(sizes) - max(0, len(sizes) - 1))

    def resolved(self) -> Grid:
        """The grid with the rates that have been chosen; cells whose arm is still open stay open."""
        return replace(self._grid, cells=tuple(map(self._resolved, self._grid.cells)))

    def _resolved(self, cell: Cell) -> Cell:
        arm = self.arms[self._of[cell.id].id] if cell.id in self._of else None
        if arm is None or arm.rates is None:
            return cell
        return Cell.make({**cell.model_dump(), "learning_rates": arm.rates, "tuned_by": self._named(arm)})

    def _named(self, arm: Arm) -> str:
        """What an arm's rates were chosen by: what was looked at, in words, and a digest of the cells it is made of."""
        seeds, body = self._stage.seeds, [sorted(cell.id for cell in arm.cells), arm.rates]
        digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()[:12]
        looked_at = f"{seeds} seed{'s' * (seeds != 1)}, {self._stage.items} items, at {arm.prototype.labels} labels"
        return f"{looked_at}, {digest}"

    def write(self) -> Path:
        """Leave what the stage has found so far in `tuning.json`; it appears whole or not at all."""
        self._results.mkdir(parents=True, exist_ok=True)
        cells = self.cells
        body = {
            "version": 1,
            "stage": self._stage.model_dump(mode="json"),
            "arms": [self._told(arm) for arm in self.arms.values()],
            "ids": [cell.id for cell in cells],
            "cost": _cost(self._results, cells),
        }
        return record.write_atomically(self._results / record.TUNING, json.dumps(body, indent=1) + "\n")

    def _told(self, arm: Arm) -> dict[str, Any]:
        flat = arm.prototype.flat()
        names = (
            "model",
            "method",
            "preset",
            "labels",
            "cot",
            "cot_eval",
            "budget.unit",
            "budget.amount",
            "adapter.kind",
            "evaluation.decides",
        )
        return {
            "task": arm.prototype.task_name,
            **{name: flat[name] for name in names},
            "method": arm.prototype.method_name,
            "settings": flat["settings"],
            "rates_for_labels": sorted(arm.budgets),
            "learning_rates": arm.rates,
            "tuned_by": self._named(arm) if arm.rates is not None else "",
            "stages": [_told_ladder(ladder) for ladder in arm.ladders],
            "ids": list(dict.fromkeys(cell.id for cell in arm.cells)),
            "cost": _cost(self._results, arm.cells),
        }

    def _recorded(self, cell: Cell) -> Score | None:
        if cell.id not in self._known and (found := read_score(cell, self._results)) is not None:
            self._known[cell.id] = found
        return self._known.get(cell.id)


def told(results: Path) -> str:
    """How far the stage of a results folder is, in a sentence; "" where none was begun, or its file is damaged."""
    try:
        body = json.loads((results / record.TUNING).read_text(encoding="utf-8"))
        chosen, arms = sum(arm["learning_rates"] is not None for arm in body["arms"]), len(body["arms"])
        done = sum((record.cells_dir(results) / name / record.RECORD).is_file() for name in body["ids"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"tuning: the rates of {chosen} of {arms} arms are chosen, {done} of {len(body['ids'])} cells so far done"


def read_score(cell: Cell, results: Path) -> Score | None:
    """The score of a tuning cell that has run, None of one that has not, or whose record must not be counted."""
    folder = record.cells_dir(results) / cell.id
    found = record.examine(folder)
    if not isinstance(found, record.Record):
        return None
    if found.metrics.get("diverged"):
        return Score(())
    rows = record.read_lines(folder / record.SAMPLES, containing='"part": "development"')
    measure = cell.evaluation.decides
    return Score(tuple(worth(row, measure) for row in rows), found.metrics.get(f"development_sampled_{measure}"))


def _told_ladder(ladder: Ladder) -> dict[str, Any]:
    whole = {rate: tried for rate, tried in ladder.tried.items() if not any(score.diverged for score in tried)}
    best = ladder.tried.get(ladder.chosen or 0.0)
    others = {rate: tried for rate, tried in whole.items() if rate != ladder.chosen}
    second = max(others, key=lambda rate: (rungs.accuracy(others[rate]).mean, -rate), default=None)
    margin = rungs.difference(best, others[second]) if best and second is not None else None
    most = max(map(len, ladder.tried.values()), default=0)
    return {
        "stage": ladder.name,
        "chosen": ladder.chosen,
        "interior": ladder.interior,
        "undecided": ladder.undecided,
        "tuned": bool(ladder.tried),
        "added": list(ladder.added),
        "runner_up": second,
        "margin": margin.mean if margin else None,
        "margin_error": margin.error if margin else None,
        "rungs": [
            {
                "rate": rate,
                **_told_rung(tried, best),
                "seeds": len(tried),
                "stopped": len(tried) < most,
                "diverged": any(score.diverged for score in tried),
            }
            for rate, tried in sorted(ladder.tried.items())
        ],
    }


def _told_rung(tried: Rung, best: Rung | None) -> dict[str, float | None]:
    names = ("mean", "error", "sampled", "behind", "behind_error")
    if any(score.diverged for score in tried):
        return dict.fromkeys(names)
    own, sampled = rungs.accuracy(tried), rungs.sampled(tried)
    behind = rungs.difference(best, tried) if best else None
    values = (own.mean, own.error, sampled if sampled >= 0 else None, *(behind or (None, None)))
    return dict(zip(names, values, strict=True))


def _cost(results: Path, cells: Iterable[Cell]) -> dict[str, float]:
    """What cells that have run have cost together, by axis, and how many they are."""
    total: dict[str, float] = {"cells": 0}
    for name in {cell.id: None for cell in cells}:
        try:
            found = record.read(record.cells_dir(results) / name)
        except RftlabError:
            continue
        if found:
            total["cells"] += 1
            for axis in _AXES:
                total[axis] = total.get(axis, 0) + (found.cost.get(axis) or 0)
    return total


def stage_of(grid: Grid, facts: Mapping[str, Any], results: Path) -> StageRun | None:
    """The tuning stage of a grid; None if it has none.

    Args:
        grid: settled.
        facts: of its preflight.
        results: its results folder.

    Raises:
        RftlabError: as `StageRun`.
    """
    return StageRun(grid, facts.get(LADDERS, {}), results) if grid.tuning else None
