"""The four numbers under the answer, and what a page says of its cells, methods, rates, contract and versions."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pandas as pd

from rftlab import plots, record
from rftlab.answer import contracts, phrases
from rftlab.answer.choices import Panel, choices, named_arms
from rftlab.answer.decisions import Decision, Decisions
from rftlab.answer.results import PANEL
from rftlab.answer.results import place as place_name
from rftlab.answer.tuning import read_tuning
from rftlab.contract import SEEDS
from rftlab.execute.folders import KERNEL_LOG
from rftlab.record import Record
from rftlab.registry import METHODS, family_of

MOST_CELLS = 1000
"""Rows of the table of cells; the rest is in cells.csv."""
LOUD = 6
"""With more arms than this in a panel, only some are in colour."""


class Number(NamedTuple):
    """One of the four numbers under the answer."""

    value: str
    meaning: str


def numbers(decisions: Decisions) -> list[Number]:
    """Labels needed, effect of chain-of-thought, cost ratio, what the trust rests on; what is unknown is left out."""
    panels = phrases.chosen_panels(decisions)
    found = (_labels(decisions, panels), _prompt(decisions, panels), _cost(decisions, panels), _trust(decisions))
    return [number for number in found if number]


def _labels(decisions: Decisions, panels: Sequence[Panel]) -> Number | None:
    needed = {}
    for panel in panels:
        found = choices(decisions, panel)
        used = [choice.labels for choice in found if choice.kind in ("use", "alike") or choice.lifting]
        if used:
            needed[panel] = min(used)
    if not needed:
        return Number("not decided", "labels from which training is advised") if panels else None
    low, high = min(needed.values()), max(needed.values())
    span = f"{low} labels" if low == high else f"{low} to {high} labels"
    tasks = f", in {len(needed)} of {len(panels)} tasks" if len(needed) < len(panels) else ""
    return Number(span, f"smallest budget at which training is advised{tasks}")


def _prompt(decisions: Decisions, panels: Sequence[Panel]) -> Number | None:
    effects = [
        effect
        for panel in panels
        for here in decisions.places((*panel[:3], "chain-of-thought"))
        for arm in named_arms(decisions, here)
        if (effect := decisions.of_prompts(here, arm)) and effect.difference.seeds
    ]
    if not effects:
        return None
    ends = sorted(round(100 * effect.difference.estimate) for effect in effects)
    span = f"{ends[0]:+d}" if ends[0] == ends[-1] else f"{ends[0]:+d} to {ends[-1]:+d}"
    words = [effect.word for effect in effects]
    told = ", ".join(f"{word} in {words.count(word)}" for word in dict.fromkeys(words))
    return Number(f"{span} points", f"chain-of-thought against direct: {told} of {len(words)}")


def _cost(decisions: Decisions, panels: Sequence[Panel]) -> Number | None:
    """The dearest named arm against the cheapest, in each task the mean over budgets, as the answer above says it."""
    places = [decisions.places(panel) for panel in panels]
    spent = {
        (here, arm): level.spent
        for here in chain.from_iterable(places)
        for arm in named_arms(decisions, here)
        if (level := decisions.level(here, arm)) and level.spent > 0
    }
    arms = list(dict.fromkeys(arm for _, arm in spent))
    if len(arms) < 2:
        return None
    means = {arm: fmean(value for (_, other), value in spent.items() if other == arm) for arm in arms}
    dear, cheap = max(arms, key=means.__getitem__), min(arms, key=means.__getitem__)
    ratios = [
        [spent[place, dear] / spent[place, cheap] for place in here if {(place, dear), (place, cheap)} <= spent.keys()]
        for here in places
    ]
    told = [f"{value:.2g}" for value in sorted(fmean(each) for each in ratios if each)]
    if not told:
        return None
    span = told[0] if told[0] == told[-1] else f"{told[0]} to {told[-1]}"
    return Number(f"{span} times", f"training FLOPs of {plots.title(dear)} against {plots.title(cheap)}")


def _trust(decisions: Decisions) -> Number | None:
    found = [d for d in decisions.decisions if d.measure == decisions.decides and d.difference.seeds]
    named = [d for d in found if d.family == "confirmatory"] or found
    if not named:
        return None
    seeds, items = (sorted({getattr(d.difference, name) for d in named}) for name in ("seeds", "items"))
    looks = sorted({d.look for d in named if d.look})
    span = " x ".join(
        str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}" for values in (seeds, items)
    )
    of = "folds x test items of the same rows" if decisions.overlap(()) else "seeds x test items"
    return Number(span, f"{of}{f'; {looks[0]}' if looks else ''}")


def is_tiny(cells: pd.DataFrame) -> bool:
    """Whether every cell is of the tiny base, which says nothing of large models."""
    return bool((cells["model"] == "tiny-base").all())


def loud(decisions: Decisions, panel: Panel) -> frozenset[str]:
    """Arms of a panel that are drawn in colour; empty means all of them.

    Beyond `LOUD` arms these are: what the plan names, if that is no more; what is advised; the highest mean of each
    family but the controls at its largest budget; the base.
    """
    levels = [lv for lv in decisions.levels if lv.place[:4] == panel and lv.measure == decisions.decides]
    if len({level.arm for level in levels}) <= LOUD:
        return frozenset()
    chosen = {arm for choice in choices(decisions, panel) if choice.kind in ("use", "alike") for arm in choice.arms[:1]}
    best: dict[str, tuple[int, float, str]] = {}
    for level in levels:
        reached = (level.place.labels, level.mean.estimate, level.arm)
        if (family := family_of(level.method)) != "control":
            best[family] = max(best.get(family, reached), reached)
    bases = {level.arm for level in levels if level.method == "base"}
    named = {level.arm for level in levels if level.method in decisions.plan.arms({lv.method for lv in levels})}
    if len(named) > LOUD:
        named = set()
    return frozenset({*chosen, *bases, *named, *(arm for _, _, arm in best.values())})


def prompts_2x2(decisions: Decisions) -> list[dict[str, Any]]:
    """Means by how an arm was trained and asked, a row an arm and label budget of a task.

    Keys: task, model, variant, labels, arm, and for every prompt there is: prompts (name -> mean, low, high), effect
    (a decision of `Decisions.of_prompts`, or None).
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for level in decisions.levels:
        if level.measure != decisions.decides:
            continue
        task, model, variant, prompt, labels = level.place
        row = rows.setdefault(
            (task, model, variant, labels, level.arm),
            {"task": task, "model": model, "variant": variant, "labels": labels, "arm": plots.title(level.arm),
             "prompts": {}, "effect": None},
        )  # fmt: skip
        row["prompts"][prompt] = {"mean": level.mean.estimate, "low": level.mean.low, "high": level.mean.high}
        row["effect"] = row["effect"] or _told(decisions.of_prompts(level.place, level.arm))
    return [row for _, row in sorted(rows.items()) if len(row["prompts"]) > 1]


def _told(effect: Decision | None) -> dict[str, str] | None:
    if effect is None or not effect.difference.seeds:
        return None
    return {"word": effect.word, "points": phrases.interval(effect.difference), "family": effect.family}


def prompts_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The prompts of `prompts_2x2`, as trained first."""
    names = {name for row in rows for name in row["prompts"]}
    return sorted(names, key=lambda name: (len(name), name))


def cell_rows(cells: pd.DataFrame, results: Path) -> list[dict[str, Any]]:
    """Rows of the table of all cells, at most `MOST_CELLS`, each with the files of its folder that are there."""
    order = [*PANEL, "labels", "arm", "seed"]
    rows = []
    for cell in cells.sort_values(order).head(MOST_CELLS).to_dict("records"):
        folder = record.cells_dir(results) / str(cell["id"])
        files = {name: f"../cells/{cell['id']}/{name}" for name in (record.RECORD, record.NOTEBOOK, KERNEL_LOG)
                 if (folder / name).is_file()}  # fmt: skip
        rows.append({**cell, "name": plots.title(str(cell["arm"])), "files": files})
    return rows  # type: ignore[return-value]


def sensitivity(results: Path) -> list[dict[str, Any]]:
    """What the tuning stage found, a row a learning rate of an arm and stage; none where there was no stage.

    Keys: arm, stage, rate, chosen, added, mean, error, behind, behind_error, seeds, stopped, interior, margin,
    margin_error, runner_up; numbers may be None.
    """
    rungs = read_tuning(results).rungs
    rows = []
    for rung in rungs.astype(object).where(rungs.notna(), None).to_dict("records"):
        prompt = "chain-of-thought" if rung["cot"] else "direct"
        where = place_name((rung["task"].rpartition("/")[2], rung["preset"], f"{rung['labels']} labels", prompt))
        rows.append({**rung, "arm": plots.title(str(rung["method"])), "where": where})
    return rows  # type: ignore[return-value]


def chosen(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What methods that train nothing chose on their labels: a row a cell, prompts word by word.

    Keys: arm, where, settings (name and value), tried, right (in [0, 1]), items, accuracy (on test items, or None).
    """
    rows = []
    for item in records:
        cell, settings = item.parameters, item.contract.get("arm", {}).get("chosen")
        if not isinstance(settings, Mapping):  # there was nothing to choose
            continue
        tried = [trial for trial in item.tuning if "settings" in trial]
        taken: Mapping[str, Any] = next((trial for trial in tried if trial.get("chosen")), {})
        prompt = "chain-of-thought" if cell.cot_eval else "direct"
        where = (cell.task_name.rpartition("/")[2], f"{cell.labels} labels", prompt, f"seed {cell.seed}")
        rows.append(
            {
                "arm": plots.title(cell.method_name), "where": place_name(where), "settings": list(settings.items()),
                "tried": len(tried), "right": taken.get("validation_accuracy"), "items": taken.get("validation_items"),
                "accuracy": item.metrics.get("accuracy"),
            }
        )  # fmt: skip
    return rows


def methods(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """The study's methods, each in a sentence."""
    return [
        (plots.title(name), METHODS[name].summary if name in METHODS else "a method of the user's own")
        for name in sorted(cells["method"].unique())
    ]


def uneven(cells: pd.DataFrame) -> list[str]:
    """Arms with fewer seeds than the best equipped one: their intervals are wider, or missing."""
    by = [*PANEL, "arm", "labels"]
    seeds = cells.drop_duplicates([*by, *SEEDS]).groupby(by).size()
    few = seeds[seeds < seeds.max()]
    return [f"{', '.join(str(part) for part in key if part != '')}: {n} of {seeds.max()}" for key, n in few.items()]  # type: ignore[attr-defined]


def varying_contract(records: Sequence[Record]) -> list[tuple[str, int, str]]:
    """Contract field, how many values it takes over the grid, and the value where there is just one."""
    values: dict[str, dict[str, None]] = {}
    for item in records:
        for name, value in zip(contracts.MATCH, contracts.terms(item).values, strict=True):
            if value not in (None, contracts.NA_TEXT):
                values.setdefault(name, {})[value] = None
    return [
        (name, len(found), contracts.shorten(next(iter(found)), 90) if len(found) == 1 else "")
        for name, found in values.items()
    ]


def environments(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What the cells ran on: each fact with all values it took."""
    facts: dict[str, dict[str, None]] = {}
    for item in records:
        for name, value in item.environment.items():
            opened = value.items() if isinstance(value, dict) else [(name, value)]
            for key, one in opened:
                if one is not None:
                    facts.setdefault(str(key), {})[str(one)] = None
    return [(name, ", ".join(values)) for name, values in facts.items()]
