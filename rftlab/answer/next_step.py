"""What would decide what is still open, and what a reader with so many labels should do."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import isinf, isnan
from typing import NamedTuple

from rftlab import stats
from rftlab.answer import given_up
from rftlab.answer.choices import Choice, Panel, named_arms
from rftlab.answer.comparisons import Place, pairs
from rftlab.answer.decisions import Decisions, spreads_of
from rftlab.answer.groups import listed
from rftlab.answer.more_seeds import Need, Undecided, need, too_few
from rftlab.answer.phrases import points, sentence, what_to_do, where
from rftlab.grid.plan import Plan
from rftlab.plots.names import title

_BASE = "the base"


def next_step(decisions: Decisions, found: Mapping[Panel, Sequence[Choice]]) -> str:
    """What would decide what is open, and what a reader with so many labels should do."""
    steps = (_for_the_reader(decisions, found), _to_run(decisions, found), _more_seeds(decisions, found))
    told = [text for text in steps if text]
    return " ".join(sentence(text) for text in told)


def _for_the_reader(decisions: Decisions, found: Mapping[Panel, Sequence[Choice]]) -> str:
    have = decisions.plan.labels_available
    told = []
    for panel, chosen in found.items() if have else ():
        below = [choice for choice in chosen if choice.labels <= have][-1:]
        above = [choice for choice in chosen if choice.labels >= have][:1]
        here = list(dict.fromkeys([*below, *above]))
        advised = list(dict.fromkeys(what_to_do(decisions, panel, choice) for choice in here))
        prefix = f"{where(panel, found)}: " if len(found) > 1 else ""
        if len(here) == 1 and here[0].labels != have:
            prefix += f"beyond what was run; at {here[0].labels} labels "
        if len(advised) == 1:
            told.append(f"{prefix}{advised[0]}")
        elif advised:
            told.append(f"{prefix}{here[0].labels} labels say: {advised[0]}; {here[1].labels}: {advised[1]}")
    return f"you have {have} labels: {'; '.join(told)}" if told else ""


def _to_run(decisions: Decisions, found: Mapping[Panel, Sequence[Choice]]) -> str:
    """What was not run and keeps the question open: the base, a rival at the same labels, a task that can be learnt."""
    told = []
    for panel, chosen in found.items():
        places = [Place(*panel, choice.labels) for choice in chosen]
        together = [named_arms(decisions, place) for place in places]
        arms = [*dict.fromkeys(arm for here in together for arm in here)]
        prefix = f"{where(panel, found)}: " if len(found) > 1 else ""
        if not any(decisions.base(place) for place in places):
            told.append(f"{prefix}add the untrained base (method: base), to see whether training helps")
        apart = [other for other in found if other != panel and other[:2] == panel[:2] and len(arms) == 1]
        if apart:
            told.append(f"{panel[0].rpartition('/')[2]}: match the runs that the page says are not compared")
        elif len(arms) == 1:
            told.append(f"{prefix}add an arm to compare {title(arms[0])} with: one alone answers only whether it helps")
        elif max(map(len, together)) < 2:
            told.append(f"{prefix}run {listed([*map(title, arms)])} with the same labels, so that they can be compared")
        if {choice.kind for choice in chosen} == {"nothing"}:
            told.append(f"{prefix}take easier prompts, a base that solves some of them, or a larger budget")
    return "; ".join(dict.fromkeys(told))


class _Asked(NamedTuple):
    """What it would take to decide between two arms at one place, which has so many seeds."""

    panel: Panel
    labels: int
    both: tuple[str, str]
    seeds: int
    need: Need
    folded: bool

    @property
    def kind(self) -> str:
        if isinf(self.need.seeds):
            return "beyond"
        return "small" if self.need.seeds <= self.seeds and self.need.times == 1 else "seeds"


def _more_seeds(decisions: Decisions, found: Mapping[Panel, Sequence[Choice]]) -> str:
    """How many seeds would show a difference that matters: where that decides what is advised, or was given up."""
    made = [pair for pair in pairs(decisions.outcomes[decisions.decides]) if pair.table.size]
    spreads = spreads_of(made)
    tables = {(each.place, frozenset((each.first, each.second))): each for each in made if each.axis == "method"}
    open_ = [
        (panel, choice.labels, both, tables[here])
        for panel, chosen in found.items()
        for choice in chosen
        for both in _waiting(decisions, Place(*panel, choice.labels), choice)
        if (here := (Place(*panel, choice.labels), frozenset(both))) in tables
    ]
    futile, there = given_up.comparisons(decisions), {id(pair) for *_, pair in open_}
    open_ += [
        (pair.place[:4], pair.place.labels, (pair.first, pair.second), pair)
        for pair in tables.values()
        if (*pair.place, *sorted((pair.first, pair.second))) in futile and id(pair) not in there
    ]
    if not open_:
        return ""
    plan, size = decisions.plan, decisions.families.get(("confirmatory", decisions.decides), 1)
    if told := too_few([pair.table for *_, pair in open_], plan):
        return told
    needs = [
        _Asked(
            panel, labels, _named(decisions, pair.place, both), len(pair.table),
            need(Undecided("", pair.table, spreads[id(pair)]), plan, size), bool(pair.overlap),
        )
        for panel, labels, both, pair in open_
    ]  # fmt: skip
    return _in_words([each for each in needs if not isnan(each.need.seeds)], plan, list(found))


def _waiting(decisions: Decisions, place: Place, choice: Choice) -> Iterator[tuple[str, str]]:
    """What keeps a choice open: arms between which nothing is decided; and the base, where none is decided above it."""
    if choice.kind != "open":
        return
    base = decisions.base(place)
    against = [] if choice.lifting else [(arm, base) for arm in choice.arms]
    for first, second in (*combinations(choice.arms, 2), *against):
        each = decisions.between(place, first, second)
        unknown = ("open", "better or same") if second == base else ("open",)
        if each and each.family == "confirmatory" and each.word in unknown:
            yield first, second


def _named(decisions: Decisions, place: Place, both: tuple[str, str]) -> tuple[str, str]:
    base = decisions.base(place)
    first, second = (_BASE if arm == base else title(arm) for arm in both)
    return first, second


def _in_words(needs: Sequence[_Asked], plan: Plan, panels: Sequence[Panel]) -> str:
    """What would show a difference, pair by pair, and where that would take more seeds than are ever planned."""
    margin = points(plan.smallest_effect)
    told = []
    within = [each for each in needs if each.kind == "seeds"]
    if within:
        with_ = [f"{name} with {amounts}" for name, amounts in _amounts(within, needs, panels).items()]
        most = max(each.need.seeds for each in within)
        declared = f" ({plan.max_seeds} were declared)" if most > plan.max_seeds else ""
        told.append(f"a difference of {margin} would probably show {', '.join(with_)}{declared}")
    small = [each for each in needs if each.kind == "small"]
    if small:
        told.append(f"{_spots(small, needs, panels)} it is smaller than {margin}, or within chance of it")
    beyond = [each for each in needs if each.kind == "beyond"]
    if beyond:
        what = "it" if told else f"a difference of {margin}"
        rows = ", or more rows" if any(each.folded for each in beyond) else ""
        told.append(
            f"{_spots(beyond, needs, panels)} {what} would take more than {stats.MOST_SEEDS} seeds to show{rows}"
        )
    return "; ".join(told)


def _amounts(part: Sequence[_Asked], needs: Sequence[_Asked], panels: Sequence[Panel]) -> dict[str, str]:
    """Pair -> how many seeds it would take, and where: the most of its label budgets."""
    found: dict[str, dict[str, list[str]]] = {}
    for both in dict.fromkeys(each.both for each in part):
        of = [each for each in part if each.both == both]
        for panel in dict.fromkeys(each.panel for each in of):
            here = [each for each in of if each.panel == panel]
            most = max(here, key=lambda each: (each.need.times, each.need.seeds)).need
            of_items = f" of {most.items} items (evaluation.test_items)" if most.times > 1 else ""
            seeds = max(each.need.seeds for each in here)
            amounts = found.setdefault(f"between {listed(both)}", {})
            amounts.setdefault(f"{seeds:.0f} seeds{of_items}", []).append(_at(here, needs, panels))
    return {
        pair: listed([f"{amount}{_on(places)}" for amount, places in amounts.items()])
        for pair, amounts in found.items()
    }


def _spots(part: Sequence[_Asked], needs: Sequence[_Asked], panels: Sequence[Panel]) -> str:
    """Which pairs, and where: `between GRPO and SFT or SFT+GRPO on rare`."""
    found: dict[str, list[str]] = {}
    for panel in dict.fromkeys(each.panel for each in part):
        here = [each for each in part if each.panel == panel]
        places: dict[str, list[tuple[str, str]]] = {}
        for both in dict.fromkeys(each.both for each in here):
            at = _at([each for each in here if each.both == both], needs, panels)
            places.setdefault(at, []).append(both)
        for at, pairs_ in places.items():
            found.setdefault(_between(pairs_), []).append(at)
    return listed([f"{pairs_}{_on(places_)}" for pairs_, places_ in found.items()])


def _between(both: Sequence[tuple[str, str]]) -> str:
    """Pairs in words; short where one arm is in all of them."""
    common = set.intersection(*map(set, both))
    if len(both) > 1 and len(common) == 1:
        shared = next(iter(common))
        others = [arm for pair in both for arm in pair if arm != shared]
        return f"between {shared} and {', '.join(others[:-1])} or {others[-1]}"
    return " and ".join(f"between {listed(pair)}" for pair in both)


def _at(here: Sequence[_Asked], needs: Sequence[_Asked], panels: Sequence[Panel]) -> str:
    """Task, if there are several, and label budgets, where the same two arms need something else at others."""
    first = here[0]
    all_ = {each.labels for each in needs if (each.panel, each.both) == (first.panel, first.both)}
    labels = sorted({each.labels for each in here})
    task = where(first.panel, panels) if len(panels) > 1 else ""
    return f"{task}{f' at {listed([*map(str, labels)])} labels' if len(labels) < len(all_) else ''}".strip()


def _on(places: Sequence[str]) -> str:
    """` on band and rare`; "" where there is one place and it goes without saying."""
    named = [place for place in places if place]
    if not named:
        return ""
    return f" {listed(named)}" if all(place.startswith("at ") for place in named) else f" on {listed(named)}"
