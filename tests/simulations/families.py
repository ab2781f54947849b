"""False winners in a whole report: all arms are the same method, and some row says "better"."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from rftlab import stats
from tests.simulations.worlds import World


@dataclass(frozen=True)
class Row:
    """One line: a family of all pairs of A arms at B budgets.

    Attributes:
        name: of the world.
        world: see `World`; its gap is the lead of the first arm.
        arms: A.
        budgets: B.
        seeds: S.
        items: I.
        samples: completions an item that a value is the mean of (a sampled measure), 1 for greedy.
    """

    name: str
    world: World
    arms: int
    budgets: int
    seeds: int = 5
    items: int = 200
    samples: int = 1


def rows() -> list[Row]:
    """Two to fifteen arms at one and three budgets; greedy and sampled; even spreads and falls; few seeds."""
    greedy, sampled = World(0.05, binary=True), World(0.05)
    found = [Row("greedy, right or wrong", greedy, a, b) for a in (2, 3, 5, 15) for b in (1, 3)]
    found += [Row("sampled, means of values", sampled, a, b, samples=4) for a in (2, 3, 5, 15) for b in (1, 3)]
    falls = World(0.01, binary=True, fall=0.15, falling="all")
    found += [Row("all fall 15 points", falls, a, b) for a in (2, 5) for b in (1, 3)]
    found += [Row("greedy, 3 seeds", greedy, a, 3, seeds=3) for a in (2, 5)]
    return [*found, Row("greedy, spread 1.5", replace(greedy, seed_sd=0.015), 5, 3)]


def leads() -> list[Row]:
    """One arm is better than the others."""
    return [Row(f"first leads by {100 * gap:g}", World(0.025, gap=gap), 5, 3) for gap in (0.05, 0.1)]


def sizes() -> list[Row]:
    """All pairs of four arms, from few seeds and budgets to many; spreads and items of the audit."""
    worlds = [(0.025, 200), (0.025, 500), (0.076, 200)]
    shapes = [(3, 2), (3, 3), (5, 3), (6, 4), (10, 4)]
    return [Row(f"spread {100 * sd:g}", World(sd), 4, b, s, items) for s, b in shapes for sd, items in worlds]


def study(
    row: Row, rng: np.random.Generator, *, corrected: bool = True
) -> list[tuple[int, int, int, stats.Difference]]:
    """(first, second, budget, interval) of every comparison of one made-up study."""
    values = _means(row.world.outcomes(rng, row.arms, row.budgets, row.seeds, row.items), row.samples)
    keys = [(a, b, n) for a, b in combinations(range(row.arms), 2) for n in range(row.budgets)]
    tables = [values[a, n] - values[b, n] for a, b, n in keys]
    if corrected:
        found = stats.simultaneous(tables, spreads=stats.pooled_spreads(tables, [key[:2] for key in keys]))
    else:
        found = [stats.table_difference(table) for table in tables]
    return [(*key, one) for key, one in zip(keys, found, strict=True)]


def _means(values: np.ndarray, samples: int) -> np.ndarray:
    """Means of several completions an item: the rest shrinks, what belongs to seeds and to items stays."""
    if samples == 1:
        return values
    seeds, items = values.mean(axis=3, keepdims=True), values.mean(axis=2, keepdims=True)
    smooth = seeds + items - values.mean(axis=(2, 3), keepdims=True)
    return smooth + (values - smooth) / np.sqrt(samples)


def false_winners(row: Row, studies: int, rng: np.random.Generator, *, corrected: bool = True) -> dict[str, float]:
    """Share of studies in which any comparison says better or worse, though all arms are one method."""
    said = [any(one.conclusive for *_, one in study(row, rng, corrected=corrected)) for _ in range(studies)]
    return {"comparisons": row.arms * (row.arms - 1) // 2 * row.budgets, "some row is false": float(np.mean(said))}


def widths(row: Row, studies: int, rng: np.random.Generator) -> dict[str, float]:
    """Mean half width of a family's intervals in points, the share called the same within 5, and the joint coverage."""
    found = [[one for *_, one in study(row, rng)] for _ in range(studies)]
    every = [one for family in found for one in family]
    return {
        "half width": 100 * float(np.mean([(one.high - one.low) / 2 for one in every])),
        "same within 5": float(np.mean([stats.decide(one.low, one.high, 0.05) == "same" for one in every])),
        "all hold": float(np.mean([not any(one.conclusive for one in family) for family in found])),
    }


def best_sets(row: Row, studies: int, rng: np.random.Generator) -> dict[str, float]:
    """How often the best set holds the best arm at every budget, and how many arms it has on average."""
    holds, sizes = [], []
    names = [str(arm) for arm in range(row.arms)]
    for _ in range(studies):
        found = study(row, rng)
        sets = [
            stats.best_set(names, {(str(a), str(b)): one for a, b, n, one in found if n == budget})
            for budget in range(row.budgets)
        ]
        holds.append(all("0" in best for best in sets))
        sizes += [len(best) for best in sets]
    return {"holds the best": float(np.mean(holds)), "arms in it": float(np.mean(sizes))}
