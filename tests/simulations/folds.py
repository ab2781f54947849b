"""How often intervals hold the truth where a few rows of one's own are all there is: repeated folds, and few labels.

Both arms of a world are alike, so that their true difference on new rows is 0 at every label budget, and every interval
that leaves 0 out is a false verdict. Legend: N rows, K folds, J of them run, B budgets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from scipy import special

from rftlab import stats
from tests.simulations.worlds import FALL_CHANCE, ITEM, REST

FOLDS = 5
FEW = 10
_CLASSES = 2


@dataclass(frozen=True)
class Row:
    """One line: a data set of N rows of which J folds are run.

    Attributes:
        name: of the world.
        rows: N.
        seeds: J.
        draw: points by which a draw of ten labels moves a difference, as a share; 0 trains a linear classifier.
        own: spread of what a seed has for itself, such as its initial weights.
        fall: by how much the first arm falls in a seed with chance .2.
    """

    name: str
    rows: int
    seeds: int
    draw: float = 0.0
    own: float = 0.015
    fall: float = 0.0

    @property
    def labels(self) -> tuple[int, ...]:
        """Few labels, thirty, and all rows that are left to train on."""
        return (FEW, 30, self.rows - self.rows // FOLDS)


def rows() -> list[Row]:
    """Made-up differences and a real learner, three sizes, one whole repeat and two."""
    worlds = [("draws 2.5", {"draw": 0.025}), ("draws 7.6", {"draw": 0.076}), ("a learner", {})]
    found = [Row(name, n, j, **world) for name, world in worlds for n in (60, 120, 250) for j in (5, 10)]
    found += [Row("draws 7.6, four repeats", 120, 20, draw=0.076), Row("a learner, four repeats", 120, 20)]
    return [*found, *(Row("one falls 15 points", 120, j, draw=0.025, fall=0.15) for j in (3, 5, 10))]


def dealt(row: Row, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Test rows and the order that labels are drawn in, of each fold that is run; a new shuffle every K folds."""
    for seed in range(row.seeds):
        if seed % FOLDS == 0:
            parts = np.array_split(rng.permutation(row.rows), FOLDS)
        test = parts[seed % FOLDS]
        yield test, rng.permutation(np.setdiff1d(np.arange(row.rows), test))


def made_up(row: Row, rng: np.random.Generator) -> np.ndarray:
    """Differences (B, J, N), NaN where a row is no test row: of items, labels drawn, seeds, and the rest."""
    item, influence = rng.normal(0, ITEM, row.rows), rng.normal(0, row.draw * sqrt(FEW), row.rows)
    table = np.full((len(row.labels), row.seeds, row.rows), np.nan)
    for seed, (test, order) in enumerate(dealt(row, rng)):
        for at, labels in enumerate(row.labels):
            fallen = row.fall * (FALL_CHANCE - (rng.random() < FALL_CHANCE))
            level = influence[order[:labels]].mean() + rng.normal(0, row.own) + fallen
            table[at, seed, test] = level + item[test] + rng.normal(0, REST, len(test))
    return table


def learnt(row: Row, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong (B, J, N) of two ridge classifiers that see other features of the same rows, equally good ones."""
    y, x = _drawn(rng, row.rows)
    right = np.full((_CLASSES, len(row.labels), row.seeds, row.rows), np.nan)
    for seed, (test, order) in enumerate(dealt(row, rng)):
        for at, labels in enumerate(row.labels):
            for arm, features in enumerate(x):
                weights = _ridge(features[order[:labels]], y[order[:labels]])
                right[arm, at, seed, test] = np.sign(features[test] @ weights) == y[test]
    return right[0], right[1]


_FEATURES, _SIGNAL = 8, 0.36


def _drawn(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes (N), and features (arm, N, features and a one)."""
    y = rng.choice([-1.0, 1.0], rows)
    x = rng.normal(0, 1, (_CLASSES, rows, _FEATURES)) + _SIGNAL * y[None, :, None]
    return y, np.concatenate([x, np.ones((_CLASSES, rows, 1))], axis=2)


def _ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)


@lru_cache
def accuracy(labels: int) -> float:
    """True accuracy on new rows of the learner with so many new labels, mean over draws of them."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(4000):
        y, x = _drawn(rng, labels)
        *slopes, level = _ridge(x[0], y)
        found.append([special.ndtr((_SIGNAL * sum(slopes) + s * level) / np.linalg.norm(slopes)) for s in (-1, 1)])
    return float(np.mean(found))


def differences(row: Row, studies: int, rng: np.random.Generator) -> dict[str, float]:
    """Coverage of 0, with few labels and with all: corrected, as if folds were seeds, and Student's t over folds."""
    found: dict[str, list[float]] = {}
    for _ in range(studies):
        if row.draw:
            tables = made_up(row, rng)
        else:
            first, second = learnt(row, rng)
            tables = first - second
        for name, interval in _intervals(row, tables):
            found.setdefault(name, []).append(interval.low <= 0 <= interval.high)
            found.setdefault(f"{name} wide", []).append(50 * (interval.high - interval.low))
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    return {
        "coverage, 10 labels": mean["folds few"], "all labels": mean["folds all"], "half width": mean["folds few wide"],
        "as seeds, 10 labels": mean["seeds few"], "as seeds, all": mean["seeds all"],
        "t, 10 labels": mean["t few"], "t, all": mean["t all"], "half width by labels": mean["by labels few wide"],
    }  # fmt: skip


def _intervals(row: Row, tables: np.ndarray) -> Iterator[tuple[str, stats.Interval]]:
    test = row.rows / FOLDS
    for budget, at in (("few", 0), ("all", -1)):
        overlaps = {"folds": stats.fold_overlap(FOLDS), "seeds": 0.0, "by labels": test / row.labels[at]}
        for name, overlap in overlaps.items():
            pooled = stats.Spread.pooled([stats.table_spread(table, overlap=overlap) for table in tables])
            yield f"{name} {budget}", stats.table_difference(tables[at], pooled=pooled)
        yield f"t {budget}", stats.t_interval(np.nanmean(tables[at], axis=1))


def accuracy_rows() -> list[Row]:
    """The learner, by itself."""
    return [Row("a learner", n, j) for n in (60, 120, 250) for j in (5, 10)]


def accuracies(row: Row, studies: int, rng: np.random.Generator) -> dict[str, float]:
    """Coverage of an arm's true accuracy on new rows: corrected, and as if folds were seeds."""
    held: dict[str, list[bool]] = {}
    truth = [accuracy(labels) for labels in row.labels]
    for _ in range(studies):
        right, _ = learnt(row, rng)
        for name, overlap in (("folds", stats.fold_overlap(FOLDS)), ("seeds", 0.0)):
            pooled = stats.Spread.pooled([stats.table_spread(table, overlap=overlap) for table in right])
            for at in (0, -1):
                found = stats.table_mean(right[at], pooled=pooled)  # type: ignore[arg-type]
                held.setdefault(f"{name} {at}", []).append(found.low <= truth[at] <= found.high)
    mean = {name: float(np.mean(values)) for name, values in held.items()}
    return {
        "coverage, 10 labels": mean["folds 0"], "all labels": mean["folds -1"], "as seeds, 10 labels": mean["seeds 0"],
        "as seeds, all": mean["seeds -1"],
    }  # fmt: skip


@dataclass(frozen=True)
class Pool:
    """One line: labels drawn from a pool of N rows, with test items apart.

    Attributes:
        name: of the world.
        rows: N.
        labels: drawn by each seed.
        draw: as in `Row`.
        seeds: S.
        items: I.
    """

    name: str
    rows: int
    labels: int
    draw: float = 0.076
    seeds: int = 5
    items: int = 500


def pools() -> list[Pool]:
    """From a tenth of the pool to all of it."""
    return [Pool(f"{labels} labels", 100, labels) for labels in (10, 30, 50, 80, 100)]


def from_few(row: Pool, studies: int, rng: np.random.Generator) -> dict[str, float]:
    """Coverage of the difference that labels from new rows would give, and of the one that these rows do."""
    held: dict[str, list[bool]] = {"new rows": [], "these rows": []}
    for _ in range(studies):
        influence = rng.normal(0, row.draw * sqrt(FEW), row.rows)
        drawn = [rng.permutation(influence)[: row.labels].mean() for _ in range(row.seeds)]
        level = np.array(drawn) + rng.normal(0, 0.01, row.seeds)
        table = level[:, None] + rng.normal(0, ITEM, row.items) + rng.normal(0, REST, (row.seeds, row.items))
        found = stats.table_difference(table)
        for name, truth in (("new rows", 0.0), ("these rows", influence.mean())):
            held[name].append(found.low <= truth <= found.high)
    return {name: float(np.mean(values)) for name, values in held.items()}
