"""One number with at most one unit, read exactly from what people and their models write."""

import re
from fractions import Fraction
from typing import NamedTuple

from rftlab.verifiers._quantity_text import to_plain
from rftlab.verifiers._units import Unit, quantities, to_unit

_MOST_CHARS = 200
# Every repetition is bounded: linear on any text, and Fraction never works on a number of hostile size.
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,12}(?!\d)|\d{1,3}(?: \d{3}){1,12}(?! ?\d)|\d{1,40})"
DECIMAL = rf"(?:{_DIGITS}(?:\.\d{{0,40}})?|\.\d{{1,40}})"
CURRENCY = r"(?:[$€£¥₹]|(?:USD|EUR|GBP|CHF|JPY|INR) )"
NUMBER = (
    rf"(?P<sign>[+-]?) ?(?P<currency>{CURRENCY})? ?(?P<top>{DECIMAL})"
    rf"(?:[eE](?P<exponent>[+-]?\d{{1,3}})|(?: ?/ ?(?P<bottom>{DECIMAL}))?)"
    rf"(?: ?[x×*·] ?10(?:\^|\*\*)?\{{?(?P<power>[+-]?\d{{1,3}})\}}?)?"
)
_QUANTITY = re.compile(rf"{NUMBER}(?P<unit>[^\n]{{0,60}})", re.ASCII)
_TEN = re.compile(r"(?P<sign>[+-]?) ?10(?:\^|\*\*)\{?(?P<power>[+-]?\d{1,3})\}?(?![\d.])", re.ASCII)
_MIXED = re.compile(r"([+-]?)(\d{1,40}) (\d{1,40})/(\d{1,40})(?![\d.])", re.ASCII)
_ASSIGNED = re.compile(r"(?:[A-Za-z](?:_\{?\w{1,8}\}?)? ?)?= ?(.+)", re.ASCII)
_NEGATIVE = re.compile(r"(?:minus|negative) (?=[\d.$€£¥₹\\])", re.IGNORECASE)
_SEVERAL = re.compile(rf"(?:{DECIMAL} ?[A-Za-z]{{1,20}}(?:,? and |, | ?)){{2,4}}", re.ASCII)
_ONE_OF_SEVERAL = re.compile(rf"({DECIMAL}) ?((?!and )[A-Za-z]{{1,20}})", re.ASCII)
_AROUND = frozenset({"()", "[]", '""', "''", "“”"})
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


def to_quantity(text: str) -> Quantity | None:
    """The one number in a text and its unit; None if there is no number, or anything besides."""
    return plain_quantity(to_plain(text[: 2 * _MOST_CHARS]))


def plain_quantity(text: str) -> Quantity | None:
    """The same of a text as `to_plain` gives it."""
    text = _regular(text)
    found = _QUANTITY.fullmatch(text if len(text) < _MOST_CHARS else "")
    if not found:
        return None
    value = to_fraction(found["top"])
    if found["bottom"]:
        divisor = to_fraction(found["bottom"])
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
        several = quantities((to_fraction(n), name) for n, name in _ONE_OF_SEVERAL.findall(text))
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


def _regular(text: str) -> str:
    """A quantity as `_QUANTITY` reads it: no name before it, one sign, no mixed number, no bare power of ten."""
    if found := _ASSIGNED.fullmatch(text):
        text = found[1]
    text = _unbracketed(text)
    text = _NEGATIVE.sub("-", text, count=1) if _NEGATIVE.match(text) else text
    if (found := _MIXED.match(text)) and int(found[3]) < int(found[4]):
        text = f"{found[1]}{int(found[2]) * int(found[4]) + int(found[3])}/{found[4]}{text[found.end() :]}"
    if found := _TEN.match(text):
        text = f"{found['sign']}1e{found['power']}{text[found.end() :]}"
    return text.strip()


def _unbracketed(text: str) -> str:
    """Text without the one pair of brackets or quotes around all of it."""
    pair = text[:1] + text[-1:]
    return text[1:-1].strip() if len(text) > 1 and pair in _AROUND and not set(pair) & set(text[1:-1]) else text


def to_fraction(text: str) -> Fraction:
    """The value of a text that `DECIMAL` matches, with commas or spaces between its thousands."""
    return Fraction(text.replace(",", "").replace(" ", "").rstrip(".") or "0")
