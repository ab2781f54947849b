"""What each arm of a study took, in labels, checks and hours, and what it gained: from records, or assumed."""

from collections.abc import Iterator
from math import nan
from typing import NamedTuple

import pandas as pd

from rftlab import stats
from rftlab.answer.comparisons import Place
from rftlab.answer.decisions import Decisions, Level
from rftlab.answer.phrases import chosen_panels
from rftlab.answer.results import PANEL, Results, panel_bases
from rftlab.answer.returns.prices import Assumed, Prices
from rftlab.answer.tuning import costs_of_stage
from rftlab.errors import RftlabError
from rftlab.registry import METHODS, family_of, find, trains
from rftlab.stats import Interval

Panel = tuple[str, str, str, str]


class Taken(NamedTuple):
    """What one arm took at one label budget, for one training run.

    Attributes:
        panel: task, model, variant and prompt.
        arm: its name.
        method: of it.
        family: of that.
        labels: its budget.
        paid: labels that are paid for: the budget, or as many as stand in its prompt.
        development: further labels that its policy was chosen by.
        rationales: labels whose worked steps it imitates.
        comparisons: of two completions.
        prompts: without labels.
        checks: calls of the verifier in training, mean over seeds.
        checked: whether it is trained with a verifier at all.
        hours: of the machine, mean over seeds, with an interval.
        accuracy: with an interval.
        gain: accuracy above the untrained base, with the interval of its decision.
        word: the decision's; "" where it is assumed.
        seeds: that this rests on; 0 where it is assumed.
        tuning_hours: of the machine, for the stage that chose its learning rates, once for all of its runs.
        tuning_checks: calls of the verifier in that stage.
        teacher_labels: what its teacher was trained with, however large its own budget is.
        teacher_hours: of the machine, for the training of its teacher, once for all of its runs.
        rating_hours: of the machine, for measuring the pass rates that it goes by, once for all of its runs.
        rating_checks: calls of the verifier for those.
    """

    panel: Panel
    arm: str
    method: str
    family: str
    labels: int
    paid: int
    development: float
    rationales: float
    comparisons: float
    prompts: float
    checks: float
    checked: bool
    hours: Interval
    accuracy: Interval
    gain: Interval
    word: str
    seeds: int
    tuning_hours: float = 0.0
    tuning_checks: float = 0.0
    teacher_labels: float = 0.0
    teacher_hours: float = 0.0
    rating_hours: float = 0.0
    rating_checks: float = 0.0

    @property
    def assumed(self) -> bool:
        """Whether its accuracy is somebody's expectation."""
        return not self.seeds


def taken(study: Results, decisions: Decisions, prices: Prices) -> list[Taken]:
    """Every arm of the panels that a study's answer speaks of, and those that the prices file assumes.

    Raises:
        RftlabError: an arm is assumed that was run, or of a task that is not there, or there is no base to gain on.
    """
    panels = chosen_panels(decisions)
    found = [each for panel in panels for each in _of_panel(study, decisions, panel)]
    for assumed in prices.assumed:
        there = [panel for panel in panels if assumed.task in ("", panel[0])]
        if not there:
            names = ", ".join(dict.fromkeys(panel[0] for panel in panels)) or "none"
            raise RftlabError(f"assumed: there is no task {assumed.task!r}; the study has: {names}")
        for panel in there:
            if any((each.panel, each.method, each.labels) == (panel, assumed.method, assumed.labels) for each in found):
                raise RftlabError(
                    f"assumed: {assumed.method} at {assumed.labels} labels was run on {panel[0]}; leave it out, its "
                    "records say more"
                )
            base = decisions.level(Place(*panel, 0), decisions.base(Place(*panel, 0)))
            found.append(_assumed(assumed, panel, base.mean.estimate if base else prices.base_accuracy))
    return found


def assumed_alone(prices: Prices) -> list[Taken]:
    """The arms that the prices file assumes, where there are no records.

    Raises:
        RftlabError: there are none.
    """
    if not prices.assumed:
        raise RftlabError(
            "there are no records, and the prices file assumes no arm; give a results folder, or assumed:"
        )
    return [_assumed(each, (each.task, "", "", ""), prices.base_accuracy) for each in prices.assumed]


def _of_panel(study: Results, decisions: Decisions, panel: Panel) -> Iterator[Taken]:
    cells = study.cells
    here = pd.concat([cells, panel_bases(cells)]) if not cells.empty else cells
    here = here[(here[PANEL] == list(panel)).all(axis=1)]
    development = {
        record.id: record.parameters.development_items * (record.parameters.development == "apart")
        for record in study.records
    }
    tuned_by = {record.id: record.parameters.tuned_by for record in study.records}
    stage = costs_of_stage(study.where)
    for level in decisions.levels:
        if level.measure != decisions.decides or level.place[:4] != panel or not level.trained:
            continue
        if family_of(level.method) == "control":  # nobody trains with a coin
            continue
        rows = here[(here["arm"] == level.arm) & (here["labels"] == level.place.labels)]
        if len(rows):
            tuned = stage.get(next((name for cell in rows["id"] if (name := tuned_by.get(cell))), ""), {})
            seconds = tuned.get("seconds", 0.0) + tuned.get("evaluation_seconds", 0.0)
            yield _measured(rows, level, decisions, development)._replace(
                tuning_hours=seconds / 3600, tuning_checks=float(tuned.get("verifier_calls", 0.0))
            )


def _measured(rows: pd.DataFrame, level: Level, decisions: Decisions, development: dict[str, int]) -> Taken:
    first, entry = rows.iloc[0], find(METHODS, level.method, "method")[0]
    labels = level.place.labels
    shots = dict(first["settings"]).get("shots", "" if first["preset"] else entry.shots)
    if entry.shots and isinstance(shots, int):
        labels = min(shots, labels)  # of shots that were chosen on the labels, all labels were needed
    pairs = bool(dict(first["settings"]).get("pairs_file"))
    steps = entry.needs_rationales and bool(first["cot"]) and not pairs
    spent = pd.DataFrame({"run": _numbers(rows, "seconds"), "trials": _numbers(rows, "tuning_seconds").fillna(0)})
    hours = stats.t_interval(spent.sum(axis=1, min_count=1) / 3600, bounds=(0.0, 1e9))
    checks = _mean(rows, "verifier_calls")
    apart = [development.get(cell, 0) for cell in rows["id"]] if trains(level.method) else [0]
    place = level.place
    gain = decisions.between(place, level.arm, decisions.base(place))
    difference = gain.difference if gain else Interval(nan, nan, nan, 0)
    return Taken(
        place[:4], level.arm, level.method, family_of(level.method), level.place.labels, labels,
        sum(apart) / len(apart), labels * steps, labels * pairs, float(first["prompts"]), checks,
        checks > 0 or bool(entry.prompts and not entry.teacher), hours, level.mean, difference,
        gain.word if gain else "open", len(level.seeds), teacher_labels=level.teacher_labels,
        teacher_hours=_mean(rows, "teacher_training_seconds") / 3600,
        rating_hours=_mean(rows, "pass_rate_seconds") / 3600, rating_checks=_mean(rows, "pass_rate_verifier_calls"),
    )  # fmt: skip


def _mean(rows: pd.DataFrame, name: str) -> float:
    """Over seeds, 0 where a record says nothing."""
    return float(_numbers(rows, name).fillna(0).mean())


def _numbers(rows: pd.DataFrame, name: str) -> "pd.Series[float]":
    return pd.to_numeric(rows[name]) if name in rows else pd.Series(nan, index=rows.index)


def _assumed(arm: Assumed, panel: Panel, base: float | None) -> Taken:
    if base is None:
        raise RftlabError(f"assumed: {arm.method} gains on the untrained base, which was not run; give base_accuracy")
    entry = METHODS[arm.method]
    gain = Interval(arm.accuracy - base, arm.low - base, arm.high - base, 0)
    return Taken(
        panel, arm.method, arm.method, entry.family, arm.labels, arm.labels, 0.0, arm.labels * entry.needs_rationales,
        0.0, 0.0, 0.0, bool(entry.prompts), Interval(arm.machine_hours, nan, nan, 0),
        Interval(arm.accuracy, arm.low, arm.high, 0), gain, "", 0,
    )  # fmt: skip
