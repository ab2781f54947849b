"""Who can judge the answers of a data file, found from the answers."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rftlab.advise.check_gold import FEW_CLASSES
from rftlab.tasks.base import Example
from rftlab.verifiers._quantity import to_quantity
from rftlab.verifiers.choice import chosen_letter, to_choices
from rftlab.verifiers.exact import normalise

CHOICES = "choices"
_MOST = 0.95


def judge(examples: Sequence[Example]) -> tuple[str, str, dict[str, Any]]:
    """Who judges such answers, why, and what the task's settings need for it."""
    answers = [example.answer for example in examples]
    classes = Counter(map(normalise, answers))
    if most([is_option(example) for example in examples]):
        return "choice", "each answer is one of its options; task qa/choice also writes them into the prompt", {}
    if most([_is_json(answer) for answer in answers]):
        return (
            "json-schema",
            "the answers are JSON, compared as values",
            {"verifier_settings": {"schema": {}, "match_gold": True}},
        )
    if most([to_quantity(answer) is not None for answer in answers]):
        if len(classes) <= min(FEW_CLASSES, len(answers) / 10):
            return "numeric", f"{len(classes)} different numbers; where they are classes: exact, and instructions", {}
        return "numeric", "the answers are numbers, with or without a unit; math reads formulas and LaTeX too", {}
    if any("\\" in answer or "^" in answer for answer in answers):
        return "math", "the answers are mathematics", {}
    if len(classes) <= min(FEW_CLASSES, len(answers) / 2):
        instructions = "Answer with one of: {classes}."
        return "exact", f"there are {len(classes)} different answers: classes", {"instructions": instructions}
    return "exact", "the answers are texts, and only the same text is right; for others write one: --checks", {}


def most(fits: Sequence[bool]) -> bool:
    """Whether so many fit that the others may be mistakes of the data."""
    return sum(fits) >= _MOST * len(fits)


def is_option(example: Example) -> bool:
    """Whether an example has options and its gold answer is one of them."""
    choices = to_choices(example.meta.get(CHOICES))
    return bool(choices) and chosen_letter(example.answer, choices) is not None


def _is_json(answer: str) -> bool:
    try:
        return isinstance(json.loads(answer), dict | list)
    except (ValueError, RecursionError):
        return False
