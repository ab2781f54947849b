"""The reason beside a claim: where the one ends and the other begins, and what a reason may say.

A reason brings in no number of its own: each is the prompt's, calculated there, or one step away from numbers that are
known. It denies and hedges nothing, and where it is no calculation it states no other answer.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from rftlab.verifiers._prompt import Asked
from rftlab.verifiers._stem import WORD, is_denial, stem, to_number
from rftlab.verifiers._words import ALTERS
from rftlab.verifiers._working import Settled

_CONCLUDED = re.compile(
    r"(?P<reason>.+?)(?:[,;.]\s{1,3}|\n\s{0,9}|\s)(?P<claim>(?:and )?(?:so|therefore|thus|hence)\b.{1,200}"
    r"|(?:the |my )?(?:final |correct )?answer(?: is|:).{1,200}|#{3,6} .{1,100})",
    re.IGNORECASE | re.DOTALL,
)
_EXPLAINED = re.compile(
    r"(?P<claim>[^\n]{1,200}?)(?:,? (?:because|since|as)\s(?P<reason>.+)|\s?\((?P<working>[^()]{3,100})\))",
    re.IGNORECASE | re.DOTALL,
)
_LED_IN = re.compile(
    r"(?P<reason>(?:so |thus )?(?:after|as|because|by|given|since|using|when|with)\b[^\n]{1,200}?),\s(?:then )?"
    r"(?P<claim>[^\W\d_].{2,200})",
    re.IGNORECASE | re.DOTALL,
)
_TOLD = re.compile(r"(?P<reason>.+[.\n;])\s{0,3}(?P<claim>[^\W\d_].{2,200})", re.DOTALL)
_ADDED = re.compile(r"(?P<reason>.+?),? and (?P<claim>.{2,200})", re.DOTALL)
_ASKS = re.compile(r"\b(?:how|what)\b", re.IGNORECASE)
_SIGNS = re.compile(r"[\w\s.,;:'’()=+*/×÷·%$€£°-]*")
# A number is one of something where a sign or a word goes with it.
_NUMBER = re.compile(
    rf"(?P<sign>[$€£])?(?P<digits>(?a:\d+(?:,\d{{3}})*(?:\.\d+)?))"
    rf"(?P<of> ?%| ?(?!and\b|or\b)[^\W\d_]+)?|(?P<word>{WORD})"
)
_CALCULATES = frozenset(
    [
        "multiply",
        "multiplied",
        "divide",
        "divided",
        "add",
        "added",
        "subtract",
        "subtracted",
        "one",
        "also",
        "times",
        "increase",
        "decrease",
        "increases",
        "decreases",
    ]
)
# What units are converted by: minutes, hours, days, months, hundredths, thousandths.
_CONVERTS = tuple(map(Fraction, (7, 12, 24, 60, 100, 1000)))
_MOST_KNOWN = 40


class Argued(NamedTuple):
    """An answer as a claim and what stands beside it.

    Attributes:
        claim: what is concluded.
        reason: what it is concluded from.
        working: a calculation in brackets behind the claim, instead of a reason.
        concludes: whether a word such as `so` says that the claim follows.
        calculated: whether the claim has to be worked out in it, as nothing else joins the two.
    """

    claim: str
    reason: str
    working: str
    concludes: bool
    calculated: bool


def argued(answer: str) -> Iterator[Argued]:
    """The ways in which an answer can be parted into a claim and its reason."""
    lines = "\n".join(line.strip() for line in answer.strip().split("\n") if line.strip())
    for pattern in (_CONCLUDED, _EXPLAINED, _LED_IN, _TOLD, _ADDED):
        if (found := pattern.fullmatch(lines)) and not _ASKS.search(found["claim"]):
            parts = found.groupdict()
            yield Argued(
                (parts["claim"] or "").removeprefix("and "),
                parts.get("reason") or "",
                parts.get("working") or "",
                pattern not in (_TOLD, _ADDED),
                pattern is _ADDED,
            )


def is_reason(settled: Settled, values: Iterable[Fraction], asked: Asked) -> bool:
    """Whether a text only gives reasons for a claim with one of these values."""
    text, values = settled.text, set(values)
    if not _SIGNS.fullmatch(text):
        return False
    words = [found[0].casefold().replace("’", "'") for found in re.finditer(WORD, text)]
    if any(map(is_denial, words)) or any(_alters(word, asked) for word in words):
        return False
    known = _known(asked) | settled.numbers
    if settled.results and values.isdisjoint({*settled.results, *settled.numbers}):
        last = settled.results[-1]
        if not any(_follows(value, {last}, known | {*settled.results, *_CONVERTS}) for value in values):
            return False  # what was worked out is not what is claimed, nor a step before it
    for found in _NUMBER.finditer(text):
        number = Fraction(found["digits"].replace(",", "")) if found["digits"] else to_number(found["word"])
        if number is None or number in known | values or (number == 1 and found["word"]):
            continue
        if not (found["sign"] or found["of"]) or not _follows(number, known, known | set(_CONVERTS)):
            return False
        known.add(number)
    return True


def is_known(number: Fraction, asked: Asked) -> bool:
    """Whether a number is one of the prompt's, or one step of arithmetic away from two of them."""
    known = _known(asked)
    return number in known or _follows(number, known, known)


def _alters(word: str, asked: Asked) -> bool:
    return word in ALTERS and word not in _CALCULATES and to_number(word) is None and stem(word) not in asked.words


def _known(asked: Asked) -> set[Fraction]:
    numbers = [each for each in asked.tokens if isinstance(each, Fraction)][:_MOST_KNOWN]
    known = {*numbers, sum(numbers, Fraction(0)), *asked.scales}
    if asked.percents:
        known |= {share for each in asked.percents for share in (each / 100, 1 - each / 100, 100 - each)}
    return known


def _follows(number: Fraction, some: set[Fraction], others: set[Fraction]) -> bool:
    """Whether a number is one step of arithmetic away from one of some numbers and one of others."""
    return any(
        number * number == one
        or number in (one + other, one - other, other - one, one * other)
        or (other and number * other == one)
        or (one and number * one == other)
        for one, other in itertools.product(some, others)
    )
