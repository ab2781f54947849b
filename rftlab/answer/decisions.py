"""Every comparison of a study, decided once, by one rule, in one of two families.

*Confirmatory*: the arms that the plan names, by the measure that decides, greedy, at the label budgets of the plan, and
the claims it names; the intervals of this family hold together. *Exploratory*: everything else, a family of its own for
each measure. Terminal, page, notebooks and plots read these decisions and decide nothing.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan
from typing import Literal, NamedTuple

import pandas as pd

from rftlab import stats
from rftlab.answer import comparisons, contests, sampling
from rftlab.answer.comparisons import Arm, Pair, Place
from rftlab.answer.few_rows import drawn_from
from rftlab.answer.results import BASE, SCORES, UNTRAINED, Results, measured
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.results import Stop, read_grid, read_plans, read_stops
from rftlab.grid.plan import Plan
from rftlab.naming import is_called
from rftlab.record.outcomes import ACCURACY
from rftlab.registry import family_of
from rftlab.stats import Spread, Word

Family = Literal["confirmatory", "exploratory"]
FIRST_LOOK = 3
"""Seeds at the first look at a study that may grow."""
COMPARED = ("accuracy", "score", "sampled_accuracy", "sampled_score", "ood_accuracy", "ood_rule_accuracy",
            "ood_surface_accuracy", "retention_accuracy", "apart_accuracy", comparisons.EQUAL_COMPUTE)  # fmt: skip
"""Measures whose differences are decided, if they were measured; a score only where some reward was partial."""


class Decision(NamedTuple):
    """One comparison and the word for it.

    Attributes:
        family: confirmatory or exploratory.
        measure: of `COMPARED`, or a judge's `win_rate`, whose difference is the share won minus one half.
        place: panel and label budget.
        axis: method, or cot where ``second`` is the same arm without chain-of-thought.
        first: an arm; of two trained ones the one that is ahead, where that is decided.
        second: another arm, or "direct".
        methods: the methods of both.
        difference: first minus second, with its simultaneous interval.
        word: one of the five.
        suggestion: what the one seed there is suggests; open otherwise.
        look: "look 2 of 8"; "" for a study that has all its seeds.
    """

    family: Family
    measure: str
    place: Place
    axis: str
    first: str
    second: str
    methods: tuple[str, str]
    difference: stats.Difference
    word: Word
    suggestion: Word
    look: str

    def seen_from(self, arm: str, margin: float) -> "Decision":
        """The same comparison with ``arm`` as the first."""
        if arm == self.first or self.axis != "method":
            return self
        found = stats.turned(self.difference)
        methods = (self.methods[1], self.methods[0])
        word, suggestion = stats.word(found, margin), stats.suggestion(found, margin)
        return self._replace(
            first=self.second, second=self.first, methods=methods, difference=found, word=word, suggestion=suggestion
        )


class Level(NamedTuple):
    """An arm at a place, by itself.

    Attributes:
        measure: of `COMPARED`.
        place: panel and label budget, 0 for an untrained arm and for one that trains on prompts alone.
        arm: its name.
        method: its method.
        trained: whether it has a label budget or prompts.
        mean: with an interval (95 %, for itself alone) for new seeds and new items.
        seeds: the mean of each seed.
        collapse: how many of them collapsed, and how many could.
        flops: of training, mean over seeds.
        rewarded: completions that were rewarded in training, of how many.
        teacher_labels: labels that its teacher was trained with, beside the budget; 0 without one, or if unknown.
        spent: FLOPs of training and of what came before it, see `Arm`.
    """

    measure: str
    place: Place
    arm: str
    method: str
    trained: bool
    mean: stats.Crossed
    seeds: Mapping[str, float]
    collapse: stats.Collapse
    flops: float
    rewarded: tuple[int, int]
    teacher_labels: float = 0.0
    spent: float = 0.0


@dataclass(frozen=True)
class Decisions:
    """What a study decides.

    Attributes:
        plan: as declared at its first start.
        changed: what the grid declares otherwise now; comparisons that follow from it are exploratory.
        decisions: all of them.
        levels: every arm at every place, by every measure.
        decides: the measure that decides.
        families: family and measure -> how many comparisons share its 5 %.
        outcomes: measure -> every arm at every place with its outcomes, which all of this was decided from.
        stops: comparisons of a study run until it is decided, with the seeds that they stopped with.
    """

    plan: Plan
    changed: tuple[str, ...]
    decisions: tuple[Decision, ...]
    levels: tuple[Level, ...]
    decides: str
    families: Mapping[tuple[Family, str], int] = field(default_factory=dict)
    outcomes: Mapping[str, Sequence[Arm]] = field(default_factory=dict, repr=False, compare=False)
    stops: tuple[Stop, ...] = ()

    @cached_property
    def _by_pair(self) -> dict[tuple[Hashable, ...], Decision]:
        found: dict[tuple[Hashable, ...], Decision] = {}
        for each in self.decisions:
            for arms in ((each.first, each.second), (each.second, each.first)):
                found[each.measure, each.place, each.axis, *arms] = each
        return found

    @cached_property
    def _by_arm(self) -> dict[tuple[str, Place, str], Level]:
        return {(each.measure, each.place, each.arm): each for each in self.levels}

    @property
    def panels(self) -> list[tuple[str, str, str, str]]:
        """Task, model, variant and prompt, each once, in order."""
        return sorted({each.place[:4] for each in self.levels})

    def places(self, panel: tuple[str, str, str, str]) -> list[Place]:
        """A panel's label budgets, from few to many; 0 where something was trained without, or nothing at all."""
        return self.budgets(panel) or sorted({each.place for each in self.levels if each.place[:4] == panel})

    def budgets(self, panel: tuple[str, str, str, str]) -> list[Place]:
        """A panel's label budgets at which something was trained, from few to many."""
        return sorted({each.place for each in self.levels if each.trained and each.place[:4] == panel})

    def arms(self, place: Place) -> list[str]:
        """Arms at a place, untrained ones last."""
        here = [each for each in self.levels if each.measure == self.decides and each.place[:4] == place[:4]]
        found = {each.arm: each.trained for each in here if not each.trained or each.place == place}
        return sorted(found, key=lambda arm: (not found[arm], arm))

    def base(self, place: Place) -> str:
        """The arm of the untrained base at a place; "" where there is none."""
        here = place._replace(labels=0)
        return next((each.arm for each in self.levels if each.place == here and each.method == BASE), "")

    def level(self, place: Place, arm: str, measure: str = "") -> Level | None:
        """An arm's mean at a place; an untrained one has the same at every label budget."""
        measure = measure or self.decides
        if found := self._by_arm.get((measure, place, arm)):
            return found
        untrained = self._by_arm.get((measure, place._replace(labels=0), arm))
        return untrained if untrained and not untrained.trained else None

    def between(self, place: Place, first: str, second: str, measure: str = "") -> Decision | None:
        """How one arm compares with another; None where they are not compared."""
        found = self._by_pair.get((measure or self.decides, place, "method", first, second))
        return found and found.seen_from(first, self.plan.smallest_effect)

    def of_prompts(self, place: Place, arm: str, measure: str = "") -> Decision | None:
        """How an arm with chain-of-thought compares with itself without."""
        return self._by_pair.get((measure or self.decides, place, "cot", arm, "direct"))

    def measures(self, prefix: str) -> list[str]:
        """The measures whose names begin so."""
        return [measure for measure in self.outcomes if measure.startswith(prefix)]

    def arms_of(self, panel: Sequence[str]) -> list[Arm]:
        """Every arm of a panel, or of its first words, at every label budget, with its outcomes by what decides."""
        here = tuple(panel)
        return [arm for arm in self.outcomes.get(self.decides, ()) if arm.place[: len(here)] == here]

    def overlap(self, panel: Sequence[str]) -> float:
        """What the seeds of a panel have in common: 0 unless they are folds of the same rows."""
        return max((arm.overlap for arm in self.arms_of(panel)), default=0.0)

    @cached_property
    def table(self) -> pd.DataFrame:
        """All decisions as a table: one row each."""
        rows = [
            {
                "family": d.family, "measure": d.measure, **d.place._asdict(), "axis": d.axis, "first": d.first,
                "second": d.second, "difference": d.difference.estimate, "low": d.difference.low,
                "high": d.difference.high, "word": d.word, "suggestion": d.suggestion, "look": d.look,
                "seeds": d.difference.seeds, "items": d.difference.items, "freedom": d.difference.freedom,
                "covers": d.difference.covers,
            }
            for d in self.decisions
        ]  # fmt: skip
        return pd.DataFrame(rows)


def decide(results: Results, stops: Sequence[Stop] | None = None) -> Decisions:
    """Decide every comparison of a study.

    Args:
        results: as read; its plan is that of the grid last run in its folder, or the defaults where none was.
        stops: comparisons that ended at a look of a study run until it is decided; None takes those of its folder.

    Raises:
        RftlabError: the plan was changed by hand.
    """
    plan, changed, planned = _declared(results)
    decides = _decides(results)
    decided: list[Decision] = []
    levels: list[Level] = []
    families: dict[tuple[Family, str], int] = {}
    outcomes: dict[str, Sequence[Arm]] = {}
    judged, several = contests.pairs(results), sampling.arms(results, decides)
    repeats = set(SCORES) - set(measured(results.cells))
    named = plan.arms(results.cells["method"]) if len(results.cells) else ()
    stops = read_stops(results.where) if stops is None else stops
    for measure in (decides, *(name for name in COMPARED if name not in (decides, *repeats)), *judged, *several):
        given = [] if measure in judged else several.get(measure)
        outcomes[measure] = found = comparisons.arms(results, measure, named) if given is None else given
        levels += levels_of(found, measure)
        made = judged[measure] if measure in judged else list(comparisons.pairs(found))
        made = sampling.against_base(found) if measure in several else made
        made = comparisons.limited(made, stops) if measure == decides else made
        spreads = spreads_of(made)
        for family, part in _by_family(made, plan, planned if measure == decides else None).items():
            size = _size(part, family, plan, planned)
            families[family, measure] = size
            decided += [_decision(family, measure, pair, spreads[id(pair)], plan, size) for pair in part]
    return Decisions(plan, changed, tuple(decided), tuple(levels), decides, families, outcomes, tuple(stops))


def _declared(results: Results) -> tuple[Plan, tuple[str, ...], Sequence[Cell]]:
    """The plan of the first start, what changed since, and the cells of the grid."""
    plans = read_plans(results.where)
    try:
        planned: Sequence[Cell] = read_grid(results.where).cells
    except RftlabError:
        planned = [record.parameters for record in results.records]
    if plans:
        first, now = plans
        return replace(first, labels_available=now.labels_available), first.changed(now), planned
    labels = tuple(sorted({cell.labels for cell in planned if cell.method not in UNTRAINED}))
    return Plan(labels=labels), (), planned


def _decides(results: Results) -> str:
    """The measure that decides: what all cells agree on, else accuracy (`measures_at_odds` says so)."""
    named = _named_measures(results)
    return next(iter(named)) if len(named) == 1 else ACCURACY


def measures_at_odds(results: Results) -> str:
    """Which measure decides, and why, where the cells do not agree on one; "" where they do."""
    named = _named_measures(results)
    if len(named) < 2:
        return ""
    told = "; ".join(f"{measure} by {', '.join(tasks)}" for measure, tasks in named.items())
    return (
        f"All is decided by {ACCURACY}, since the cells do not agree on a measure (evaluation.decides: {told}): run a "
        f"task that another measure decides as a study of its own"
    )


def _named_measures(results: Results) -> dict[str, list[str]]:
    """Measure that cells name in `evaluation.decides` -> their tasks."""
    named: dict[str, set[str]] = {}
    for each in results.records:
        named.setdefault(each.parameters.evaluation.decides, set()).add(each.parameters.task_name)
    return {measure: sorted(tasks) for measure, tasks in sorted(named.items())}


def _by_family(made: Iterable[Pair], plan: Plan, planned: Sequence[Cell] | None) -> dict[Family, list[Pair]]:
    """Pairs by family; all are exploratory for a measure that does not decide (``planned`` is None)."""
    named = plan.arms(cell.method for cell in planned) if planned is not None else ()
    found: dict[Family, list[Pair]] = {}
    for pair in made:
        of_named = all(any(is_called(each, method) for each in named) for method in pair.methods)
        declared = pair.axis == "method" and of_named and pair.place.labels in (plan.labels or (0,))
        found.setdefault("confirmatory" if declared else "exploratory", []).append(pair)
    return found


def _size(part: Sequence[Pair], family: Family, plan: Plan, planned: Sequence[Cell]) -> int:
    """How many comparisons a family has: those declared count from the start, run or not."""
    return len(part) if family == "exploratory" else max(len(part), declared(plan, planned)) + len(plan.claims)


def declared(plan: Plan, planned: Sequence[Cell]) -> int:
    """Comparisons that a grid of these cells declares among its named arms, its claims not counted."""
    named = plan.arms(cell.method for cell in planned)
    kinds: dict[tuple[str, str, str, bool, bool], set[tuple[str, int]]] = {}
    for cell in planned:
        if cell.method in named and cell.method not in UNTRAINED:
            place = (cell.task, cell.task_name, cell.model, cell.cot, cell.cot_eval)
            kinds.setdefault(place, set()).add((cell.method, cell.prompts))
    untrained = sum(name in UNTRAINED for name in named)
    sizes = [len(methods) + untrained for methods in kinds.values()]
    return sum(n * (n - 1) // 2 for n in sizes) * max(1, len(plan.labels))


def spreads_of(made: Sequence[Pair]) -> dict[int, Spread]:
    """How much seeds differ, pooled over a pair's label budgets; with one budget, over pairs of the same families."""
    own = {id(pair): stats.table_spread(pair.table, overlap=pair.overlap) for pair in made}
    alike: dict[Hashable, list[Pair]] = {}
    families: dict[Hashable, list[Pair]] = {}
    for pair in made:
        alike.setdefault(_kind(pair), []).append(pair)
        families.setdefault(_kin(pair), []).append(pair)
    found = {}
    for pair in made:
        group = alike[_kind(pair)]
        found[id(pair)] = Spread.pooled([own[id(each)] for each in (group if len(group) > 1 else families[_kin(pair)])])
    return found


def _kind(pair: Pair) -> Hashable:
    return (*pair.place[:4], pair.axis, pair.first, pair.second)


def _kin(pair: Pair) -> Hashable:
    return (*pair.place[:4], pair.axis, *map(family_of, pair.methods))


def _decision(family: Family, measure: str, pair: Pair, spread: Spread, plan: Plan, size: int) -> Decision:
    confidence, look = confidence_of(len(pair.table), plan, size)
    reach = (-pair.reach, pair.reach)
    found = stats.table_difference(pair.table, pooled=spread, confidence=confidence, bounds=reach)
    if told := drawn_from(pair.place.labels, pair.pool):
        found = replace(found, covers=f"{found.covers}; {told}")
    margin = plan.smallest_effect
    decision = Decision(
        family, measure, pair.place, pair.axis, pair.first, pair.second, pair.methods, found,
        stats.word(found, margin), stats.suggestion(found, margin), look,
    )  # fmt: skip
    both_trained = not UNTRAINED.intersection(pair.methods)
    if both_trained and pair.axis == "method" and decision.word in ("worse", "open"):
        turned = decision.seen_from(pair.second, margin)
        return turned if turned.word in ("better", "better or same") else decision
    return decision


def confidence_of(seeds: int, plan: Plan, size: int) -> tuple[float, str]:
    """Confidence of an interval after so many seeds, and which look at the study this is.

    Args:
        seeds: that the comparison has so far.
        plan: of the study, for how many it may grow to.
        size: comparisons of its family.
    """
    if seeds <= 1:
        return stats.family_confidence(size), ""
    largest = max(plan.max_seeds, seeds)
    first = min(FIRST_LOOK, largest)
    confidence = stats.family_confidence(size, seeds=seeds, largest=largest, first=first)
    looks = largest - first + 1
    if seeds < first:
        return confidence, f"before the first of {looks} looks"
    return confidence, f"look {seeds - first + 1} of {looks}" if seeds < largest else ""


def levels_of(found: Sequence[Arm], measure: str) -> list[Level]:
    """Each arm by itself; how much its seeds differ is pooled over its label budgets."""
    by_curve: dict[Hashable, list[Arm]] = {}
    for arm in found:
        by_curve.setdefault((*arm.place[:4], arm.arm), []).append(arm)
    of_base = [arm for arm in found if arm.method == BASE and arm.table.size]
    bases = {arm.place[:4]: float(arm.table.to_numpy().mean()) for arm in of_base}
    levels = []
    for curve in by_curve.values():
        spread = Spread.pooled([stats.table_spread(arm.table, overlap=arm.overlap) for arm in curve])
        for arm in curve:
            if not arm.table.size:  # no mark at which all can be read
                continue
            mean = stats.table_mean(arm.table, pooled=spread)
            seeds = {str(seed): float(value) for seed, value in arm.table.mean(axis=1).items()}
            fallen = stats.collapse(list(seeds.values()), bases.get(arm.place[:4], nan))
            own = (arm.place, arm.arm, arm.method, arm.trained)
            cost = (arm.flops, arm.rewarded, arm.teacher_labels, arm.spent)
            levels.append(Level(measure, *own, mean, seeds, fallen, *cost))
    return levels
