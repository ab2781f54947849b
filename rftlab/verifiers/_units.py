"""Units of a quantity, by dimension, with exact factors; a table of what people write, in symbols and in words.

No library: pint 0.25.3 (3.3 MB, a second to load) does not read `m/s^2`, `m s⁻²` or `square feet` with exact fractions,
and reads every other word as a unit (`as` is attoseconds).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from rftlab.verifiers._words import NO_UNIT

_SYMBOLS = {
    "mass": {"kg": "1000", "g": "1", "mg": "1/1000", "mcg": "1/1000000", "µg": "1/1000000", "ug": "1/1000000",
             "ng": "1/1000000000", "t": "1000000", "lb": "45359237/100000", "lbs": "45359237/100000",
             "oz": "45359237/1600000"},
    "volume": {"l": "1", "dl": "1/10", "cl": "1/100", "ml": "1/1000", "µl": "1/1000000", "ul": "1/1000000"},
    "length": {"km": "1000", "m": "1", "dm": "1/10", "cm": "1/100", "mm": "1/1000", "µm": "1/1000000",
               "nm": "1/1000000000", "mi": "1609344/1000", "yd": "9144/10000", "ft": "3048/10000", "in": "254/10000"},
    "time": {"s": "1", "sec": "1", "ms": "1/1000", "min": "60", "h": "3600", "hr": "3600", "d": "86400"},
    "amount": {"mol": "1", "mmol": "1/1000", "µmol": "1/1000000", "umol": "1/1000000"},
    "area": {"ha": "10000"},
    "temperature": {"K": "1"},
    "energy": {"J": "1", "kJ": "1000", "MJ": "1000000", "mJ": "1/1000", "GJ": "1000000000", "cal": "4184/1000",
               "kcal": "4184", "Wh": "3600", "kWh": "3600000", "MWh": "3600000000", "eV": f"1602176634/{10**28}",
               "keV": f"1602176634/{10**25}", "MeV": f"1602176634/{10**22}", "Nm": "1"},
    "power": {"W": "1", "kW": "1000", "MW": "1000000", "GW": "1000000000", "mW": "1/1000"},
    "frequency": {"Hz": "1", "kHz": "1000", "MHz": "1000000", "GHz": "1000000000"},
    "force": {"N": "1", "kN": "1000", "mN": "1/1000", "MN": "1000000"},
    "pressure": {"Pa": "1", "hPa": "100", "kPa": "1000", "MPa": "1000000", "GPa": "1000000000", "bar": "100000",
                 "mbar": "100", "atm": "101325"},
    "voltage": {"V": "1", "kV": "1000", "mV": "1/1000"},
    "current": {"A": "1", "mA": "1/1000", "µA": "1/1000000", "uA": "1/1000000"},
    "charge": {"Ah": "3600", "mAh": "3600/1000"},
    "resistance": {"Ω": "1", "kΩ": "1000", "MΩ": "1000000", "mΩ": "1/1000"},
}  # fmt: skip
# What these are in the dimensions below them, whose base units are metre, gram, second and ampere.
_DERIVED = {
    "volume": ({"length": 3}, "1/1000"), "area": ({"length": 2}, "1"), "frequency": ({"time": -1}, "1"),
    "force": ({"mass": 1, "length": 1, "time": -2}, "1000"), "energy": ({"mass": 1, "length": 2, "time": -2}, "1000"),
    "power": ({"mass": 1, "length": 2, "time": -3}, "1000"), "charge": ({"current": 1, "time": 1}, "1"),
    "pressure": ({"mass": 1, "length": -1, "time": -2}, "1000"),
    "voltage": ({"mass": 1, "length": 2, "time": -3, "current": -1}, "1000"),
    "resistance": ({"mass": 1, "length": 2, "time": -3, "current": -2}, "1000"),
}  # fmt: skip
_PREFIXES = {"kilo": "1000", "mega": "1000000", "giga": "1000000000", "deci": "1/10", "centi": "1/100",
             "milli": "1/1000", "micro": "1/1000000", "nano": "1/1000000000"}  # fmt: skip
_PREFIXED = {"gram": "mass", "gramme": "mass", "liter": "volume", "litre": "volume", "meter": "length",
             "metre": "length", "second": "time", "mole": "amount", "joule": "energy", "watt": "power",
             "hertz": "frequency", "newton": "force", "pascal": "pressure", "volt": "voltage",
             "ampere": "current", "amp": "current", "ohm": "resistance",
             "kelvin": "temperature"}  # fmt: skip
_WORDS = {
    "mass": {"tonne": "1000000", "pound": "45359237/100000", "ounce": "45359237/1600000"},
    "length": {"mile": "1609344/1000", "yard": "9144/10000", "foot": "3048/10000", "feet": "3048/10000",
               "inch": "254/10000", "inche": "254/10000"},
    "time": {"minute": "60", "hour": "3600", "day": "86400", "week": "604800"},
    "energy": {"calorie": "4184/1000", "kilocalorie": "4184"},
}  # fmt: skip


def _table() -> dict[str, tuple[str, Fraction]]:
    units = {name: (kind, Fraction(size)) for table in (_SYMBOLS, _WORDS) for kind, row in table.items()
             for name, size in row.items()}  # fmt: skip
    for word, kind in _PREFIXED.items():
        units[word] = (kind, Fraction(1))
        units |= {prefix + word: (kind, Fraction(size)) for prefix, size in _PREFIXES.items()}
    return units


_UNITS = _table()
# Case decides (mg and Mg, mm and mM, s and S) but in words, and where no other unit is written so.
_WORD = 3
_ALSO = {"L": "l", "dL": "dl", "cL": "cl", "mL": "ml", "µL": "µl", "uL": "ul", "Kg": "kg", "KG": "kg", "Km": "km",
         "KM": "km", "Cm": "cm", "CM": "cm", "hrs": "hr", "mins": "min", "secs": "sec"}  # fmt: skip
_SAME = {"usd": "$", "dollar": "$", "buck": "$", "eur": "€", "euro": "€", "gbp": "£", "yen": "¥", "jpy": "¥",
         "rupee": "₹", "inr": "₹", "percent": "%", "pct": "%", "F": "°F", "fahrenheit": "°F", "°f": "°F", "C": "°C",
         "celsiu": "°C", "°c": "°C", "deg": "°", "degree": "°", "people": "person", "children": "child"}  # fmt: skip
_COMPOUND = {"kph": "km/h", "kmh": "km/h", "kmph": "km/h", "mph": "mi/h"}
_REWRITTEN: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}"), lambda found: unicodedata.normalize("NFKC", found[0]).replace("−", "-")),
    (re.compile(r"(?<=[^\W\d_]) ?(?:\*\*|\^) ?(?=-?\d)"), ""),
    (re.compile(r"[⋅∙*]"), "·"),
    (re.compile(r"[ΩΩ]"), "Ω"),
    (re.compile(r"\bdeg(?:ree)?s? (?=[CF]\b|celsius|fahrenheit)", re.IGNORECASE), ""),
    (re.compile(r"\b(?:square|sq)\.? ([^\W\d_]{1,20})"), r"\g<1>2"),
    (re.compile(r"\b(?:cubic|cu)\.? ([^\W\d_]{1,20})"), r"\g<1>3"),
    (re.compile(r"([^\W\d_]{1,20}) squared\b"), r"\g<1>2"),
    (re.compile(r"([^\W\d_]{1,20}) cubed\b"), r"\g<1>3"),
    (re.compile(r"\bper\b ?"), "/"),
    (re.compile(r"/ ?\(([^()/]{1,60})\)"), lambda found: "/" + re.sub(r" ?· ?| ", "/", found[1].strip())),
)
_NAME = re.compile(r"((?:[^\W\d_]{1,20}[ -]){0,3}[^\W\d_]{1,20}|[%$€£¥₹]|°[CFcf]?)(-?[1-9])?")
_FACTOR = re.compile(r"[^\W\d_]{1,20}(?:-?[1-9])?")
_PRODUCT = re.compile(r"(?:[^\W\d_]{1,20}(?:-?[1-9])?[ ·-]{1,3}){1,4}[^\W\d_]{1,20}(?:-?[1-9])?")
# `in` is an inch only behind a number, and what an apostrophe leaves (`she's`, `can't`) is no unit.
_WRITTEN = re.compile(r"(?<![^\W\d_])(?<!['’])(?!in\b)[^\W\d_]{1,20}|(?<=\d )in\b")
_WANTED = re.compile(r"\b(?:how many|in) ([^\W\d_]{1,20})(?=[^?!]{0,200}\?)", re.IGNORECASE)
_IN = re.compile(
    r"\bin ((?:(?:square|cubic) )?[^\W\d_][^\s?!.,;()]{0,19}(?: per [^\W\d_]{1,20}| squared| cubed)?)", re.IGNORECASE
)
_EACH = re.compile(r"\b(?:an?|one|1|per|each|every) ([^\W\d_]{1,20})(?=[^.?!]{0,200}\?)", re.IGNORECASE)
_MOST_CHARS = 4000
CURRENCIES = frozenset("$€£¥₹")


class Unit(NamedTuple):
    """A unit as powers of its dimensions, and what one of it is in their base units."""

    powers: Mapping[str, int]
    factor: Fraction

    @property
    def scales(self) -> bool:
        """Whether others of its dimension have another size, so that leaving it out loses something."""
        return not CURRENCIES & set(self.powers) and not _SYMBOLS.keys().isdisjoint(self.powers)


def to_unit(text: str) -> Unit | None:
    """A unit such as `mg/kg/day`, `m^2`, `m s⁻²`, `N·m`, `square feet`, `mg per dL`, `apples`; None if it is none.

    A word that is in no table is a dimension of its own, unless it makes the number another one or denies it.
    """
    powers: Counter[str] = Counter()
    factor = Fraction(1)
    parts = _parts(text)
    if parts is None:
        return None
    for (kind, size), power in parts:
        dimensions, base = _DERIVED.get(kind, ({kind: 1}, "1"))
        for dimension, times in dimensions.items():
            powers[dimension] += power * times
        factor *= (size * Fraction(base)) ** power
    return Unit({kind: power for kind, power in powers.items() if power}, factor)


def named_unit(text: str) -> Unit | None:
    """The unit that a text asks for (`in km/h`, `in square metres`), a currency or degrees among them."""
    for found in _IN.finditer(text):
        unit = to_unit(found[1])
        if unit and (unit.scales or found[1].casefold() in _SAME or _singular(found[1]) in _SAME):
            return unit
    return None


def is_asked_for(unit: str, prompt: str) -> bool:
    """Whether a bare number is in this unit: a prompt asks for it, or speaks of it and of no other of its dimensions.

    What is counted beside a unit (`pages per hour`) is asked for where the prompt has the word.
    """
    prompt = prompt[:_MOST_CHARS]
    if (asked := named_unit(prompt)) and asked == to_unit(unit):
        return True
    words = _WRITTEN.findall(prompt)
    known = {_named(word) for word in words if _known(word)}
    wanted = {_named(found[1]) for found in _WANTED.finditer(prompt) if _known(found[1])}
    others = {_named(word) for word in words}
    divided_by = {_named(found[1]) for found in _EACH.finditer(prompt)}
    return all(
        {each for each in known if each[0] == part[0]} == {part}
        or {each for each in wanted if each[0] == part[0]} == {part}
        or (part[0] not in _SYMBOLS and part in others)
        or (power < 0 and part in divided_by)
        for part, power in _parts(unit) or []
    )


def _parts(text: str) -> list[tuple[tuple[str, Fraction], int]] | None:
    """Dimension and size of each of a unit's parts, with its power; None if the text is no unit."""
    text = text.replace("μ", "µ")
    for pattern, new in _REWRITTEN:
        text = pattern.sub(new, text)
    parts = []
    for position, piece in enumerate(_COMPOUND.get(text.strip().casefold(), text).split("/")):
        for part in _factors(piece.strip()):
            found = _NAME.fullmatch(part)
            if not found or not (_known(found[1]) or NO_UNIT.isdisjoint(re.split("[ -]", found[1].casefold()))):
                return None
            parts.append((_named(found[1]), int(found[2] or 1) * (-1 if position else 1)))
    return parts


def _factors(text: str) -> list[str]:
    """The factors of a product of known units (`N·m`, `kg m2`, `kilowatt hours`); else the text as it stands."""
    if _PRODUCT.fullmatch(text):
        factors = _FACTOR.findall(text)
        if all(_known(factor.rstrip("-123456789")) for factor in factors):
            return factors
    return [text]


def _named(name: str) -> tuple[str, Fraction]:
    """Dimension and size of a unit's name; an unknown unit is a dimension of its own."""
    return _known(name) or (_SAME.get(_singular(name), _singular(name)), Fraction(1))


def _known(name: str) -> tuple[str, Fraction] | None:
    name = _ALSO.get(name, name)
    return _UNITS.get(name) or _UNITS.get(_singular(name))


def _singular(name: str) -> str:
    name = name.casefold() if len(name) >= _WORD else name
    return name if name in _UNITS or len(name) < _WORD else name.removesuffix("s")


def quantities(parts: Iterator[tuple[Fraction, str]]) -> tuple[Fraction, Unit] | None:
    """Value and unit of `1 h 30 min`: numbers with units of one dimension, each smaller than the one before."""
    total, first, last = Fraction(0), None, None
    for value, name in parts:
        unit = to_unit(name)
        if unit is None or not unit.scales or (last and (unit.powers != last.powers or unit.factor >= last.factor)):
            return None
        first, last = first or unit, unit
        total += value * unit.factor / first.factor
    return (total, first) if first else None
