"""Which learning rate is chosen: the rule alone, on the scores of rungs; nothing here reads a file.

A rung is a learning rate. It is tried at tuning seeds in order, and its score at a seed is the share of development
items that are right, item by item, because rungs are compared in pairs on the same items.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Score(NamedTuple):
    """What one rung reached at one tuning seed.

    Attributes:
        items: greedy score of each development item, in [0, 1], the same items in the same order for all rungs of a
            seed; empty if training diverged.
        sampled: mean score of sampled completions; None where none were drawn.
    """

    items: tuple[float, ...]
    sampled: float | None = None

    @property
    def diverged(self) -> bool:
        """Whether the model's numbers were no longer finite."""
        return not self.items


class Estimate(NamedTuple):
    """A mean over seeds and items, and its standard error; NaN where there is none."""

    mean: float
    error: float


Rung = Sequence[Score]
"""Scores of one rung, in order of seeds; fewer than the stage has where it was stopped."""


def estimate(per_seed: Sequence[Sequence[float]]) -> Estimate:
    """Mean over seeds of the mean over items, and its standard error.

    The error over seeds holds that over items, because each seed has items of its own; but of two or three seeds it may
    come out near 0 by chance, so it is never taken below the error over items alone, which is also all there is of one
    seed.

    Args:
        per_seed: values of the items, a sequence for each seed.

    Returns:
        NaN for no seed.
    """
    if not per_seed:
        return Estimate(math.nan, math.nan)
    means = [float(np.mean(values)) for values in per_seed]
    seeds = len(means)
    within = sum(float(np.var(values, ddof=1)) / len(values) for values in per_seed if len(values) > 1)
    over_items = math.sqrt(within) / seeds
    over_seeds = float(np.std(means, ddof=1)) / math.sqrt(seeds) if seeds > 1 else 0.0
    return Estimate(float(np.mean(means)), max(over_items, over_seeds))


def accuracy(rung: Rung) -> Estimate:
    """Greedy accuracy of a rung."""
    return estimate([score.items for score in rung])


def sampled(rung: Rung) -> float:
    """Sampled accuracy of a rung, the mean over its seeds; -1 where nothing was sampled."""
    values = [score.sampled for score in rung if score.sampled is not None]
    return float(np.mean(values)) if values else -1.0


def difference(first: Rung, second: Rung) -> Estimate:
    """Greedy accuracy of the first less that of the second, paired over items, at the seeds that both have."""
    pairs = zip(first, second, strict=False)
    return estimate([np.subtract(a.items, b.items).tolist() for a, b in pairs])


def choose(rungs: Mapping[float, Rung], default: float) -> float:
    """The rate of the best rung: of those within one standard error of the highest accuracy, the one sampled best.

    Of rungs that are equal in all of that the one nearest to the default is taken, the lower of two as near.

    Args:
        rungs: rate -> scores at the same seeds, none diverged; at least one.
        default: rate that a tie goes to.
    """
    best = max(rungs, key=lambda rate: (accuracy(rungs[rate]).mean, sampled(rungs[rate]), *_near(rate, default)))
    level = [rate for rate in rungs if _within(rungs[best], rungs[rate])]
    return max(level, key=lambda rate: (sampled(rungs[rate]), accuracy(rungs[rate]).mean, *_near(rate, default)))


def survivors(rungs: Mapping[float, Rung]) -> list[float]:
    """Rates that may still win, rising: the better half, and what is within one standard error of the best.

    Args:
        rungs: rate -> scores at the same seeds so far; those that diverged are out.
    """
    order = sorted(
        (rate for rate in rungs if not any(score.diverged for score in rungs[rate])),
        key=lambda rate: (-accuracy(rungs[rate]).mean, -sampled(rungs[rate]), rate),
    )
    half = -(-len(order) // 2)
    return sorted(rate for place, rate in enumerate(order) if place < half or _within(rungs[order[0]], rungs[rate]))


def alike(rungs: Iterable[Rung]) -> bool:
    """Whether rungs scored the same on every item, so that nothing can be told from them."""
    return len({tuple(score.items for score in rung) for rung in rungs}) == 1


def undecided(rungs: Sequence[Rung]) -> bool:
    """Whether several rungs scored alike throughout, greedy and sampled, so that only the tie rule chose between them.

    Args:
        rungs: those that did not diverge.
    """
    return len(rungs) > 1 and alike(rungs) and len({tuple(score.sampled for score in rung) for rung in rungs}) == 1


def beyond(rates: Sequence[float], chosen: float) -> float | None:
    """The rung that a ladder grows by where ``chosen`` is an end of it, by the ratio of the two at that end.

    Args:
        rates: the ladder, rising.
        chosen: one of them.

    Returns:
        None if it is no end, or the only one.
    """
    if len(rates) < 2 or chosen not in (rates[0], rates[-1]):
        return None
    neighbour = rates[1] if chosen == rates[0] else rates[-2]
    return float(f"{chosen * chosen / neighbour:.3g}")


def _within(best: Rung, other: Rung) -> bool:
    behind = difference(best, other)
    return behind.mean <= behind.error


def _near(rate: float, default: float) -> tuple[float, float]:
    return -abs(math.log(rate / default)), -rate
