"""How often intervals hold the truth: differences, accuracies, areas, crossovers."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rftlab import stats
from tests.simulations.worlds import FALL_CHANCE, World

LABELS = (10, 30, 100)
SIZES = ((2, 200), (3, 200), (5, 200), (5, 500), (10, 500))
FALLS = World(seed_sd=0.01, fall=0.15)


@dataclass(frozen=True)
class Row:
    """One line of a table: a world, a size, and what is pooled.

    Attributes:
        name: of the world.
        world: see `World`.
        seeds: S.
        items: I.
        budgets: B, over which the spread of seeds is pooled.
        arms: with more than 2 the spread is pooled over the arms that are like each other, at each budget by itself.
        known: least coverage instead of the band, where there is nothing to pool over.
    """

    name: str
    world: World
    seeds: int
    items: int
    budgets: int = 3
    arms: int = 2
    known: float = 0.0


def difference_rows() -> list[Row]:
    """The audit's table: falls and even spreads at its sizes; budgets to pool over, arms to pool over, nothing."""
    rows = [
        Row(f"one falls 15 points{kind}", replace(FALLS, binary=binary), *size)
        for binary, kind in ((False, ""), (True, ", right or wrong"))
        for size in SIZES
    ]
    rows += [
        Row(f"spread {100 * sd:g}{kind}", World(sd, binary=binary), *size)
        for sd in (0.015, 0.025, 0.05, 0.076)
        for binary, kind in ((False, ""), (True, ", right or wrong"))
        for size in SIZES[:4]
    ]
    alike = replace(FALLS, falling="all")
    rows += [Row("arms like it fall too", alike, seeds, 200, 1, 5) for seeds in (3, 5)]
    rows += [Row("spread 5, one budget", World(0.05), seeds, 200, 1, known=0.93) for seeds in (2, 3, 5)]
    return rows + [Row("one falls, one budget", FALLS, seeds, items, 1, known=0.80) for seeds, items in SIZES[1:4]]


def differences(row: Row, tables: int, rng: np.random.Generator, *, pool: bool = True) -> dict[str, float]:
    """Share of intervals that hold the true difference of the first two arms, and their mean half width in points."""
    held, half = [], []
    for _ in range(tables):
        values = row.world.outcomes(rng, row.arms, row.budgets, row.seeds, row.items)
        paired = values[0] - values[1]
        spreads = _spreads(row, values, paired) if pool else [None] * row.budgets
        for table, spread in zip(paired, spreads, strict=True):
            found = stats.table_difference(table, pooled=spread)
            held.append(found.low <= 0 <= found.high)
            half.append((found.high - found.low) / 2)
    return {"coverage": float(np.mean(held)), "half width": 100 * float(np.mean(half))}


def _spreads(row: Row, values: np.ndarray, paired: np.ndarray) -> list[stats.Spread]:
    if row.arms == 2:
        return stats.pooled_spreads(list(paired), ["pair"] * row.budgets)
    arms = [stats.Spread.pooled([stats.seed_spread(arm[b]) for arm in values]) for b in range(row.budgets)]
    return [stats.Spread.summed(arm, arm) for arm in arms]


def accuracy_rows() -> list[Row]:
    """Seeds and sizes of the audit's .86, .74, .55, with budgets to pool over and without."""
    worlds = [("spread 5", World(0.05, binary=True)), ("spread 1.5", World(0.015, binary=True))]
    rows = [
        Row(name, world, s, 200, b, 1, known=0.93 if b == 1 else 0.0)
        for name, world in worlds
        for b in (1, 3)
        for s in (3, 5, 10)
    ]
    return rows + [Row("falls 15 points", replace(FALLS, binary=True), s, 200, 3, 1) for s in (3, 5, 10)]


def accuracies(row: Row, tables: int, rng: np.random.Generator) -> dict[str, float]:
    """Share of crossed intervals, and of ones over seeds alone, that hold an arm's true accuracy on new items."""
    held, seeds_only, half = [], [], []
    truth = row.world.accuracy()
    for _ in range(tables):
        values = row.world.outcomes(rng, 1, row.budgets, row.seeds, row.items)[0]
        spread = stats.Spread.pooled([stats.seed_spread(table) for table in values])
        for table in values:
            found = stats.crossed_interval(table, pooled=spread, bounds=(0, 1))
            alone = stats.t_interval(table.mean(axis=1), bounds=(0, 1))
            held.append(found.low <= truth <= found.high)
            seeds_only.append(alone.low <= truth <= alone.high)
            half.append((found.high - found.low) / 2)
    return {
        "coverage": float(np.mean(held)),
        "half width": 100 * float(np.mean(half)),
        "seeds only": float(np.mean(seeds_only)),
    }


def collapse_rows() -> list[Row]:
    """The first arm falls to next to nothing in one seed of five, on average."""
    return [Row("one collapses", World(0.01, binary=True, fall=0.8, gap=-0.16), seeds, 200) for seeds in (3, 5, 10)]


def collapses(row: Row, tables: int, rng: np.random.Generator) -> dict[str, float]:
    """What no interval covers: how often it does, and how often the bound for the share of collapses does."""
    held, bounded, counted = [], [], []
    for _ in range(tables):
        values = row.world.outcomes(rng, 2, row.budgets, row.seeds, row.items)
        paired = list(values[0] - values[1])
        spread = stats.pooled_spreads(paired, ["pair"] * len(paired))[0]
        found = stats.table_difference(paired[0], pooled=spread)
        fared = stats.collapse(values[0, 0].mean(axis=1), base=0.5)
        held.append(found.low <= row.world.gap <= found.high)
        bounded.append(fared.at_most >= FALL_CHANCE)
        counted.append(fared.collapsed / fared.seeds)
    return {
        "interval holds": float(np.mean(held)),
        "bound holds": float(np.mean(bounded)),
        "seen": float(np.mean(counted)),
    }


def area_rows() -> list[Row]:
    """Curves that cross between 10 and 100 labels."""
    worlds = [("spread 5", World(0.05, gap=(-0.1, 0.0, 0.05))), ("falls", replace(FALLS, gap=(-0.1, 0.0, 0.05)))]
    return [Row(name, world, seeds, 200) for name, world in worlds for seeds in (2, 3, 5)]


def areas(row: Row, tables: int, rng: np.random.Generator, *, missing: int = 1) -> dict[str, float]:
    """Coverage of the area from 10 to 100 labels, where ``missing`` seeds more were run at the first budget alone."""
    held, half = [], []
    truth = float(stats.log_weights(LABELS, 10, 100) @ np.asarray(row.world.gap))
    for _ in range(tables):
        values = row.world.outcomes(rng, 2, row.budgets, row.seeds + missing, row.items)
        paired = values[0] - values[1]
        frames = {
            n: pd.DataFrame(table[: row.seeds + missing * (n == 10)]) for n, table in zip(LABELS, paired, strict=True)
        }
        found = stats.area(frames, 10, 100).difference
        held.append(found.low <= truth <= found.high)
        half.append((found.high - found.low) / 2)
    return {"coverage": float(np.mean(held)), "half width": 100 * float(np.mean(half))}


def crossover_rows() -> list[Row]:
    """The first overtakes, and is overtaken, at 30 labels; or never."""
    rows = [Row("first overtakes at 30", World(0.05, gap=(-0.2, 0.0, 0.2)), s, 200) for s in (3, 5)]
    rows += [Row("second overtakes at 30", World(0.05, gap=(0.2, 0.0, -0.2)), s, 200) for s in (3, 5)]
    return [*rows, Row("always equal", World(0.05), 5, 200)]


def crossovers(row: Row, tables: int, rng: np.random.Generator) -> dict[str, float]:
    """How often a crossover is found, the limits then hold the truth, and the wrong side is said to overtake."""
    found, held, wrong = 0, 0, 0
    direction = "first" if np.asarray(row.world.gap).ravel()[-1] > 0 else "second"
    for _ in range(tables):
        values = row.world.outcomes(rng, 2, row.budgets, row.seeds, row.items)
        paired = list(values[0] - values[1])
        spreads = stats.pooled_spreads(paired, ["pair"] * len(paired))
        crossing = stats.crossover(LABELS, stats.simultaneous(paired, spreads=spreads))
        if crossing.outcome == "found":
            found += 1
            held += crossing.low <= 30 <= crossing.high
            wrong += row.world.gap == 0.0 or crossing.overtaking != direction
    shown = held / found if found and row.world.gap != 0.0 else float("nan")
    return {"found": found / tables, "limits hold": shown, "wrong": wrong / tables}


def in_band(row: Row, coverage: float) -> bool:
    """Whether a coverage is what was promised: .93 to .99, or at least what is known and said."""
    least, most = _band(row)
    return least <= coverage <= most


def promise(row: Row) -> str:
    """The band in words."""
    least, most = _band(row)
    return f"{least:.2f} to {most:.2f}".replace("0.", ".") if most < 1 else f"at least {least:.2f}".replace("0.", ".")


def _band(row: Row) -> tuple[float, float]:
    return (row.known, 1.0) if row.known else (0.93, 0.99)
