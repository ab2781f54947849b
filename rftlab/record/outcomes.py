"""What a row of samples.jsonl is worth by a measure: wholly right or not, or the reward itself."""

from collections.abc import Mapping
from typing import Any

ACCURACY, SCORE = "accuracy", "score"
_REWARDS = {ACCURACY: "reward", SCORE: "reward", "apart_accuracy": "apart_reward", "apart_score": "apart_reward"}
MEASURES_OF_ROWS = tuple(_REWARDS)
"""Measures that `worth` knows; those of the verifier apart from the reward only of rows that it judged."""


def wholly_right(reward: float) -> bool:
    """Whether a reward in [0, 1] is full marks: part of an answer is none."""
    return reward >= 1.0


def worth(row: Mapping[str, Any], measure: str = ACCURACY) -> float:
    """A row in [0, 1]: 1 or 0 by an accuracy, its reward by a score.

    Raises:
        KeyError: no such measure, or the row was not judged by that verifier.
    """
    reward = float(row[_REWARDS[measure]])
    return reward if measure.endswith(SCORE) else float(wholly_right(reward))
