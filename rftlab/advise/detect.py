"""Which differences a grid can show, before it runs or from what its records say of seeds and items.

A difference counts as shown if its simultaneous interval would leave 0 with a probability of 80 %: the interval that
the answer gives a comparison of the confirmatory family, at this look at the study.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from types import MappingProxyType

from rftlab import stats
from rftlab.answer import comparisons
from rftlab.answer.comparisons import Pair
from rftlab.answer.decisions import Decisions, confidence_of, declared, spreads_of
from rftlab.answer.folder import study_of
from rftlab.answer.more_seeds import at_its_end
from rftlab.answer.results import BASE, UNTRAINED
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.grid.plan import Plan
from rftlab.stats import MOST_SEEDS, Components

_TIMES = (1, 2, 4)
_USUAL = "chain-of-thought"

# Of the shipped reference study: six seeds, 500 items, rates chosen in a stage and held over seeds; pairs of SFT, GRPO
# and SFT+GRPO with chain-of-thought at each label budget. As standard deviations of a difference, in shares: the seeds'
# is that which four of five pairs stay below, items' and rest's the root of the mean variance.
# `tests/advise/test_detect.py` takes them from the archive again.
STEADY = (0.0187, 0.0418, 0.2243)
"""On its task word, which every arm learns in every seed."""
UNSTEADY = (0.3073, 0.0965, 0.3311)
"""On rare and band, which GRPO learns in some seeds and not in others."""
AGAINST = (0.0152, 0.4755, 0.1872)
"""On word, of trained arms against the untrained base, from which they differ on more items."""
ALONE = (0.076, *STEADY[1:])
"""Where every seed chooses its own learning rate, as in earlier studies of these tasks."""


@dataclass(frozen=True)
class Detection:
    """What can be shown, in sentences.

    Attributes:
        sentences: one or more.
        smallest: smallest difference that would probably be shown, a share of accuracy; inf for none.
    """

    sentences: tuple[str, ...]
    smallest: float

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def of_grid(grid: Grid, effect: float | None = None, there: Mapping[str, int] = MappingProxyType({})) -> Detection:
    """What a grid can show before it has records, by the spread that the shipped reference study has.

    Args:
        grid: with what it declares of its answer.
        effect: a difference to ask for, a share of accuracy; by default the smallest one that matters.
        there: task's name -> test items that it has, where that is known (`rftlab.preflight.TEST_ITEMS`).
    """
    plan, cells = grid.plan, [cell for cell in grid.cells if cell.evaluation.part == "test"]
    arms = set(plan.arms(cell.method for cell in cells)) or {cell.method for cell in cells}
    named = [cell for cell in cells if cell.method in arms]
    family = max(1, declared(plan, cells) + len(plan.claims))
    if len(arms) < 2:
        return Detection(("one arm alone is compared with nothing; add another, such as base",), inf)
    trained = [cell for cell in named if cell.method not in UNTRAINED] or named
    seeds = _fewest_seeds(trained)
    most = min(there.get(cell.task_name, sys.maxsize) for cell in named)
    items = min(most, *(cell.evaluation.test_items for cell in named))
    wanted = effect or plan.smallest_effect
    folds = max((int(cell.task_settings.get("folds", 0)) for cell in named), default=0)
    budgets = max(1, len(plan.labels))
    alone = any(cell.tuning.trials > 1 for cell in named)
    pairs = len({cell.method for cell in named if cell.method not in UNTRAINED}) > 1
    spread, like = usual(tuned_alone=alone, against_base=not pairs)
    against, _ = usual(tuned_alone=alone, against_base=True)
    steady, unsteady, lifted = (expected(each, items, budgets, folds) for each in (spread, UNSTEADY, against))
    among = f" in a family of {family} comparison{'s' * (family != 1)}{_at_look(seeds, plan)}"
    first, smallest = _told(steady, plan, family, seeds, items, wanted, among, most)
    confidence = confidence_of(seeds, plan, family)[0]
    falls, lift = (each.detectable(seeds, items=items, confidence=confidence) for each in (unsteady, lifted))
    between = "between trained arms that" if pairs else "of an arm that"
    learns = "learn" if pairs else "learns"
    sentences = [
        first,
        f"  that is {between} {learns} in every seed (seed SD {100 * spread[0]:.1f} points, {like}); "
        f"where one learns in some seeds only (SD {100 * UNSTEADY[0]:.0f}), they show "
        f"{_shown(falls)}",
    ]
    if pairs and BASE in arms:
        sentences.append(f"  against the untrained base, from which they differ on more items, {_shown(lift)}")
    if 1 < seeds < plan.max_seeds:
        fixed = steady.detectable(seeds, items=items, confidence=at_its_end(family)(seeds))
        if fixed <= 1 and round(100 * fixed) < round(100 * min(smallest, 10.0)):
            sentences.append(f"  declared as all there will be (max_seeds: {seeds}), they can show {_points(fixed)}")
    return Detection(tuple(sentences), smallest)


def of_results(results: str | Path, effect: float | None = None) -> Detection:
    """What the records of a study say could be shown, for each pair of named arms, by their own spread.

    Args:
        results: a results folder or an archive.
        effect: a difference to ask for, a share of accuracy; by default the smallest one that matters.

    Raises:
        RftlabError: as `rftlab.load`; or no two named arms have been compared over two seeds yet.
    """
    _, decisions = study_of(results)
    plan, size = decisions.plan, decisions.families.get(("confirmatory", decisions.decides), 1)
    made = _confirmatory(decisions)
    spreads = spreads_of(made)
    known = {id(pair): Components.of(pair.table, spreads[id(pair)]) for pair in made}
    pairs = [(pair, parts) for pair in made if (parts := known[id(pair)]) is not None]
    if not pairs:
        raise RftlabError(
            f"in {results} no two named arms have been compared over two seeds that differ, so nothing says how far a "
            "new one is; run more seeds, or ask rftlab plan of the grid"
        )
    wanted = effect or plan.smallest_effect
    head = (
        f"{results}: what each pair can show by its own records (seeds' spread at its upper 80 % limit), in a family "
        f"of {size} comparisons"
    )
    groups: dict[tuple[str, ...], list[tuple[Pair, Components]]] = {}
    for pair, parts in pairs:
        groups.setdefault((*pair.place[:4], pair.first, pair.second), []).append((pair, parts))
    told = [(head, inf)]
    for group in groups.values():
        pair, parts = max(group, key=lambda each: _hardness(each[1], wanted, size))
        sentence, smallest = _told(parts, plan, size, parts.seeds, parts.items, wanted)
        told.append((f"  {_named(pair)}, seed SD {100 * parts.by_seed**0.5:.1f} points: {sentence}", smallest))
    return Detection(tuple(sentence for sentence, _ in told), min(smallest for _, smallest in told))


def _confirmatory(decisions: Decisions) -> list[Pair]:
    """Pairs of named arms by the measure that decides, at the declared budgets."""
    there = {
        (each.place, frozenset((each.first, each.second)))
        for each in decisions.decisions
        if each.family == "confirmatory" and each.measure == decisions.decides and each.axis == "method"
    }
    made = comparisons.pairs(decisions.outcomes[decisions.decides])
    return [
        pair
        for pair in made
        if pair.table.size and pair.axis == "method" and (pair.place, frozenset((pair.first, pair.second))) in there
    ]


def _named(pair: Pair) -> str:
    """The pair, and where it is shown."""
    place = pair.place
    where = [place.task.rpartition("/")[2], place.variant, place.prompt if place.prompt != _USUAL else ""]
    where += [f"{place.labels} labels"] if place.labels else []
    return f"{', '.join(filter(None, where))}: {pair.first} and {pair.second}"


def usual(*, tuned_alone: bool, against_base: bool = False) -> tuple[tuple[float, float, float], str]:
    """The spread of a study whose arms all learn, as `STEADY` has it, and where it was seen.

    Args:
        tuned_alone: every seed chooses its learning rate, rather than a stage for all of them.
        against_base: of trained arms against the untrained base, rather than against each other.
    """
    by_seed, *rest = AGAINST if against_base else STEADY
    if tuned_alone:
        return (ALONE[0], rest[0], rest[1]), "as in earlier studies where every seed chose its own rate"
    pairs = "trained arms against the base" if against_base else "pairs"
    return (by_seed, rest[0], rest[1]), f"as four of five {pairs} of the shipped reference study"


def expected(deviations: tuple[float, float, float], items: int, budgets: int = 1, folds: int = 0) -> Components:
    """Components of a comparison before there are records.

    Args:
        deviations: as `STEADY`.
        items: test items.
        budgets: label budgets, over which the seeds' spread is pooled.
        folds: as in `task_settings.folds`; 0 for none. Each has items of its own.
    """
    by_seed, by_item, rest = (each**2 for each in deviations)
    if folds:
        by_seed, by_item, rest = by_seed + (by_item + rest) / items, 0.0, 0.0
    return Components(2, items, by_seed, by_item, rest, float(budgets), stats.fold_overlap(folds) if folds else 0.0)


def _told(
    parts: Components,
    plan: Plan,
    family: int,
    seeds: int,
    items: int,
    wanted: float,
    among: str = "",
    most: int = sys.maxsize,
) -> tuple[str, float]:
    """`3 seeds and 200 items can show 14 points; for 5 points 11 seeds, or 400 items and 6 seeds`."""
    confidence = confidence_of(seeds, plan, family)[0]
    smallest = parts.detectable(seeds, items=items, confidence=confidence)
    has = f"{seeds} seed{'s' * (seeds != 1)} and {items} items can show {_shown(smallest)}{among}"
    if smallest <= wanted:
        return has, smallest
    ways = {times: _needed(parts, wanted, times * items, family) for times in _TIMES if times * items <= most}
    fewer = next((times for times in [*ways][1:] if ways[times] <= 0.75 * ways[1] and isfinite(ways[times])), 0)
    told = [f"{ways[1]:.0f} seeds"] if isfinite(ways[1]) else []
    told += [f"{fewer * items} items and {ways[fewer]:.0f} seeds"] if fewer else []
    needed = (
        f"for {_points(wanted)} {', or '.join(told)}" if told else f"for {_points(wanted)} more than {MOST_SEEDS} seeds"
    )
    return f"{has}; {needed}", smallest


def _needed(parts: Components, wanted: float, items: int, family: int) -> float:
    """Seeds of a study that declares just these; inf beyond what is ever planned."""
    fewest = replace(parts, seeds=2, freedom=parts.freedom / (parts.seeds - 1))
    return fewest.seeds_to_show(wanted, items=items, confidence=at_its_end(family))


def _hardness(parts: Components, wanted: float, family: int) -> tuple[float, float]:
    """Of label budgets the one that takes most is told, as on the answer card."""
    return _needed(parts, wanted, parts.items, family), parts.by_seed / parts.seeds + parts.by_item / parts.items


def _at_look(seeds: int, plan: Plan) -> str:
    """Which look at the study that is."""
    look = confidence_of(seeds, plan, 1)[1]
    return f", at {look}" if look.startswith("look") else f", {look}" if look else ""


def _shown(smallest: float) -> str:
    return f"{_points(smallest)}" if smallest <= 1 else "no difference at all"


def _points(share: float) -> str:
    points = f"{100 * share:.0f}" if share >= 0.095 else f"{100 * share:.1f}".removesuffix(".0")
    return f"{points} point{'s' * (points != '1')}"


def _fewest_seeds(cells: Iterable[Cell]) -> int:
    seeds: dict[str, set[int]] = {}
    for cell in cells:
        seeds.setdefault(cell.variant, set()).add(cell.seed)
    return min(map(len, seeds.values()))
