"""What a row of samples.jsonl is worth by a measure: wholly right or not, or the reward itself."""

from collections.abc import Mapping
from typing import Any

ACCURACY, SCORE = "accuracy", "score"
REWARDS_OF = {ACCURACY: "reward", SCORE: "reward", "apart_accuracy": "apart_reward", "apart_score": "apart_reward"}
FULL_MARKS = 1.0
MEASURES_OF_ROWS = tuple(REWARDS_OF)
"""Measures that `worth` knows; those of the verifier apart from the reward only of rows that it judged."""


def wholly_right(reward: float) -> bool:
    """Whether a reward in [0, 1] is full marks: part of an answer is none."""
    return reward >= FULL_MARKS


def worth(row: Mapping[str, Any], measure: str = ACCURACY) -> float:
    """A row in [0, 1]: 1 or 0 by an accuracy, its reward by a score.

    Raises:
        KeyError: no such measure, or the row was not judged by that verifier.
    """
    reward = float(row[REWARDS_OF[measure]])
    return reward if measure.endswith(SCORE) else float(wholly_right(reward))


def spoken(extracted: str | None) -> str:
    """An extracted answer as it is told apart from others: case and spaces levelled; "" where there is none."""
    return " ".join((extracted or "").split()).casefold()
