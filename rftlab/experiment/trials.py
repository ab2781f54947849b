"""Learning rates tried in the cell itself, on part of its own labels: `tuning.trials`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rftlab.errors import RftlabError
from rftlab.methods.cost import Cost

TryOne = Callable[[int, float], tuple[float | None, Cost]]
"""Number of the trial (from 1) and learning rate, to validation accuracy in [0, 1], None if it diverged, and cost."""


def try_rates(ladder: Sequence[float], trials: int, try_one: TryOne) -> list[dict[str, Any]]:
    """Try the ladder's first rates; what each came to, with the one that is chosen marked.

    Args:
        ladder: learning rates in the order in which they are tried.
        trials: how many are tried, from 1.
        try_one: trains on part of the labels and validates on the rest.

    Returns:
        One entry a trial: learning_rate, validation_accuracy (None where it diverged), diverged, cost, chosen.

    Raises:
        RftlabError: the ladder is shorter than the trials, or training diverged at every rate.
    """
    if len(ladder) < trials:
        raise RftlabError(
            f"tuning.trials is {trials}, but the ladder has {len(ladder)} learning rates; give tuning.learning_rates"
        )
    tried: list[dict[str, Any]] = []
    for number, rate in enumerate(ladder[:trials], start=1):
        accuracy, cost = try_one(number, rate)
        tried.append(
            {
                "learning_rate": rate,
                "validation_accuracy": accuracy,
                "diverged": accuracy is None,
                "cost": asdict(cost),
            }
        )
    finished = [trial for trial in tried if not trial["diverged"]]  # one that diverged loses, the next one may not
    if not finished:
        rates = ", ".join(f"{rate:g}" for rate in ladder[:trials])
        raise RftlabError(
            f"training diverged at every learning rate tried ({rates}); give lower ones: tuning.learning_rates: [...]"
        )
    best = max(finished, key=lambda trial: trial["validation_accuracy"])
    return [{**trial, "chosen": trial is best} for trial in tried]
