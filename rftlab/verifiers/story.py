"""The sum that a prompt of the arithmetic tasks tells, worked out from its words: no gold answer is read."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.exact import normalise
from rftlab.verifiers.wrappers import unwrap

_AMOUNT = re.compile(
    r"(?P<before>\b(?:minus|loses|sells) |- )?\b(?P<number>\d{1,4})\b(?P<after> (?:come out|leave|get off)\b)?"
)
_LEAST = 2
_NEW_RULE = "New:"


class Story(Verifier):
    """Correct (1.0) if the answer is the sum that the prompt tells, else 0.0.

    It judges chains and stories of `arithmetic/chain`, `word`, `word_new`, `word_both` and `rare`, in all of their
    words: every number counts, less those that are lost, sold, taken out, or get off.

    Args:
        losses: "off" takes what goes off; "count" counts it as well (the changed rule of `arithmetic/word_new`), as is
            always done where a prompt begins with `New:` (`arithmetic/word_both`).
        **settings: as `Verifier`.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "Tom has 5 apples, finds 3, loses 2. How many apples now?",
        "answer": "6",
    }

    needs_gold = False

    def __init__(self, *, losses: Literal["off", "count"] = "off", **settings: Any) -> None:
        super().__init__(**settings)
        self._losses = losses

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Work the sum out, and compare one extracted answer with it."""
        amounts = list(_AMOUNT.finditer(example.prompt))
        if len(amounts) < _LEAST:
            return cannot_judge("the prompt tells no sum: it holds fewer than two numbers")
        counted = self._losses == "count" or example.prompt.startswith(_NEW_RULE)
        total = sum(int(each["number"]) * (-1 if _goes(each) and not counted else 1) for each in amounts)
        right = normalise(unwrap(answer.strip().removesuffix("."))) == str(total)
        return Judgement(float(right), detail="" if right else f"the sum is {total}")


def _goes(amount: re.Match[str]) -> bool:
    return bool(amount["before"] or amount["after"])
