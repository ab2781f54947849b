"""Made-up studies whose truth is known: outcomes of arms at label budgets, seeds and items.

The variance components are those of this workbench's own records: a paired difference spreads by 1.5 to 7.6 points over
seeds, 17 over items and 32 for the rest. Legend: A arms, B budgets, S seeds, I items.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import hypot, sqrt

import numpy as np
from scipy import optimize, special

ITEM, REST = 0.17, 0.32
FALL_CHANCE = 0.2
# A logit with these gives right-or-wrong outcomes the same components: .88 of answers right, items 18 points, rest 32.
_LEVEL, _DIFFICULTY, _OWN, _SLOPE = 4.5, 3.0, 1.5, 0.052
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(201)


@dataclass(frozen=True)
class World:
    """How outcomes come about.

    Attributes:
        seed_sd: spread of a paired difference over seeds, as a share (.05 is 5 points).
        binary: outcomes are 0 or 1; else normal values with the same components.
        fall: by how much an arm falls in a seed with chance .2, at each budget by itself.
        falling: which arms fall, "first" or "all".
        gap: true difference of the first arm from every other, falls included; one number a budget, or one for all.
    """

    seed_sd: float = 0.05
    binary: bool = False
    fall: float = 0.0
    falling: str = "first"
    gap: float | tuple[float, ...] = 0.0

    def outcomes(self, rng: np.random.Generator, arms: int, budgets: int, seeds: int, items: int) -> np.ndarray:
        """Values (A, B, S, I) of one study; every arm has its own seed effects, all share the items."""
        gaps = np.broadcast_to(np.asarray(self.gap, dtype=float), budgets)
        first = np.arange(arms) == 0
        can_fall = first | (self.falling == "all")
        fallen = (rng.random((arms, budgets, seeds, 1)) < FALL_CHANCE) & can_fall[:, None, None, None] & (self.fall > 0)
        effect = rng.normal(0, self.seed_sd / sqrt(2), (arms, budgets, seeds, 1))
        means = np.where(first[:, None], gaps, 0.0)
        if self.binary:
            return self._binary(rng, means, fallen, effect, items)
        level = (means + can_fall[:, None] * FALL_CHANCE * self.fall)[..., None, None]
        own = rng.normal(0, ITEM / sqrt(2), (arms, 1, 1, items))
        rest = rng.normal(0, REST / sqrt(2), (arms, budgets, seeds, items))
        return level - self.fall * fallen + effect + own + rest + 0.7

    def _binary(
        self, rng: np.random.Generator, means: np.ndarray, fallen: np.ndarray, effect: np.ndarray, items: int
    ) -> np.ndarray:
        spread = self.seed_sd / sqrt(2) / _SLOPE
        falls = [self.fall if arm == 0 or self.falling == "all" else 0.0 for arm in range(len(means))]
        both = np.array(
            [[_shifts(float(m), fall, spread) for m in row] for row, fall in zip(means, falls, strict=True)]
        )
        level, drop = both[..., 0, None, None], both[..., 1, None, None]
        difficulty = rng.normal(0, _DIFFICULTY, items) + rng.normal(0, _OWN, (len(means), 1, 1, items))
        chance = special.expit(_LEVEL + level - drop * fallen + effect / _SLOPE + difficulty)
        return (rng.random(chance.shape) < chance).astype(float)

    def accuracy(self, gap: float = 0.0) -> float:
        """True accuracy of an arm that is ``gap`` ahead."""
        return gap + (_mean(0.0, self.seed_sd / sqrt(2) / _SLOPE) if self.binary else 0.7)


def _mean(shift: float, spread: float) -> float:
    """Expected accuracy of the logit model, moved by ``shift``, where seeds spread by ``spread`` logits."""
    total = hypot(_DIFFICULTY, _OWN, spread)
    return float(_WEIGHTS @ special.expit(_LEVEL + shift + total * _NODES) / _WEIGHTS.sum())


@lru_cache
def _shifts(gap: float, fall: float, spread: float) -> tuple[float, float]:
    """Logits by which an arm is moved so that its mean is ``gap`` ahead, and by which it drops where it falls."""
    wanted = _mean(0.0, spread) + gap

    def missing(level: float) -> float:
        return _mean(level, spread) - FALL_CHANCE * fall - wanted

    level = optimize.brentq(missing, -10, 10)
    drop = optimize.brentq(lambda d: _mean(level, spread) - _mean(level - d, spread) - fall, 0, 30) if fall else 0.0
    return level, drop
