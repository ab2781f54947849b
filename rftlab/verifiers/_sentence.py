"""The one quantity that a whole sentence states, such as `The baker makes 288 rolls in total`.

A sentence is read only where nothing in it can mean another number: every word beside the quantity is neutral or one of
the prompt's, none denies, hedges, compares or alters, and a second number is one that the prompt counts by. What is
concluded from a reason (`..., so the answer is 288`) is read if the reason brings in no number of its own.
"""

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction

from rftlab.verifiers._counted import is_of_other_stuff, may_count
from rftlab.verifiers._equation import equations_in, holds, without_formulas
from rftlab.verifiers._pieces import MOST_PIECES, Piece, may_echo, to_pieces, without_echoes
from rftlab.verifiers._prompt import Asked, is_said_again, is_same_doing, names_another, read_prompt, remains, repeats
from rftlab.verifiers._quantity import DECIMAL, PERCENT, Quantity, plain_quantity, to_fraction
from rftlab.verifiers._quantity_text import to_plain
from rftlab.verifiers._reason import Argued, argued, is_known, is_reason
from rftlab.verifiers._stem import WORD, is_denial, looks_done, measures_of, stem, to_number
from rftlab.verifiers._words import ALTERS, BESIDE_PRICE, NEUTRAL, NO_UNIT, PAYING, REDUCED
from rftlab.verifiers._working import Settled, settle
from rftlab.verifiers.wrappers import unwrap

_MOST_CHARS = 400
_IS = frozenset({"is", "are", "was", "were"})
_PRONOUNS = frozenset({"he", "she", "it", "they", "there", "you", "we", "i", "his", "her", "their"})
_ALL = frozenset({"all", "altogether", "overall", "together", "total"})
_UNIT_PIECE = re.compile(r" ?[^\s,.;:!?()]{1,30}")
_PHRASES = (
    (re.compile(r"\b(?:is |are )?equal to\b|\b(?:amounts?|comes?|sums?|adds? up) to\b", re.IGNORECASE), "is"),
    (re.compile(r"\b(?:as a result|in conclusion|in summary|in the end|in all|in total),?", re.IGNORECASE), "in total"),
    (re.compile(r"\bleft (?:over|with)\b|\bleftover\b", re.IGNORECASE), "left"),
    (re.compile(r"\b(?:ends?|ended|winds?|wound) (?:up )?(?:with|having)\b|\bis left with\b", re.IGNORECASE), "has"),
    (re.compile(r"\b(?:has|have|needs?|is able|will be able|will have) to (?=[^\W\d_])|\bcan (?=[^\W\d_])"), "will "),
    (re.compile(r"\blasts?(?: for)? (?=\d)"), "takes "),
    (
        re.compile(
            r"(?<=[^\W\d_] )(?<!\b(?:in|of) )(?<!\bfor )(?:each|every|an?) "
            r"(?=(?:hour|minute|second|day|week|month|year)\b)"
        ),
        "per ",
    ),
    (re.compile(r"(?<=\bis )(?:minus|negative) (?=\d)|(?<=\bwas )(?:minus|negative) (?=\d)", re.IGNORECASE), "-"),
)
_ODDS = re.compile(r"(\d{1,9}) (?:in|out of) (\d{1,9})", re.ASCII)
_BOTH = re.compile(rf"(?=[A-Z])({WORD}) and (?=[A-Z])({WORD})")
_DATE = re.compile(
    r"\b(?:\d{1,2}(?:st|nd|rd|th)? )?(?:January|February|March|April|May|June|July|August|September|October|November"
    r"|December)"
    r"(?: \d{1,2})?,? (?=\d{3,4}\b)"
)
_PER_SEVERAL = re.compile(r"\d.*\b(?:every|each|per) \d")
_PERCENT_OF = re.compile(rf"(?P<part>{DECIMAL}) is (?P<percent>{DECIMAL}) ?(?:%|percent) of (?P<whole>{DECIMAL})")
_PART = re.compile(
    r"(?:(?<=\d)|(?<=\beach)|(?<=\bEach)) (?:out )?of (?:the |all )?(?P<whole>(?a:\d{1,9}(?:\.\d{1,9})?))(?= [^\W\d_])"
)
# What hangs in a text from which an equation was taken out.
_HANGING = re.compile(r"\b(?:gives?|means|get|have|that)\s{1,3}(?=[,;.→⇒]|$)|^[\s,;.:→⇒]+|[→⇒]|(?<=[,;])[\s,;.]+")


def stated(answer: str, prompt: str) -> list[Quantity]:
    """What an answer states in whole sentences: readings of its one number, which differ in how much is the unit.

    A question states nothing, nor does the prompt said again, whole or in part.

    Args:
        answer: an extracted answer; anything goes. None is read of one that is longer than 400 characters.
        prompt: what was asked.
    """
    if len(answer) > _MOST_CHARS or (bare := unwrap(answer)).endswith("?") or repeats(answer, prompt):
        return []
    asked, plain = read_prompt(prompt), to_plain(answer)
    if asked.of_share and (odds := _ODDS.fullmatch(bare.rstrip("."))) and int(odds[2]):
        return [Quantity(Fraction(int(odds[1]), int(odds[2])), None)]
    if asked.of_percent and (said := _PERCENT_OF.fullmatch(plain)):
        part, percent, whole = (to_fraction(said[name]) for name in ("part", "percent", "whole"))
        return [Quantity(percent, PERCENT, "%")] if part * 100 == percent * whole else []
    calculated = without_formulas(plain, asked)
    text, equations = equations_in(calculated if "=" in answer else answer)
    if equations:
        found = _stated(_HANGING.sub(" ", text), asked)
        return [each for each in found if all(holds(equation, each.value) for equation in equations)]
    forms = [answer]
    if calculated != plain:
        forms.append(calculated)
    if bare != answer.strip():
        forms.append(bare)
    return next((found for text in forms if (found := _stated(text, asked))), [])


def _settle(text: str) -> Settled | None:
    """A text settled; a line that ends parts numbers as a mark does."""
    return settle(to_plain(re.sub(r"\s{0,9}\n\s{0,9}", "; ", text.strip())))


def _stated(answer: str, asked: Asked) -> list[Quantity]:
    settled = _settle(answer)
    if settled is None:
        return []
    if (found := _read(settled.text, asked)) and not names_another(answer, asked):
        return found
    return next((found for each in argued(answer) if (found := _claimed(each, asked))), [])


def _claimed(each: Argued, asked: Asked) -> list[Quantity]:
    """What an answer claims, if the reason beside it says nothing against it."""
    if each.working and (settled := _settle(f"{each.working} = {each.claim}")):
        return _read(settled.text, asked)
    said, why = _settle(each.claim), _settle(each.reason)
    if each.working or said is None or why is None:
        return []
    found = [] if names_another(each.claim, asked) else _read(said.text, asked)
    values = {quantity.value for quantity in found}
    if each.calculated and values.isdisjoint(said.results):
        return []
    others = [] if why.results else [other for other in _read(why.text, asked) if may_count(other.named, asked)]
    before = {other.value for other in others if (other.unit == PERCENT) == asked.of_percent}
    if not said.numbers.issuperset(before):
        return []  # another answer before it
    return found if found and is_reason(why, values, asked) else []


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
    text = _BOTH.sub(lambda both: "they" if {*map(stem, both.groups())} <= asked.elsewhere else both[0], text)
    if asked.many:
        text = re.sub(rf" ?(?:per|/) ?{re.escape(asked.many)}\b", "", text, flags=re.IGNORECASE)
    if asked.of_year:
        text = _DATE.sub("", text)
    if asked.of_one:
        text = text.replace(" on average", "")
    if _PER_SEVERAL.search(text) or is_of_other_stuff(text, asked):
        return []
    of_share = asked.of_percent or asked.of_chance or asked.of_part
    if of_share and re.match(rf"\W{{0,9}}{DECIMAL} of (?:the )?\d", text):
        return []
    if not of_share and (part := _PART.search(text)) and is_known(Fraction(part["whole"]), asked):
        text = f"{text[: part.start()]} of the{text[part.end() :]}"
    if asked.compared:
        text = re.sub(rf"(?<=\d) (?:{'|'.join(map(re.escape, asked.compared - {'than'}))})\b", "", text)
    pieces = list(itertools.islice(to_pieces(text), MOST_PIECES + 1))
    if (
        len(pieces) > MOST_PIECES
        or _is_of_another(pieces, asked)
        or (asked.of_each and any(piece.text in _ALL for piece in pieces))
    ):
        return []
    if sum(piece.value is not None or to_number(piece.text) is not None for piece in pieces) > 1:
        pieces = without_echoes(pieces, asked)
    numbers = [i for i, piece in enumerate(pieces) if piece.value is not None]
    if len(numbers) != 1 or not may_echo(pieces, numbers[0], asked):
        return []
    if not all(_is_plain(pieces[: numbers[0]], i, asked, before=True) for i in range(numbers[0])):
        return []
    return list(_with_units(text, pieces, numbers[0], asked))


def _is_of_another(pieces: list[Piece], asked: Asked) -> bool:
    """Whether a sentence says what something is (`The rope is ...`) that the question leaves out for its own."""
    if len(pieces) < 3 or not _PRONOUNS.isdisjoint(asked.question) or pieces[2].text not in _IS:
        return False
    return pieces[0].text == "the" and stem(pieces[1].text) in asked.words - asked.question


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
    if word in asked.counts and not before and i == 0:
        return True
    if word in ("up", "away") and not before:
        return not asked.question.isdisjoint({word, "far"})
    if stem(word) in PAYING and PAYING.isdisjoint(asked.question) and not BESIDE_PRICE.isdisjoint(asked.question):
        return False
    if word == "to" and not before and following[:1].isalpha():
        return stem(following) in asked.words
    if word in asked.compared:
        return not before or following == "by"
    if word == "and":
        return before and following[:1].isalpha() and not any(each.echo for each in pieces)
    if word == "one":
        return asked.of_one and before and bool(following)
    if word in ("a", "an") and not before and i and pieces[i - 1].text in ("in", "on", "at", "of"):
        return True
    if word in ("each", "every", "per", "apiece") or (word in ("a", "an") and not before):
        return asked.of_one
    if named := measures_of([word]):
        free = not asked.measures or named <= asked.spoken
        return named <= asked.measures or (before and free and named.isdisjoint(asked.told))
    if word in asked.given or (word in ("sum", "total") and before and not REDUCED.isdisjoint(asked.measures)):
        return False
    if word in NEUTRAL or remains(word, asked) or is_same_doing(word, asked):
        return True
    said = [each.text for each in pieces[max(0, i - 2) : i]]
    if not before and said[-1:] == ["to"] and stem(word) in asked.words and not asked.denies:
        return word not in ALTERS
    return _is_of_prompt(word, following, asked, before=before) and (before or is_said_again(word, said, asked))


def _is_of_prompt(word: str, following: str, asked: Asked, *, before: bool) -> bool:
    if word == "score":
        return before and stem(word) in asked.question and following[:1].isalpha() and following != "of"
    if word in ALTERS:
        compares = word.endswith(("est", "st", "imum", "er")) and before and following[:1].isalpha()
        return compares and following != "than" and stem(word) in asked.question
    if word in ("at", "by", "after") and before and not following:
        return word == "at" or word in asked.question
    if word in NO_UNIT:
        return stem(word) in asked.question and following[:1].isalpha() and not asked.denies
    if (asked.denies and not before) or (stem(word) in asked.names and not asked.refers and not word.endswith("'s")):
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
        if read.unit or not word or word in NEUTRAL | asked.counts | {"than", "to"} or remains(word, asked):
            yield read
