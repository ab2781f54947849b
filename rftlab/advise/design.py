"""A study by a few choices: methods, budgets, prompts, seeds and steps; the grid they make, and what it will take.

What is asked here is what most studies differ in. All else a grid may hold is for its file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from rftlab import preflight
from rftlab.advise import forecast as forecasts
from rftlab.advise.new import DEVELOPMENT
from rftlab.advise.of_task import Subject
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import starts
from rftlab.execute.tuning import stage_of
from rftlab.grid import Grid
from rftlab.grid.plan import NAMED
from rftlab.grid.tuning import prototypes
from rftlab.grid.written import grid_text
from rftlab.registry import METHODS, family_of, trains

MOST_SEEDS, MOST_LABELS = 100, 100_000
PROMPTS: Mapping[str, tuple[bool, ...]] = {"with": (True,), "without": (False,), "both": (False, True)}
"""Chain-of-thought, as it is asked for: with, without, or both beside each other."""
_MOST_DIGITS, _MOST_SHOWN = 12, 60
_OF_THE_DESIGN = frozenset({"method", "cot", "labels", "prompts", "development", "seed", "max_seeds", "budget.amount"})
_WRITTEN = "Written by the studio; what you change here by hand it leaves alone."


@dataclass(frozen=True)
class Design:
    """What is chosen.

    Attributes:
        methods: registered names, in order.
        labels: label budgets, rising.
        prompts: of `PROMPTS`.
        seeds: how many.
        steps: optimiser steps of each training, at most.
        tuned: whether learning rates are chosen in a stage before the study.
    """

    methods: tuple[str, ...]
    labels: tuple[int, ...]
    prompts: str = "with"
    seeds: int = 3
    steps: float = 60.0
    tuned: bool = False


def read_labels(text: str, available: int | None = None) -> tuple[int, ...]:
    """Label budgets from a text such as `10, 100`, rising, each once.

    Args:
        text: what somebody typed.
        available: labels that there are; None where that is not known.

    Raises:
        RftlabError: it is none, or asks for more than there are.
    """
    parts = text.replace(",", " ").split()
    found = tuple(sorted({_number(part) for part in parts}))
    if not found or found[0] <= 0:
        raise RftlabError(f"label budgets are {_cut(text)!r}; give whole numbers above 0 with commas, such as 10, 100")
    most = MOST_LABELS if available is None else available
    if found[-1] > most:
        whose = "" if available is None else " that the task has"
        raise RftlabError(f"a budget of {found[-1]} labels is more than the {most}{whose}; give fewer")
    return found


def read_count(text: str, what: str, most: int) -> int:
    """A whole number from 1.

    Args:
        text: what somebody typed.
        what: it counts, for the sentence.
        most: the largest that makes sense.

    Raises:
        RftlabError: it is none.
    """
    if not 1 <= (found := _number(text.strip())) <= most:
        raise RftlabError(f"{what} is {_cut(text)!r}; give a whole number from 1 to {most}")
    return found


def _number(text: str) -> int:
    """A whole number; -1 for what is none. Of more digits than anything has, the first will do."""
    return int(text[:_MOST_DIGITS]) if text.isdecimal() else -1


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} ..."


def design_of(cells: Sequence[Cell], *, tuned: bool) -> Design:
    """The design that comes closest to what cells have been made by, to begin a form with."""
    methods = tuple(dict.fromkeys(cell.method for cell in cells))
    trained = [cell for cell in cells if trains(cell.method)] or list(cells)
    cots = {cell.cot for cell in trained}
    prompts = next(name for name, both in PROMPTS.items() if set(both) == cots)
    labels = tuple(sorted({cell.labels for cell in trained if cell.labels})) or (Cell.make({}).labels,)
    steps = max(cell.budget.amount for cell in trained)
    return Design(methods, labels, prompts, len({cell.seed for cell in cells}), steps, tuned)


def design_text(design: Design, subject: Subject, name: str) -> str:
    """The grid of a design on a task.

    Args:
        design: what was chosen.
        subject: the task and its model.
        name: of the study.

    Raises:
        RftlabError: no method, more labels or seeds than the task has.
    """
    if not design.methods:
        raise RftlabError("no method is chosen; choose base and at least one that trains")
    labelled = [m for m in design.methods if m not in METHODS or METHODS[m].uses_labels]
    available = subject.facts.labels
    if labelled and available is not None:
        read_labels(", ".join(map(str, design.labels)), available)
    if subject.folds and design.seeds > subject.folds:
        raise RftlabError(
            f"{design.seeds} seeds are more than the {subject.folds} parts that so few rows are tested in; give "
            f"{subject.folds} at most"
        )
    cots = PROMPTS[design.prompts]
    near = available is not None and max(design.labels) + DEVELOPMENT > available
    values: dict[str, Any] = {"name": name}
    values |= {key: value for key, value in subject.values.items() if key not in _OF_THE_DESIGN}
    values |= {"method": list(design.methods)}
    if labelled:
        values |= {"labels": list(design.labels)}
        values |= {"development": "from_labels"} if subject.folds or near else {}
    values |= {"cot": list(cots) if len(cots) > 1 else cots[0]}
    if any(trains(method) for method in design.methods):
        values |= {"budget.amount": int(design.steps) if design.steps == int(design.steps) else design.steps}
    values |= {"seed": list(range(design.seeds))}
    values |= {"max_seeds": subject.folds} if subject.folds else {}
    named = [m for m in design.methods if family_of(m) != "control" and (m == "base" or trains(m))]
    if len(named) > 1 and not set(named) <= set(NAMED):
        values |= {"named": named}
    if design.tuned and any(trains(method) for method in design.methods):
        values |= {"tuning": "stage"}
    said = {
        "development": "too few labels for development items of their own",
        "tuning": "learning rates are chosen before the study",
        **{key: text for key, text in subject.said.items() if key not in _OF_THE_DESIGN},
    }
    return grid_text(values, head=(_WRITTEN, f"  rftlab run {name}.yaml"), said=said)


def is_ours(text: str) -> bool:
    """Whether a grid was written by `design_text`."""
    return text.startswith(f"# {_WRITTEN}")


_TOO_FEW = "too few seeds to show a difference"


@dataclass(frozen=True)
class Glance:
    """What a grid will take and can show, in a line.

    Attributes:
        cells: of the study.
        tuning: cells of its tuning stage, at most.
        seconds: until all is done, from the first start; None where that is not known.
        shows: smallest difference in accuracy that it would probably show; inf for none.
    """

    cells: int
    tuning: int
    seconds: float | None
    shows: float

    def __str__(self) -> str:
        """Such as `36 cells, about 9 minutes, can show 12 points`."""
        stage = f" and up to {self.tuning} to tune" if self.tuning else ""
        cells = f"{self.cells} cell{'s' * (self.cells != 1)}{stage}"
        time = "time not known on this machine" if self.seconds is None else f"about {_duration(self.seconds)}"
        points = round(100 * self.shows) if isfinite(self.shows) else 0
        shows = f"can show {points} point{'s' * (points != 1)}" if 0 < points <= 100 else _TOO_FEW
        return ", ".join((cells, time, shows))


def glance(grid: Grid, results: Path) -> Glance:
    """What is known of a grid without running anything; what a run would refuse is refused.

    Args:
        grid: it need not be written yet.
        results: where its results would go.

    Raises:
        RftlabError: as a run of the grid would before it begins.
    """
    grid = starts.resolved(grid, results)
    found = preflight.check([*grid.cells, *prototypes(grid)])
    stage = stage_of(grid, found.facts, results)
    forecast = forecasts.before(grid, results, stage, 0, shown=found.facts[preflight.TEST_ITEMS])
    seconds = forecast.amounts["seconds"].estimate if "seconds" in forecast.amounts else None
    shows = forecast.shown.smallest if forecast.shown else float("inf")
    return Glance(len(grid.cells), forecast.tuning, seconds, shows)


def _duration(seconds: float) -> str:
    for unit, length in (("second", 1.0), ("minute", 60.0), ("hour", 3600.0), ("day", 86400.0)):
        if (count := round(seconds / length)) < {"second": 90, "minute": 90, "hour": 48}.get(unit, count + 1):
            break
    return f"{count} {unit}{'s' * (count != 1)}"
