"""Which comparisons a study holds: every pair of arms side by side, and every arm's prompts against each other.

An outcome table has a row a seed and a column an item. Those of two arms are subtracted where both have the seed and
the item; an untrained arm answers for every training run with its seed of sampling.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import nan
from typing import NamedTuple

import numpy as np
import pandas as pd

from rftlab.answer.few_rows import overlap_of
from rftlab.answer.items import by_seed
from rftlab.answer.outcomes import seed_table
from rftlab.answer.readings import largest_common_mark, read_runs
from rftlab.answer.results import BASE, FLOPS_BEFORE, PANEL, UNTRAINED, Results, is_base, panel_bases
from rftlab.contract import SEEDS, SEEDS_OF_SAMPLING
from rftlab.execute.results import Stop
from rftlab.folds import Folds
from rftlab.registry import family_of, trains

EQUAL_COMPUTE = "accuracy_at_equal_compute"
_COLUMN = {EQUAL_COMPUTE: "accuracy"}
_ORDER = ("own", "hybrid", "rft", "preference", "sft", "control", "base")
"""Families in the order in which one is held against those after it."""


_Outcome = tuple[str, "pd.Series[float]"]


class Place(NamedTuple):
    """Where arms stand side by side: a panel and a label budget, 0 where nothing was trained on labels."""

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
        reach: the largest difference there can be.
        folds: of which rows its seeds are folds; None where test items stand apart.
        pool: how many rows its labels were drawn from; 0 if unknown.
    """

    place: Place
    axis: str
    first: str
    second: str
    methods: tuple[str, str]
    table: pd.DataFrame
    reach: float = 1.0
    folds: Folds | None = None
    pool: int = 0

    @property
    def overlap(self) -> float:
        """What its seeds have in common, see `rftlab.stats.fold_overlap`."""
        return overlap_of(self.folds)


# What `arms` reads of each arm's cells: cut out of all hundred columns, every group would take several times longer.
_OF_AN_ARM = (
    "labels", "arm", "method", "id", "flops", "completions_rewarded", "verifier_calls", "folds", "fold_rows",
    "pool_rows", "teacher_labels", FLOPS_BEFORE,
)  # fmt: skip


class Arm(NamedTuple):
    """One arm at one place.

    Attributes:
        place: panel and label budget, 0 for an untrained one.
        arm: its name.
        method: its method.
        trained: whether it has a label budget, or prompts alone.
        table: its outcomes, a row a seed and a column an item.
        flops: of training, mean over seeds; NaN if unknown.
        rewarded: completions that were rewarded in training, and how many were scored, over all seeds.
        folds: of which rows its seeds are folds; None where test items stand apart.
        pool: how many rows its labels were drawn from, of the seed with fewest; 0 if unknown or untrained.
        teacher_labels: labels that its teacher was trained with, mean over seeds; 0 without one, or if unknown.
        flops_before: what was spent before training: trials and choices in the cell, pass rates, the training of its
            teacher; mean over seeds.
    """

    place: Place
    arm: str
    method: str
    trained: bool
    table: pd.DataFrame
    flops: float
    rewarded: tuple[int, int]
    folds: Folds | None = None
    pool: int = 0
    teacher_labels: float = 0.0
    flops_before: float = 0.0

    @property
    def overlap(self) -> float:
        """What its seeds have in common, see `rftlab.stats.fold_overlap`."""
        return overlap_of(self.folds)

    @property
    def spent(self) -> float:
        """FLOPs of training and of what came before it."""
        return self.flops + self.flops_before

    @property
    def seeds(self) -> frozenset[int]:
        """The seeds that were run."""
        return frozenset(int(str(seed).split()[0]) for seed in self.table.index)


def arms(results: Results, measure: str, named: Sequence[str] = ()) -> list[Arm]:
    """Every arm at every label budget of its panels, by one measure; an untrained one at 0 labels.

    `EQUAL_COMPUTE` is accuracy at the largest mark of training FLOPs at which every run of a panel's named arms can be
    read (`rftlab.answer.readings`); of the others, those are there of which every run can be. Studies without marks
    have none.

    Args:
        results: a study.
        measure: one of `decisions.COMPARED`, or any column of the cells whose answers are kept.
        named: methods by which the mark is chosen; those of a panel that train, if none of these does.
    """
    cells = results.cells[results.cells[_COLUMN.get(measure, measure)].notna()] if _has(results, measure) else None
    if cells is None or cells.empty:
        return []
    found = []
    for key, panel in _with_bases(cells).groupby(PANEL, sort=True):
        outcomes, flops = _outcomes(results, panel, measure, named)
        read = panel[[name for name in _OF_AN_ARM if name in panel]]
        for (labels, arm), group in read.groupby(["labels", "arm"], sort=True):
            method = str(group["method"].iloc[0])
            seed_of = str if method not in UNTRAINED else _of_sampling
            known = [outcomes[cell] for cell in group["id"] if cell in outcomes]
            table = seed_table((seed_of(seed), values) for seed, values in known)
            place = Place(*map(str, key), int(str(labels)))  # type: ignore[call-arg, arg-type]
            spent = float(group["flops"].mean()) if flops is None else flops
            of = (place, str(arm), method, method not in UNTRAINED, table, spent, _rewarded(group))
            rows, before = _rows(group, trained=method not in UNTRAINED), float(group[FLOPS_BEFORE].mean())
            found.append(Arm(*of, *rows, _teachers(group), before))
    return found


def runs(results: Results, measure: str) -> list[Arm]:
    """`arms`, each table with the one column `cell`: the ids of the cells that were run, by seed."""
    cells = results.cells[results.cells[measure].notna()] if measure in results.cells else results.cells.iloc[:0]
    found = []
    for (*panel, labels, arm), group in _with_bases(cells).groupby([*PANEL, "labels", "arm"], sort=True):
        method = str(group["method"].iloc[0])
        trained = method not in UNTRAINED
        seeds = group[list(SEEDS)].astype(str).agg(" ".join, axis=1)
        ids = group["id"].to_frame("cell").set_axis(seeds if trained else seeds.map(_of_sampling), axis=0)
        place = Place(*map(str, panel), int(str(labels)))  # type: ignore[call-arg, arg-type]
        of = (place, str(arm), method, trained, ids[~ids.index.duplicated()], nan, (0, 0))
        found.append(Arm(*of, *_rows(group, trained=trained)))
    return found


def _rows(cells: pd.DataFrame, *, trained: bool) -> tuple[Folds | None, int]:
    """Of an arm's cells: the folds that their seeds are, and how many rows labels were drawn from."""
    of = cells.reindex(columns=["folds", "fold_rows", "pool_rows"], fill_value=0)
    count, rows, pool = int(of["folds"].max()), int(of["fold_rows"].max()), int(of["pool_rows"].min())
    return Folds(count, rows) if count else None, pool if trained else 0


def _teachers(cells: pd.DataFrame) -> float:
    """Labels that the teachers of an arm's cells were trained with, the mean."""
    mean = pd.to_numeric(cells.reindex(columns=["teacher_labels"])["teacher_labels"]).mean()
    return 0.0 if np.isnan(mean) else float(mean)


def _with_bases(cells: pd.DataFrame) -> pd.DataFrame:
    untrained = is_base(cells)
    return pd.concat([cells[~untrained], panel_bases(cells)]) if untrained.any() else cells


def _has(results: Results, measure: str) -> bool:
    if measure == EQUAL_COMPUTE:
        marks = results.cells.get("evaluation.marks")
        return marks is not None and bool(marks.map(bool).any())
    return measure in results.cells


def _outcomes(
    results: Results, panel: pd.DataFrame, measure: str, named: Sequence[str]
) -> tuple[Mapping[str, _Outcome], float | None]:
    """Seed and outcomes of a panel's cells; and the FLOPs at which they were read, None for their ends."""
    if measure != EQUAL_COMPUTE:
        return {cell: (seed, values) for cell, seed, values in by_seed(results.where, panel, measure)}, None
    trained = panel[panel["method"].map(trains)]
    decisive = trained[trained["method"].isin(named)] if trained["method"].isin(named).any() else trained
    read = read_runs(results.where, panel)
    mark = largest_common_mark(read, frozenset(decisive["arm"]))
    if mark is None:
        return {}, None
    # Of an arm that is read in some seeds only, these are the seeds that stopped early.
    unread = panel["id"].isin([run.cell for run in read if mark not in run.at])
    places = pd.MultiIndex.from_frame(panel[["labels", "arm"]])
    whole = set(panel.loc[~places.isin(places[unread]), "id"])
    return {run.cell: (run.seed, run.at[mark]) for run in read if run.cell in whole}, mark


def _of_sampling(seed: str) -> str:
    return " ".join(seed.split()[SEEDS.index(name)] for name in SEEDS_OF_SAMPLING)


def _rewarded(cells: pd.DataFrame) -> tuple[int, int]:
    """Completions that were rewarded in training, of how many that were scored."""
    counts = cells.reindex(columns=["completions_rewarded", "verifier_calls"]).to_numpy(dtype=float)
    rewarded, scored = counts[~np.isnan(counts).any(axis=1)].sum(axis=0)
    return int(rewarded), int(scored)


def pairs(found: Sequence[Arm], against: str = "") -> Iterator[Pair]:
    """Every two arms of a place, and every arm with chain-of-thought against itself without.

    Args:
        found: arms by one measure.
        against: a method; if given, only the comparisons with its arm of the same place.
    """
    for place, first, second in side_by_side(found):
        methods = (first.method, second.method)
        if against and against not in methods:
            continue
        pool = min((arm.pool for arm in (first, second) if arm.pool), default=0)
        yield Pair(
            place, "method", first.arm, second.arm, methods, subtract(first, second),
            folds=first.folds or second.folds, pool=pool,
        )  # fmt: skip
    yield from () if against else _between_prompts(found)


def limited(made: Iterable[Pair], stops: Iterable[Stop]) -> list[Pair]:
    """Comparisons, each with the seeds that it stopped with if it did: its verdict rests on those."""
    at: dict[tuple[object, ...], int] = {stop[:-2]: stop.seeds for stop in stops}
    return [_limited(pair, at.get((*pair.place, *sorted((pair.first, pair.second)))) if at else None) for pair in made]


def _limited(pair: Pair, seeds: int | None) -> Pair:
    if seeds is None or pair.axis != "method":
        return pair
    order = sorted(pair.table.index, key=lambda seed: [int(part) for part in str(seed).split()])
    return pair._replace(table=pair.table.loc[order[:seeds]])


def side_by_side(found: Sequence[Arm]) -> Iterator[tuple[Place, Arm, Arm]]:
    """Every two arms of a place, in the order in which one is held against the other."""
    panels: dict[tuple[str, ...], list[Arm]] = {}
    for arm in found:
        panels.setdefault(arm.place[:4], []).append(arm)
    for panel in panels.values():
        budgets = sorted({arm.place.labels for arm in panel if arm.trained}) or [0]
        for labels in budgets:
            here = [arm for arm in panel if not arm.trained or arm.place.labels == labels]
            for first, second in combinations(sorted(here, key=_rank), 2):
                yield first.place._replace(labels=labels), first, second


def _between_prompts(found: Sequence[Arm]) -> Iterator[Pair]:
    direct = {(*arm.place[:3], arm.place.labels, arm.arm): arm for arm in found if arm.place.prompt == "direct"}
    for arm in found:
        other = direct.get((*arm.place[:3], arm.place.labels, arm.arm))
        if other and arm.place.prompt == "chain-of-thought":
            both = (arm.method, arm.method)
            table = subtract(arm, other)
            yield Pair(arm.place, "cot", arm.arm, "direct", both, table, folds=arm.folds, pool=arm.pool)


def subtract(first: Arm, second: Arm) -> pd.DataFrame:
    """Outcomes of one arm minus those of another, at the seeds and items that both have."""
    a, b = matched(first, second)
    return a - b


def matched(first: Arm, second: Arm) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of two arms at the seeds and columns that both have, in one order."""
    a, b = first.table, second.table
    if first.trained and not second.trained:
        b = _answering_for(b, a.index)
    elif second.trained and not first.trained:
        a = _answering_for(a, b.index)
    rows, columns = a.index.intersection(b.index), a.columns.intersection(b.columns)
    return a.loc[rows, columns], b.loc[rows, columns]


def _answering_for(untrained: pd.DataFrame, seeds: pd.Index) -> pd.DataFrame:
    """An untrained arm's outcomes as if it had been run with each of these seeds, as far as it can answer for them."""
    its = {seed: _of_sampling(str(seed)) for seed in seeds}
    fitting = [seed for seed in seeds if its[seed] in untrained.index]
    return untrained.loc[[its[seed] for seed in fitting]].set_axis(fitting, axis=0)


def _rank(arm: Arm) -> tuple[int, bool, str]:
    return _ORDER.index(family_of(arm.method)), arm.method == BASE, arm.arm
