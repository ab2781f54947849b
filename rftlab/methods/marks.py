"""FLOP marks: what a policy is worth once so much is spent, scored on the test items and unseen by training.

At a mark stands the policy of a run whose bill ends there: no step is begun that would go beyond it, as far as the last
ones tell, and of a run that is to end at its plateau the best policy so far. Where the first step goes beyond a mark it
is the untrained one. A run that ends before a mark is read there with the policy that it ended with.
"""

from collections.abc import Sequence
from typing import Protocol


class Score(Protocol):
    """Scores the policy as it is, keeps the outcomes, and says the mean of their rewards."""

    def __call__(self, mark: float, *, untrained: bool) -> float:
        """Score at a mark; ``untrained``: what was scored before the first step, instead."""
        ...


class Marks:
    """The marks that training has not crossed yet.

    Attributes:
        left: those, ascending.

    Args:
        amounts: FLOPs, ascending.
        score: scores the policy at one of them.
    """

    def __init__(self, amounts: Sequence[float], score: Score) -> None:
        self.left, self.score = list(amounts), score

    def crossed(self, flops: float) -> list[float]:
        """Marks that so much spending crosses, each named once."""
        crossed = [mark for mark in self.left if flops > mark * (1 + 1e-9)]
        self.left = self.left[len(crossed) :]
        return crossed
