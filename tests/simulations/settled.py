"""Two arms looked at after 3, 4, ..., 10 seeds, until decided or given up: the rule of `rftlab run --until decided`."""

from dataclasses import dataclass, replace

import numpy as np

from rftlab import stats
from rftlab.stats import Spread
from tests.simulations.looks import FIRST, LARGEST
from tests.simulations.worlds import World

MARGIN = 0.05


@dataclass(frozen=True)
class Row:
    """One line: a world, its label budgets (each a comparison of the family), items.

    Attributes:
        name: of the world.
        world: see `World`.
        promised: least power, or with nothing there the largest share of false verdicts.
        budgets: B.
        items: I.
    """

    name: str
    world: World
    promised: float
    budgets: int = 1
    items: int = 200


def rows() -> list[Row]:
    """Nothing there, then ten points."""
    worlds = [("spread 2", World(0.02), 0.99), ("spread 5", World(0.05), 0.95), ("spread 7.6", World(0.076), 0.78),
              ("one falls 15 points", World(0.01, fall=0.15), 0.78)]  # fmt: skip
    nothing = [Row(f"nothing there, {name}", world, 0.05, b) for name, world, _ in worlds for b in (1, 3)]
    return nothing + [Row(f"10 points there, {name}", replace(world, gap=0.1), p) for name, world, p in worlds]


def settled(row: Row, studies: int, rng: np.random.Generator, *, futility: bool = True) -> dict[str, float]:
    """Share of studies with a false verdict, power of the first budget, mean seeds used at a budget, share given up.

    Args:
        row: what is simulated.
        studies: how many.
        rng: source of all chance.
        futility: comparisons are given up too.
    """
    false = better = given_up = used = 0.0
    for _ in range(studies):
        values = row.world.outcomes(rng, 2, row.budgets, LARGEST, row.items)
        ended = _looked_at(values[0] - values[1], futility=futility)
        words = [word for word, _ in ended]
        wrong = {"better", "worse"} if row.world.gap == 0.0 else {"worse", "same"}
        false += bool(wrong.intersection(words))
        better += words[0] == "better"
        given_up += words.count("futile") / row.budgets
        used += sum(seeds for _, seeds in ended) / row.budgets
    found = {"false": false, "better": better, "given up": given_up, "mean seeds": used}
    return {name: value / studies for name, value in found.items()}


def _looked_at(tables: np.ndarray, *, futility: bool) -> list[tuple[str, int]]:
    """Of each budget's table (S, I) the word it ends with, and after how many seeds."""
    ended: dict[int, tuple[str, int]] = {}
    size = len(tables)
    last = stats.family_confidence(size, seeds=LARGEST, largest=LARGEST, first=FIRST)
    for seeds in range(FIRST, LARGEST + 1):
        here = [table[: ended[i][1] if i in ended else seeds] for i, table in enumerate(tables)]
        pooled = Spread.pooled([stats.table_spread(table) for table in here])
        confidence = stats.family_confidence(size, seeds=seeds, largest=LARGEST, first=FIRST)
        for i in set(range(size)) - set(ended):
            word = stats.word(stats.table_difference(here[i], pooled=pooled, confidence=confidence), MARGIN)
            if word in ("better", "worse", "same") or seeds == LARGEST:
                ended[i] = word, seeds
            elif futility:
                chance = stats.chance_to_decide(here[i], MARGIN, largest=LARGEST, confidence=last, pooled=pooled)
                if chance < stats.HOPELESS:
                    ended[i] = "futile", seeds
    return [ended[i] for i in range(size)]
