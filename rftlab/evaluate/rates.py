"""What rows of samples.jsonl come to: means, pass@k, majority votes, distinct ways to the answer."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rftlab.record.outcomes import ACCURACY, spoken, wholly_right, worth
from rftlab.verifiers.base import OPEN_TAG

Row = Mapping[str, Any]

RAREFIED_TO = 8
"""Right answers of an item over which its distinct rationales are counted."""

_SUM = re.compile(r"(?<![\d.])(-?\d{1,12})\s*([-+*])\s*(-?\d{1,12})\s*=\s*(-?\d{1,12})(?![\d.])")


def mean(rows: Sequence[Row], key: str) -> float | None:
    """Mean of a field, None of no rows."""
    return sum(float(row[key]) for row in rows) / len(rows) if rows else None


def mean_worth(rows: Sequence[Row], measure: str = ACCURACY) -> float | None:
    """Mean of `worth`: by accuracy the share wholly right, by score the mean reward; None of no rows."""
    return sum(worth(row, measure) for row in rows) / len(rows) if rows else None


def pass_at(rows: Sequence[Row], samples: int) -> dict[str, float | None]:
    """Unbiased pass@k for k = 1, 2, 4, ... up to ``samples``: 1 - C(n-c, k) / C(n, k), averaged over items.

    A completion passes if its reward is 1.

    Source: Chen et al. 2021 (2107.03374), equation 1.
    """
    passed: dict[str, int] = {}
    for row in rows:
        passed[row["item"]] = passed.get(row["item"], 0) + wholly_right(row["reward"])
    result: dict[str, float | None] = {}
    for k in _powers(samples):
        chances = [1 - math.comb(samples - c, k) / math.comb(samples, k) for c in passed.values()]
        result[f"pass_at_{k}"] = sum(chances) / len(chances) if chances else None
    return result


def majority_at(rows: Sequence[Row], samples: int) -> dict[str, float | None]:
    """Accuracy of the most frequent of k extracted answers, for k = 2, 4, ... up to ``samples``, averaged over items.

    An item's draws are cut into whole blocks of k in the order they were drawn, and the blocks averaged. Of answers
    that are equally frequent each counts alike: the block is worth the share of them that is right. Answers are equal
    if their texts are, but for case and spaces. A block without any answer is wrong.

    Source: Wang et al. 2022 (2203.11171), section 2; differs: ties, which the paper leaves open.
    """
    items: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        items[row["item"]].append(row)
    result: dict[str, float | None] = {}
    for k in _powers(samples):
        if k > 1:
            blocks = [drawn[i : i + k] for drawn in items.values() for i in range(0, len(drawn) - k + 1, k)]
            result[f"majority_at_{k}"] = sum(map(_voted, blocks)) / len(blocks) if blocks else None
    return result


def most_frequent(rows: Sequence[Row]) -> list[Row]:
    """For each of the most frequent extracted answers its best row (right form, then drawn first), in order of draw."""
    votes = Counter(answer for row in rows if (answer := spoken(row["extracted"])))
    if not votes:
        return [rows[0]]
    most = max(votes.values())
    found: dict[str, Row] = {}
    for row in rows:
        answer = spoken(row["extracted"])
        if answer and votes[answer] == most and (answer not in found or row["format_ok"] > found[answer]["format_ok"]):
            found[answer] = row
    return list(found.values())


def distinct_correct_rationales(rows: Sequence[Row]) -> float | None:
    """Different ways to the right answer among 8 right answers to an item, mean over items with at least 8; else None.

    A way is the text before the answer, but for spaces; it counts only where every sum it states holds. Rarefaction: an
    item with more right answers counts what 8 of them, drawn at random, would show on average.

    Source: Hurlbert 1971, "The nonconcept of species diversity", equation 10.
    """
    items: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        rationale = " ".join(row["completion"].partition(OPEN_TAG)[0].split())
        if wholly_right(row["reward"]) and _sums_hold(rationale):
            items[row["item"]][rationale] += 1
    expected = []
    for ways in items.values():
        total = ways.total()
        if total >= RAREFIED_TO:
            all_of_them = math.comb(total, RAREFIED_TO)
            expected.append(sum(1 - math.comb(total - n, RAREFIED_TO) / all_of_them for n in ways.values()))
    return sum(expected) / len(expected) if expected else None


def _voted(rows: Sequence[Row]) -> float:
    tied = {spoken(row["extracted"]) for row in most_frequent(rows)}
    right = {spoken(row["extracted"]) for row in rows if wholly_right(row["reward"])}
    return len((tied & right) - {""}) / len(tied)


def _sums_hold(text: str) -> bool:
    worked = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
    return all(worked[sign](int(a), int(b)) == int(result) for a, sign, b, result in _SUM.findall(text))


def _powers(samples: int) -> Iterator[int]:
    k = 1
    while k <= samples:
        yield k
        k *= 2
