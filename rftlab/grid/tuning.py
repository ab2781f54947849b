"""The tuning stage of a grid: which arms have their learning rates chosen before the study, and by which cells.

A stage is declared in the grid (`tuning:`); its cells are ordinary cells, with seeds of their own and scored on
development items alone. `rftlab.execute.tuning` runs them and chooses.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rftlab.cell import NOT_YET, Cell
from rftlab.contract import SEEDS, Applies
from rftlab.errors import RftlabError, one_line
from rftlab.naming import is_called
from rftlab.registry import suggest

if TYPE_CHECKING:
    from rftlab.grid import Grid

FIRST_SEED = 1000
LADDERS = "ladders"
"""Name under which the preflight hands over the ladders of methods: method_key -> [[stage, [rates]], ...]."""
_RUNGS = 3
# Completions of each development item: the sampled accuracy only decides between rungs that are level.
_SAMPLES = 4


def _as_ladders(value: Any) -> Any:
    """One list of rates a stage: a bare list is the ladder of a method of one stage."""
    if not isinstance(value, Mapping):
        return value
    whole = {
        name: [each] if isinstance(each, list | tuple) and not any(isinstance(r, list | tuple) for r in each) else each
        for name, each in value.items()
    }
    return {
        name: tuple(tuple(map(_as_float, rates)) if isinstance(rates, list | tuple) else rates for rates in each)
        if isinstance(each, list | tuple)
        else each
        for name, each in whole.items()
    }


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _rising(value: dict[str, tuple[tuple[float, ...], ...]]) -> dict[str, tuple[tuple[float, ...], ...]]:
    for method, stages in value.items():
        for rates in stages:
            if not rates or min(rates) <= 0:
                raise ValueError(f"the ladder of {method} needs at least one rate, each above 0")
            if len(set(rates)) < len(rates):
                raise ValueError(f"the ladder of {method} has a rate twice")
    return {method: tuple(tuple(sorted(rates)) for rates in stages) for method, stages in value.items()}


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_as_tuple)]


class Stage(BaseModel):
    """How learning rates are chosen before the study: each rung of a ladder at the full budget, on seeds of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    seeds: int = Field(3, ge=1, le=100, description="tuning seeds, from 1000 on; the study's are others")
    labels: _Counts = Field((), description="label budgets that are tuned; empty tunes each of the study's")
    share: Literal["", "labels"] = Field("", description="labels: other budgets take the rates of the nearest")
    items: int = Field(100, ge=2, description="development items that are scored")
    ladders: Annotated[
        dict[str, tuple[tuple[float, ...], ...]], BeforeValidator(_as_ladders), AfterValidator(_rising)
    ] = Field({}, description="method -> rates (of a method of several stages a list for each); else its own three")
    growth: int = Field(2, ge=0, le=8, description="rungs that may be added where an end of the ladder wins")
    stop_after: _Counts = Field((1,), description="seeds after which rungs that cannot win any more are stopped")

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> "Stage":
        """Stage from a grid's mapping.

        Raises:
            RftlabError: an unknown key, a value of the wrong type or out of range, or keys that contradict each other.
        """
        try:
            stage = cls.model_validate(dict(values))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                raise RftlabError(f"tuning has no {where!r}{suggest(where, cls.model_fields)}") from None
            what = problem["msg"].removeprefix("Value error, ")
            what = what.replace("a valid tuple", "a list").replace("a valid dictionary", "a mapping")
            raise RftlabError(f"tuning.{where}: {what} (got {one_line(repr(problem.get('input')))})") from None
        if stage.share and not stage.labels:
            raise RftlabError("tuning.share is labels, but tuning.labels does not say at which budgets to tune")
        if late := [mark for mark in stage.stop_after if mark > stage.seeds]:
            raise RftlabError(f"tuning.stop_after has {late[0]}, but there are {stage.seeds} tuning seeds")
        return stage

    @property
    def tuning_seeds(self) -> range:
        """Seeds of the stage's cells."""
        return range(FIRST_SEED, FIRST_SEED + self.seeds)

    @property
    def marks(self) -> list[int]:
        """Numbers of seeds after which rungs are compared, in order; the last is all of them."""
        return sorted({mark for mark in self.stop_after if mark < self.seeds} | {self.seeds})

    def opened(self, cells: Iterable[Cell]) -> tuple[Cell, ...]:
        """Cells, those whose rates the stage is to choose marked so; one that has rates, or a tuner, stays as it is.

        Raises:
            RftlabError: a seed of theirs is the stage's, a budget is not tuned and not shared, or nobody would take the
                rates of one that is tuned.
        """
        cells = tuple(cells)
        budgets = sorted({cell.labels for cell in cells if _is_open(cell)})
        taken = {self.tuned_at(labels) for labels in budgets}
        if budgets and (unused := [labels for labels in self.labels if labels not in taken]):
            raise RftlabError(
                f"tuning.labels has {unused[0]}, whose rates no arm would take; the study's budgets are "
                f"{', '.join(map(str, budgets))}"
            )
        return tuple(self._opened(cell) if _is_open(cell) else cell for cell in cells)

    def _opened(self, cell: Cell) -> Cell:
        if cell.started_by:
            raise RftlabError(
                f"{cell.label} goes on from a policy of its seed, and tuning seeds have none; give it learning_rates"
            )
        own = self.tuning_seeds
        for name in SEEDS:
            if getattr(cell, name) in own:
                raise RftlabError(
                    f"{name} {getattr(cell, name)} of the study is one of the tuning stage's ({own[0]} to {own[-1]}); "
                    "choose others, so that no rate is chosen on what it is judged by"
                )
        if self.labels and not self.share and cell.labels not in self.labels:
            raise RftlabError(
                f"tuning.labels leaves out the budget of {cell.labels} labels; add it, or set share: labels, by which "
                "a budget takes the rates of the nearest that is tuned"
            )
        return Cell.make({**cell.model_dump(), "tuned_by": NOT_YET})

    def tuned_at(self, labels: int) -> int:
        """The budget whose rates a budget takes: the nearest on a log scale, the smaller of two as near."""
        return min(self.labels or (labels,), key=lambda each: (abs(math.log(max(each, 1) / max(labels, 1))), each))

    def prototype(self, cell: Cell) -> Cell:
        """What tuning cells of an open cell's arm have in common: all but seed and rates, with development items alone.

        What the study measures beside does not enter it, so that another number of test items orphans no tuning.
        """
        values = unseeded(cell)
        evaluation = {
            "part": "development",
            "decides": cell.evaluation.decides,
            "along_items": self.items,
            "sampled_items": self.items,
            "samples": _SAMPLES,
            "retention": "",
            # Where training ends at a plateau, looks along the way are part of the rule.
            "along_the_way": cell.evaluation.along_the_way if cell.budget.until == "plateau" else 0,
        }
        return Cell.make(
            {**values, "seed": self.tuning_seeds[0], "labels": self.tuned_at(cell.labels), "evaluation": evaluation}
        )

    def rungs(self, prototype: Cell, ladders: Mapping[str, Any]) -> list[tuple[str, float, tuple[float, ...]]]:
        """Of each stage of a method: its name, its default rate and its ladder, rising.

        Args:
            prototype: of an arm.
            ladders: the methods' own, as the preflight found them.

        Raises:
            RftlabError: `ladders` in the grid are of another number of stages.
        """
        own = ladders[method_key(prototype)]
        asked = (rates for name, rates in self.ladders.items() if is_called(prototype.method, name))
        given = next(asked, None) or tuple(tuple(sorted(rates[:_RUNGS])) for _, rates in own)
        if len(given) != len(own):
            names = ", ".join(name for name, _ in own) or "none: its settings give the rates"
            count = f"{len(given)} ladder{'s' * (len(given) != 1)}"
            raise RftlabError(
                f"tuning.ladders gives method {prototype.method!r} {count}, but it takes {len(own)} ({names}); give a "
                "list of rates for each, in order"
            )
        return [(name, rates[0], tuple(ladder)) for (name, rates), ladder in zip(own, given, strict=True)]


def prototypes(grid: "Grid") -> list[Cell]:
    """The prototypes of a grid's open arms at every tuning seed: what has to be checked before anything runs."""
    stage = grid.tuning
    if stage is None:
        return []
    found = {each.id: each for cell in grid.cells if cell.tuned_by == NOT_YET for each in [stage.prototype(cell)]}
    return [Cell.make({**unseeded(each), "seed": seed}) for each in found.values() for seed in stage.tuning_seeds]


def unseeded(cell: Cell) -> dict[str, Any]:
    """The parameters of a cell without its seeds."""
    return {name: value for name, value in cell.model_dump().items() if name not in SEEDS}


def method_key(cell: Cell) -> str:
    """Equal for cells whose method has the same stages and ladders."""
    return json.dumps([cell.method, cell.preset, cell.settings, cell.adapter.kind], sort_keys=True)


def rung_cell(prototype: Cell, rates: Sequence[float], seed: int) -> Cell:
    """The cell that tries rates, one a stage, at a tuning seed."""
    return Cell.make({**unseeded(prototype), "learning_rates": tuple(rates), "tuned_by": "", "seed": seed})


def reopened(cell: Cell) -> Cell:
    """The cell as it was before a stage chose its rates."""
    return Cell.make({**cell.model_dump(), "learning_rates": (), "tuned_by": NOT_YET}) if cell.tuned_by else cell


def _is_open(cell: Cell) -> bool:
    fixed = cell.learning_rates or cell.tuned_by or cell.tuning.learning_rates or cell.tuning.trials > 1
    return not fixed and Applies.to(cell.method).training and cell.evaluation.part == "test"
