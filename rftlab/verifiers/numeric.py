"""A number within a tolerance, with or without a unit, compared as exact fractions."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Literal, NamedTuple

from rftlab.errors import RftlabError
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.wrappers import unwrap

# Every repetition is bounded: linear on any text, and Fraction never works on a number of hostile size.
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,12}|\d{1,40})"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d{{0,40}})?|\.\d{{1,40}})"
_QUANTITY = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<currency>[$€£]?) ?(?P<top>{_DECIMAL})"
    rf"(?:[eE](?P<exponent>[+-]?\d{{1,3}})|(?: ?/ ?(?P<bottom>{_DECIMAL}))?)"
    rf"(?: ?[x×*·] ?10(?:\^|\*\*)?\{{?(?P<power>[+-]?\d{{1,3}})\}}?)?(?P<unit>[^\n]{{0,60}})",
    re.ASCII,
)
_FRAC = re.compile(r"\\[dtc]?frac\{(\d{1,40})\}\{(\d{1,40})\}|\\[dtc]?frac(\d)(\d)", re.ASCII)
_TEN = re.compile(r"(?P<sign>[+-]?) ?10(?:\^|\*\*)\{?(?P<power>[+-]?\d{1,3})\}?(?![\d.])", re.ASCII)
_MIXED = re.compile(r"([+-]?)(\d{1,40}) (\d{1,40})/(\d{1,40})(?![\d.])", re.ASCII)
_ASSIGNED = re.compile(r"[A-Za-z](?:_\{?\w{1,8}\}?)? ?= ?(.+)", re.ASCII)
_SIGNS = {"−": "-", "\\$": "$", "\\%": "%", "\\times": "x", "\\cdot": "x"}
_NAME = re.compile(r"([^\W\d_]{1,20}|[%$€£]|°[CFcf]?)(?:\^?([123]))?")
_SCALES = {
    "mass": {"kg": "1000", "g": "1", "mg": "1/1000", "mcg": "1/1000000", "µg": "1/1000000", "ug": "1/1000000",
             "ng": "1/1000000000"},
    "volume": {"l": "1", "dl": "1/10", "cl": "1/100", "ml": "1/1000", "µl": "1/1000000", "ul": "1/1000000"},
    "length": {"km": "1000", "m": "1", "cm": "1/100", "mm": "1/1000", "µm": "1/1000000"},
    "time": {"s": "1", "sec": "1", "second": "1", "min": "60", "minute": "60", "h": "3600", "hr": "3600",
             "hour": "3600", "d": "86400", "day": "86400", "week": "604800"},
    "amount": {"mol": "1", "mmol": "1/1000", "µmol": "1/1000000", "umol": "1/1000000"},
}  # fmt: skip
_UNITS = {name: (kind, Fraction(factor)) for kind, table in _SCALES.items() for name, factor in table.items()}
# Case decides (mg and Mg, mm and mM, s and S) but in words, and where no other unit is written so.
_WORD = 3
_ALSO = {"L": "l", "dL": "dl", "cL": "cl", "mL": "ml", "µL": "µl", "uL": "ul", "Kg": "kg", "KG": "kg", "Km": "km",
         "KM": "km", "Cm": "cm", "CM": "cm"}  # fmt: skip
_SAME = {"usd": "$", "dollar": "$", "eur": "€", "euro": "€", "gbp": "£", "percent": "%", "pct": "%", "°F": "F",
         "°C": "C"}  # fmt: skip
_CURRENCIES = frozenset("$€£")


class Unit(NamedTuple):
    """A unit as powers of its dimensions, and what one of it is in their base units."""

    powers: Mapping[str, int]
    factor: Fraction


class Quantity(NamedTuple):
    """A number as written, and its unit; None where none is written."""

    value: Fraction
    unit: Unit | None


class Numeric(Verifier):
    r"""Correct (1.0) if the answer is one number with |answer - gold| <= max(absolute, relative * |gold|), else 0.0.

    Reads integers, decimals, `a/b`, `1 1/2`, `\frac{a}{b}`, `1.5e3`, `1.5 x 10^3`, thousands separators, in whatever
    wrappers (`unwrap`). Units are compared by dimension: `0.5 g` equals `500 mg`, `1 mg/dL` equals `10 mg/L`; case
    decides (`Mg` is not `mg`); an unknown unit only equals itself, `$` is not `€`. To a gold answer without a unit, a
    currency or a word (`42 apples`) may be added, a unit with a scale (`42 kg`) not. A percent sign is read both ways,
    as the math verifier does. `meta["unit"]` names the unit of a gold answer written without one;
    `meta["absolute"]` and `meta["relative"]` override an example's tolerances.

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
        values = [found.value] if self._unit == "ignored" else _in_unit(found, unit)
        wanted = [gold.value, gold.value / 100] if unit == PERCENT and found.unit is None else [gold.value]
        return Judgement(float(any(abs(v - w) <= tolerance for v in values for w in wanted)))

    def _tolerance(self, gold: Fraction, example: Gold) -> Fraction:
        absolute = Fraction(str(example.meta.get("absolute", self._absolute)))
        relative = Fraction(str(example.meta.get("relative", self._relative)))
        return max(absolute, relative * abs(gold))


def to_quantity(text: str) -> Quantity | None:
    """The one number in a text and its unit; None if there is no number, or anything besides."""
    text = _plain(text[:400])
    found = _QUANTITY.fullmatch(text if len(text) < 200 else "")
    if not found:
        return None
    value = _decimal(found["top"])
    if found["bottom"]:
        divisor = _decimal(found["bottom"])
        if not divisor:
            return None
        value /= divisor
    power = int(found["exponent"] or 0) + int(found["power"] or 0)
    value *= Fraction(10) ** power * (-1 if found["sign"] == "-" else 1)
    named = f"{found['currency']}{found['unit'].strip()}"
    unit = to_unit(named)
    return None if named and unit is None else Quantity(value, unit)


def to_unit(text: str) -> Unit | None:
    """A unit such as `mg/kg/day`, `m^2`, `mg per dL`; None if the text is none."""
    text = text.replace("μ", "µ").replace("²", "2").replace("³", "3").replace(" per ", "/").replace("per ", "/")
    powers: Counter[str] = Counter()
    factor = Fraction(1)
    for position, part in enumerate(text.split("/")):
        found = _NAME.fullmatch(part.strip())
        if not found:
            return None
        power = int(found[2] or 1) * (-1 if position else 1)
        kind, scale = _named(found[1])
        powers[kind] += power
        factor *= scale**power
    return Unit({kind: power for kind, power in powers.items() if power}, factor)


def _named(name: str) -> tuple[str, Fraction]:
    """Dimension and scale of a unit's name; an unknown unit is a dimension of its own."""
    name = _ALSO.get(name, name)
    if name in _UNITS:
        return _UNITS[name]
    if len(name) >= _WORD:
        name = name.casefold()
        name = name if name in _UNITS else name.removesuffix("s")
    return _UNITS.get(name) or (_SAME.get(name, name), Fraction(1))


def _plain(text: str) -> str:
    """A quantity as `_QUANTITY` reads it, without what only wraps or announces it."""
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    text = unwrap(text).rstrip(".!?:;").strip()
    if found := _ASSIGNED.fullmatch(text):
        text = found[1]
    if text.startswith("(") and text.endswith(")") and "(" not in text[1:]:
        text = text[1:-1]
    text = "".join(f" {unicodedata.normalize('NFKC', each)}" if _is_fraction(each) else each for each in text)
    text = _FRAC.sub(lambda found: f"{found[1] or found[3]}/{found[2] or found[4]}", text.replace("⁄", "/").strip())
    if (found := _MIXED.match(text)) and int(found[3]) < int(found[4]):
        text = f"{found[1]}{int(found[2]) * int(found[4]) + int(found[3])}/{found[4]}{text[found.end() :]}"
    if found := _TEN.match(text):
        text = f"{found['sign']}1e{found['power']}{text[found.end() :]}"
    return text.strip()


def _is_fraction(character: str) -> bool:
    return unicodedata.decomposition(character).startswith("<fraction>")


PERCENT = Unit({"%": 1}, Fraction(1))


def _in_unit(found: Quantity, unit: Unit | None) -> list[Fraction]:
    """Values the found quantity can have in a unit; none where the units do not agree."""
    if found.unit == PERCENT and unit in (None, PERCENT):
        return [found.value] if unit else [found.value, found.value / 100]
    if found.unit is None:
        return [found.value]
    if unit is None:  # what the number counts or costs is no matter of scale
        kinds = set(found.unit.powers)
        return [found.value] if kinds & _CURRENCIES or kinds.isdisjoint(_SCALES) else []
    if found.unit.powers != unit.powers:
        return []
    return [found.value * found.unit.factor / unit.factor]


def _decimal(text: str) -> Fraction:
    return Fraction(text.replace(",", "").rstrip(".") or "0")
