"""What an undecided comparison would take: seeds, or items, or more of them than anybody would run."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf, isfinite, isnan, nan
from typing import NamedTuple

import pandas as pd

from rftlab import stats
from rftlab.answer.decisions import FIRST_LOOK
from rftlab.answer.groups import listed
from rftlab.answer.phrases import points
from rftlab.grid.plan import Plan
from rftlab.stats import Spread

_TIMES = (1, 2, 4)


class Undecided(NamedTuple):
    """A comparison that is not decided: its name, its table of differences, and how much seeds differ in it."""

    name: str
    table: pd.DataFrame
    spread: Spread


class Need(NamedTuple):
    """What would probably show a difference of the size that matters.

    Attributes:
        seeds: in all; inf where it would take more than `stats.MOST_SEEDS`, NaN where nothing can be told.
        items: that are then to be asked.
        times: how many times as many as now.
        as_it_is: seeds with the items that there are.
        forbidden: with the items that there are, or the rows that seeds are folds of, no number of seeds would.
    """

    seeds: float
    items: int
    times: int
    as_it_is: float
    forbidden: bool


def need(undecided: Undecided, plan: Plan, size: int) -> Need:
    """What one comparison would take: seeds alone, or with up to four times the items where that spares seeds.

    Args:
        undecided: the comparison.
        plan: of the study: the size that matters, and how many seeds were declared.
        size: comparisons of its family.
    """
    table, items = undecided.table, undecided.table.shape[1]

    def seeds(times: int) -> float:
        return stats.seeds_to_show(
            table, plan.smallest_effect, items=times * items, spread=undecided.spread, confidence=at_its_end(size)
        )

    # One value a seed, or folds of all the rows there are: there are no items to add.
    more = items > 1 and not undecided.spread.overlap
    ways = {times: found for times in (_TIMES if more else (1,)) if not isnan(found := seeds(times))}
    if not ways:
        return Need(nan, items, 1, nan, forbidden=False)
    possible = [times for times, found in ways.items() if isfinite(found)] or [1]
    times = next((times for times in possible if ways[times] <= plan.max_seeds), possible[0])
    forbidden = ways[1] == inf and stats.items_forbid(
        table, plan.smallest_effect, spread=undecided.spread, confidence=stats.family_confidence(size)
    )
    return Need(ways[times], times * items, times, ways[1], forbidden)


def at_its_end(size: int) -> Callable[[int], float]:
    """Seeds -> confidence of an interval at the last look at a study that declares just these.

    Args:
        size: comparisons of its family.
    """
    return partial(stats.final_confidence, comparisons=size, first=FIRST_LOOK)


def too_few(tables: Iterable[pd.DataFrame], plan: Plan) -> str:
    """What to do first where there are fewer seeds than a first look takes; "" where there are enough."""
    fewest = min(map(len, tables))
    if fewest < 2:
        return f"run at least {FIRST_LOOK} seeds: one training run decides nothing"
    if fewest < FIRST_LOOK <= plan.max_seeds:
        return f"run {FIRST_LOOK} seeds, which is the first look at a study that may grow to {plan.max_seeds}"
    return ""


def what_would_show(undecided: Sequence[Undecided], plan: Plan, size: int, asked: str = "evaluation.test_items") -> str:
    """How many more seeds, or items, would probably show a difference of the size that matters, in words.

    Args:
        undecided: comparisons that all have to be decided.
        plan: of the study.
        size: comparisons of their family.
        asked: the parameter that says how many such items are asked.
    """
    if told := too_few([each.table for each in undecided], plan):
        return told
    groups: dict[tuple[int, bool, bool, bool], list[tuple[Undecided, Need]]] = {}
    for each in undecided:
        found = need(each, plan, size)
        kind = (found.times, found.forbidden, isfinite(found.as_it_is), isfinite(found.seeds))
        groups.setdefault(kind, []).append((each, found))
    return "; ".join(_told(group, plan, asked, named=len(groups) > 1) for group in groups.values())


def _told(group: Sequence[tuple[Undecided, Need]], plan: Plan, asked: str, *, named: bool) -> str:
    """What comparisons of one kind would take, the one that takes most."""
    names = listed([each.name for each, _ in group]) if named else "what is open"
    of = f"for {names}" if named else f"in {names}"
    most = max((found for _, found in group), key=lambda found: (found.seeds, found.as_it_is))
    fewest, margin = min(len(each.table) for each, _ in group), points(plan.smallest_effect)
    items = most.items // most.times
    if any(each.spread.overlap for each, _ in group):
        return _told_of_folds(most, fewest, of, margin, names, plan)
    if isnan(most.seeds):
        return f"{of}, all seeds gave the very same difference, and nothing says how far a new one is"
    if most.seeds == inf and not most.forbidden:
        even = f", even with {_TIMES[-1] * items} items ({asked})" if items > 1 else ""
        return f"{of}, a difference of {margin} would take more than {stats.MOST_SEEDS} seeds to show{even}"
    seeds = f"{most.as_it_is:.0f}" if isfinite(most.as_it_is) else f"more than {stats.MOST_SEEDS}"
    few = f"{of}, {items} items would need {seeds} seeds to show a difference of {margin}"
    if most.forbidden:
        few = f"{of}, {items} items cannot show a difference of {margin}, whatever the seeds"
    if most.seeds == inf:
        return f"{few}; {_TIMES[-1] * items} of them ({asked}) would need more than {stats.MOST_SEEDS}"
    beyond = f", beyond the {plan.max_seeds} that were declared" if most.seeds > plan.max_seeds else ""
    if most.times > 1:
        return f"{few}; {most.items} of them ({asked}) probably would with {most.seeds:.0f} seeds{beyond}"
    more = most.seeds - fewest
    if more <= 0:
        narrower = f"; more items ({asked}) would narrow it" if items > 1 else ""
        return f"{names} is smaller than {margin}, or within chance of it{narrower}"
    return f"{of}, {more:.0f} more seeds would probably show a difference of {margin} ({most.seeds:.0f} in all{beyond})"


def _told_of_folds(most: Need, fewest: int, of: str, margin: str, names: str, plan: Plan) -> str:
    """The same where seeds are folds: more of them say ever less, and the items are all the rows there are."""
    if isnan(most.seeds):
        return f"{of}, all folds gave the very same difference, and nothing says how far a new one is"
    if most.forbidden:
        return f"{of}, these rows cannot show a difference of {margin}, whatever the number of repeats; more rows would"
    if most.seeds == inf:
        return f"{of}, a difference of {margin} would take more than {stats.MOST_SEEDS} seeds to show, or more rows"
    if (more := most.seeds - fewest) <= 0:
        return f"{names} is smaller than {margin}, or within chance of it; more rows would narrow it"
    beyond = f", beyond the {plan.max_seeds} that were declared" if most.seeds > plan.max_seeds else ""
    return (
        f"{of}, {more:.0f} more seeds (repeats of the folds) would probably show a difference of {margin} "
        f"({most.seeds:.0f} in all{beyond}); more rows would show it sooner"
    )
