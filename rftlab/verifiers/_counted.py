"""Whether what is named behind a number can be what a prompt asks for, as far as words show it."""

import re

from rftlab.verifiers._prompt import MOST_CHARS, SIGNS, Asked, is_said_again, remains
from rftlab.verifiers._stem import WORD, is_denial, looks_done, measures_of, powers_of, stem
from rftlab.verifiers._units import Unit, to_unit
from rftlab.verifiers._words import ALTERS, DIMENSIONS, NEUTRAL, REDUCED

_JOINS = frozenset({"per", "each", "every", "a", "an"})
_POWERS = frozenset({"square", "squared", "cubic", "cubed"})
_STUFF = re.compile(r"(?<![^\W\d_])[^\W\d_]{1,20} of (?:the )?([^\W\d_]{1,30})$")
_SPANS = frozenset({"month", "decad", "century", "cent", "fortnight", "penny"})
_PER = re.compile(rf"(?:/|\b(?:per|each|every|apiece)\b) ?({WORD})?", re.IGNORECASE)
_RATE = re.compile(rf"({WORD}) ?(?:/|\b(?:per|an?|each|every)\b) ?({WORD})", re.IGNORECASE)


def may_count(named: str, asked: Asked) -> bool:
    """Whether what is named behind a number can be what is asked for, as far as words show it.

    Not what is done with it (`288 rolls eaten`), another thing that the prompt counts (`288 trays` where it asks how
    many rolls) or a rate where one total is asked for.
    """
    words = [word.casefold() for word in re.findall(WORD, named)]
    if any(
        (word in ALTERS or is_denial(word))
        and not (_is_unit(word) or (word in _POWERS and _is_unit(named)))
        and stem(word) not in asked.counts
        for word in words
    ):
        return False
    if not asked.words:
        return True
    if words and asked.of_year:
        return named.casefold() in ("ad", "ce")
    if words and asked.unit and not asked.of_percent and not _is_in(named, asked.unit):
        return False
    if is_of_other_stuff(named, asked) or (asked.many and _PER.search(named)):
        return False
    if words and asked.of_part and not named.startswith("%") and words[0] not in NEUTRAL | {"percent", "per", "pct"}:
        return False
    if named and (asked.of_percent or asked.of_chance):
        is_share = named.startswith("%") or (words and words[0] in ("per", "percent", "pct"))
        return is_share or bool(measures_of(words[:1]) & asked.measures)
    dimensions = [each for measure in asked.measures for each in DIMENSIONS.get(measure, ())]
    found = to_unit(named)
    if found and found.scales and dimensions and DIMENSIONS.keys() >= asked.measures and found.powers not in dimensions:
        return False
    if asked.measures and not measures_of(words) <= asked.measures | {"time"}:
        return False
    if asked.currencies and (powers_of(named) & SIGNS) - asked.currencies:
        return False
    if not words or not SIGNS.isdisjoint(powers_of(named)):
        return (asked.of_one or not _PER.search(named)) and _is_sign_asked_for(named, asked)
    if any(looks_done(word) and word not in NEUTRAL and stem(word) not in asked.question for word in words):
        return False
    first = stem(words[0])
    if ("$" in asked.counts and first in asked.words) or first in _SPANS - asked.words:
        return False
    told = first in asked.words - asked.question and not _is_unit(words[0]) and words[0] not in NEUTRAL
    if told and not REDUCED.isdisjoint(asked.measures):
        return False
    if asked.counts - {"$"} and not _is_what_counts(words, asked):
        return False
    rates = [stem(found[1] or "") for found in _PER.finditer(named)]
    return not rates or (asked.of_one and all(not each or each in asked.words or _is_unit(each) for each in rates))


def is_of_other_stuff(text: str, asked: Asked) -> bool:
    """Whether a text ends in an amount of something else of the prompt than is measured: `g of alloy` for copper."""
    found = _STUFF.search(text) if asked.stuff else None
    return found is not None and stem(found[1]) in asked.words - {asked.stuff}


def may_be_percent(asked: Asked) -> bool:
    """Whether what is asked for can be a percentage, as a rate or a share can."""
    shares = {"rate", "share", "probability", "discount", "tax", "interest", "profit", "loss", "percentage"}
    named = not shares.isdisjoint(asked.measures) or asked.of_chance or asked.of_part
    return not asked.words or (asked.of_share and (named or not asked.measures) and "$" not in asked.counts)


def _is_what_counts(words: list[str], asked: Asked) -> bool:
    """Whether the words behind a number begin with what "how many" asks for, or speak of nothing that is counted."""
    if words[0] in NEUTRAL or remains(words[0], asked) or _is_rate(words[0]):
        return True
    unit, stems = powers_of(words[0]), list(map(stem, words))
    if _is_unit(words[0]):
        if not all(
            word in NEUTRAL or word in _JOINS or each in asked.words
            for word, each in zip(words[1:], stems[1:], strict=True)
        ):
            return False
        return any(_is_unit(each) and powers_of(each) == unit for each in asked.counts)
    at = next((i for i, each in enumerate(stems) if each in asked.counts), None)
    if at is None or stems[0] in asked.counted - asked.counts:
        return False
    if not all(word in NEUTRAL or each in asked.words for word, each in zip(words[:at], stems, strict=False)):
        return False  # another kind of it
    return all(
        word in NEUTRAL
        or remains(word, asked)
        or (stem(word) in asked.words and is_said_again(word, words[max(0, i - 2) : i], asked))
        for i, word in enumerate(words)
        if i > at
    )


def _is_sign_asked_for(named: str, asked: Asked) -> bool:
    """Whether a currency or degrees answer what "how many" asks for, where it does."""
    counts = asked.counts - {"$"}
    kinds = {kind[0] for each in counts for kind in powers_of(each) if kind[0] in "°$€£¥₹"}
    return not counts or not kinds.isdisjoint(kind[0] for kind in powers_of(named)) or not powers_of(named) & SIGNS


def _is_in(named: str, unit: frozenset[tuple[str, int]]) -> bool:
    """Whether a unit, or the one that a name begins with, is of the dimensions of another."""
    for text in (named, named.split(" ")[0]):
        found = to_unit(text)
        if found and (
            frozenset(found.powers.items()) == unit
            or {each[0] for each in found.powers} == {"°"} == {each[0][0] for each in unit}
        ):
            return True
    return False


def _is_rate(word: str) -> bool:
    """Whether one word is a unit of several dimensions: `mph`."""
    return _is_unit(word) and len(powers_of(word)) > 1


def _is_unit(word: str) -> bool:
    unit = to_unit(word)
    return bool(unit and unit.scales)


def is_turned_over(unit: Unit, prompt: str) -> bool:
    """Whether a rate is one that the prompt speaks of, upside down: hours per page for pages per hour."""
    rates = (to_unit(f"{found[1]}/{found[2]}") for found in _RATE.finditer(prompt[:MOST_CHARS]))
    turned = {name: -power for name, power in unit.powers.items()}
    return any(rate is not None and rate.powers == turned for rate in rates)
