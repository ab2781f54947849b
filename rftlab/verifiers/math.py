"""Mathematical equality of the final answer, by math-verify in a process of its own.

math-verify parses with sympy and bounds its work by SIGALRM, so it needs a main thread and can take seconds on hostile
input; it runs in an `IsolatedWorker` with one second per answer. Plain numbers, which most answers are, are compared
here as exact fractions and never start that process.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from rftlab.sandbox.library import shared
from rftlab.verifiers.base import Gold, Judgement, Verifier
from rftlab.verifiers.exact import normalise

# Digits are bounded so that Fraction never works on a number of hostile size.
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3}){1,20}|\d{1,60})?(?:\.\d{1,60})?", re.ASCII)
_FRAC = re.compile(r"([+-]?)\\[dt]?frac\{(\d{1,60})\}\{(\d{1,60})\}", re.ASCII)
_MAX_EXPRESSION_CHARS = 400
# A list of candidates is no answer, unless the gold answer is itself a list.
_SEVERAL = re.compile(r"[,;\n]|\bor\b|\band\b|\\text\{ ?(?:or|and) ?\}", re.IGNORECASE)

# math-verify reads `1+junk` as 1: a sum with words in it is not the plain number the gold answer is.
_LATEX_COMMAND = re.compile(r"\\[A-Za-z]{1,30}")
_SUM_WITH_WORDS = re.compile(r"[+*^][^=]*[A-Za-z]|[A-Za-z][^=]*[+*^]")


class Math(Verifier):
    r"""Correct (1.0) if the answer equals the gold answer as mathematics, else 0.0.

    `1/2`, `0.5`, `50 %` and `\frac{1}{2}` are equal. A percent sign is read both ways: `50 %` equals a gold answer of
    0.5 and one of 50, since authors write percentages with and without the sign. Thousands separators and a currency
    sign are dropped. Anything else is decided by math-verify's `verify(gold, answer)`.
    """

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge a batch: numbers here, the rest in one call to the isolated worker."""
        verdicts = [_decide(answer, example.answer) for answer, example in zip(answers, examples, strict=True)]
        open_ones = [i for i, verdict in enumerate(verdicts) if verdict is None]
        if open_ones:
            worker = shared("rftlab.verifiers._math_verify:equal")
            self.isolation = worker.level
            pairs = [(examples[i].answer, answers[i]) for i in open_ones]
            for i, equal in zip(open_ones, worker.map(pairs), strict=True):
                verdicts[i] = bool(equal)
        return [Judgement(float(bool(verdict))) for verdict in verdicts]


def to_values(text: str) -> tuple[Fraction, ...]:
    r"""What a plain number can mean, exactly: one value, two for a percentage, none if it is no plain number.

    Reads integers, decimals, `a/b`, `\frac{a}{b}`, thousands separators, a currency sign, a percent sign, `$...$`.
    """
    text = text.strip().strip("$").replace("\\$", "").replace("−", "-").strip()
    percent = text.endswith("%")
    text = text.removesuffix("%").removesuffix("\\").strip().replace("$", "")
    value: Fraction | None
    if found := _FRAC.fullmatch(text):
        sign, top, bottom = found.groups()
        value = _ratio(f"{sign}{top}", bottom)
    else:
        top, slash, bottom = text.partition("/")
        value = _ratio(top.strip(), bottom.strip() if slash else "1")
    if value is None:
        return ()
    return (value, value / 100) if percent else (value,)


def _ratio(top: str, bottom: str) -> Fraction | None:
    if not all(_NUMBER.fullmatch(part) and any(map(str.isdecimal, part)) for part in (top, bottom)):
        return None
    divisor = Fraction(bottom.replace(",", ""))
    return Fraction(top.replace(",", "")) / divisor if divisor else None


def _decide(answer: str, gold: str) -> bool | None:
    """Verdict where it is plain, None where math-verify has to look."""
    if normalise(answer) == normalise(gold):
        return True
    golds, answers = to_values(gold), to_values(answer)
    if golds and answers:
        return not set(golds).isdisjoint(answers)
    if len(answer) > _MAX_EXPRESSION_CHARS or (_SEVERAL.search(answer) and not _SEVERAL.search(gold)):
        return False
    if golds and _SUM_WITH_WORDS.search(_LATEX_COMMAND.sub("", answer)):
        return False
    return None
