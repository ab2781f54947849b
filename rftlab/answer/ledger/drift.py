"""Claim 10: which method learns a changed rule at the smaller bill, where both go on from the same policy."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import PurePath
from statistics import fmean

import pandas as pd

from rftlab.answer.groups import listed
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tested, beside
from rftlab.answer.ledger.forgetting import ASKED
from rftlab.answer.ledger.view import COT, DIRECT, View
from rftlab.answer.outcomes import seed_table
from rftlab.answer.readings import Run, common_marks, read_runs
from rftlab.record import Record

NEW_LABELS = (0, 10, 30)
_KEPT = "retention_accuracy"


def drift(view: View) -> Iterator[Tested | Missing]:
    """10: area under accuracy on the new rule against FLOPs, RFT's minus SFT's, from the policy that both go on from.

    The area is the mean accuracy between the first and the last mark of training FLOPs at which every run of both can
    be read. Without new labels RFT trains on prompts alone, and SFT stays at the first mark. What is kept of the old
    rule is a part of its own.
    """
    rft, sft = view.role("rft"), view.role("sft")
    for panel in view.panels:
        if _begun(view, panel).empty:
            yield Missing(panel, "no arm goes on from a kept policy; docs/drift.md has a grid")
            continue
        tested = []
        for prompt in (COT, DIRECT):
            areas = _areas(view, panel, prompt, rft, sft)
            if not areas:
                continue

            def control(name: str, prompt: str = prompt, panel: Panel = panel) -> tuple[Contrast, ...]:
                return (Contrast(f"area of {name} minus {sft}", _areas(view, panel, prompt, name, sft)),)

            failed, notes = _unasked(areas), _parents(view, panel)
            arms = {rft: (Contrast(f"area of {rft} minus {sft}", areas),)}
            tested.append(view.tested(panel, prompt, arms, control, (rft, sft), failed=failed, notes=notes))
            if kept := view.pair(_KEPT, panel, prompt, rft, sft):
                arms = {rft: (Contrast(f"kept of the old rule, {rft} minus {sft}", kept),)}
                part, told = "what is kept of the old rule", _kept(view, panel, prompt, (rft, sft), list(kept))
                tested.append(
                    view.tested(
                        panel, prompt, arms, None, (rft, sft), part=part, primary=False,
                        failed=(*failed, *_not_the_old(view, panel)), notes=told, asked=ASKED,
                    )
                )  # fmt: skip
        yield from tested
        if not tested:
            yield Missing(
                panel, f"{rft} and {sft} have no two marks of training FLOPs in common; give evaluation.marks"
            )


def _begun(view: View, panel: Panel) -> pd.DataFrame:
    """The cells of a task that go on from a kept policy; that arms of a panel share it, their contracts say."""
    cells = view.results.cells
    return cells[(cells["task"] == panel.task) & (cells["model"] == panel.model) & (cells["start_from"] != "")]


def _areas(view: View, panel: Panel, prompt: str, first: str, second: str) -> dict[float, pd.DataFrame]:
    """New labels -> area of one arm minus that of another, a row a seed and a column an item."""
    cells, found = view.results.cells, {}
    for labels in view.budgets(view.decides, panel, prompt, first):
        ids = [cell for arm in (first, second) for cell in view.seeds(panel, prompt, arm, labels)]
        runs = read_runs(view.results.where, cells[cells["id"].isin(ids)], view.decides)
        marks = common_marks(runs, (first, second))
        if len(marks) < 2 or {run.arm for run in runs} != {first, second}:
            continue
        both = [_area([run for run in runs if run.arm == arm], marks) for arm in (first, second)]
        if (table := beside(*both)).size:
            found[float(labels)] = table
    alone = view.by_prompts(panel, prompt, first) if second == view.role("sft") else {}
    if alone and (table := _gain(view, panel, prompt, alone[max(alone)])).size:
        found[0.0] = table
    return found


def _gain(view: View, panel: Panel, prompt: str, arm: str) -> pd.DataFrame:
    """Area of an arm that had no new labels, less what it began with: SFT, with nothing to train on, stays there."""
    cells = view.results.cells
    runs = read_runs(view.results.where, cells[cells["id"].isin(list(view.seeds(panel, prompt, arm, 0)))], view.decides)
    marks = common_marks(runs, (arm,))
    if len(marks) < 2:
        return pd.DataFrame()
    return _area(runs, marks) - seed_table((run.seed, run.at[marks[0]]) for run in runs)


def _area(runs: Sequence[Run], marks: list[float]) -> pd.DataFrame:
    """Mean outcome between the first and the last mark, by straight lines between marks (trapezoids)."""
    tables = {mark: seed_table((run.seed, run.at[mark]) for run in runs) for mark in marks}
    pieces = [(right - left) / 2 * (tables[left] + tables[right]) for left, right in pairwise(marks)]
    return reduce(add, pieces) / (marks[-1] - marks[0])


def _unasked(areas: Mapping[float, pd.DataFrame]) -> tuple[str, ...]:
    absent = [f"{n}" for n in NEW_LABELS if n not in areas]
    return (f"no arms with {listed(absent)} new labels",) if absent else ()


def _started(view: View, panel: Panel) -> list[Record]:
    """The records of the policies that a panel's cells go on from, as far as they are in the study."""
    names = {PurePath(str(start)).name for start in _begun(view, panel)["start_from"]}
    return [record for record in view.results.records if record.id in names]


def _parents(view: View, panel: Panel) -> tuple[str, ...]:
    parents = _started(view, panel)
    if not parents:
        return ("all arms go on from the same policies",)
    mean = fmean(float(parent.metrics["accuracy"] or 0) for parent in parents)
    task = parents[0].parameters.task_name
    return (f"all arms of a seed go on from one policy; on {task} these reach {100 * mean:.0f} %",)


def _not_the_old(view: View, panel: Panel) -> tuple[str, ...]:
    asked = set(_begun(view, panel)["evaluation.retention"])
    old = {parent.parameters.task for parent in _started(view, panel)}
    return () if old and asked == old else ("evaluation.retention is not the old task alone",)


def _kept(view: View, panel: Panel, prompt: str, arms: tuple[str, ...], labels: list[float]) -> tuple[str, ...]:
    told = []
    for arm in arms:
        values = {n: [each for each in view.values(panel, prompt, arm, n, _KEPT) if each == each] for n in labels}
        told.append(f"{arm} {', '.join(f'{100 * fmean(v):.0f} % at {n:g}' for n, v in values.items() if v)}")
    return (f"accuracy on the old rule after it: {'; '.join(told)} new labels",)
