"""A sentence as words, marks and numbers, and the phrases in it that only repeat numbers of the prompt."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from rftlab.verifiers._prompt import Asked
from rftlab.verifiers._quantity import DECIMAL, NUMBER, plain_quantity
from rftlab.verifiers._stem import WORD, is_denial, stem, to_number
from rftlab.verifiers._units import CURRENCIES, Unit, to_unit

MOST_PIECES = 80
_LONGEST_ECHO = 16
_TIME = r"(?:weeks?|days?|h|hrs?|hours?|min|mins|minutes?|s|secs?|seconds?)"
_SIZE = r"(?:km|m|cm|mm|ft|feet|foot|in|inch|inches|kg|g|lb|lbs|pounds?|oz|ounces?)"
_SEVERAL = rf"(?:{DECIMAL} ?(?:{_TIME}|{_SIZE})(?:,? and |, | )){{1,3}}{DECIMAL} ?(?:{_TIME}|{_SIZE})\b"
_NUMBER = (
    rf"(?a:{_SEVERAL}|[+-]?\d{{1,9}} \d{{1,4}}/\d{{1,4}}|[+-]?10\^-?\d{{1,3}}|{re.sub(r'[?]P<[a-z]+>', '?:', NUMBER)})"
)
_TOKEN = re.compile(
    rf"(?P<number>(?<![^\s(=:]){_NUMBER})|(?P<word>{WORD})|(?P<mark>[,:=])|(?P<other>(?!(?<=[^\W\d_])-[^\W\d_])\S)"
)
_VERBS = frozenset(
    map(
        stem,
        """is are was were be make get give take cost equal come become result yield has have had need require contain
        total find will hold""".split(),  # noqa: SIM905
    )
)
_BEFORE_MORE = frozenset({"in", "for", "of", "on", "from", "with", "after", "during", "to", "between"})


class Piece(NamedTuple):
    """A word, a mark or a number of a sentence.

    ``value`` is that of a number; ``echo`` has what is counted by a phrase of the prompt with numbers in it.
    """

    text: str
    start: int
    end: int
    value: Fraction | None = None
    echo: tuple[str, ...] = ()


def to_pieces(text: str) -> Iterator[Piece]:
    """The pieces of a text, in order; a hyphen between letters parts words and is none."""
    for found in _TOKEN.finditer(text):
        if found["number"]:
            read = plain_quantity(found[0].strip())
            yield Piece(found[0], *found.span(), read.value if read else None)
        else:
            yield Piece(found[0].casefold().replace("’", "'"), *found.span())


def without_echoes(pieces: list[Piece], asked: Asked) -> list[Piece]:
    """The pieces, with each phrase that holds a number and stands so in the prompt as one (`12 trays of 24 rolls`)."""
    said = [to_number(piece.text) or stem(piece.text) if piece.value is None else piece.value for piece in pieces]
    tokens = tuple(token for token in asked.tokens if token not in CURRENCIES)
    left, i = list[Piece](), 0
    while i < len(pieces):
        end = max((_common(said, i, tokens, p) for p, token in enumerate(tokens) if token == said[i]), default=i)
        phrase = pieces[i:end]
        while len(phrase) > 2 and said[i + len(phrase) - 1] in _VERBS:  # what is said of it is no part of it
            phrase = phrase[:-1]
        end = max(i, i + len(phrase))
        numbers = [n for n in range(len(phrase)) if isinstance(said[i + n], Fraction)]
        if (
            numbers
            and len(phrase) > 1
            and phrase[0].text[0].isalnum()
            and not any(is_denial(piece.text) for piece in phrase)
        ):
            counted = tuple(stem(phrase[n + 1].text) for n in numbers if n + 1 < len(phrase))
            links = [piece.text for piece in phrase[: numbers[0]] if piece.text in _BEFORE_MORE]
            text = links[-1] if links else phrase[0].text
            if any(_is_another(said[i + n], each, asked) for n, each in zip(numbers, counted, strict=False)):
                return pieces
            left.append(Piece(text, phrase[0].start, phrase[-1].end, None, counted or ("",)))
            i = end
        else:
            left.append(pieces[i])
            i += 1
    return left


def _is_another(value: Fraction | str, counted: str, asked: Asked) -> bool:
    """Whether the question counts the same thing with another number (`for 30 cookies`, where the phrase has 10)."""
    asked_for = {number for number, word in asked.pairs if word == counted}
    if asked_for or not isinstance(value, Fraction) or (unit := _unit(counted)) is None:
        return bool(asked_for) and value not in asked_for
    others = {number * of.factor for number, word in asked.pairs if (of := _unit(word)) and of.powers == unit.powers}
    return bool(others) and value * unit.factor not in others


def _unit(counted: str) -> Unit | None:
    """The unit with a scale that a stem is of."""
    units = (to_unit(text) for text in (counted, f"{counted}e"))
    return next((unit for unit in units if unit and unit.scales), None)


def _common(said: list[Fraction | str], i: int, tokens: tuple[str | Fraction, ...], p: int) -> int:
    """Where the phrase ends that begins at ``said[i]`` and at ``tokens[p]`` alike."""
    end = min(len(said), i + _LONGEST_ECHO)
    while i < end and p < len(tokens) and said[i] == tokens[p]:
        i, p = i + 1, p + 1
    return i


def may_echo(pieces: list[Piece], at: int, asked: Asked) -> bool:
    """Whether phrases of the prompt with numbers may stand beside the stated one.

    A verb or `in`, `for`, `of` has to stand between them, and one number must not count the same thing again.
    """
    counts = stem(pieces[at + 1].text) if at + 1 < len(pieces) else ""
    for i, piece in enumerate(pieces):
        if not piece.echo:
            continue
        between = {each.text for each in pieces[min(i, at) + 1 : max(i, at)]}
        first = {piece.text, *(each.text for each in pieces[max(0, i - 1) : i])} & _BEFORE_MORE
        leads_in = first and i < 2 and pieces[i + 1 : i + 2] and (pieces[i + 1].text == "," or i + 1 == at)
        if i < at and asked.of_year and between == {"in"}:
            continue
        if i < at and leads_in and not between & {"and", ":"}:
            continue
        if between & {",", "and", ":"} or (counts and len(piece.echo) == 1 and counts in piece.echo):
            return False
        is_linked = {stem(word) for word in between} & (_VERBS | asked.doings)
        before = [each.text for each in pieces[max(0, i - 2) : i]]
        joint = before[-2:-1] if before[-1:] == ["the"] else before[-1:]
        if not (is_linked if i < at else {piece.text, *joint} & _BEFORE_MORE):
            return False
    return True
