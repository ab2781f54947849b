"""A part of a study, chosen by what its cells are called: which rows a figure of `compare` draws.

The untrained base is part of every choice: it is filtered by task, model and seed alone, so that what the others are
held against never goes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rftlab.answer.results import BASE, PANEL, SHOWN_IN, Results, is_base, panel_bases
from rftlab.plots import title
from rftlab.report import tables

FILTERS: Mapping[str, str] = {
    "task": "task", "model": "model", "arm": "method", "labels": "label budget", "prompt": "prompt",
    "variant": "variant", "seed": "seed",
}  # fmt: skip
"""Column of the cells -> what it is called."""
_OF_BASE = ("task", "model", "seed")
_KEPT = ["task", "model", "variant", "prompt", "arm", "labels"]


class Rows(NamedTuple):
    """What is drawn: `cells`, means with intervals as `report.summary`, and single seeds as `report.seed_points`.

    With seeds one by one the variant of a row names its seed, and there are no intervals and no points.
    """

    cells: pd.DataFrame
    table: pd.DataFrame
    points: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Selection:
    """The cells of a study and what can be chosen of them.

    Attributes:
        results: as read.
    """

    results: Results

    @cached_property
    def options(self) -> dict[str, list[Any]]:
        """What there is to choose from, by column; the base, which is always there, is no choice."""
        cells = self.results.cells
        trained, others = cells[~is_base(cells)], cells[cells["method"] != BASE]
        variants = sorted({variant for shown in cells[SHOWN_IN] for variant in shown})
        return {
            "task": _values(cells["task"]), "model": _values(cells["model"]), "arm": _values(others["arm"]),
            "labels": _values(trained["labels"]), "prompt": _values(trained["prompt"]), "variant": variants,
            "seed": _values(cells["seed"]),
        }  # fmt: skip

    def cells(self, chosen: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
        """The cells of a choice, the base's among them; empty where no cell but the base's is left.

        Args:
            chosen: column of `FILTERS` -> values; one that is not named is not filtered by.
        """
        cells = self.results.cells
        kept = pd.Series(True, cells.index)
        for name, values in chosen.items():
            free = cells["method"] == BASE if name not in _OF_BASE else pd.Series(False, cells.index)
            if name in ("labels", "prompt", "variant"):
                free |= is_base(cells)
            kept &= cells[name].isin(list(values)) | free
        found = cells[kept]
        others = cells["method"] != BASE
        return found if (found["method"] != BASE).any() or not others.any() else found.iloc[:0]

    def missing(self, chosen: Mapping[str, Sequence[Any]]) -> str:
        """Why a choice has no cells: what nothing is chosen of, or which choice leaves some when it is given up."""
        unchosen = [FILTERS[name] for name, values in chosen.items() if not list(values) and self.options[name]]
        if unchosen:
            return f"Nothing is chosen of: {', '.join(unchosen)}. Choose at least one of each."
        told = []
        for name in chosen:
            left = self.cells({other: values for other, values in chosen.items() if other != name})
            found = _values(left.loc[~is_base(left), name]) if len(left) else []
            if found:
                told.append(f"{FILTERS[name]} {', '.join(map(str, found))}")
        hint = f" With the other choices as they are there is {'; or '.join(told)}." if told else ""
        return f"No cell that has finished is all of this.{hint}"

    def rows(self, chosen: Mapping[str, Sequence[Any]], measures: Sequence[str], *, single: bool) -> Rows:
        """What is drawn of a choice.

        Args:
            chosen: as for `cells`.
            measures: which.
            single: seeds one by one, and not pooled.
        """
        cells, here = self.cells(chosen), [name for name in measures if name in self.results.cells]
        if single:
            table = _one_by_one(cells, here)
            return Rows(cells, table, _no_points(table))
        seeds = tuple(sorted(set(chosen.get("seed", self.options["seed"]))))
        table = pd.concat([_summary(self, seeds, name) for name in here]) if here else pd.DataFrame(columns=_COLUMNS)
        # The intervals of all cells of these seeds are known, so that another choice of arms does not wait for them.
        keep = table["arm"].eq(BASE) | table["arm"].isin(cells["arm"])
        for name in ("task", "model"):
            keep &= table[name].isin(cells[name])
        for name in ("labels", "prompt", "variant"):
            if name in chosen:
                free = table["labels"].eq(0) if name == "labels" else pd.Series(False, table.index)
                keep &= table[name].isin(list(chosen[name])) | free
        return Rows(cells, table[keep].reset_index(drop=True), tables.seed_points(cells, here))

    def curves(self, chosen: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
        """Rows of `report.learning_table` of a choice: means over its seeds, at most four label budgets."""
        cells = self.cells(chosen)
        keys = [*PANEL, "arm", "labels"]
        seeds, labels = (tuple(sorted(set(chosen.get(name, self.options[name])))) for name in ("seed", "labels"))
        found = _learning(self, seeds, labels)
        return found.merge(cells[keys].drop_duplicates(), on=keys) if len(found) else found


class Behind:
    """The cells that each row of a table is the mean of.

    Args:
        cells: of the same `Rows`.
    """

    def __init__(self, cells: pd.DataFrame) -> None:
        self._ids: dict[tuple[Any, ...], list[tuple[int, str]]] = {}
        free = is_base(cells)
        named = cells[["task", "model", "arm", "labels", "prompt", "variant", "cot_eval", "seed", "id"]]
        for untrained, (task, model, arm, labels, prompt, variant, cot, seed, cell) in zip(
            free, named.itertuples(index=False, name=None), strict=True
        ):
            key = (task, model, arm, bool(cot)) if untrained else (task, model, arm, labels, prompt, variant)
            self._ids.setdefault(key, []).append((seed, cell))

    def __getitem__(self, row: Mapping[Any, Any]) -> list[str]:
        """Ids by seed, of a row with task, model, prompt, variant, arm, labels; of its seed alone where it has one."""
        first = (row["task"], row["model"], row["arm"])
        found = self._ids.get((*first, row["labels"], row["prompt"], row.get("of", row["variant"])))
        if found is None:
            found = self._ids.get((*first, not str(row["prompt"]).endswith(("direct", "asked directly"))), [])
        return [cell for seed, cell in sorted(found) if row.get("seed") in (None, seed)]


_COLUMNS = [*PANEL, "arm", "labels", "measure", "mean", "low", "high", "n", "over"]


@lru_cache(maxsize=256)
def _summary(selection: Selection, seeds: tuple[int, ...], measure: str) -> pd.DataFrame:
    cells = selection.results.cells
    return tables.summary(cells[cells["seed"].isin(seeds)], selection.results.where, [measure])


@lru_cache(maxsize=64)
def _learning(selection: Selection, seeds: tuple[int, ...], labels: tuple[int, ...]) -> pd.DataFrame:
    cells = selection.results.cells
    return tables.learning_table(
        cells[cells["seed"].isin(seeds) & cells["labels"].isin(labels)], selection.results.where
    )


def _one_by_one(cells: pd.DataFrame, measures: Iterable[str]) -> pd.DataFrame:
    """Rows of `Rows.table`, one for each cell and measure, the seed in the variant's name."""
    if cells.empty:
        return pd.DataFrame(columns=_COLUMNS)
    rows = pd.concat([cells[~is_base(cells)], panel_bases(cells)], ignore_index=True)
    long = rows.melt([*_KEPT, "seed"], list(measures), "measure", "mean").dropna(subset="mean")
    long["of"] = long["variant"]
    both = zip(long["of"], long["seed"], strict=True)
    long["variant"] = [f"{of}, seed {seed}".removeprefix(", ") for of, seed in both]
    return long.drop_duplicates([*_KEPT, "seed", "measure"]).assign(low=np.nan, high=np.nan, n=1, over="")


def _no_points(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(columns=[*PANEL, "arm", "labels", "seed", "measure", "value"]).astype({"value": float})


def _values(column: "pd.Series[Any]") -> list[Any]:
    return [each.item() if isinstance(each, np.generic) else each for each in sorted(column.unique())]


def shown_as(name: str, value: Any) -> str:
    """How a value of a filter is written."""
    if name == "arm":
        return title(str(value))
    return str(value) or "none"
