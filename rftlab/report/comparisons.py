"""Comparisons in words: which method, by how much, with which interval; or "inconclusive"."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rftlab import record, stats
from rftlab.errors import RftlabError
from rftlab.plots import title
from rftlab.record import Record
from rftlab.report import leaders
from rftlab.report.tables import PANEL, UNTRAINED, is_base, item_table, panel_bases, place, read_cells

FEW = 100
SFT_METHODS = frozenset({"sft", "rejection_sft"})
RFT_METHODS = frozenset({"grpo", "rloo", "ppo", "trpo", "acer", "sac", "ddpg"})
TINY_NOTE = (
    "Tiny base: what tuning sharpens here was built in on purpose when the model was pretrained. "
    "Nothing measured on it is evidence about large models."
)


class Refusal(NamedTuple):
    """Two methods that must not be compared, and the contract fields in which they differ."""

    task: str
    model: str
    cot_eval: bool
    fields: tuple[str, ...]
    methods: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{' and '.join(self.methods)} cannot be compared on {self.task} ({self.model}): their contracts differ in "
            f"{', '.join(self.fields)}; run them with the same {', '.join(self.fields)}"
        )


def comparable(records: Sequence[Record], variants: Mapping[str, str] | None = None) -> None:
    """Check that methods which will be set side by side were run under one contract.

    Every field of the contract must be equal across methods at the same task, model, labels, prompt and seed; the
    untrained base is held against all budgets. A field that is None does not apply and matches anything.

    Args:
        records: any number; one pass over them.
        variants: cell id -> variant; cells of different variants are not set side by side.

    Raises:
        RftlabError: some differ; the sentence names the fields.
    """
    found = refusals(records, variants or {})
    if found:
        raise RftlabError("; ".join(str(refusal) for refusal in found))


def refusals(records: Sequence[Record], variants: Mapping[str, str]) -> list[Refusal]:
    """What `comparable` would complain of, one entry per task, model, prompt and set of methods."""
    groups: dict[tuple[Any, ...], dict[str, list[Mapping[str, Any]]]] = {}
    bases: dict[tuple[Any, ...], dict[str, list[Mapping[str, Any]]]] = {}
    for item in records:
        cell = item.cell
        asked = (cell["task"], cell["model"], cell["cot_eval"], cell["seed"])
        if cell["method"] in UNTRAINED:
            bases.setdefault(asked, {}).setdefault(cell["method"], []).append(item.contract)
        else:
            group = groups.setdefault((*asked, variants.get(item.id, ""), cell["cot"], cell["labels"]), {})
            group.setdefault(cell["method"], []).append(item.contract)
    found: dict[tuple[str, str, bool, tuple[str, ...]], set[str]] = {}
    for key, by_method in groups.items():
        every = {**by_method, **({} if key[4] else bases.get(key[:4], {}))}
        for first, second in combinations(sorted(every), 2):
            fields = {f for a, b in product(every[first], every[second]) for f in _differing(a, b)}
            if fields:
                found.setdefault((*key[:3], (first, second)), set()).update(fields)
    return [Refusal(t, m, c, tuple(sorted(fields)), methods) for (t, m, c, methods), fields in found.items()]


def set_apart(cells: pd.DataFrame, found: Sequence[Refusal]) -> pd.DataFrame:
    """Give every method of a refused comparison a panel of its own, so that no figure shows them side by side."""
    cells = cells.copy()
    for refusal in found:
        rows = (cells["task"] == refusal.task) & (cells["model"] == refusal.model)
        rows &= (cells["cot_eval"] == refusal.cot_eval) & ~cells["variant"].str.contains("alone (", regex=False)
        alone = cells.loc[rows, "arm"] + f" alone (other {', '.join(refusal.fields)})"
        cells.loc[rows, "variant"] = (cells.loc[rows, "variant"] + ", " + alone).str.removeprefix(", ")
    return cells


def compare_all(cells: pd.DataFrame, results: str | Path) -> pd.DataFrame:
    """The best arm against every other arm and the base, in each panel and at each label budget.

    Columns: PANEL, labels, first (the best by mean accuracy), second, difference, low, high, p, p_holm (adjusted within
    the panel), seeds, items, covers, outcome, verdict, best_accuracy, second_accuracy. The best arm was picked on the
    same data, which flatters its lead a little.
    """
    rows: list[dict[str, Any]] = []
    trained, bases = cells[~is_base(cells)], panel_bases(cells)
    for key, panel in trained.groupby(PANEL):
        reference = _pick_panel(bases, key)
        for labels, group in panel.groupby("labels"):
            ranked = group.groupby("arm")["accuracy"].mean().sort_values(ascending=False, kind="stable").dropna()
            rivals = [(arm, group[group["arm"] == arm]) for arm in ranked.index]
            rivals += [(arm, rows) for arm, rows in reference.groupby("arm")]
            tables = {arm: item_table(results, part) for arm, part in rivals}
            for second, part in rivals[1:]:
                best = rivals[0][0]
                found = stats.paired_difference(tables[best], tables[second])
                accuracies = {"best_accuracy": ranked.iloc[0], "second_accuracy": part["accuracy"].mean()}
                rows.append(_row(key, labels, best, second, found) | accuracies)
    table = pd.DataFrame(rows)
    if len(table):
        table["p_holm"] = table.groupby(PANEL)["p"].transform(stats.holm)
    return table


def verdicts(results: str | Path) -> list[str]:
    """Sentences with numbers: first the claims about RFT and SFT, then the best method of every panel and budget.

    Raises:
        RftlabError: as `record.load`.
    """
    cells = read_cells(results)
    refused = refusals(record.read_all(results), dict(zip(cells["id"], cells["variant"], strict=True)))
    cells = set_apart(cells, refused)
    said = [f"Not compared: {refusal}." for refusal in refused]
    if tiny(cells):
        said.append(TINY_NOTE)
    compared = compare_all(cells, results)
    return said + claims(cells, results) + leaders.sentences(compared) + leaders.uncompared(cells, compared)


def tiny(cells: pd.DataFrame) -> bool:
    """Whether any cell was run on the tiny base."""
    return bool((cells["model"] == "tiny-base").any())


def claims(cells: pd.DataFrame, results: str | Path) -> list[str]:
    """RFT against SFT in every panel: below 100 labels, from 100 on, and where SFT overtakes."""
    said = []
    trained = cells[~is_base(cells)]
    for key, panel in trained.groupby(PANEL):
        rft, sft = (_arms(panel, methods) for methods in (RFT_METHODS, SFT_METHODS))
        for first, second in product(rft, sft):
            where = place(key)
            for text, part in (
                (f"under {FEW} labels", panel[panel["labels"] < FEW]),
                (f"with {FEW} labels or more", panel[panel["labels"] >= FEW]),
            ):
                sides = _matched(part, first, second)
                if len(sides[0]):
                    budgets = ", ".join(str(n) for n in sorted(sides[0]["labels"].unique()))
                    found = stats.paired_difference(*(item_table(results, side) for side in sides))
                    told = stats.verdict(title(first), title(second), found)
                    if not any(side["accuracy"].any() for side in sides):
                        told = f"nothing was learnt, {title(first)} and {title(second)} are both at 0 %"
                    said.append(f"{where}, {text} ({budgets}): {told}.")
            said += _crossover_claim(panel, results, first, second, where)
    return said


def _crossover_claim(panel: pd.DataFrame, results: str | Path, first: str, second: str, where: str) -> list[str]:
    found: dict[Any, stats.Difference] = {}
    for labels, group in panel.groupby("labels"):
        rft, sft = _matched(group, first, second)
        if len(rft):
            found[labels] = stats.paired_difference(item_table(results, sft), item_table(results, rft))
    if len(found) < 2:
        return []
    crossing = stats.crossover(list(found), list(found.values()))
    names = f"{title(second)} overtaking {title(first)}"
    if crossing.outcome == "none in range":
        ahead = second if next(iter(found.values())).estimate > 0 else first
        told = f"none between {min(found)} and {max(found)} labels, {title(ahead)} is ahead at every budget"
    else:
        low = f"{crossing.low:.0f}" if crossing.low else f"below {min(found)}"
        high = f"{crossing.high:.0f}" if isfinite(crossing.high) else f"above {max(found)}"
        at = f"at about {crossing.estimate:.0f} labels [{low}, {high}]"
        told = (
            at
            if crossing.outcome == "found"
            else f"inconclusive{f', perhaps {at}' if isfinite(crossing.estimate) else ''}"
        )
    return [f"{where}, {names}: {told}."]


def _row(key: Any, labels: Any, first: str, second: str, found: stats.Difference) -> dict[str, Any]:
    return {
        **dict(zip(PANEL, key, strict=True)),
        "labels": labels,
        "first": first,
        "second": second,
        "difference": found.estimate,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "seeds": found.seeds,
        "items": found.items,
        "covers": found.covers,
        "outcome": stats.outcome(title(first), title(second), found),
        "verdict": stats.verdict(title(first), title(second), found),
    }


def _matched(panel: pd.DataFrame, first: str, second: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells of two arms, only the (seed, labels) that both have."""
    sides = [panel[panel["arm"] == arm] for arm in (first, second)]
    both = sides[0][["seed", "labels"]].merge(sides[1][["seed", "labels"]])
    return tuple(side.merge(both) for side in sides)  # type: ignore[return-value]


def _arms(panel: pd.DataFrame, methods: frozenset[str]) -> list[str]:
    return sorted(panel.loc[panel["method"].isin(methods), "arm"].unique())


def _pick_panel(table: pd.DataFrame, key: Any) -> pd.DataFrame:
    return table[(table[PANEL] == list(key)).all(axis=1)]


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    fields = set(first) | set(second)
    pairs = {name: (first.get(name), second.get(name)) for name in fields}
    return [name for name, (a, b) in pairs.items() if a is not None and b is not None and _key(a) != _key(b)]


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
