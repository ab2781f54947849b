"""What a base's answers tell of a task: pure functions of rows of samples.jsonl, each figure with its interval."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, nan
from typing import Any

import numpy as np
import pandas as pd

from rftlab import stats
from rftlab.record.outcomes import worth
from rftlab.stats import Difference, Interval

Row = Mapping[str, Any]
_NOTHING = Interval(nan, nan, nan, 0)
_AGREE = 0.95
"""Share of rows in which being right must mean having the gold answer's text, so that guessing can be reckoned."""


@dataclass(frozen=True)
class Signal:
    """How a base answers, asked one way; shares lie in [0, 1], intervals (95 %) are for new items.

    Attributes:
        items: prompts asked greedily.
        accuracy: of greedy answers, as the verifier pays them.
        lenient: of greedy answers, whatever their form.
        format_rate: greedy answers in the right form.
        truncated: greedy answers that the cap cut.
        tokens: of a greedy answer, mean and most.
        sampled: prompts that were sampled.
        samples: completions of each.
        pass_at: k -> unbiased chance that one of k tries is right; for k = 1, 2, 4, ...
        group: completions that are compared with each other.
        mixed: share of groups whose rewards differ, so that they teach something.
        majority: accuracy of the most frequent of all answers to a prompt: where training can sharpen to at once.
        guessed: how often an answer to another prompt would have been right; NaN where right is more than equal texts.
    """

    items: int
    accuracy: Interval
    lenient: Interval
    format_rate: Interval
    truncated: Interval
    tokens: tuple[float, int]
    sampled: int
    samples: int
    pass_at: Mapping[int, Interval]
    group: int
    mixed: Interval
    majority: Interval
    guessed: float

    def tried(self, times: int = 8) -> Interval:
        """Chance that one of so many tries is right, or of as many as there were; NaN where none was sampled."""
        return self.pass_at.get(max((k for k in self.pass_at if k <= times), default=0), _NOTHING)


def signal(rows: Sequence[Row], group: int) -> Signal:
    """What greedy (`test`) and sampled rows tell.

    Args:
        rows: of one untrained cell.
        group: completions per prompt in training; of more than were sampled, as many as were.
    """
    greedy = [row for row in rows if row["part"] == "test"]
    drawn = _by_item([row for row in rows if row["part"] == "sampled"])
    samples = min((len(each) for each in drawn.values()), default=0)
    group = min(group, samples)
    right = [sum(map(worth, each)) for each in drawn.values()]
    tries = [len(each) for each in drawn.values()]
    powers = [1 << power for power in range(samples.bit_length())]
    lengths = [int(row["length"]) for row in greedy]
    return Signal(
        items=len(greedy),
        accuracy=_share(greedy, worth),
        lenient=_share(greedy, lambda row: float(row["correct"] >= 1)),
        format_rate=_share(greedy, lambda row: float(row["format_ok"])),
        truncated=_share(greedy, lambda row: float(row["truncated"])),
        tokens=(float(np.mean(lengths)), max(lengths)) if lengths else (nan, 0),
        sampled=len(drawn),
        samples=samples,
        pass_at={k: stats.items_interval(stats.pass_at_k(right, tries, k)) for k in powers} if drawn else {},
        group=group,
        mixed=stats.items_interval([_mixed(each, group) for each in drawn.values()]),
        majority=stats.items_interval([_majority(each) for each in drawn.values()]),
        guessed=_guessed(drawn),
    )


def gain(first: Sequence[Row], second: Sequence[Row]) -> Difference:
    """Greedy accuracy of the first minus that of the second, item by item; of one run each, so for new items alone."""
    tables = [
        pd.DataFrame([{"seed": 0, "item": row["item"], "value": worth(row)} for row in rows if row["part"] == "test"],
                     columns=["seed", "item", "value"])
        for rows in (first, second)
    ]  # fmt: skip
    return stats.paired_difference(*tables)


def _share(rows: Sequence[Row], value: Callable[[Row], float]) -> Interval:
    return stats.items_interval([value(row) for row in rows])


def _by_item(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["item"]].append(row)
    return found


def _mixed(rows: Sequence[Row], group: int) -> float:
    """Chance that so many of an item's completions, drawn without putting back, do not all have one reward.

    Unbiased, as pass@k is: 1 - sum over rewards r of C(n_r, G) / C(n, G).
    """
    counts = Counter(float(row["reward"]) for row in rows)
    return 1 - sum(comb(n, group) for n in counts.values()) / comb(len(rows), group)


def _majority(rows: Sequence[Row]) -> float:
    """Share of the most frequent extracted answers to an item that are right; 0 where there is no answer."""
    votes = Counter(text for row in rows if (text := _text(row["extracted"])))
    if not votes:
        return 0.0
    first = {text for text, count in votes.items() if count == max(votes.values())}
    return len(first & {_text(row["extracted"]) for row in rows if worth(row)}) / len(first)


def _guessed(drawn: Mapping[str, Sequence[Row]]) -> float:
    """Mean over items of the share of answers to other items that have the text of its gold answer."""
    rows = [row for each in drawn.values() for row in each if row["format_ok"]]
    same = [(_text(row["extracted"]) == _text(row["answer"])) == bool(worth(row)) for row in rows]
    if len(drawn) < 2 or not rows or np.mean(same) < _AGREE:
        return nan
    own = {item: Counter(_text(row["extracted"]) for row in each) for item, each in drawn.items()}
    everywhere = sum(own.values(), Counter[str]())
    shares = []
    for item, each in drawn.items():
        gold, others = _text(each[0]["answer"]), everywhere.total() - own[item].total()
        shares.append((everywhere[gold] - own[item][gold]) / others)
    return float(np.mean(shares))


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).casefold()
