"""Which comparisons of a study still need seeds, and which cells would bring them: the rule of `run --until decided`.

A study is looked at after 3, 4, ... seeds, up to the declared maximum. At each look a comparison of the confirmatory
family stops where it is decided (better, worse or same), or where it has hardly any chance left to be; so does a claim
that the plan names. Arms of those that go on get one seed more. What a comparison stopped with stays its verdict.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

from rftlab import stats
from rftlab.answer.comparisons import Place, limited, pairs
from rftlab.answer.decisions import FIRST_LOOK, Decisions, confidence_of, decide, spreads_of
from rftlab.answer.ledger.book import RULES, sizes_of
from rftlab.answer.ledger.contrasts import Measured, Tested, measure
from rftlab.answer.ledger.view import View
from rftlab.answer.results import UNTRAINED, Results
from rftlab.cell import Cell
from rftlab.contract import SEEDS
from rftlab.execute.results import CLAIM, FUTILE, Stop
from rftlab.grid.tuning import FIRST_SEED
from rftlab.record import Record

DECIDED = ("better", "worse", "same")


class Look(NamedTuple):
    """A study at one look.

    Attributes:
        stops: comparisons and claims that need no more seeds, this look's among them.
        going_on: how many go on.
        wanted: cells that bring each of those its next seed, where they have no record yet.
        waiting: the same, those with a record among them.
    """

    stops: tuple[Stop, ...]
    going_on: int
    wanted: tuple[Cell, ...]
    waiting: tuple[Cell, ...]


def look(results: Results, stops: Sequence[Stop]) -> Look:
    """What is decided by now, what is given up, and what the others need.

    Args:
        results: of the study, as far as it has run.
        stops: of earlier looks.
    """
    decisions = decide(results, stops)
    runs = _Runs(results)
    found = {_key(each): each for each in stops}
    wanted: dict[str, Cell] = {}
    going_on = 0
    for key, seeds, why, cells in (*_comparisons(decisions, runs), *_claims(results, decisions, runs)):
        stop = Stop(*key, seeds, why)
        if _key(stop) in found:
            continue
        if why:
            found[_key(stop)] = stop
        elif seeds < decisions.plan.max_seeds:
            going_on += 1
            for seed in runs.seeds[seeds : max(seeds + 1, FIRST_LOOK)]:
                wanted |= {cell.id: cell for cell in (reseeded(each, seed) for each in cells)}
    waiting = tuple(wanted.values())
    return Look(tuple(found.values()), going_on, tuple(c for c in waiting if not runs.has(c)), waiting)


_Key = tuple[str, str, str, str, int, str, str]


def _comparisons(decisions: Decisions, runs: "_Runs") -> Iterator[tuple[_Key, int, str, list[Cell]]]:
    """Comparisons of the confirmatory family: which, with how many seeds, why it stops, the cells it rests on."""
    plan, measure_ = decisions.plan, decisions.decides
    made = limited([pair for pair in pairs(decisions.outcomes[measure_]) if pair.axis == "method"], decisions.stops)
    spreads = spreads_of(made)
    size = decisions.families.get(("confirmatory", measure_), 1)
    for pair in made:
        found = decisions.between(pair.place, pair.first, pair.second)
        if found is None or found.family != "confirmatory":
            continue
        seeds = len(pair.table)
        why: str = found.word if found.word in DECIDED and seeds >= FIRST_LOOK else ""
        if not why and FIRST_LOOK <= seeds < plan.max_seeds and not pair.folds:  # folds have no such forecast
            chance = stats.chance_to_decide(
                pair.table, plan.smallest_effect, largest=plan.max_seeds, pooled=spreads[id(pair)],
                confidence=confidence_of(plan.max_seeds, plan, size)[0],
            )  # fmt: skip
            why = FUTILE if chance < stats.HOPELESS else ""
        first, second = sorted((pair.first, pair.second))
        yield (*pair.place, first, second), seeds, why, runs.of(pair.place, (pair.first, pair.second))


def _claims(results: Results, decisions: Decisions, runs: "_Runs") -> Iterator[tuple[_Key, int, str, list[Cell]]]:
    """Claims that the plan names, likewise; one that lacks cells needs others than seeds, and is left out."""
    plan = decisions.plan
    if not plan.claims:
        return
    view = View(results, decisions)
    found = {number: list(RULES[number](view)) for number in plan.claims}
    sizes = sizes_of(found, view)
    for number, slices in found.items():
        size = sizes[number, True].comparisons
        for each in slices:
            if isinstance(each, Tested) and each.primary:
                seeds = min(len(table) for c in each.arms.values() for one in c for table in one.tables.values())
                confidence, _ = confidence_of(seeds, plan, size)
                measured = [measure(one, confidence) for contrasts in each.arms.values() for one in contrasts]
                last = confidence_of(plan.max_seeds, plan, size)[0]
                why = _claim_stops(measured, plan.smallest_effect, plan.max_seeds, last) if seeds >= FIRST_LOOK else ""
                key = (*each.panel, each.prompt, 0, f"{CLAIM} {number}", each.part)
                yield key, seeds, why, runs.cells(each.cells)


def _claim_stops(measured: Sequence[Measured], margin: float, largest: int, confidence: float) -> str:
    """Why a claim needs no more seeds: all of its differences are decided, or one that is not has no chance left."""
    open_ = [each for each in measured if stats.word(each.difference, margin) not in DECIDED]
    if not open_:
        return "decided"
    chances = [
        stats.chance_to_decide(each.table, margin, largest=largest, confidence=confidence, pooled=each.spread)
        for each in open_
        if not each.contrast.slope
    ]
    return FUTILE if any(chance < stats.HOPELESS for chance in chances) else ""


class _Runs:
    """The records of a study, by arm and place, and the seeds they and those to come have."""

    def __init__(self, results: Results) -> None:
        self._cells = results.cells
        self._records = {record.id: record for record in results.records}
        self._there = {_seeded(record.parameters) for record in results.records}
        trained = results.cells[~results.cells["method"].isin(UNTRAINED)]
        self.seeds = further_seeds(int(seed) for seed in (trained if len(trained) else results.cells)["seed"])

    def has(self, cell: Cell) -> bool:
        """Whether a cell of these parameters and seeds has a record."""
        return _seeded(cell) in self._there

    def of(self, place: Place, arms: Iterable[str]) -> list[Cell]:
        """A cell for each kind that arms have at a place."""
        here = self._cells[(self._cells["task"] == place.task) & (self._cells["model"] == place.model)]
        here = here[here["arm"].isin(list(arms))]
        untrained = here["method"].isin(UNTRAINED)
        trained = here[~untrained & (here["labels"] == place.labels) & (here["prompt"] == place.prompt)]
        trained = trained[[place.variant in shown for shown in trained["shown_in"]]]
        asked = set(trained["cot_eval"]) or set(here["cot_eval"])
        rest = here[untrained & here["cot_eval"].isin(asked)]
        return self.cells([*trained["id"], *(i for i, v in zip(rest["id"], rest["shown_in"], strict=True)
                                             if place.variant in v)])  # fmt: skip

    def cells(self, ids: Iterable[str]) -> list[Cell]:
        """One cell for each kind among these, whatever its seed."""
        found = [self._records[each].parameters for each in ids]
        return list({cell.variant: cell for cell in sorted(found, key=lambda cell: -cell.seed)}.values())


def further_seeds(seeds: Iterable[int]) -> list[int]:
    """A study's seeds in order, and those that would be added; none of a tuning stage's."""
    known = sorted(set(seeds))
    more = (seed for seed in count(known[-1] + 1 if known else 0) if not FIRST_SEED <= seed < 2 * FIRST_SEED)
    return [*known, *islice(more, stats.MOST_SEEDS)]


def reseeded(cell: Cell, seed: int) -> Cell:
    """The cell with another seed; seeds that stood apart from it stay."""
    own = {name: seed for name in SEEDS if getattr(cell, name) == cell.seed}
    return Cell.make({**cell.flat(), **own})


def _seeded(cell: Cell) -> tuple[object, ...]:
    return cell.variant, *(getattr(cell, name) for name in SEEDS)


def _key(stop: Stop) -> _Key:
    return stop[:7]


@dataclass(frozen=True)
class Replay:
    """What looking at a finished study seed by seed would have taken.

    Attributes:
        results: with the cells that would have been run.
        stops: of all looks.
        looks: how many there were.
        cells: run, of how many.
    """

    results: Results
    stops: tuple[Stop, ...]
    looks: int
    cells: tuple[int, int]


def replay(results: Results, first: int = FIRST_LOOK) -> Replay:
    """A finished study again, as if it had been begun with its first seeds and run until all was decided.

    Cells of arms that are in no confirmatory comparison count at their first seeds alone.

    Args:
        results: of the study.
        first: seeds that it begins with.
    """
    whole = {_seeded(record.parameters): record for record in results.records}
    seeds = sorted({int(seed) for seed in results.cells["seed"]})[:first]
    there = [record for record in results.records if record.parameters.seed in seeds]
    stops: tuple[Stop, ...] = ()
    looks = 0
    while True:
        part = _part(results, there)
        found = look(part, stops)
        looks, stops = looks + 1, found.stops
        more = [whole[_seeded(cell)] for cell in found.wanted if _seeded(cell) in whole]
        if not more:
            return Replay(part, stops, looks, (len(there), len(results.records)))
        there += more


def _part(results: Results, records: Sequence[Record]) -> Results:
    ids = {record.id for record in records}
    return results._replace(records=list(records), cells=results.cells[results.cells["id"].isin(ids)])
