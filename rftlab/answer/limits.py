"""What an answer covers and what it does not, in sentences."""

from collections.abc import Iterable, Sequence

from rftlab.answer import few_rows, given_up, tuning
from rftlab.answer.choices import Panel, named_arms
from rftlab.answer.decisions import Decision, Decisions, measures_at_odds
from rftlab.answer.groups import listed
from rftlab.answer.phrases import sentence, where
from rftlab.answer.readings import capped, reading_of
from rftlab.answer.results import Results, unfinished
from rftlab.plots.names import title
from rftlab.registry import METHODS

TINY = "tiny base: no evidence about large models"


def limits(results: Results, decisions: Decisions) -> str:
    """What the answer covers, and what it does not."""
    counted = [d for d in decisions.decisions if d.family == "confirmatory" and d.difference.seeds]
    told = []
    told += _covered(decisions, counted) if counted else _measured_alone(decisions)
    told += _few_rows(decisions)
    told += (
        [f"Changed after the start, and so exploratory: {', '.join(decisions.changed)}"] if decisions.changed else []
    )
    told += [at_odds] if (at_odds := measures_at_odds(results)) else []
    told += given_up.told(decisions)
    told += _partial(results)
    told += [f"Reading: {reading}"] if (reading := reading_of(results.cells)) else []
    told += _short_of_plateau(results, decisions)
    told += _taught(results, decisions)
    told += tuning.limits(results.records, results.where)
    told += _not_covered(results)
    return " ".join(sentence(text) for text in told)


def _covered(decisions: Decisions, counted: Sequence[Decision]) -> list[str]:
    """What the intervals of decisions cover: those with test items apart together, those over folds task by task."""
    seeds, items = (_numbers(getattr(d.difference, name) for d in counted) for name in ("seeds", "items"))
    if max(d.difference.seeds for d in counted) < 2:
        return [f"One seed, {items} items: nothing is decided by one run"]
    looks = sorted({d.look for d in counted if d.look})
    look = f" ({looks[0]}: intervals are wide enough for seeds to be added)" if looks else ""
    panels = list(dict.fromkeys(d.place[:4] for d in counted))
    over_folds = {panel: folds for panel in panels for arm in decisions.arms_of(panel) if (folds := arm.folds)}
    apart = [d for d in counted if d.place[:4] not in over_folds]
    told = []
    if apart:
        seeds, items = (_numbers(getattr(d.difference, name) for d in apart) for name in ("seeds", "items"))
        told.append(f"Covers new seeds and items like these: {seeds} seeds x {items} items{look}")
    for panel, folds in over_folds.items():
        run = frozenset[int]().union(*(arm.seeds for arm in decisions.arms_of(panel)))
        told.append(f"{_on(panel, panels)}{few_rows.of_folds(folds, run)}{look}")
    return list(dict.fromkeys(told))


def _few_rows(decisions: Decisions) -> list[str]:
    """Where label budgets are most of the rows that they were drawn from."""
    named = [panel for panel in decisions.panels if any(named_arms(decisions, p) for p in decisions.places(panel))]
    told = []
    for panel in named:
        arms = [arm for arm in decisions.arms_of(panel) if arm.trained and arm.pool]
        pool = min((arm.pool for arm in arms), default=0)
        folds = next((arm.folds for arm in arms), None)
        if text := few_rows.of_labels([arm.place.labels for arm in arms], pool, folds):
            told.append(f"{_on(panel, named)}{text}")
    return list(dict.fromkeys(told))


def _on(panel: Panel, beside: Iterable[Panel]) -> str:
    """`On word, ` where there are other tasks beside it."""
    tasks = {other[:3] for other in beside}
    return f"On {where(panel, beside)}, " if len(tasks) > 1 else ""


def _measured_alone(decisions: Decisions) -> list[str]:
    """What was measured where no two named arms stand side by side."""
    levels = [level for level in decisions.levels if level.measure == decisions.decides]
    if not levels:
        return []
    seeds, items = (_numbers(getattr(level.mean, name) for level in levels) for name in ("seeds", "items"))
    return [f"Nothing named was compared; measured on {seeds} seeds x {items} items"]


def _partial(results: Results) -> list[str]:
    done, missing = len(results.records), len(unfinished(results))
    return [f"So far: {done} of {done + missing} cells have finished"] if missing else []


def _short_of_plateau(results: Results, decisions: Decisions) -> list[str]:
    ended = capped(results.cells, decisions.plan.arms(results.cells["method"]))
    told = [
        f"{early} of {runs} runs of {title(method)}{' (in its last stage)' if '+' in method else ''}"
        for method, (early, runs) in ended.items()
    ]
    return [f"The cap ended {listed(told)} before their plateau"] if told else []


def _taught(results: Results, decisions: Decisions) -> list[str]:
    """What the teachers of named arms had been trained with, which is in no label budget."""
    found: dict[str, set[str]] = {}
    named = decisions.plan.arms(results.cells["method"])
    for each in results.records:
        method = each.parameters.method
        if method in named and (entry := METHODS.get(method)) and entry.teacher:
            labels = each.cost.get("teacher_labels")
            had = "labels that nobody knows" if labels is None else f"{labels:.0f} labels of its own"
            found.setdefault(had, set()).add(method)
    return [
        f"{listed([title(method) for method in sorted(methods)])} learnt from a teacher with {had}, beside the budget"
        for had, methods in sorted(found.items())
    ]


def _not_covered(results: Results) -> list[str]:
    cells = results.cells
    tiny = bool((cells["model"] == "tiny-base").all())
    return [TINY, "It does not cover other tasks"] if tiny else ["It does not cover other models and tasks"]


def _numbers(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"
