"""Comparisons in words: which method, by how much, with which interval; or "inconclusive"."""

from collections.abc import Iterable
from functools import cache
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from rftlab import stats
from rftlab.answer.items import difference, seed_spread
from rftlab.answer.results import PANEL, is_base, panel_bases, place, read_results
from rftlab.contract import SEEDS
from rftlab.plots import title
from rftlab.report import leaders

FEW = 100
SFT_METHODS = frozenset({"sft", "rejection_sft"})
RFT_METHODS = frozenset({"grpo", "rloo", "ppo", "trpo", "acer", "sac", "ddpg"})
TINY_NOTE = (
    "Tiny base: what tuning sharpens here was built in on purpose when the model was pretrained. "
    "Nothing measured on it is evidence about large models."
)


def compare_all(cells: pd.DataFrame, results: str | Path) -> pd.DataFrame:
    """The best arm against every other arm and the base, in each panel and at each label budget.

    Columns: PANEL, labels, first (the best by mean accuracy), second, difference, low, high, p, p_holm (adjusted within
    the panel), seeds, items, covers, outcome, verdict, best_accuracy, second_accuracy, second_method. The best arm was
    picked on the same data, which flatters its lead a little.
    """
    rows: list[dict[str, Any]] = []
    trained, bases = cells[~is_base(cells)], panel_bases(cells)
    for key, panel in trained.groupby(PANEL):
        reference = _pick_panel(bases, key)
        both = pd.concat([panel, reference])
        spread = cache(lambda *arms, both=both: seed_spread(results, *(both[both["arm"] == arm] for arm in arms)))
        for labels, group in panel.groupby("labels"):
            ranked = group.groupby("arm")["accuracy"].mean().sort_values(ascending=False, kind="stable").dropna()
            rivals = [(arm, group[group["arm"] == arm]) for arm in ranked.index]
            rivals += [(arm, rows) for arm, rows in reference.groupby("arm")]
            for second, part in rivals[1:]:
                best, runs = rivals[0]
                found = difference(results, runs, part, spread(best, second))
                accuracies = {"best_accuracy": ranked.iloc[0], "second_accuracy": part["accuracy"].mean()}
                method = {"second_method": part["method"].iloc[0]}
                rows.append(_row(key, labels, best, second, found) | accuracies | method)
    table = pd.DataFrame(rows)
    if len(table):
        table["p_holm"] = table.groupby(PANEL)["p"].transform(stats.holm)
    return table


def verdicts(results: str | Path, waive: str | Iterable[str] = ()) -> list[str]:
    """Sentences with numbers: what is not compared and what differs, the claims about RFT and SFT, then the best method
    of every panel and budget.

    Args:
        results: a grid's results folder.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    study = read_results(results, waive)
    said = study.survey.notes + ([TINY_NOTE] if tiny(study.cells) else [])
    compared = compare_all(study.cells, results)
    return said + claims(study.cells, results) + leaders.sentences(compared) + leaders.uncompared(study.cells, compared)


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
            spread = seed_spread(results, *_matched(panel, first, second))
            for text, part in (
                (f"under {FEW} labels", panel[panel["labels"] < FEW]),
                (f"with {FEW} labels or more", panel[panel["labels"] >= FEW]),
            ):
                sides = _matched(part, first, second)
                if len(sides[0]):
                    budgets = ", ".join(str(n) for n in sorted(sides[0]["labels"].unique()))
                    found = difference(results, *sides, spread)
                    told = stats.verdict(title(first), title(second), found)
                    if not any(side["accuracy"].any() for side in sides):
                        told = f"nothing was learnt, {title(first)} and {title(second)} are both at 0 %"
                    said.append(f"{where}, {text} ({budgets}): {told}.")
            said += _crossover_claim(panel, results, first, second, where, spread)
    return said


def _crossover_claim(
    panel: pd.DataFrame, results: str | Path, first: str, second: str, where: str, spread: stats.Spread
) -> list[str]:
    found: dict[Any, stats.Difference] = {}
    for labels, group in panel.groupby("labels"):
        rft, sft = _matched(group, first, second)
        if len(rft):
            found[labels] = difference(results, sft, rft, spread)
    if len(found) < 2:
        return []
    crossing = stats.crossover(list(found), list(found.values()))
    later, earlier = (first, second) if crossing.overtaking == "second" else (second, first)
    names = f"{title(later)} overtaking {title(earlier)}"
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
    """Cells of two arms, only the seeds and labels that both have."""
    sides = [panel[panel["arm"] == arm] for arm in (first, second)]
    both = sides[0][[*SEEDS, "labels"]].merge(sides[1][[*SEEDS, "labels"]]).drop_duplicates()
    return tuple(side.merge(both) for side in sides)  # type: ignore[return-value]


def _arms(panel: pd.DataFrame, methods: frozenset[str]) -> list[str]:
    return sorted(panel.loc[panel["method"].isin(methods), "arm"].unique())


def _pick_panel(table: pd.DataFrame, key: Any) -> pd.DataFrame:
    return table[(table[PANEL] == list(key)).all(axis=1)]
