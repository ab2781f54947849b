r"""Plain numbers as exact fractions, and the unit that is written beside a value.

Standard library only; every pattern is linear, and no number is larger than the text it was written in, or than the
bound on its exponent.
"""

import re
from fractions import Fraction

from rftlab.verifiers._words import NO_UNIT

_MAX_EXPONENT = 200

_DIGITS = r"(?:\d+(?:\.\d*)?|\.\d+)"
_SIGNED = re.compile(rf"[+-]?{_DIGITS}", re.ASCII)
_FRAC = re.compile(rf"\\frac\{{ ?([+-]?{_DIGITS}) ?\}}\{{ ?([+-]?{_DIGITS}) ?\}}", re.ASCII)
_SLASH = re.compile(rf"({_DIGITS}) ?/ ?([+-]?{_DIGITS})", re.ASCII)
_MIXED = re.compile(r"(\d+) ?\\frac\{ ?(\d+) ?\}\{ ?(\d+) ?\}|(\d+) (\d+)/(\d+)", re.ASCII)
_REPEATING = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar|dot)\{?(\d+)\}?", re.ASCII)
_POWER = re.compile(
    rf"(?:({_DIGITS}) ?(?:\\times|\\cdot|x) ?)?(10) ?\^ ?\{{?([+-]?\d+)\}}?|({_DIGITS})[eE]([+-]?\d+)", re.ASCII
)
_BASED = re.compile(r"([0-9A-F]+)_ ?\{? ?(\d+) ?\}?", re.ASCII)

# A word after a number is its unit, unless it belongs to the language itself, negates, or counts on.
_UNIT = re.compile(
    r" ?(?:\\text\{ ?(?P<text>[A-Za-z][A-Za-z ./-]*?)\.? ?\}|(?<= )(?P<words>[A-Za-z]{2,}(?:[ /-][A-Za-z]+){0,3})"
    r"|(?P<sign>km|cm|mm|dm|kg|mg|ml|mL|km/h|m/s|mph|ft|kW|kJ|Hz|m|g|s|h|L|in|[°€£¥₹$])"
    r"|\((?P<remark>[A-Za-z]{2,}(?: [A-Za-z]+){0,2})\))(?: ?\^ ?\{? ?(?P<power>[1-9]) ?\}?)?"
)
_UNITS = {
    "dollar": "$", "usd": "$", "buck": "$", "euro": "€", "eur": "€", "deg": "°", "degree": "°", "centimeter": "cm",
    "centimetre": "cm", "meter": "m", "metre": "m", "kilometer": "km", "kilometre": "km", "millimeter": "mm",
    "inche": "in", "inch": "in", "foot": "ft", "feet": "ft", "hour": "h", "hr": "h", "minute": "min",
    "second": "s", "sec": "s",
    "kilogram": "kg", "gram": "g", "liter": "L", "litre": "L", "mile per hour": "mph", "milliliter": "mL", "ml": "mL",
    "pound": "lb", "lb": "lb", "children": "child", "people": "person", "men": "man", "women": "woman",
}  # fmt: skip
_CASED = frozenset({"mm", "mM", "Mm", "s", "S", "mg", "Mg", "m", "M", "g", "G", "h", "H", "L", "l"})


def to_values(text: str) -> tuple[Fraction, ...]:
    r"""What a plain number can mean, exactly: one value, two for a percentage, none if it is no plain number.

    Reads integers, decimals, `a/b`, `\frac{a}{b}`, mixed numbers, `0.1\overline{6}`, `1.5\times 10^3`, `1.5e3`, and
    `204_5`.
    """
    text = text.strip()
    percent = text.endswith("%")
    text = text.removesuffix("%").strip()
    sign = -1 if text.startswith("-") else 1
    size = _magnitude(text.removeprefix("-" if sign < 0 else "+").strip())
    if size is None:
        return ()
    return (sign * size, sign * size / 100) if percent else (sign * size,)


def _magnitude(text: str) -> Fraction | None:
    if text.startswith(("-", "+")):
        return None
    if _SIGNED.fullmatch(text):
        return Fraction(text)
    if found := _FRAC.fullmatch(text) or _SLASH.fullmatch(text):
        bottom = Fraction(found[2])
        return Fraction(found[1]) / bottom if bottom else None
    if found := _MIXED.fullmatch(text):
        units, top, below = (int(part) for part in found.groups() if part is not None)
        return units + Fraction(top, below) if below > top else None
    if found := _REPEATING.fullmatch(text):
        whole, fixed, cycle = found.groups()
        nines = 10 ** len(cycle) - 1
        return Fraction(int((whole + fixed) or "0") * nines + int(cycle), 10 ** len(fixed) * nines)
    if found := _POWER.fullmatch(text):
        exponent = int((found[3] or found[5])[:6])
        if abs(exponent) > _MAX_EXPONENT:
            return None
        return Fraction(found[1] or found[4] or "1") * Fraction(10) ** exponent
    if (found := _BASED.fullmatch(text)) and 2 <= int(found[2][:3]) <= 16:
        try:
            return Fraction(int(found[1], int(found[2])))
        except ValueError:
            return None
    return None


def without_unit(text: str) -> tuple[str, str]:
    """A quantity's value and its canonical unit: "" where none is written, with "?" where it may be a variable."""
    if currency := re.match(r"(-?) ?([$€£¥₹]) ?(?=[-.\d])", text):
        return (currency[1] + text[currency.end() :]).strip(), currency[2]
    for start in range(1, len(text)):
        if not (found := _UNIT.fullmatch(text, start)):
            continue
        name = next(filter(None, found.group("text", "words", "sign", "remark"))).strip()
        words = re.split(r"[ ./-]+", name)
        if not found["sign"] and not {word.casefold() for word in words}.isdisjoint(NO_UNIT):
            break
        maybe = "?" if found["sign"] and name in "mgshL" else ""
        return text[:start].strip(), _canonical(" ".join(words), found["power"] or "") + maybe
    return text, ""


def _canonical(unit: str, power: str) -> str:
    if unit in _CASED or unit[:1].isupper():
        return unit + power
    for word, given in (("square ", "2"), ("sq ", "2"), ("cubic ", "3"), ("cu ", "3")):
        if unit.startswith(word):
            unit, power = unit.removeprefix(word), given
    head, *tail = unit.split(" ")
    head = head.removesuffix("s") if len(head) > 2 and not head.endswith("ss") else head
    unit = " ".join([head, *tail])
    return _UNITS.get(unit, unit) + power
