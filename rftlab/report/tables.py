"""From results to tables: means with intervals, learning curves, costs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rftlab import record, stats
from rftlab.answer.comparisons import arms
from rftlab.answer.decisions import COMPARED, Decisions, Level, levels_of
from rftlab.answer.items import read_lines
from rftlab.answer.results import PANEL, Results, is_base, measured, panel_bases, with_all_flops
from rftlab.answer.survey import Survey
from rftlab.registry import trains

_CURVE_BUDGETS = 4
_PART = "train/part/"
_SIGNALS = {"train/completion_tokens": "length in tokens", "train/zero_std_groups": "groups alike"}
ASKED_BY = {
    "sampled_accuracy": ("sampled accuracy and pass@k", "evaluation.sampled_items is 0"),
    "ood_accuracy": ("out-of-distribution accuracy", "evaluation.ood_items is 0, or the task has none"),
    "train_accuracy": ("train accuracy", "nothing was trained on labels"),
    "retention_accuracy": ("retention", "evaluation.retention is empty, or the task names none"),
}
"""Measure -> its name, and why it may not have been measured."""
_LEARNING_COSTS = ("tokens_generated", "tokens", "flops", "seconds")


def unmeasured(cells: pd.DataFrame) -> list[str]:
    """What no cell measured, each with the parameter that asks for it."""
    found = set(measured(cells))
    said = [f"{name} ({why})" for measure, (name, why) in ASKED_BY.items() if measure not in found]
    return [*said, *(["learning curves (evaluation.along_the_way is 0)"] if not _along(cells) else [])]


def _along(cells: pd.DataFrame) -> bool:
    return bool(cells["evaluation.along_the_way"].any())


def overview(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a cell for people: what it is and what was measured; empty where a cell did not measure it."""
    shown = ["task", "method", "labels", "prompt", "seed"]
    numbers = [m for m in ("accuracy", "sampled_accuracy", "train_accuracy") if m in measured(cells)]
    texts = cells[[*numbers, "seconds"]].map(lambda value: "" if pd.isna(value) else f"{value:.3g}")
    return cells[shown].join(texts)


def summary(
    cells: pd.DataFrame, results: str | Path, measures: Sequence[str] = (), decisions: Decisions | None = None
) -> pd.DataFrame:
    """Tidy table for `rftlab.plots`: PANEL, arm, labels, measure, mean, low, high, n and `over`.

    Intervals are of 95 %, each for itself: for new seeds and new items where outcomes are known item by item, else t
    over seeds; ``over`` says which. Panels hold their base at 0 labels.

    Args:
        cells: from `read_cells`.
        results: the grid's folder, for per-item outcomes.
        measures: which; empty takes all that were measured.
        decisions: of these cells, if they are there: their intervals are not computed again.
    """
    measures = measures or measured(cells)
    untrained = is_base(cells)
    rows = pd.concat([cells[~untrained], panel_bases(cells)] if untrained.any() else [cells], ignore_index=True)
    by = [*PANEL, "arm", "labels"]
    folds = rows.reindex(columns=["folds"], fill_value=0)["folds"]
    rows["overlap"] = [stats.fold_overlap(int(count)) if count else 0.0 for count in folds]
    tables = [
        stats.summarise(rows, by, m, bounds=(0, 1), overlap="overlap").assign(measure=m) for m in measures if m in rows
    ]
    table = pd.concat(tables, ignore_index=True).assign(over="seeds")
    wanted = [measure for measure in measures if measure in COMPARED]
    crossed = _limits(decisions.levels) if decisions else _crossed(cells, results, wanted)
    keys = list(table[[*by, "measure"]].itertuples(index=False, name=None))
    for side, column in enumerate(("low", "high")):
        table[column] = [crossed.get(key, (low,) * 2)[side] for key, low in zip(keys, table[column], strict=True)]
    table["over"] = ["seeds and items" if key in crossed else "seeds" for key in keys]
    return table


def _crossed(
    cells: pd.DataFrame, results: str | Path, measures: Sequence[str]
) -> dict[tuple[Any, ...], tuple[float, float]]:
    """Limits for new seeds and new items of every mean that has outcomes by item, by PANEL, arm, labels and measure."""
    read = Results([], [], cells, Survey(), Path(results))
    return _limits(level for measure in measures for level in levels_of(arms(read, measure), measure))


def _limits(levels: Iterable[Level]) -> dict[tuple[Any, ...], tuple[float, float]]:
    return {(*lv.place[:4], lv.arm, lv.place.labels, lv.measure): (lv.mean.low, lv.mean.high) for lv in levels}


def label_budgets(cells: pd.DataFrame) -> list[str]:
    """What the trained cells were given, in words: `10, 50 labels + 50 for development`; one sentence a kind."""
    rows = cells[~is_base(cells)].reindex(columns=["labels", "development", "development_items"])
    rows["development_items"] = rows["development_items"].fillna(-1).astype(int)
    said: list[str] = []
    for (how, count), group in rows.groupby(["development", "development_items"], sort=False):
        items = int(str(count))
        labels = f"{', '.join(str(n) for n in sorted(group['labels'].unique()))} labels"
        if items < 0:
            said.append(f"{labels}; learning curves on test items, as recorded before there were development items")
        elif items == 0:
            said.append(f"{labels}; no development items")
        else:
            said.append(
                f"{labels}{' +' if how == 'apart' else ','} {items}{' of them' * (how != 'apart')} for development"
            )
    return said


def seed_points(cells: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Single seeds of the trained arms, as `value`, beside the columns of `summary`."""
    trained = cells[~is_base(cells)]
    return trained.melt([*PANEL, "arm", "labels", "seed"], list(measures), "measure", "value").dropna(subset="value")


def cost_table(cells: pd.DataFrame, table: pd.DataFrame, measure: str = "accuracy") -> pd.DataFrame:
    """Rows of one measure of ``table`` with what `mean_costs` has of them."""
    return table[table["measure"] == measure].merge(mean_costs(cells), how="left", on=[*PANEL, "arm", "labels"])


def mean_costs(cells: pd.DataFrame) -> pd.DataFrame:
    """Of every arm at every label budget mean flops, tokens and seconds of training over its seeds.

    FLOPs are also those of what came before training: pass rates, trials and choices in the cell, a teacher's training.
    """
    return (
        with_all_flops(cells).groupby([*PANEL, "arm", "labels"], as_index=False)[["flops", "tokens", "seconds"]].mean()
    )


def learning_axis(cells: pd.DataFrame) -> str:
    """Column of `learning_table` to draw learning curves over: the unit that all budgets count in, or "step"."""
    units = cells.loc[~is_base(cells), "budget.unit"].unique()
    return str(units[0]) if len(units) == 1 and units[0] in _LEARNING_COSTS else "step"


def learning_table(cells: pd.DataFrame, results: str | Path) -> pd.DataFrame:
    """Evaluations along the way and training rewards, mean over seeds, for at most four budgets from few to many.

    Budgets not counted in steps end, and are evaluated, at other places for every seed. So seeds are read at equal
    shares of what each of them spent, straight lines between its rows: the last row is the mean of final values, and
    where all seeds were evaluated at the same places, every row is a mean of what was measured.

    Columns: PANEL, arm, labels, kind ("eval", "train"), step, tokens_generated, tokens, flops, seconds, value, n; empty
    without traces.
    """
    trained = cells[~is_base(cells) & cells["method"].map(trains).astype(bool)]
    budgets = np.unique(trained["labels"])
    spread_out = np.linspace(0, max(len(budgets) - 1, 0), _CURVE_BUDGETS).round().astype(int)
    chosen = budgets[np.unique(spread_out)] if len(budgets) else budgets
    wanted = trained[trained["labels"].isin(chosen)].set_index("id")[[*PANEL, "arm", "labels"]]
    kinds = {"eval": "eval/accuracy", "train": "train/reward"}
    rows: list[tuple[Any, ...]] = []
    for cell in wanted.index:
        for line in read_lines(results, cell, record.TRACE):
            value = line.get(kinds.get(line.get("kind", ""), ""))
            if value is not None:
                generated = line.get("tokens_generated") or 0
                tokens = generated + (line.get("tokens_trained") or 0)
                cost = (generated, tokens, line.get("flops"), line.get("seconds"))
                rows.append((cell, line["kind"], line["step"], *cost, value))
    numbers = [*_LEARNING_COSTS, "value"]
    found = pd.DataFrame(rows, columns=["id", "kind", "step", *numbers])
    if not len(found):
        return found
    found[numbers] = found[numbers].astype(float)
    axis = learning_axis(cells)
    found["share"] = found[axis] / found.groupby("id")[axis].transform("max").replace(0, 1)
    curve = [*PANEL, "arm", "labels", "kind"]
    groups = found.merge(wanted, left_on="id", right_index=True).groupby(curve)
    means = groups[["id", "share", "step", *numbers]].apply(_mean_curve, ["step", *numbers])
    return means.reset_index(curve).reset_index(drop=True)


def signal_table(cells: pd.DataFrame, results: str | Path) -> pd.DataFrame:
    """Parts of the reward, length of completions and share of groups alike while training, means over seeds.

    Of every arm at its largest label budget. Columns: PANEL, arm, signal ("part: correct", "length", "groups alike"),
    step, value; empty if no trace has any.
    """
    trained = cells[~is_base(cells)]
    largest = trained.groupby([*PANEL, "arm"])["labels"].transform("max")
    wanted = trained[trained["labels"] == largest].set_index("id")[[*PANEL, "arm"]]
    rows = [
        (cell, _SIGNALS.get(name) or f"part: {name.removeprefix(_PART)}", line["step"], float(value))
        for cell in wanted.index
        for line in read_lines(results, cell, record.TRACE, containing='"train/')
        for name, value in line.items()
        if (name in _SIGNALS or name.startswith(_PART)) and value is not None
    ]
    found = pd.DataFrame(rows, columns=["id", "signal", "step", "value"])
    if not len(found) or set(found["signal"]) == {_SIGNALS["train/completion_tokens"]}:
        return found.iloc[:0]
    by = [*PANEL, "arm", "signal", "step"]
    return found.merge(wanted, left_on="id", right_index=True).groupby(by)["value"].mean().reset_index()


def _mean_curve(rows: pd.DataFrame, numbers: Sequence[str]) -> pd.DataFrame:
    """Means of ``numbers`` over seeds at the shares that the seed with most rows has, within those all seeds cover."""
    rows = rows.sort_values("id", kind="stable")
    names = rows["id"].to_numpy()
    table = rows[["share", *numbers]].to_numpy(float)
    seeds = np.split(table, np.flatnonzero(names[1:] != names[:-1]) + 1)
    first, last = max(seed[0, 0] for seed in seeds), min(seed[-1, 0] for seed in seeds)
    shares = np.unique(np.clip(max(seeds, key=len)[:, 0], first, last))
    read = [[np.interp(shares, seed[:, 0], values) for values in seed[:, 1:].T] for seed in seeds]
    return pd.DataFrame(np.mean(read, axis=0).T, columns=list(numbers)).assign(n=len(seeds))
