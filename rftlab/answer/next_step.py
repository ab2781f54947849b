"""What would decide what is still open, and what a reader with so many labels should do."""

from collections.abc import Mapping, Sequence

import pandas as pd

from rftlab import stats
from rftlab.answer.choices import Choice, Panel
from rftlab.answer.comparisons import pairs
from rftlab.answer.decisions import FIRST_LOOK, Decisions, spreads_of
from rftlab.answer.phrases import points, sentence, what_to_do, where
from rftlab.grid.plan import Plan
from rftlab.stats import Spread


def next_step(decisions: Decisions, found: Mapping[Panel, Sequence[Choice]]) -> str:
    """What would decide what is open, and what a reader with so many labels should do."""
    told = [text for text in (_for_the_reader(decisions, found),) if text]
    if any(choice.kind == "open" for chosen in found.values() for choice in chosen):
        told.append(_more_seeds(decisions))
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
        if len(advised) == 1:
            told.append(f"{prefix}{advised[0]}")
        elif advised:
            told.append(f"{prefix}{here[0].labels} labels say: {advised[0]}; {here[1].labels}: {advised[1]}")
    return f"you have {have} labels: {'; '.join(told)}" if told else ""


def _more_seeds(decisions: Decisions) -> str:
    """How many more seeds would show a difference of the size that matters, in the open comparisons."""
    plan = decisions.plan
    waiting = {
        (d.place, frozenset((d.first, d.second)))
        for d in decisions.decisions
        if d.family == "confirmatory" and d.word == "open"
    }
    size = decisions.families.get(("confirmatory", decisions.decides), 1)
    made = list(pairs(decisions.outcomes[decisions.decides]))
    spreads = spreads_of(made)
    undecided = [
        (pair.table, spreads[id(pair)])
        for pair in made
        if pair.axis == "method" and (pair.place, frozenset((pair.first, pair.second))) in waiting
    ]
    return what_would_show(undecided, plan, size) if undecided else ""


def what_would_show(
    undecided: Sequence[tuple[pd.DataFrame, Spread]], plan: Plan, size: int, asked: str = "evaluation.test_items"
) -> str:
    """How many more seeds, or items, would probably show a difference of the size that matters, in words.

    Args:
        undecided: tables of differences, and how much seeds differ in each.
        plan: of the study.
        size: comparisons of their family.
        asked: the parameter that says how many such items are asked.
    """
    fewest, items = min(len(table) for table, _ in undecided), max(table.shape[1] for table, _ in undecided)
    if fewest < 2:
        return f"run at least {FIRST_LOOK} seeds: one training run decides nothing"
    if fewest < FIRST_LOOK <= plan.max_seeds:
        return f"run {FIRST_LOOK} seeds, which is the first look at a study that may grow to {plan.max_seeds}"

    def needed(times: int) -> int | None:
        """Seeds for all of them, on so many times the items."""
        each = [
            stats.seeds_to_show(
                table,
                plan.smallest_effect,
                items=times * table.shape[1],
                spread=spread,
                confidence=lambda _: stats.family_confidence(size),
            )
            for table, spread in undecided
        ]
        return None if None in each else max(seeds or 0 for seeds in each)

    margin = points(plan.smallest_effect)
    tries = (1, 2, 4) if items > 1 else (1,)  # one value a seed: there are no items to add
    ways = [(times, seeds) for times in tries if (seeds := needed(times))]
    times, most = next((way for way in ways if way[1] <= plan.max_seeds), (ways or [(0, 0)])[0])
    if not times:
        return f"what is open spreads too much over seeds for a hundred of them to show {margin}"
    beyond = f", beyond the {plan.max_seeds} that were declared" if most > plan.max_seeds else ""
    if times > 1:
        too_few = f"{items} items cannot show a difference of {margin}, whatever the seeds"
        if ways[0][0] == 1:
            too_few = f"{items} items would need {ways[0][1]} seeds to show a difference of {margin}"
        return f"in what is open, {too_few}; {times * items} of them ({asked}) probably would with {most} seeds{beyond}"
    more = most - fewest
    if more <= 0:
        narrower = f"; more items ({asked}) would narrow it" if items > 1 else ""
        return f"what is open is smaller than {margin}, or within chance of it{narrower}"
    return f"in what is open, {more} more seeds would probably show a difference of {margin} ({most} in all{beyond})"
