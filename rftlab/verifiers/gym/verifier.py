"""Reasoning-gym's own scorers, each in a locked-down process; those that execute or misread the answer are replaced.

Nine scorers evaluate the answer as Python or sympy text (measured with 0.1.25); they are replaced here by checks that
evaluate nothing. So are those that give full marks to wrong answers: any text; `nan` or `0`, where the mark falls with
a distance or a part of the answer will do; the last number of a text; a solution with `not` before it, or with
`is wrong` behind it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

from rftlab.sandbox import values
from rftlab.sandbox.library import shared
from rftlab.verifiers import _expression as expression
from rftlab.verifiers._quantity import PERCENT, to_quantity
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.gym.antiderivative import same_up_to_a_constant
from rftlab.verifiers.gym.rules import Illegal, sokoban
from rftlab.verifiers.wrappers import unwrap

_SECONDS = 3.0


class Gym(Verifier):
    """Correct (1.0) if reasoning-gym's scorer gives the answer full marks, else 0.0.

    `meta["gym"]` is dataset, settings and the item (see `rftlab.tasks.gym`). The part ``scorer``
    is the scorer's own number; many scorers pay a little for any text, or for text that contains the answer.

    Args:
        partial_credit: reward the scorer's own number instead of full marks only.
        **settings: see `Verifier`.

    Attributes:
        isolation: level of isolation the scorers ran at, None while none has run.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "What is the greatest common divisor of 4 and 6?",
        "answer": "2",
        "gym": {"dataset": "gcd", "settings": {}, "entry": values.encode({"answer": "2", "metadata": {}})},
    }

    def __init__(self, *, partial_credit: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.partial_credit = partial_credit

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge a batch: replaced scorers here, the others in one call to the isolated worker."""
        items = [_item(example) for example in examples]
        judged: dict[int, Judgement] = {}
        scored = []
        for i, (answer, item) in enumerate(zip(answers, items, strict=True)):
            if item is None:
                judged[i] = cannot_judge("the row's meta has no gym item; make it with the task gym/<name>")
            elif item.dataset in REPLACED:
                judged[i] = self._judgement(*_own_mark(REPLACED[item.dataset], answer, item.entry))
            elif item.dataset in WRITTEN and not WRITTEN[item.dataset].fullmatch(answer.strip()):
                judged[i] = self._judgement(0.0, "it holds more than a solution")
            else:
                scored.append((i, item, answer))
        if scored:
            worker = shared("rftlab.verifiers.gym.scorer:score", seconds=_SECONDS)
            self.isolation = worker.level
            calls = [(item.dataset, item.settings, item.entry, answer) for _, item, answer in scored]
            for (i, _, _), (mark, why) in zip(scored, worker.map_with_reasons(calls), strict=True):
                if isinstance(mark, int | float) and 0 <= mark <= 1:
                    judged[i] = self._judgement(float(mark), "")
                else:
                    judged[i] = self._judgement(0.0, f"the scorer gave no mark: {why or mark}")
        return [judged[i] for i in range(len(answers))]

    def _judgement(self, mark: float, why: str) -> Judgement:
        return Judgement(mark if self.partial_credit else float(mark >= 1), {"scorer": mark}, why)


class Item(NamedTuple):
    """What a scorer needs: the dataset, its settings as JSON, and the entry with answer and metadata."""

    dataset: str
    settings: str
    entry: dict[str, Any]


def _item(example: Gold) -> Item | None:
    try:
        item = example.meta["gym"]
        entry = values.decode(item["entry"])
        settings = json.dumps(item["settings"], sort_keys=True)
    except (KeyError, TypeError, values.TreeError):
        return None
    return Item(str(item["dataset"]), settings, entry) if isinstance(entry, dict) else None


Check = Callable[[str, Mapping[str, Any]], bool]


def _own_mark(check: Check, answer: str, entry: Mapping[str, Any]) -> tuple[float, str]:
    try:
        return float(check(answer, entry)), ""
    except expression.ExpressionError as error:
        return 0.0, str(error)


def _same_text(answer: str, entry: Mapping[str, Any]) -> bool:
    return answer.strip() == str(entry["answer"]).strip()


def _same_words(answer: str, entry: Mapping[str, Any]) -> bool:
    return answer.casefold().split() == str(entry["answer"]).casefold().split()


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


def _probability(answer: str, entry: Mapping[str, Any]) -> bool:
    """A number within a thousandth of the probability."""
    known = entry["metadata"]["rational"]
    right = Fraction(int(known["numerator"]), int(known["denominator"]))
    return (said := _number(answer)) is not None and abs(said - right) <= right / 1000


def _same_number(answer: str, entry: Mapping[str, Any]) -> bool:
    return (said := _number(answer)) is not None and said == _number(str(entry["answer"]))


def _number(text: str) -> Fraction | None:
    """The one number of a text, without a unit, of a percentage its hundredth; None for anything else."""
    found = to_quantity(text)
    if found is None or (found.unit and found.unit != PERCENT):
        return None
    return found.value / 100 if found.unit else found.value


def _same_complex(answer: str, entry: Mapping[str, Any]) -> bool:
    """Real and imaginary part as in the gold answer, which is rounded to two decimals."""
    said, right = _complex(answer), _complex(str(entry["answer"]))
    if said is None or right is None:
        return False
    return all(abs(a - b) <= _ROUNDED for a, b in zip(said, right, strict=True))


def _complex(text: str) -> tuple[Fraction, Fraction] | None:
    found = _COMPLEX.fullmatch(unwrap(text).replace(" ", "").replace("\u2212", "-").replace("*", ""))
    if not found or not any(found.groups()):
        return None
    imaginary = found["imaginary"]
    if imaginary in ("", "+", "-"):
        imaginary += "1"
    return Fraction(found["real"] or 0), Fraction(imaginary or 0)


def _truth_tellers(answer: str, entry: Mapping[str, Any]) -> bool:
    """Exactly one statement `NAME is a KIND` about each, as the solution has it, and nothing else."""
    names, terms = entry["metadata"]["names"], entry["metadata"]["knight_knave_terms"]
    kinds = {str(terms["knight"]).casefold(): True, str(terms["knave"]).casefold(): False}
    said: dict[str, bool] = {}
    for piece in filter(None, (text.strip() for text in re.split(r"[,.;\n]|\band\b", unwrap(answer).casefold()))):
        found = _STATEMENT.fullmatch(piece)
        if not found or found["kind"] not in kinds or found["name"] in said:
            return False
        said[found["name"]] = kinds[found["kind"]]
    solution = entry["metadata"]["solution"]
    return said == {str(name).casefold(): bool(true) for name, true in zip(names, solution, strict=True)}


def _pushed(answer: str, entry: Mapping[str, Any]) -> bool:
    try:
        return not sokoban(answer, entry["metadata"])
    except Illegal:
        return False


_ROUNDED = Fraction(6, 1000)
_DECIMAL = r"\d{1,40}(?:\.\d{0,40})?"
_COMPLEX = re.compile(
    rf"(?P<real>[+-]?{_DECIMAL}(?![\d.]*[ij]))?(?:(?P<imaginary>[+-]?(?:{_DECIMAL})?)[ij])?", re.ASCII
)
_STATEMENT = re.compile(r"(?P<name>\w{1,40}) is (?:an? )?(?P<kind>\w{1,40})")
_FRACTION = (
    r"(?:\\d?frac\s{0,5}\{\s{0,5}\d{1,40}\s{0,5}\}\s{0,5}\{\s{0,5}\d{1,40}\s{0,5}\}|\d{1,40}\s{0,5}/\s{0,5}\d{1,40})"
)
_GRID = re.compile(r"[\d\s,|\[\]]{1,20000}", re.ASCII)
WRITTEN: Mapping[str, re.Pattern[str]] = {
    "kakurasu": _GRID,
    "survo": _GRID,
    "fraction_simplification": re.compile(rf"[$\s]{{0,5}}{_FRACTION}[$\s]{{0,5}}", re.ASCII | re.IGNORECASE),
    "time_intervals": re.compile(
        r"-?\d{1,40}(?:\s{1,5}days?)?|(?:\d{1,40} days?,? )?\d{1,40}(?::\d{1,40}){1,3}(?:\.\d{1,40})?", re.ASCII
    ),
    "quantum_lock": re.compile(r"[A-Z](?:\s{0,5}(?:\u2192|->|,|\s)\s{0,5}[A-Z]){0,2000}"),
}
"""How a solution is written, where the scorer picks it out of any text."""

REPLACED: Mapping[str, Check] = {
    "coin_flip": _probability,
    "complex_arithmetic": _same_complex,
    "gsm_symbolic": _same_number,
    "knights_knaves": _truth_tellers,
    "sokoban": _pushed,
    "binary_matrix": _same_text,
    "spiral_matrix": _same_text,
    "string_insertion": _same_text,
    "game_of_life_halting": _same_text,
    "letter_jumble": _same_words,
    "n_queens": _one_of_the_boards,
    "countdown": _reaches,
    "puzzle24": _reaches,
    "polynomial_multiplication": _same_polynomial,
    "simple_integration": _antiderivative,
    "intermediate_integration": _antiderivative,
}
