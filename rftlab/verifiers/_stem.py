"""The words of a prompt and of an answer, each without its ending, and what they name: a number, a measure, a unit."""

from collections.abc import Iterable
from fractions import Fraction

from rftlab.verifiers._units import to_unit
from rftlab.verifiers._words import COUNTS, DENIES, IRREGULAR, MEASURES, SAME_MEASURE

WORD = r"[^\W\d_]{1,40}(?:['’][^\W\d_]{1,4})?"


def powers_of(unit: str) -> frozenset[str]:
    """The dimensions of a unit, a currency among them; empty if it is none."""
    found = to_unit(unit)
    return frozenset(found.powers) if found else frozenset()


def measures_of(words: Iterable[str]) -> frozenset[str]:
    """The measures that words name, each by its usual name."""
    named = (SAME_MEASURE.get(word.casefold(), word.casefold()) for word in words)
    return frozenset(MEASURES & set(named))


def to_number(word: str) -> Fraction | None:
    """The number that a word says: `two`, `dozen`, `half`; None if it says none."""
    return COUNTS.get(word.casefold())


def is_denial(word: str) -> bool:
    """Whether a word denies or hedges: no sentence with it is plain."""
    return word in DENIES or word.endswith("n't")


def stem(word: str) -> str:
    """A word without its ending: `makes`, `making` and `made` are one.

    >>> {stem(word) for word in ("rolls", "rolled", "rolling", "roll")}
    {'roll'}
    """
    word = word.casefold().removesuffix("'s").removesuffix("'")
    word = IRREGULAR.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not (ending == "s" and word.endswith("ss")):
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls" else word


def looks_done(word: str) -> bool:
    """Whether a word is a form of a verb that says what has happened (`eaten`, `sold`, `broken`, `added`)."""
    return word in IRREGULAR or (len(word) > 4 and word.endswith(("ed", "ing")))
