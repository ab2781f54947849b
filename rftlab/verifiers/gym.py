"""Reasoning-gym's own scorers, each in a locked-down process; those that execute the answer are replaced.

Nine scorers evaluate the answer as Python or sympy text (measured with 0.1.25); they are replaced here by checks that
evaluate nothing. So is one that gives full marks to any text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from rftlab.verifiers import _expression as expression
from rftlab.verifiers import values
from rftlab.verifiers._antiderivative import same_up_to_a_constant
from rftlab.verifiers.base import Gold, Judgement, Verifier
from rftlab.verifiers.isolated import shared

_SECONDS = 3.0


class Gym(Verifier):
    """Correct (1.0) if reasoning-gym's scorer gives the answer full marks, else 0.0.

    The example's ``meta`` holds ``gym``: dataset, settings and the item (see `rftlab.tasks.gym`). The part ``scorer``
    is the scorer's own number; many scorers pay a little for any text, or for text that contains the answer.

    Args:
        partial_credit: reward the scorer's own number instead of full marks only.
        **settings: see `Verifier`.
    """

    def __init__(self, *, partial_credit: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.partial_credit = partial_credit

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge a batch: replaced scorers here, the others in one call to the isolated worker for each kind."""
        items = [_item(example) for example in examples]
        marks: list[tuple[float, str]] = [(0.0, "")] * len(answers)
        scored = []
        for i, (answer, (name, _, entry)) in enumerate(zip(answers, items, strict=True)):
            if name in REPLACED:
                marks[i] = _own_mark(REPLACED[name], answer, entry)
            else:
                scored.append(i)
        if scored:
            worker = shared("rftlab.verifiers._gym:score", seconds=_SECONDS)
            results = worker.map_with_reasons([(*items[i], answers[i]) for i in scored])
            for i, (mark, why) in zip(scored, results, strict=True):
                if isinstance(mark, int | float) and 0 <= mark <= 1:
                    marks[i] = (float(mark), "")
                else:
                    marks[i] = (0.0, f"the scorer gave no mark: {why or mark}")
        return [self._judgement(mark, why) for mark, why in marks]

    def _judgement(self, mark: float, why: str) -> Judgement:
        return Judgement(mark if self.partial_credit else float(mark >= 1), {"scorer": mark}, why)


def _item(example: Gold) -> tuple[str, str, dict[str, Any]]:
    item = example.meta["gym"]
    entry = values.decode(item["entry"])
    assert isinstance(entry, dict)
    return str(item["dataset"]), json.dumps(item["settings"], sort_keys=True), entry


Check = Callable[[str, Mapping[str, Any]], bool]


def _own_mark(check: Check, answer: str, entry: Mapping[str, Any]) -> tuple[float, str]:
    try:
        return float(check(answer, entry)), ""
    except expression.ExpressionError as error:
        return 0.0, str(error)


def _same_text(answer: str, entry: Mapping[str, Any]) -> bool:
    return answer.strip() == str(entry["answer"]).strip()


def _one_of_the_boards(answer: str, entry: Mapping[str, Any]) -> bool:
    return answer.strip() in {str(board).strip() for board in entry["metadata"]["valid_answers"]}


def _reaches(answer: str, entry: Mapping[str, Any]) -> bool:
    """An expression of exactly the given numbers whose exact value is the target (24 where none is named)."""
    tree = expression.parse(answer)
    given = sorted(Fraction(number) for number in entry["metadata"]["numbers"])
    target = Fraction(entry["metadata"].get("target", 24))
    return sorted(expression.numbers_in(tree)) == given and expression.Evaluator()(tree) == target


def _same_polynomial(answer: str, entry: Mapping[str, Any]) -> bool:
    """A sum of terms, not a product of brackets, equal to the gold answer at points drawn from the answer itself."""
    if "(" in answer:
        return False
    trees = [expression.parse(text) for text in (answer, str(entry["answer"]))]
    rng = random.Random(answer)
    names = entry["metadata"].get("variables") or ["x", "y", "z"]
    for _ in range(3):
        evaluator = expression.Evaluator({str(name): Fraction(rng.randrange(10**5, 10**6)) for name in names})
        if evaluator(trees[0]) != evaluator(trees[1]):
            return False
    return True


def _antiderivative(answer: str, entry: Mapping[str, Any]) -> bool:
    return same_up_to_a_constant(answer, str(entry["answer"]), str(entry["metadata"]["variable"]))


REPLACED: Mapping[str, Check] = {
    "binary_matrix": _same_text,
    "spiral_matrix": _same_text,
    "string_insertion": _same_text,
    "game_of_life_halting": _same_text,
    "n_queens": _one_of_the_boards,
    "countdown": _reaches,
    "puzzle24": _reaches,
    "polynomial_multiplication": _same_polynomial,
    "simple_integration": _antiderivative,
    "intermediate_integration": _antiderivative,
}
