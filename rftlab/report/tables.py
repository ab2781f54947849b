"""From records to tables: one row per cell, means with intervals, per-item outcomes, learning curves.

What is drawn or compared together is a *panel*: same task, model, variant and prompt. Within a panel the lines are
*arms*: a method, or a method with a swept setting. Nothing is averaged over anything but seeds.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rftlab import record, stats
from rftlab.answer.contracts import waivers
from rftlab.answer.survey import Place, Survey, survey
from rftlab.cell import parameter_names
from rftlab.contract import SEEDS, SEEDS_OF_SAMPLING
from rftlab.record import Record
from rftlab.record.tables import table
from rftlab.registry import METHODS

BASE = "base"
UNTRAINED = frozenset(name for name, entry in METHODS.items() if not entry.uses_labels) | {BASE}
"""Methods that do not train on labels, and so have no label budget."""
PANEL = ["task", "model", "variant", "prompt"]
SHOWN_IN = "shown_in"
"""Column of the variants that show a cell: several for an untrained one that stands beside each of them."""
MEASURES = (
    "accuracy", "sampled_accuracy", "train_accuracy", "ood_accuracy", "accuracy_lenient", "pass_at_2", "pass_at_4",
    "pass_at_8", "format_rate", "truncation_rate",
)  # fmt: skip
_PASS_AT = "pass_at_"
_AXES = ["task", "model", "method", "labels", "cot", "cot_eval", "seed"]
_CURVE_BUDGETS = 4
_LEARNING_COSTS = ("tokens_generated", "tokens", "flops", "seconds")


class Study(NamedTuple):
    """What a report is made of: records, what is not counted, the table of `read_cells`, and who stands beside whom."""

    records: list[Record]
    damaged: list[record.Damage]
    cells: pd.DataFrame
    survey: Survey


def read_cells(results: str | Path, waive: str | Iterable[str] = ()) -> pd.DataFrame:
    """`rftlab.load` with the columns the report groups by: prompt, arm and variant.

    prompt says in words how a policy was trained and asked. Cells that agree on task, model, method, labels, cot and
    seed but not in another parameter must not be averaged: if several methods sweep that parameter it goes into
    ``variant`` (`adapter.r=8`), if one alone does, into that method's ``arm`` (`grpo [preset=deepseek]`). Cells whose
    contracts refuse a comparison get other variants too, so that nothing shows them side by side.

    Args:
        results: a grid's results folder.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    return read_study(results, waive).cells


def read_study(results: str | Path, waive: str | Iterable[str] = ()) -> Study:
    """The records of a results folder, the table of `read_cells`, and what their contracts say of each other."""
    waive = waivers(waive)
    records, damaged = record.read_sound(results)
    cells = table(records, results)
    for measure in MEASURES:
        cells[measure] = pd.to_numeric(cells[measure]) if measure in cells else np.nan
    for axis in ("tokens_generated", "tokens_trained", "flops", "seconds"):
        cells[axis] = pd.to_numeric(cells[axis]) if axis in cells else np.nan
    cells["tokens"] = cells["tokens_generated"] + cells["tokens_trained"]
    cells["prompt"] = [prompt_name(*both) for both in zip(cells["cot"], cells["cot_eval"], strict=True)]
    cells["variant"], cells["arm"] = "", cells["method"].astype(str)
    for _, part in cells.groupby(["task", "model"]):
        _mark_swept(cells, part)
    places = zip(cells["id"], map(Place, cells["variant"], cells["arm"]), strict=True)
    found = survey(records, dict(places), waive)
    cells[SHOWN_IN] = [found.variants[cell] for cell in cells["id"]]
    cells["variant"] = [variants[0] if len(variants) == 1 else "" for variants in cells[SHOWN_IN]]
    return Study(records, damaged, cells, found)


def measured(cells: pd.DataFrame) -> list[str]:
    """Measures that any cell has, pass@k in order of k."""
    passes = [name for name in map(str, cells) if name.startswith(_PASS_AT)]
    passes.sort(key=lambda name: int(name.removeprefix(_PASS_AT)))
    others = [name for name in MEASURES if name not in passes]
    return [name for name in (*others, *passes) if name in cells and cells[name].notna().any()]


def unmeasured(cells: pd.DataFrame) -> list[str]:
    """What no cell measured, each with the parameter that asks for it."""
    lacking = {
        "sampled accuracy and pass@k": ("sampled_accuracy", "evaluation.sampled_items is 0"),
        "out-of-distribution accuracy": ("ood_accuracy", "evaluation.ood_items is 0, or the task has none"),
        "train accuracy": ("train_accuracy", "nothing was trained on labels"),
    }
    found = set(measured(cells))
    said = [f"{name} ({why})" for name, (measure, why) in lacking.items() if measure not in found]
    return [*said, *(["learning curves (evaluation.along_the_way is 0)"] if not _along(cells) else [])]


def _along(cells: pd.DataFrame) -> bool:
    return bool(cells["evaluation.along_the_way"].any())


def overview(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a cell for people: what it is and what was measured; empty where a cell did not measure it."""
    shown = ["task", "method", "labels", "prompt", "seed"]
    numbers = [m for m in ("accuracy", "sampled_accuracy", "train_accuracy") if m in measured(cells)]
    texts = cells[[*numbers, "seconds"]].map(lambda value: "" if pd.isna(value) else f"{value:.3g}")
    return cells[shown].join(texts)


def prompt_name(cot: bool, cot_eval: bool) -> str:
    """`direct`, `chain-of-thought`, or in words how the two differ."""
    if cot == cot_eval:
        return "chain-of-thought" if cot else "direct"
    return (
        "direct in training, asked for chain-of-thought" if cot_eval else "chain-of-thought in training, asked directly"
    )


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


def summary(cells: pd.DataFrame, results: str | Path, measures: Sequence[str] = ()) -> pd.DataFrame:
    """Tidy table for `rftlab.plots`: PANEL, arm, labels, measure, mean, low, high, n and `over`.

    Intervals are 95 % t over seeds. A base that answers greedily is the same for every seed: its interval is over test
    items instead, and ``over`` says so. Panels hold their base at 0 labels.

    Args:
        cells: from `read_cells`.
        results: the grid's folder, for per-item outcomes.
        measures: which; empty takes all that were measured.
    """
    measures = measures or measured(cells)
    untrained = is_base(cells)
    rows = pd.concat([cells[~untrained], panel_bases(cells)] if untrained.any() else [cells], ignore_index=True)
    by = [*PANEL, "arm", "labels"]
    tables = [stats.summarise(rows, by, m, bounds=(0, 1)).assign(measure=m) for m in measures if m in rows]
    table = pd.concat(tables, ignore_index=True).assign(over="seeds")
    of_base = table["arm"].map(dict(zip(rows["arm"], rows["method"], strict=True))) == BASE
    lacking = of_base & table["low"].isna() & (table["measure"] == "accuracy")
    for index in table.index[lacking]:
        row = table.loc[index]
        same = rows[(rows[by] == row[by]).all(axis=1)]
        found = stats.items_interval(list(outcomes(results, same["id"].iloc[0]).values()))
        table.loc[index, ["low", "high", "over"]] = [found.low, found.high, "items"]  # type: ignore[index, assignment]
    return table


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


def cost_table(cells: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Greedy accuracy rows of ``table`` with mean flops, tokens and seconds of training over the same seeds."""
    spent = cells.groupby([*PANEL, "arm", "labels"], as_index=False)[["flops", "tokens", "seconds"]].mean()
    return table[table["measure"] == "accuracy"].merge(spent, how="left", on=[*PANEL, "arm", "labels"])


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
    trained = cells[~is_base(cells)]
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


def _mean_curve(rows: pd.DataFrame, numbers: Sequence[str]) -> pd.DataFrame:
    """Means of ``numbers`` over seeds at the shares that the seed with most rows has, within those all seeds cover."""
    seeds = [seed for _, seed in rows.groupby("id")]
    first, last = max(seed["share"].iloc[0] for seed in seeds), min(seed["share"].iloc[-1] for seed in seeds)
    shares = max(seeds, key=len)["share"].clip(first, last).unique()
    read = [[np.interp(shares, seed["share"], seed[number]) for number in numbers] for seed in seeds]
    return pd.DataFrame(np.mean(read, axis=0).T, columns=list(numbers)).assign(n=len(seeds))


@lru_cache(maxsize=20_000)
def outcomes(results: str | Path, cell: str) -> Mapping[str, float]:
    """Reward of a cell's greedy answer to each test item, by item id; empty if the cell kept no samples."""
    lines = read_lines(results, cell, record.SAMPLES, containing='"part": "test"')
    return {line["item"]: float(line["reward"]) for line in lines if line["part"] == "test"}


def item_table(results: str | Path, cells: pd.DataFrame) -> pd.DataFrame:
    """Columns seed, item, value for `stats.paired_difference`: one row per cell and test item; a seed is all of SEEDS.

    Cells of several label budgets may be given: an item then appears once per budget. Cells without samples come in as
    one item, their accuracy.
    """
    rows = [
        (seed, item, value)
        for cell, accuracy, *seeds in cells[["id", "accuracy", *SEEDS]].itertuples(index=False, name=None)
        for seed in [" ".join(map(str, seeds))]
        for item, value in (outcomes(results, cell) or {"all": accuracy}).items()
    ]
    return pd.DataFrame(rows, columns=["seed", "item", "value"])


def difference(
    results: str | Path, trained: pd.DataFrame, other: pd.DataFrame, spread: stats.Spread | None = None
) -> stats.Difference:
    """Trained cells minus others, paired over test items and seeds; an untrained one has every seed it fits.

    Args:
        results: a grid's results folder.
        trained: cells of one arm, at one label budget or several, over which they are averaged.
        other: cells of another arm at the same, or untrained ones.
        spread: `seed_spread` of the two arms.
    """
    if spread:  # the mean of several budgets spreads less: seeds of one budget tell nothing of those of another
        spread = stats.Spread(spread.variance / trained["labels"].nunique(), spread.freedom)
    return stats.paired_difference(*_item_tables(results, trained, other), pooled=spread)


def seed_spread(results: str | Path, trained: pd.DataFrame, other: pd.DataFrame) -> stats.Spread:
    """How much the difference of two arms varies from seed to seed, pooled over all label budgets both have."""
    base = bool(is_base(other).all())
    sides = ((part, other if base else other[other["labels"] == n]) for n, part in trained.groupby("labels"))
    return stats.Spread.pooled(
        [stats.difference_spread(*_item_tables(results, *both)) for both in sides if len(both[1])]
    )


def _item_tables(results: str | Path, trained: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    if is_base(other).all():
        seeds = trained[list(SEEDS)].drop_duplicates()
        other = other[["id", "accuracy", *SEEDS_OF_SAMPLING]].merge(seeds, on=list(SEEDS_OF_SAMPLING))
    return item_table(results, trained), item_table(results, other)


def place(key: Iterable[Any]) -> str:
    """A panel's name in a sentence."""
    return ", ".join(str(part) for part in key if part)


def _mark_swept(cells: pd.DataFrame, part: pd.DataFrame) -> None:
    """Fill variant and arm for the cells of one task and model."""
    others = [name for name in parameter_names().values() if name not in {*_AXES, *SEEDS, "digests"}]
    twins = part[part.duplicated(_AXES, keep=False)]
    if twins.empty:
        return
    texts = twins[others].map(_text)
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
            cells.loc[rows.index, "arm"] = [f"{method} [{text}]" for text in _labels(rows, own)]


def _labels(rows: pd.DataFrame, names: Iterable[str]) -> list[str]:
    columns = [[f"{name}={_text(value)}" for value in rows[name]] for name in names]
    return [", ".join(parts) for parts in zip(*columns, strict=True)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def read_lines(results: str | Path, cell: str, name: str, containing: str = "") -> Iterable[dict[str, Any]]:
    """Rows of a cell's trace or samples; only the lines that hold the text ``containing``, which saves parsing."""
    return record.read_lines(record.cells_dir(Path(results)) / cell / name, containing)
