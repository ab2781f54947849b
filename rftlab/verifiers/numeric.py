"""A number within a tolerance, with or without a unit, compared as exact fractions."""

import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Literal, NamedTuple

from rftlab.errors import RftlabError
from rftlab.verifiers._units import Unit, is_asked_for, quantities, to_unit
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.wrappers import unwrap

_MOST_CHARS = 200
# Every repetition is bounded: linear on any text, and Fraction never works on a number of hostile size.
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,12}(?!\d)|\d{1,3}(?: \d{3}){1,12}(?! ?\d)|\d{1,40})"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d{{0,40}})?|\.\d{{1,40}})"
_QUANTITY = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<currency>[$€£¥₹]|(?:USD|EUR|GBP|CHF|JPY|INR) )? ?(?P<top>{_DECIMAL})"
    rf"(?:[eE](?P<exponent>[+-]?\d{{1,3}})|(?: ?/ ?(?P<bottom>{_DECIMAL}))?)"
    rf"(?: ?[x×*·] ?10(?:\^|\*\*)?\{{?(?P<power>[+-]?\d{{1,3}})\}}?)?(?P<unit>[^\n]{{0,60}})",
    re.ASCII,
)
_FRAC = re.compile(r"(?<=\d) ?(?=\\[dtc]?frac)|\\[dtc]?frac\{(\d{1,40})\}\{(\d{1,40})\}|\\[dtc]?frac(\d)(\d)", re.ASCII)
_TEN = re.compile(r"(?P<sign>[+-]?) ?10(?:\^|\*\*)\{?(?P<power>[+-]?\d{1,3})\}?(?![\d.])", re.ASCII)
_MIXED = re.compile(r"([+-]?)(\d{1,40}) (\d{1,40})/(\d{1,40})(?![\d.])", re.ASCII)
_TEXT = re.compile(r"\\(?:text|mathrm|mbox|rm)\{([^{}]{0,60})\}")
_SPACED = re.compile(r"(?<=\d)(?:\\[,;: ]|~|\{,\})(?=\d{3})")
_RAISED = re.compile(r"(?<=10)[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}")
_ASSIGNED = re.compile(r"(?:[A-Za-z](?:_\{?\w{1,8}\}?)? ?)?= ?(.+)", re.ASCII)
_NEGATIVE = re.compile(r"(?:minus|negative) (?=[\d.$€£¥₹\\])", re.IGNORECASE)
_SEVERAL = re.compile(rf"(?:{_DECIMAL} ?[A-Za-z]{{1,20}}(?:,? and |, | ?)){{2,4}}", re.ASCII)
_ONE_OF_SEVERAL = re.compile(rf"({_DECIMAL}) ?((?!and )[A-Za-z]{{1,20}})", re.ASCII)
_AROUND = frozenset({"()", "[]", '""', "''", "“”"})
_SIGNS = dict.fromkeys("−‐‑‒–—﹣", "-") | {"\\$": "$", "\\%": "%", "\\times": "x", "\\cdot": "x"}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
           "k": 1000, "mn": 10**6, "bn": 10**9}  # fmt: skip
_SCALED = re.compile(rf" ?({'|'.join(_SCALES)})(?![^\W\d_])", re.IGNORECASE)
# `300 K` is a temperature, `$300K` is not.
_PRICE_SCALES = {"k": 10**3, "m": 10**6, "b": 10**9}
PERCENT = Unit({"%": 1}, Fraction(1))


class Quantity(NamedTuple):
    """A number as written, and its unit; None where none is written. ``named`` is the unit's text."""

    value: Fraction
    unit: Unit | None
    named: str = ""


class Numeric(Verifier):
    r"""Correct (1.0) if the answer is one number with |answer - gold| <= max(absolute, relative * |gold|), else 0.0.

    Reads integers, decimals, `a/b`, `1 1/2`, `\frac{a}{b}`, `1.5e3`, `1.5 x 10^3`, `3 million`, thousands separators,
    in whatever wrappers (`unwrap`). Units are compared by dimension: `0.5 g`, `500 mg` and `500 milligrams` are equal,
    so are `1 h 30 min` and `90 min`; case decides (`Mg` is not `mg`); an unknown unit only equals itself, `$` is not
    `€`. To a gold answer without a unit, a currency or what is counted (`42 apples`) may be added, but no word that
    makes it another number or denies it (`42 squared`, `42 wrong`); a unit with a scale (`42 days`) only where the
    prompt speaks of that unit and of no other of its kind. A percent sign is read both ways, as the math verifier does.
    `meta["unit"]` names the unit of a gold answer written without one; `meta["absolute"]` and `meta["relative"]`
    override an example's tolerances.

    Args:
        absolute: largest difference, in the gold answer's unit.
        relative: largest difference as a share of the gold answer.
        unit: "optional": may be left out, but if given must agree; "required"; "ignored": any unit will do.
        **settings: see `Verifier`.

    Raises:
        RftlabError: a negative tolerance, or an unknown value of ``unit``.
    """

    row: ClassVar[Mapping[str, Any]] = {"prompt": "How much is half a litre?", "answer": "500", "unit": "ml"}

    def __init__(
        self,
        *,
        absolute: float = 0.0,
        relative: float = 1e-6,
        unit: Literal["optional", "required", "ignored"] = "optional",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if not (absolute >= 0 and relative >= 0):
            raise RftlabError(f"numeric: tolerances absolute={absolute}, relative={relative}; give numbers >= 0")
        if unit not in ("optional", "required", "ignored"):
            raise RftlabError(f"numeric: unit={unit!r}; give optional, required or ignored")
        self._absolute, self._relative, self._unit = absolute, relative, unit

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Compare one extracted answer with the gold one."""
        gold, found = to_quantity(example.answer), to_quantity(answer)
        if gold is None:
            return cannot_judge(f"the gold answer {example.answer[:80]!r} is not one number with at most one unit")
        try:
            tolerance = self._tolerance(gold.value, example)
        except (ValueError, ZeroDivisionError) as error:
            return cannot_judge(f"meta.absolute or meta.relative is no number: {error}")
        if found is None:
            return Judgement(0.0, detail="not one number with at most one unit")
        given = example.meta.get("unit")
        unit = gold.unit or (to_unit(str(given)) if given else None)
        if found.unit is None and unit is not None and self._unit == "required":
            return Judgement(0.0, detail="the unit is missing")
        values = [found.value] if self._unit == "ignored" else _in_unit(found, unit, example.prompt)
        wanted = [gold.value, gold.value / 100] if unit == PERCENT and found.unit is None else [gold.value]
        return Judgement(float(any(abs(v - w) <= tolerance for v in values for w in wanted)))

    def _tolerance(self, gold: Fraction, example: Gold) -> Fraction:
        absolute = Fraction(str(example.meta.get("absolute", self._absolute)))
        relative = Fraction(str(example.meta.get("relative", self._relative)))
        return max(absolute, relative * abs(gold))


def to_quantity(text: str) -> Quantity | None:
    """The one number in a text and its unit; None if there is no number, or anything besides."""
    text = _plain(text[: 2 * _MOST_CHARS])
    found = _QUANTITY.fullmatch(text if len(text) < _MOST_CHARS else "")
    if not found:
        return None
    value = _decimal(found["top"])
    if found["bottom"]:
        divisor = _decimal(found["bottom"])
        if not divisor:
            return None
        value /= divisor
    sign = -1 if found["sign"] == "-" else 1
    power = int(found["exponent"] or 0) + int(found["power"] or 0)
    factor, rest = _scaled(found["unit"], bool(found["currency"]))
    value *= Fraction(10) ** power * factor * sign
    named = f"{(found['currency'] or '').strip()}{_unbracketed(rest.strip())}"
    unit = to_unit(named)
    if named and unit is None:
        text = text.lstrip("+-")
        several = quantities((_decimal(n), name) for n, name in _ONE_OF_SEVERAL.findall(text))
        return Quantity(sign * several[0], several[1]) if several and _SEVERAL.fullmatch(f"{text} ") else None
    return Quantity(value, unit, named)


def _scaled(rest: str, is_price: bool) -> tuple[int, str]:
    """What `million` and its like multiply a number by, and what stands behind them."""
    factor = 1
    if is_price and rest.strip().casefold() in _PRICE_SCALES:
        return _PRICE_SCALES[rest.strip().casefold()], ""
    while (found := _SCALED.match(rest)) and not (found[1] == "K" or (found[1] == "k" and rest.startswith(" "))):
        factor, rest = factor * _SCALES[found[1].casefold()], rest[found.end() :]
    return factor, rest


def _plain(text: str) -> str:
    """A quantity as `_QUANTITY` reads it, without what only wraps or announces it."""
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    text = unwrap(text).rstrip(".!?:;").strip()
    text = _TEXT.sub(r" \1 ", _SPACED.sub(",", text))
    text = _RAISED.sub(lambda found: f"^{unicodedata.normalize('NFKC', found[0]).replace('−', '-')}", text)
    if found := _ASSIGNED.fullmatch(text):
        text = found[1]
    text = _unbracketed(text)
    text = "".join(f" {unicodedata.normalize('NFKC', each)}" if _is_fraction(each) else each for each in text)
    text = _FRAC.sub(_slashed, text.replace("⁄", "/").strip())
    text = _NEGATIVE.sub("-", " ".join(text.split()), count=1) if _NEGATIVE.match(text) else " ".join(text.split())
    if (found := _MIXED.match(text)) and int(found[3]) < int(found[4]):
        text = f"{found[1]}{int(found[2]) * int(found[4]) + int(found[3])}/{found[4]}{text[found.end() :]}"
    if found := _TEN.match(text):
        text = f"{found['sign']}1e{found['power']}{text[found.end() :]}"
    return text.strip()


def _unbracketed(text: str) -> str:
    """Text without the one pair of brackets or quotes around all of it."""
    pair = text[:1] + text[-1:]
    return text[1:-1] if len(text) > 1 and pair in _AROUND and not set(pair) & set(text[1:-1]) else text


def _slashed(found: re.Match[str]) -> str:
    return f"{found[1] or found[3]}/{found[2] or found[4]}" if found[0].strip() else " "


def _is_fraction(character: str) -> bool:
    return unicodedata.decomposition(character).startswith("<fraction>")


def _in_unit(found: Quantity, unit: Unit | None, prompt: str) -> list[Fraction]:
    """Values the found quantity can have in a unit; none where the units do not agree."""
    if found.unit == PERCENT and unit in (None, PERCENT):
        return [found.value] if unit else [found.value, found.value / 100]
    if found.unit is None:
        return [found.value]
    if unit is None:  # what the number counts or costs is no matter of scale; a letter alone may be anything
        told = is_asked_for(found.named, prompt) if found.unit.scales else not re.fullmatch("[A-Za-z]", found.named)
        return [found.value] if told else []
    if found.unit.powers != unit.powers:
        return []
    return [found.value * found.unit.factor / unit.factor]


def _decimal(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace(" ", "").rstrip(".") or "0")
