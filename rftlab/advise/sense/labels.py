"""What more labels would pay, from records alone; at most twice the largest budget that was run.

Every shape of a learning curve that was fitted and carried on held the truth too seldom. What holds is a range: between
"nothing more happens" and "the steepest recent slope goes on", with the sampling error on top; beyond twice the largest
budget nothing is known.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from math import isfinite, log
from pathlib import Path

from rftlab import stats
from rftlab.advise.costs import Amount, Rates
from rftlab.advise.evidence import studies_of
from rftlab.advise.measured import known_cells
from rftlab.answer.choices import Panel, named_arms
from rftlab.answer.comparisons import Place
from rftlab.answer.decisions import Decisions
from rftlab.answer.folder import study_of
from rftlab.answer.phrases import chosen_panels
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.kernels import default_kernel, default_workers, kernel_settings
from rftlab.execute.results import read_grid
from rftlab.registry import trains

UNKNOWN = "How many labels would pay is not known: no study of this task with this base has label budgets to compare."
_RECENT = 2
"""Stretches between budgets, counted from the last, of which the steepest may go on."""


def more_labels(task: str, model: str, results: Sequence[Path] = ()) -> tuple[str, ...]:
    """Sentences on what more labels would pay, one an arm of a study; `UNKNOWN` where no records tell.

    Args:
        task: what people call it.
        model: the base.
        results: folders of records; empty looks in `results/` for studies of both.
    """
    found: list[str] = []
    for folder in list(results) or studies_of(task, model):
        try:
            _, decisions = study_of(folder)
        except RftlabError:
            continue  # damaged, or of somebody else's making, which `rftlab status` says
        for panel in chosen_panels(decisions):
            if panel[:2] == (task, model):
                found += _of_panel(folder, decisions, panel)
    return tuple(found) or (UNKNOWN,)


def _of_panel(folder: Path, decisions: Decisions, panel: Panel) -> Iterator[str]:
    places = [place for place in decisions.budgets(panel) if place.labels > 0]
    if len(places) < 2:
        return
    largest = places[-1].labels
    arms = named_arms(decisions, places[-1])
    for arm in arms:
        levels = [(place.labels, level.mean) for place in places if (level := decisions.level(place, arm))]
        if len(levels) > 1:
            yield f"{folder}: {arm}: {_carried_on(levels)}"
    yield from _crossings(folder, decisions, places, arms)
    yield (
        f"{folder}: beyond {2 * largest} labels nothing is known; one more budget, of {2 * largest}, costs "
        f"{2 * largest} labels and {_cost(folder, largest)}"
    )


def _carried_on(levels: Sequence[tuple[int, stats.Interval]]) -> str:
    """What twice the largest budget may give: no less than it gave, no more than the steepest recent slope."""
    (before, _), (largest, last) = levels[-2:]
    slopes = [
        (second.estimate - first.estimate) / log(more / fewer)
        for (fewer, first), (more, second) in pairwise(levels[-1 - _RECENT :])
    ]
    most = min(max(0.0, *slopes) * log(2), 1 - last.estimate)
    low, high = (value if isfinite(value) else last.estimate for value in (last.low, last.high))
    reach = f"accuracy {100 * low:.0f} to {100 * min(1.0, high + most):.0f} %"
    gained = 100 * (last.estimate - levels[-2][1].estimate)
    return (
        f"{gained:+.0f} points from {before} to {largest} labels; {2 * largest} would give 0 to {100 * most:.0f} "
        f"points more ({reach})"
    )


def _crossings(folder: Path, decisions: Decisions, places: Sequence[Place], arms: Sequence[str]) -> Iterator[str]:
    """Where one arm overtakes another, if that is seen."""
    for first, second in combinations(arms, 2):
        both = [(p.labels, d.difference) for p in places if (d := decisions.between(p, first, second))]
        if len(both) < 2:
            continue
        found = stats.crossover([labels for labels, _ in both], [difference for _, difference in both])
        if found.outcome == "found":
            ahead = first if found.overtaking == "first" else second
            behind = second if ahead == first else first
            yield (
                f"{folder}: {ahead} overtakes {behind} at about {found.estimate:.0f} labels "
                f"[{found.low:.0f}, {found.high:.0f}]"
            )


def _cost(folder: Path, largest: int) -> str:
    """Seconds that the same arms and seeds take at twice the largest budget, as cells of this machine tell."""
    try:
        cells = [cell for cell in read_grid(folder).cells if cell.labels == largest and trains(cell.method)]
    except RftlabError:
        cells = []
    more = [Cell.make({**cell.model_dump(), "labels": 2 * largest}) for cell in cells]
    threads = kernel_settings(default_kernel(), default_workers(more)).threads if more else 1
    rates = Rates.of_cells(known_cells(more, [folder], threads))
    predicted = [amounts["wall"] for cell in more if (amounts := rates.predict(cell))]
    if not predicted or len(predicted) < len(more):
        return "what rftlab plan says: none of its cells ran on this machine"
    total = Amount.summed(predicted)
    return (
        f"{len(more)} cells, {total.estimate / 60:.0f} min [{total.low / 60:.0f}, {total.high / 60:.0f}] of one worker"
    )
