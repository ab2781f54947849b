"""Did training beat asking the base several times? Majority and best of n from the samples that a study has drawn.

The base is asked eight times (as often as it was sampled, if that is less). Its answers cost a number of generated
tokens a question; at equal tokens every other arm is asked as often as it can be for these, a fraction mixed of the
two whole numbers beside it. What is made of several answers is the most frequent one, or the one that the verifier
scores best, which takes a verifier at hand whenever the model is asked.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rftlab import stats
from rftlab.answer.comparisons import Arm, Pair, pairs, runs
from rftlab.answer.outcomes import Draws, draws, outcomes, seed_table
from rftlab.answer.results import BASE, Results
from rftlab.record.outcomes import ACCURACY, wholly_right
from rftlab.stats.sampling import between

TIMES = 8
ONCE_BEST, ONCE_MAJORITY = "once_against_best_of_", "once_against_majority_of_"
"""Measures, with how often the base is asked behind: every other arm is asked once, greedily."""
BEST, MAJORITY = "best_at_tokens_of_", "majority_at_tokens_of_"
"""Measures, with how often the base is asked behind: every other arm is asked for as many tokens."""

_Value = Callable[[Draws, str, int], float]
"""What k draws of an item are worth, of a cell's draws, by the id of the item and k."""


class Sampled(NamedTuple):
    """An arm that was sampled, beside the base of its panel.

    Attributes:
        arm: its cells by seed, as `comparisons.runs` gives them.
        drawn: its draws, by id of a cell.
        tokens: generated tokens of an answer, the mean over draws and seeds.
        times: how often the base is asked.
        asked: how often the arm is, for the same tokens; below 1 where they do not last for one answer.
        capped: whether it was not drawn often enough to spend them all.
    """

    arm: Arm
    drawn: Mapping[str, Draws]
    tokens: float
    times: int
    asked: float
    capped: bool


def sampled(results: Results) -> list[Sampled]:
    """Every arm whose draws were kept, in panels whose base was sampled twice at least.

    Raises:
        RftlabError: samples of a cell cannot be read.
    """
    panels: dict[tuple[str, ...], list[Arm]] = {}
    for arm in runs(results, "sampled_accuracy"):
        panels.setdefault(arm.place[:4], []).append(arm)
    return [each for panel in panels.values() for each in _beside_the_base(results.where, panel)]


def arms(results: Results, decides: str) -> dict[str, list[Arm]]:
    """Measure -> every arm by it, if there is another one than the base; a majority only where accuracy decides.

    Args:
        results: a study.
        decides: accuracy or score; by score the best of several answers is worth its reward.
    """
    found: dict[str, list[Arm]] = {}
    kinds: list[tuple[str, str, _Value]] = [(ONCE_BEST, BEST, _best_right if decides == ACCURACY else _best_reward)]
    kinds += [(ONCE_MAJORITY, MAJORITY, _majority_right)] if decides == ACCURACY else []
    for each in sampled(results):
        for once, often, value in kinds:
            several = each.arm._replace(table=_asked_often(each, value))
            alone = several if each.arm.method == BASE else _asked_once(results.where, each.arm, decides)
            found.setdefault(f"{once}{each.times}", []).append(alone)
            if each.asked >= 1:
                found.setdefault(f"{often}{each.times}", []).append(several)
    return {measure: of for measure, of in found.items() if any(arm.method != BASE for arm in of)}


def against_base(found: Sequence[Arm]) -> list[Pair]:
    """Comparisons of every arm with the base of its panel."""
    return list(pairs(found, BASE))


def _beside_the_base(results: Path, panel: Sequence[Arm]) -> Iterator[Sampled]:
    drawn = [{str(cell): draws(results, str(cell)) for cell in arm.table["cell"]} for arm in panel]
    lengths = [float(np.mean([each.length for each in of.values()])) for of in drawn]
    fewest = [min((len(r) for each in of.values() for r in each.rewards.values()), default=0) for of in drawn]
    base = next((place for place, arm in enumerate(panel) if arm.method == BASE), None)
    if base is None or (times := min(TIMES, fewest[base])) < 2:
        return
    for arm, of, length, most in zip(panel, drawn, lengths, fewest, strict=True):
        if most:
            affords = times * lengths[base] / length
            yield Sampled(arm, of, length, times, min(affords, float(most)), affords > most)


def _asked_often(each: Sampled, value: _Value) -> pd.DataFrame:
    """What an arm's several answers to an item are worth, a row a seed and a column an item."""
    numbers = (max(1, floor(each.asked)), max(1, ceil(each.asked)))

    def of_cell(drawn: Draws) -> "pd.Series[float]":
        return pd.Series(
            {item: between([value(drawn, item, k) for k in numbers], each.asked) for item in drawn.rewards}, dtype=float
        )

    return seed_table((str(seed), of_cell(each.drawn[str(cell)])) for seed, cell in each.arm.table["cell"].items())


def _asked_once(results: Path, arm: Arm, decides: str) -> Arm:
    of = seed_table((str(seed), outcomes(results, str(cell), decides)) for seed, cell in arm.table["cell"].items())
    return arm._replace(table=of)


def _best_right(drawn: Draws, item: str, k: int) -> float:
    return float(stats.best_of([wholly_right(reward) for reward in drawn.rewards[item]], k))


def _best_reward(drawn: Draws, item: str, k: int) -> float:
    return float(stats.best_of(drawn.rewards[item], k))


def _majority_right(drawn: Draws, item: str, k: int) -> float:
    rows = Counter(zip(drawn.answers[item], map(wholly_right, drawn.rewards[item]), strict=True))
    answers = dict.fromkeys(answer for answer, _ in rows if answer)
    silent = rows["", True] + rows["", False]
    return stats.majority([(rows[answer, True], rows[answer, False]) for answer in answers], silent, k)
