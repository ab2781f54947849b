"""Which comparisons a study holds: every pair of arms side by side, and every arm's prompts against each other.

An outcome table has a row a seed and a column an item. Those of two arms are subtracted where both have the seed and
the item; an untrained arm answers for every training run with its seed of sampling.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from rftlab.answer.items import item_table
from rftlab.answer.results import PANEL, UNTRAINED, Results, is_base, panel_bases
from rftlab.contract import SEEDS, SEEDS_OF_SAMPLING
from rftlab.registry import family_of

_ORDER = ("own", "hybrid", "rft", "preference", "sft", "control", "base")
"""Families in the order in which one is held against those after it."""


class Place(NamedTuple):
    """Where arms stand side by side: a panel and a label budget (0 where nothing was trained on labels)."""

    task: str
    model: str
    variant: str
    prompt: str
    labels: int


class Pair(NamedTuple):
    """Two arms, or two prompts of one arm, at one place.

    Attributes:
        place: where; of two prompts, that of the first.
        axis: method, or cot where the prompts of one arm are compared.
        first: an arm.
        second: another arm, or the other prompt.
        methods: the methods of both.
        table: outcomes of the first minus those of the second, a row a seed and a column an item; empty where they
            share none.
    """

    place: Place
    axis: str
    first: str
    second: str
    methods: tuple[str, str]
    table: pd.DataFrame


class Arm(NamedTuple):
    """One arm at one place.

    Attributes:
        place: panel and label budget, 0 for an untrained one.
        arm: its name.
        method: its method.
        trained: whether it has a label budget.
        table: its outcomes, a row a seed and a column an item.
        flops: of training, mean over seeds; NaN if unknown.
        rewarded: completions that were rewarded in training, and how many were scored, over all seeds.
    """

    place: Place
    arm: str
    method: str
    trained: bool
    table: pd.DataFrame
    flops: float
    rewarded: tuple[int, int]


def arms(results: Results, measure: str) -> list[Arm]:
    """Every arm at every label budget of its panels, by one measure; an untrained one at 0 labels."""
    cells = results.cells[results.cells[measure].notna()] if measure in results.cells else results.cells.iloc[:0]
    untrained = is_base(cells)
    rows = pd.concat([cells[~untrained], panel_bases(cells)]) if untrained.any() else cells
    read = _reader(results, measure)
    found = []
    for key, group in rows.groupby([*PANEL, "labels", "arm"], sort=True):
        *panel, labels, arm = map(str, key)  # type: ignore[call-overload]
        method = str(group["method"].iloc[0])
        trained = method not in UNTRAINED
        place, table = Place(panel[0], panel[1], panel[2], panel[3], int(labels)), read(tuple(group["id"]), trained)
        rewarded = tuple(int(group[name].sum()) for name in ("completions_rewarded", "verifier_calls") if name in group)
        rewarded = rewarded if len(rewarded) == 2 else (0, 0)
        found.append(Arm(place, arm, method, trained, table, float(group["flops"].mean()), rewarded))
    return found


def pairs(found: Sequence[Arm]) -> Iterator[Pair]:
    """Every two arms of a place, and every arm with chain-of-thought against itself without."""
    yield from _between_arms(found)
    yield from _between_prompts(found)


def _reader(results: Results, measure: str) -> Callable[[tuple[str, ...], bool], pd.DataFrame]:
    by_id = results.cells.set_index("id", drop=False)

    @cache
    def read(ids: tuple[str, ...], trained: bool) -> pd.DataFrame:
        part = by_id.loc[list(ids)]
        rows = item_table(results.where, part, measure)
        table = rows.groupby(["seed", "item"])["value"].mean().unstack("item")
        if not trained:  # of its seeds only these two mean anything
            told = {" ".join(map(str, row[: len(SEEDS)])): " ".join(map(str, row[len(SEEDS) :]))
                    for row in part[[*SEEDS, *SEEDS_OF_SAMPLING]].itertuples(index=False, name=None)}  # fmt: skip
            table = table.rename(index=told).groupby(level=0).mean()
        return table

    return read


def _between_arms(found: Sequence[Arm]) -> Iterator[Pair]:
    panels: dict[tuple[str, ...], list[Arm]] = {}
    for arm in found:
        panels.setdefault(arm.place[:4], []).append(arm)
    for panel in panels.values():
        budgets = sorted({arm.place.labels for arm in panel if arm.trained}) or [0]
        for labels in budgets:
            here = [arm for arm in panel if not arm.trained or arm.place.labels == labels]
            for first, second in combinations(sorted(here, key=_rank), 2):
                place = first.place._replace(labels=labels)
                table = subtract(first, second)
                yield Pair(place, "method", first.arm, second.arm, (first.method, second.method), table)


def _between_prompts(found: Sequence[Arm]) -> Iterator[Pair]:
    direct = {(*arm.place[:3], arm.place.labels, arm.arm): arm for arm in found if arm.place.prompt == "direct"}
    for arm in found:
        other = direct.get((*arm.place[:3], arm.place.labels, arm.arm))
        if other and arm.place.prompt == "chain-of-thought":
            yield Pair(arm.place, "cot", arm.arm, "direct", (arm.method, arm.method), subtract(arm, other))


def subtract(first: Arm, second: Arm) -> pd.DataFrame:
    """Outcomes of one arm minus those of another, at the seeds and items that both have."""
    a, b = first.table, second.table
    if first.trained and not second.trained:
        b = _answering_for(b, a.index)
    elif second.trained and not first.trained:
        a = _answering_for(a, b.index)
    rows, columns = a.index.intersection(b.index), a.columns.intersection(b.columns)
    return a.loc[rows, columns] - b.loc[rows, columns]


def _answering_for(untrained: pd.DataFrame, seeds: pd.Index) -> pd.DataFrame:
    """An untrained arm's outcomes as if it had been run with each of these seeds, as far as it can answer for them."""
    places = [SEEDS.index(name) for name in SEEDS_OF_SAMPLING]
    its = {seed: " ".join(str(seed).split()[place] for place in places) for seed in seeds}
    fitting = [seed for seed in seeds if its[seed] in untrained.index]
    table = untrained.loc[[its[seed] for seed in fitting]]
    return table.set_axis(fitting, axis=0)


def _rank(arm: Arm) -> tuple[int, str]:
    return _ORDER.index(family_of(arm.method)), arm.arm
