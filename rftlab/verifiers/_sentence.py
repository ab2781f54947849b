"""The one quantity that a whole sentence states, such as `The baker makes 288 rolls in total`.

A sentence is read only where nothing in it can mean another number: every word beside the quantity is neutral or one of
the prompt's, none denies, hedges, compares or alters, and a second number is one that the prompt counts by. What is
concluded from a reason (`..., so the answer is 288`) is read if the reason brings in no number of its own.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from rftlab.verifiers._pieces import MOST_PIECES, Piece, may_echo, to_pieces, without_echoes
from rftlab.verifiers._prompt import WORD, Asked, is_denial, looks_done, read_prompt, remains, repeats, stem
from rftlab.verifiers._quantity import Quantity, plain_quantity
from rftlab.verifiers._quantity_text import to_plain
from rftlab.verifiers._words import ALTERS, MEASURES, NEUTRAL, NO_UNIT
from rftlab.verifiers._working import Settled, settle
from rftlab.verifiers.wrappers import unwrap

_MOST_CHARS = 400
_UNIT_PIECE = re.compile(r" ?[^\s,.;:!?()]{1,30}")
_PHRASES = (
    (re.compile(r"\b(?:is |are )?equal to\b|\b(?:amounts?|comes?|sums?|adds? up) to\b", re.IGNORECASE), "is"),
    (re.compile(r"\b(?:as a result|in conclusion|in summary|in the end|in all|in total),?", re.IGNORECASE), "in total"),
    (re.compile(r"\bleft (?:over|with)\b|\bleftover\b", re.IGNORECASE), "left"),
    (re.compile(r"(?<=\bis )(?:minus|negative) (?=\d)|(?<=\bwas )(?:minus|negative) (?=\d)", re.IGNORECASE), "-"),
)
_CONCLUDED = re.compile(
    r"(?P<reason>.+?)(?:[,;.]\s{1,3}|\n\s{0,9}|\s)(?P<claim>(?:and )?(?:so|therefore|thus|hence)\b.{1,200}"
    r"|(?:the |my )?(?:final |correct )?answer(?: is|:).{1,200}|#{3,6} .{1,100})",
    re.IGNORECASE | re.DOTALL,
)
_EXPLAINED = re.compile(
    r"(?P<claim>[^\n]{1,200}?)(?:,? (?:because|since|as)\s(?P<reason>.+)|\s?\((?P<working>[^()]{3,100})\))",
    re.IGNORECASE | re.DOTALL,
)
_CALCULATED = re.compile(r"(?P<reason>.+[.\n])\s{0,3}(?P<claim>[^\W\d_].{2,200})", re.DOTALL)
_REASON_SIGNS = re.compile(r"[\w\s.,;:'’()=+*/×÷·%$€£°-]*")
# `I = P·r·t = 2000 × 0.05 × 3 = 300`: what is in letters alone is no calculation.
_FORMULA = re.compile(r"^\s{0,9}[A-Za-z] ?= ?[A-Za-z](?: ?[·*×/] ?[A-Za-z]){1,4} ?= ?(?=\d)")
_ODDS = re.compile(r"(\d{1,9}) in (\d{1,9})", re.ASCII)
_CALCULATES = frozenset(
    ["multiply", "multiplied", "divide", "divided", "add", "added", "subtract", "subtracted", "one", "also"]
)


def stated(answer: str, prompt: str) -> list[Quantity]:
    """What an answer states in whole sentences: readings of its one number, which differ in how much is the unit.

    A question states nothing, nor does the prompt said again, whole or in part.

    Args:
        answer: an extracted answer; anything goes. None is read of one that is longer than 400 characters.
        prompt: what was asked.
    """
    if len(answer) > _MOST_CHARS or unwrap(answer).endswith("?") or repeats(answer, prompt):
        return []
    asked = read_prompt(prompt)
    if asked.of_share and (odds := _ODDS.fullmatch(unwrap(answer).rstrip("."))) and int(odds[2]):
        return [Quantity(Fraction(int(odds[1]), int(odds[2])), None)]
    return next((found for text in _forms(answer) if (found := _stated(text, asked))), [])


def _forms(answer: str) -> Iterator[str]:
    yield answer
    if (calculated := _FORMULA.sub("", answer)) != answer:
        yield calculated
    if (bare := unwrap(answer)) != answer.strip():
        yield bare


def _settle(text: str) -> Settled | None:
    """A text settled; a line that ends parts numbers as a mark does."""
    return settle(to_plain(re.sub(r"\s{0,9}\n\s{0,9}", "; ", text.strip())))


def _stated(answer: str, asked: Asked) -> list[Quantity]:
    settled = _settle(answer)
    if settled is None:
        return []
    if found := _read(settled.text, asked):
        return found
    for pattern in (_CONCLUDED, _EXPLAINED, _CALCULATED):
        if (parts := pattern.fullmatch(_lines(answer))) and (
            found := _claimed(parts.groupdict(), asked, calculated=pattern is _CALCULATED)
        ):
            return found
    return []


def _lines(answer: str) -> str:
    return "\n".join(line.strip() for line in answer.strip().split("\n") if line.strip())


def _claimed(parts: Mapping[str, str | None], asked: Asked, *, calculated: bool) -> list[Quantity]:
    """What an answer claims, if the reason beside it says nothing against it; ``calculated``: and is worked out."""
    claim, working = parts["claim"] or "", parts.get("working")
    if working and (settled := _settle(f"{working} = {claim}")):
        return _read(settled.text, asked)
    said, why = _settle(claim.removeprefix("and ")), _settle(parts["reason"] or "")
    if working or said is None or why is None:
        return []
    found = _read(said.text, asked)
    values = {each.value for each in found}
    if calculated and not values <= why.numbers | said.numbers:
        return []
    return found if _is_reason(why, values, asked) else []


def _is_reason(settled: Settled, values: set[Fraction], asked: Asked) -> bool:
    """Whether a text only gives reasons: nothing is denied or hedged, and each number is known from somewhere."""
    if not _REASON_SIGNS.fullmatch(settled.text):
        return False
    words = [found[0].casefold().replace("’", "'") for found in re.finditer(WORD, settled.text)]
    numbers = {
        Fraction(found[0].replace(",", "")) for found in re.finditer(r"(?a:\d+(?:,\d{3})*(?:\.\d+)?)", settled.text)
    }
    known = {each for each in asked.tokens if isinstance(each, Fraction)} | settled.numbers | values
    altered = [word for word in words if word in ALTERS and word not in _CALCULATES and stem(word) not in asked.words]
    return not altered and not any(map(is_denial, words)) and numbers <= known


def says_nothing_else(before: str, after: str, prompt: str) -> bool:
    """Whether the words around an answer only say again what the prompt asks: `The capital of France is` ... .

    Where the question itself denies (`Which is not ...?`), only neutral words say nothing. One of the prompt's
    alternatives (`even or odd`) says something.

    Args:
        before: the text before the answer.
        after: the text behind it.
        prompt: what was asked, without the options.
    """
    if len(before) + len(after) > _MOST_CHARS:
        return False
    asked = read_prompt(prompt)
    sides = [list(itertools.islice(to_pieces(side), MOST_PIECES)) for side in (before, after)]
    words = [piece.text for side in sides for piece in side if piece.text[0].isalpha()]
    if any(stem(word) in asked.alternatives or (asked.denies and word not in NEUTRAL) for word in words):
        return False
    numbers = {piece.value for side in sides for piece in side if piece.value is not None}
    again = [
        not any(is_denial(piece.text) for piece in pieces) and repeats(side, prompt)
        for side, pieces in zip((before, after), sides, strict=True)
    ]
    return numbers <= set(asked.tokens) and all(
        (again[side is not sides[0]] and piece.text[0].isalpha())
        or piece.value is not None
        or piece.text == "by"
        or _is_plain(side, i, asked, before=side is sides[0])
        for side in sides
        for i, piece in enumerate(side)
    )


def _read(text: str, asked: Asked) -> list[Quantity]:
    """Readings of the one quantity that a sentence states."""
    whole = plain_quantity(text)
    if whole and not (whole.unit and " " in whole.named):
        return [whole]
    for pattern, new in _PHRASES:
        text = pattern.sub(new, text)
    if asked.compared:
        text = re.sub(rf"(?<=\d) (?:{'|'.join(map(re.escape, asked.compared - {'than'}))})\b", "", text)
    pieces = list(itertools.islice(to_pieces(text), MOST_PIECES + 1))
    if len(pieces) > MOST_PIECES:
        return []
    if sum(piece.value is not None for piece in pieces) > 1:
        pieces = without_echoes(pieces, asked)
    numbers = [i for i, piece in enumerate(pieces) if piece.value is not None]
    if len(numbers) != 1 or not may_echo(pieces, numbers[0], asked):
        return []
    if not all(_is_plain(pieces[: numbers[0]], i, asked, before=True) for i in range(numbers[0])):
        return []
    return list(_with_units(text, pieces, numbers[0], asked))


def _is_plain(pieces: list[Piece], i: int, asked: Asked, *, before: bool) -> bool:
    """Whether a piece before or behind the stated quantity makes it no other, denies nothing and doubts nothing."""
    piece, word = pieces[i], pieces[i].text
    following = pieces[i + 1].text if i + 1 < len(pieces) else ""
    if piece.echo:
        return True
    if not word[0].isalpha():
        return word == "," or (word in ":=" and before and not following)
    if before and len(word) == 1 and following == "=":
        return i == 0 or pieces[i - 1].text not in "-:="
    if is_denial(word):
        return False
    if word in asked.compared:
        return not before
    if word == "and":
        return before and following[:1].isalpha() and not any(each.echo for each in pieces)
    if word == "one":
        return asked.of_one and before and bool(following)
    if word in ("each", "every", "per", "apiece") or (word in ("a", "an") and not before):
        return asked.of_one
    if word in MEASURES:
        return (before or word in asked.question) and (word in asked.measures or not asked.measures)
    return word in NEUTRAL or remains(word, asked) or _is_of_prompt(word, following, asked, before=before)


def _is_of_prompt(word: str, following: str, asked: Asked, *, before: bool) -> bool:
    if word in ALTERS:
        superlative = word.endswith(("est", "st", "imum")) and before and following[:1].isalpha()
        return superlative and stem(word) in asked.question
    if word in ("at", "by", "after") and before and not following:
        return word == "at" or word in asked.question
    if word in NO_UNIT:
        return stem(word) in asked.question and following[:1].isalpha() and not asked.denies
    if (asked.denies and not before) or (stem(word) in asked.names and not asked.refers):
        return False
    done = looks_done(word) or stem(word) in asked.doings
    known = stem(word) in (asked.question if done and not asked.refers else asked.words) and not (done and asked.denies)
    return known or (len(word) > 2 and word in asked.initials)  # LCM


def _with_units(text: str, pieces: list[Piece], at: int, asked: Asked) -> Iterator[Quantity]:
    """The stated number with as much of what follows as can be its unit, if the rest is plain."""
    start, end, readings = pieces[at].start, pieces[at].end, []
    echo = next((piece.start for piece in pieces[at:] if piece.echo), len(text))
    for _ in range(7):
        rest = [piece for piece in pieces[at + 1 :] if piece.start >= end]
        read = plain_quantity(text[start:end].strip())
        if (
            read
            and all(_is_plain(rest, i, asked, before=False) for i in range(len(rest)))
            and not (text[start:end].endswith(" in") and rest)
        ):  # no inch
            readings.append((read, rest))
        if not (found := _UNIT_PIECE.match(text, end)) or found.end() > echo:
            break
        end = found.end()
    scaled = [read for read, _ in readings if read.unit and (read.unit.scales or not read.named[0].isalpha())]
    if scaled:
        yield scaled[-1]
        return
    for read, rest in readings:
        behind = re.match(rf" ?({WORD})?", text[rest[0].start :] if rest else "")
        word = (behind[1] or "").casefold() if behind else ""
        if read.unit or not word or word in NEUTRAL or remains(word, asked) or word == "than":
            yield read
