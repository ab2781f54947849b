"""Records read once: the results of a study, by what a reader calls them.

What is drawn or compared together is a *panel*: same task, model, variant and prompt. Within a panel the lines are
*arms*: a method, or a method with a swept setting. Nothing is averaged over anything but seeds.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rftlab import record
from rftlab.answer.contracts import waivers
from rftlab.answer.survey import Place, Survey, survey
from rftlab.cell import Cell, parameter_names
from rftlab.contract import SEEDS, SEEDS_OF_SAMPLING
from rftlab.errors import RftlabError
from rftlab.execute.results import read_grid
from rftlab.folds import Folds
from rftlab.plots.cells import prompt_name
from rftlab.record import Record, joined
from rftlab.record.tables import table
from rftlab.registry import METHODS

BASE = "base"
UNTRAINED = frozenset(name for name, entry in METHODS.items() if not entry.uses_labels) | {BASE}
"""Methods that do not train on labels, and so have no label budget."""
PANEL = ["task", "model", "variant", "prompt"]
SHOWN_IN = "shown_in"
"""Column of the variants that show a cell: several for an untrained one that stands beside each of them."""
MEASURES = (
    "accuracy", "sampled_accuracy", "train_accuracy", "ood_accuracy", "ood_rule_accuracy", "ood_surface_accuracy",
    "retention_accuracy", "score", "sampled_score", "train_score", "ood_score", "apart_accuracy", "apart_score",
    "reward_hacking_gap", "accuracy_lenient", "pass_at_2", "pass_at_4", "pass_at_8", "format_rate", "truncation_rate",
)  # fmt: skip
SCORES = {
    "score": "accuracy", "sampled_score": "sampled_accuracy", "train_score": "train_accuracy",
    "ood_score": "ood_accuracy", "apart_score": "apart_accuracy",
}  # fmt: skip
"""Mean rewards and the accuracies beside them: they differ only where a verifier gives partial credit."""
PASS_AT, MAJORITY_AT = "pass_at_", "majority_at_"
RETAINED = re.compile(r"retention_\w+_accuracy")
FLOPS_BEFORE = "flops_before"
"""What a cell's training rests on: FLOPs spent before it, which no budget counts."""
_BEFORE = ("tuning_flops", "pass_rate_flops", "teacher_training_flops")
_NONE = ("", "{}")
"""A preset or settings that a cell does not have: the arm of such cells goes by its method alone."""
_AXES = ["task", "model", "method", "labels", "prompts", "cot", "cot_eval", "seed"]


class Results(NamedTuple):
    """A study that was read: records, what is not counted, the table of `read_cells`, who stands beside whom, where."""

    records: list[Record]
    damaged: list[record.Damage]
    cells: pd.DataFrame
    survey: Survey
    where: Path


def read_results(results: str | Path, waive: str | Iterable[str] = ()) -> Results:
    """The records of a results folder, the table of `read_cells`, and what their contracts say of each other."""
    waive = waivers(waive)
    records, damaged = record.read_sound(results)
    cells = table(records, results)
    for measure in MEASURES:
        cells[measure] = pd.to_numeric(cells[measure]) if measure in cells else np.nan
    for axis in ("tokens_generated", "tokens_trained", "flops", "seconds"):
        cells[axis] = pd.to_numeric(cells[axis]) if axis in cells else np.nan
    cells[FLOPS_BEFORE] = cells.reindex(columns=list(_BEFORE)).apply(pd.to_numeric).sum(axis=1)
    dealt = {each.id: Folds.read(each.contract.get("match", {}).get("folds")) for each in records}
    cells["folds"] = [folds.count if (folds := dealt[cell]) else 0 for cell in cells["id"]]
    cells["fold_rows"] = [folds.rows if (folds := dealt[cell]) else 0 for cell in cells["id"]]
    cells["pool_rows"] = pd.to_numeric(cells["pool_rows"]).fillna(0).astype(int) if "pool_rows" in cells else 0
    cells["tokens"] = cells["tokens_generated"] + cells["tokens_trained"]
    cells["prompt"] = [prompt_name(*both) for both in zip(cells["cot"], cells["cot_eval"], strict=True)]
    cells["variant"], cells["arm"] = "", cells["method"].astype(str)
    for _, part in cells.groupby(["task", "model"]):
        _mark_swept(cells, part)
    cells["arm"] = [arm_name(*each) for each in cells[["arm", "prompts"]].itertuples(index=False)]
    places = zip(cells["id"], map(Place, cells["variant"], cells["arm"]), strict=True)
    found = survey(records, dict(places), waive, joined.studies_of(results))
    found = replace(found, origins=tuple(joined.notes(results)))
    cells[SHOWN_IN] = [found.variants[cell] for cell in cells["id"]]
    cells["variant"] = [variants[0] if len(variants) == 1 else "" for variants in cells[SHOWN_IN]]
    return Results(records, damaged, cells, found, Path(results))


def with_all_flops(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells whose FLOPs are those of training and of what came before it: pass rates, trials and choices, a teacher."""
    return cells.assign(flops=cells["flops"] + cells[FLOPS_BEFORE])


def measured(cells: pd.DataFrame) -> list[str]:
    """Measures that any cell has, pass@k and majority@k in order of k; a score only where it is no accuracy."""
    of_k = [name for name in map(str, cells) if name.startswith((PASS_AT, MAJORITY_AT))]
    of_k.sort(key=lambda name: (name.startswith(MAJORITY_AT), int(name.rpartition("_")[2])))
    retained = sorted(name for name in map(str, cells) if RETAINED.fullmatch(name))
    others = [name for name in MEASURES if name not in of_k and not (name in SCORES and _same(cells, name))]
    return [name for name in (*others, *retained, *of_k) if name in cells and cells[name].notna().any()]


def _same(cells: pd.DataFrame, score: str) -> bool:
    """Whether a score says nothing that its accuracy does not, in any cell: no reward was partial."""
    if not {score, SCORES[score]} <= set(cells):
        return True
    return not ((cells[score] - cells[SCORES[score]]).abs() > 1e-9).any()


def unfinished(results: Results) -> list[Cell]:
    """Cells of the grid last run in a study's folder that have left no record yet."""
    try:
        planned = read_grid(results.where).cells
    except RftlabError:
        return []
    done = {item.id for item in results.records}
    return [cell for cell in planned if cell.id not in done]


def is_base(cells: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows belong to methods that do not train on labels."""
    return cells["method"].isin(UNTRAINED)


def panel_bases(cells: pd.DataFrame) -> pd.DataFrame:
    """The untrained rows, repeated for every panel they are the reference of.

    The base has no training prompt: it belongs to each panel of its task and model that is asked as it was asked, and
    whose variants it may stand in (`SHOWN_IN`). Without trained rows it stays as it is.
    """
    untrained = is_base(cells)
    if untrained.all():
        return cells.assign(labels=0)
    panels = cells.loc[~untrained, [*PANEL, "cot_eval"]].drop_duplicates()
    bases = cells[untrained].drop(columns=["prompt", "variant"]).explode(SHOWN_IN)
    matched = panels.merge(bases.rename(columns={SHOWN_IN: "variant"}), on=["task", "model", "variant", "cot_eval"])
    return matched.drop_duplicates([*PANEL, "arm", *SEEDS_OF_SAMPLING]).assign(labels=0)


def arm_name(arm: str, prompts: int) -> str:
    """An arm's name, with the prompts without labels that it trains on."""
    return f"{arm} + {prompts} prompts" if prompts else arm


def place(key: Iterable[Any]) -> str:
    """A panel's name in a sentence."""
    return ", ".join(str(part) for part in key if part)


def _mark_swept(cells: pd.DataFrame, part: pd.DataFrame) -> None:
    """Fill variant and arm for the cells of one task and model."""
    others = [name for name in parameter_names().values() if name not in {*_AXES, *SEEDS, "digests", "tuned_by"}]
    twins = part[part.duplicated(_AXES, keep=False)]
    if twins.empty:
        return
    texts = twins[others].map(_text)
    texts.loc[twins["tuned_by"] != "", "learning_rates"] = ""  # they follow from what is swept
    texts.loc[twins["started_by"] != "", "start_from"] = ""  # it follows from the seed
    differ = texts.groupby([twins[axis] for axis in _AXES]).nunique() > 1
    by_method = differ.groupby(level="method").any()
    trained = by_method[~by_method.index.isin([BASE])]
    shared = [name for name in others if trained[name].sum() > 1]
    for method, rows in part.groupby("method"):
        swept = by_method.loc[method] if method in by_method.index else None
        own = [name for name in others if swept is not None and swept[name] and name not in shared]
        facets = shared if method != BASE else [name for name in shared if swept is not None and swept[name]]
        if facets:
            cells.loc[rows.index, "variant"] = _labels(rows, facets)
        if own:
            told = _labels(rows, own, without=_NONE)
            cells.loc[rows.index, "arm"] = [f"{method} [{text}]" if text else method for text in told]


def _labels(rows: pd.DataFrame, names: Iterable[str], *, without: Collection[str] = ()) -> list[str]:
    """What was swept, row by row; values that are ``without`` are not named."""
    columns = [
        [f"{name}={text}" if (text := _text(value)) not in without else "" for value in rows[name]] for name in names
    ]
    return [", ".join(filter(None, parts)) for parts in zip(*columns, strict=True)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
