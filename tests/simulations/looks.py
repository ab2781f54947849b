"""A study looked at after 3, 4, ..., 10 seeds, and stopped as soon as something is conclusive."""

from dataclasses import dataclass, replace

import numpy as np

from rftlab import stats
from tests.simulations.worlds import World

LARGEST, FIRST = 10, 3


@dataclass(frozen=True)
class Row:
    """One line: a world, its label budgets (each a comparison of the family), and items.

    Attributes:
        name: of the world.
        world: see `World`.
        budgets: B.
        items: I.
    """

    name: str
    world: World
    budgets: int = 1
    items: int = 200


def rows() -> list[Row]:
    """Nothing there: even spreads and falls, one budget and three. Then ten points there."""
    falls = World(0.01, fall=0.15)
    nothing = [("spread 5", World(0.05)), ("spread 7.6", World(0.076)), ("right or wrong, spread 5", World(0.05, True)),
               ("one falls 15 points", falls), ("both fall 15 points", replace(falls, falling="all"))]  # fmt: skip
    found = [Row(name, world, budgets) for name, world in nothing for budgets in (1, 3)]
    return found + [
        Row(f"10 points there, {name}", replace(world, gap=0.1), budgets)
        for name, world in (nothing[0], nothing[1])
        for budgets in (1, 3)
    ]


def stopped(row: Row, studies: int, rng: np.random.Generator, *, declared: bool = True) -> dict[str, float]:
    """Share of studies that end with a conclusive comparison of the first budget or any other, and mean seeds used.

    Args:
        row: what is simulated.
        studies: how many.
        rng: source of all chance.
        declared: repeated intervals; False for plain ones at every look, as if each were the only one.
    """
    ended, used = 0, []
    for _ in range(studies):
        values = row.world.outcomes(rng, 2, row.budgets, LARGEST, row.items)
        looks = (n for n in range(FIRST, LARGEST + 1) if _conclusive(values[0, :, :n] - values[1, :, :n], declared))
        at = next(looks, 0)
        ended += at > 0
        used.append(at or LARGEST)
    return {"said better or worse": ended / studies, "mean seeds": float(np.mean(used))}


def _conclusive(tables: np.ndarray, declared: bool) -> bool:
    spreads = stats.pooled_spreads(list(tables), ["pair"] * len(tables))
    largest = LARGEST if declared else 0
    return any(
        one.conclusive for one in stats.simultaneous(list(tables), spreads=spreads, largest=largest, first=FIRST)
    )
