"""Calculations inside an answer: each that holds becomes its result (`12 × 24 = 288 rolls` is `288 rolls`).

Evaluated exactly and in bounds by `_expression`; nothing is executed. What does not hold is no answer.
"""

import itertools
import re
from fractions import Fraction
from typing import NamedTuple

from rftlab.verifiers._expression import Evaluator, ExpressionError
from rftlab.verifiers._quantity import DECIMAL, Quantity, plain_quantity, to_fraction
from rftlab.verifiers._units import to_unit
from rftlab.verifiers._words import ALTERS, DENIES, NO_UNIT

_MOST_CHARS = 400
_MOST_WORDS = 4
_TOKEN = re.compile(
    rf"(?P<number>(?a:(?<![\w.])(?:{DECIMAL})(?![\d.]*\d)))(?P<percent> ?%)?|(?P<sign>[$€£¥₹])|(?P<equals>=)"
    r"|(?P<operator>\*\*|[+*/×÷·^-])|(?P<bracket>[()])|(?P<word>[^\W\d_°]{1,40}(?:\^?-?\d|⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹])?|°[CF]?)|(?P<other>\S)"
)
_TIMES = re.compile(r"(?<=\d) ?[xX] ?(?=\d)", re.ASCII)
_PERCENT_OF = re.compile(r"(?<=\d) ?per ?cent of\b", re.IGNORECASE)
_SQUARED = re.compile(r"(?<=[\d)])[²³]")
_WHICH_IS = re.compile(r", which (?:is|equals|makes|gives) (?=[\d$€£])", re.IGNORECASE)
_TIMES_BRACKET = re.compile(r"(?<=\d)(?=\(\d)", re.ASCII)
_ROOT = re.compile(r"(?:√|\\sqrt) ?(?:\([^()√]{1,80}\)|\{[^{}√]{1,80}\}|\d{1,20})", re.ASCII)
_THEN = re.compile(r"[a-z/²³ ]{0,20}[,;.]? ?(?:(?:and|then|next|so|finally),? ?){0,2}", re.IGNORECASE)
_A_FRACTION = re.compile(r"[-+]?\(\d{1,9}\)/\(\d{1,9}\)")
_FRACTION = re.compile(r".*\)/\([\d/]+\)")
_SAID = {"x": "*", "times": "*", "plus": "+", "minus": "-", "multiplied by": "*", "divided by": "/", "of": "*"}
_EQUAL = frozenset({"is", "equals", "are", "makes", "gives", "make", "give", "leaves", "leave"})
_PYTHON = {"×": "*", "·": "*", "÷": "/", "^": "**"}
_NO_UNITS = DENIES | ALTERS | NO_UNIT


class Settled(NamedTuple):
    """A text in which each calculation is its result.

    ``numbers`` are those that the calculations had in them, ``results`` what they came to, in order.
    """

    text: str
    numbers: frozenset[Fraction]
    results: tuple[Fraction, ...] = ()


class _Chain(NamedTuple):
    """Expressions that are said to be equal; ``spans`` is where each of them stands without the unit behind it."""

    members: list[str]
    spans: list[tuple[int, int]]
    units: list[str]


def settle(text: str) -> Settled | None:
    """A text, as `to_plain` gives it, with its calculations settled; None if one does not hold.

    >>> settle("He makes 12 × 24 = 288 rolls").text
    'He makes 288 rolls'
    >>> settle("12 × 24 = 278") is None
    True
    """
    if len(text) > _MOST_CHARS:
        return Settled(text, frozenset())
    text = _SQUARED.sub(lambda found: "^2" if found[0] == "²" else "^3", _PERCENT_OF.sub("% of", _TIMES.sub("×", text)))
    text = _WHICH_IS.sub(" = ", text) if "=" in text else text
    text = _TIMES_BRACKET.sub("×", _ROOT.sub(_root, text))
    tokens = list(_TOKEN.finditer(text))
    pieces, steps, numbers, end, i = list[str](), list[tuple[int, Fraction | None]](), set[Fraction](), 0, 0
    results = list[Fraction]()
    while i < len(tokens):
        chain, after = _chain(tokens, i)
        if chain is None:
            i += 1
            continue
        result, between = _result(chain, text), text[end : chain.spans[0][0]]
        if result is None:
            return None
        operands = {_number(token) for token in tokens if token["number"] and _within(token, chain)}
        steps = steps if _THEN.fullmatch(between) else []
        while steps and steps[-1][1] in operands:  # a step on the way to this one
            start = steps.pop()[0]
            between, pieces = pieces[start], pieces[:start]
        steps.append((len(pieces), _step(tokens, result)))
        results += [each for _, each in steps[-1:] if each is not None]
        pieces += [between, text[slice(*result)]]
        end, i, numbers = chain.spans[-1][1], after, numbers | operands
    return Settled("".join(pieces) + text[end:], frozenset(numbers), tuple(results))


def _root(found: re.Match[str]) -> str:
    """A root as the number that it is; where it is none that can be written, as it stands."""
    try:
        value = _value(found[0].replace("{", "(").replace("}", ")").replace("\\sqrt", "√").replace(" ", ""))
    except ExpressionError:
        return found[0]
    return f"({value}+0)" if value.denominator == 1 else found[0]  # a calculation, not a number that was written


def _step(tokens: list[re.Match[str]], span: tuple[int, int]) -> Fraction | None:
    return next(
        (_number(token) for token in reversed(tokens) if token["number"] and span[0] <= token.start() < span[1]), None
    )


def _within(token: re.Match[str], chain: _Chain) -> bool:
    return chain.spans[0][0] <= token.start() < chain.spans[-1][1]


def _number(token: re.Match[str]) -> Fraction:
    return to_fraction(token["number"])


def _chain(tokens: list[re.Match[str]], start: int) -> tuple[_Chain | None, int]:
    """The equation that begins at a token, and the token after it; None if none does."""
    chain, expression, first, complete = _Chain([], [], []), "", start, 0
    i, wants_number = start, True
    while i < len(tokens):
        token = tokens[i]
        if wants_number:
            if token["number"]:
                expression += f"({_number(token)}/100)" if token["percent"] else f"({_number(token)})"
                wants_number, complete = False, i + 1
            elif token["operator"] in ("-", "+") or token[0] == "(" or token["sign"]:
                expression += token[0] if not token["sign"] else ""
            else:
                break
        elif token[0] == ")":
            expression, complete = expression + ")", i + 1
        elif token["operator"]:
            expression, wants_number = expression + _PYTHON.get(token[0], token[0]), True
        elif token["equals"] or _is_said_equal(tokens, i, expression):
            _close(chain, expression, tokens, first, complete)
            expression, first, wants_number = "", i + 1, True
        elif (said := _operator(tokens, i, expression)) is not None:
            expression, wants_number = expression + said[0], True
            i = said[1] - 1
        elif (behind := _unit_ends(tokens, i, expression)) is not None:
            chain.units.append(" ".join(each[0] for each in tokens[i:behind]))
            i = behind - 1
        else:
            break
        i += 1
    if expression and not wants_number and chain.members:
        _close(chain, expression, tokens, first, complete)
    if len(chain.members) < 2:
        return None, start + 1
    return chain, next((n for n, token in enumerate(tokens) if token.start() >= chain.spans[-1][1]), len(tokens))


def _close(chain: _Chain, expression: str, tokens: list[re.Match[str]], first: int, complete: int) -> None:
    chain.members.append(expression)
    chain.spans.append((tokens[first].start(), tokens[complete - 1].end()))


def _operator(tokens: list[re.Match[str]], i: int, expression: str) -> tuple[str, int] | None:
    """What a word such as `times` stands for between two numbers, and the token after it."""
    for words in (1, 2):
        said = " ".join(each[0].casefold() for each in tokens[i : i + words])
        is_part = said == "of" and not (tokens[i - 1]["percent"] or _FRACTION.fullmatch(expression))
        if said in _SAID and not is_part and _begins_number(tokens, i + words):
            return _SAID[said], i + words
    return None


def _is_said_equal(tokens: list[re.Match[str]], i: int, expression: str) -> bool:
    """Whether a word such as `is` stands between a calculation and a number."""
    calculated = any(sign in expression.strip("-(") for sign in "+*") or ")/(" in expression or ")-(" in expression
    return tokens[i][0].casefold() in _EQUAL and calculated and _begins_number(tokens, i + 1)


def _begins_number(tokens: list[re.Match[str]], i: int) -> bool:
    return i < len(tokens) and bool(tokens[i]["number"] or tokens[i]["sign"] or tokens[i][0] == "(")


def _unit_ends(tokens: list[re.Match[str]], i: int, expression: str) -> int | None:
    """The token after the unit that begins here, if a calculation goes on behind it."""
    for j in range(i, min(len(tokens), i + _MOST_WORDS)):
        token = tokens[j]
        if token["equals"] or token[0] == ")" or (token["operator"] and _begins_number(tokens, j + 1)):
            return j if j > i else None
        if j > i and (_is_said_equal(tokens, j, expression) or _operator(tokens, j, expression) is not None):
            return j
        word = token[0].casefold()
        if not (token["word"] or token[0] == "/") or _is_no_unit(word) or _is_variable(token):
            return None
    return None


def _is_no_unit(word: str) -> bool:
    if len(word) < 2 or word not in _NO_UNITS:
        return False
    unit = to_unit(word)  # `min` is one, although it may mean a minimum
    return not (unit and unit.scales)


def _is_variable(token: re.Match[str]) -> bool:
    return bool(token["word"]) and len(token[0]) == 1 and token[0] not in "mgshLlJNWVAdtΩKC°"


def _result(chain: _Chain, text: str) -> tuple[int, int] | None:
    """Where the result of a chain stands; None if it has none or does not hold."""
    plain = [re.fullmatch(r"[-+]?\([\d/.]+\)", member) is not None for member in chain.members]
    if all(plain):
        return _converted(chain, text)
    if len(plain) > 2 and plain[-2] and plain[-1] and _converted(_last_two(chain), text):
        shorter = _Chain(chain.members[:-1], chain.spans[:-1], chain.units)
        return chain.spans[-1] if _result(shorter, text) else None
    where = -1 if plain[-1] or (_is_fraction(chain.members[-1]) and not plain[0]) else 0
    if where == 0 and (not plain[0] or len(plain) > 2):
        return None
    units = [unit for unit in map(to_unit, chain.units) if unit and unit.scales]
    sums = any(")+(" in member or ")-(" in member for member in chain.members)
    if sums and any(unit != units[0] for unit in units):
        return None
    try:
        values = [_value(member) for member in chain.members]
    except ExpressionError:
        return None
    span = chain.spans[where]
    last, said = values[where], text[slice(*span)]
    percent = [last, last * 100] if said.endswith("%") else [last]
    decimals = len(said.partition(".")[2])
    rounded = Fraction(1, 2 * 10**decimals) if decimals and where == -1 and not said.endswith("%") else Fraction(0)
    if any(all(abs(value - wanted) <= rounded or value == last for value in values) for wanted in percent):
        return span
    return None


def _is_fraction(member: str) -> bool:
    return bool(_A_FRACTION.fullmatch(member)) and _value(member).denominator != 1


def _value(member: str) -> Fraction:
    evaluator = Evaluator()
    value = evaluator.number(member)
    if not evaluator.exact:
        raise ExpressionError("no exact value")
    return value


def _last_two(chain: _Chain) -> _Chain:
    return _Chain(chain.members[-2:], chain.spans[-2:], chain.units)


def _converted(chain: _Chain, text: str) -> tuple[int, int] | None:
    """Where the last of quantities stands that are one in several units (`1.5 h = 90 min`)."""
    starts, end = [span[0] for span in chain.spans], text.find(",", chain.spans[-1][1])
    ends = [*(start for start in starts[1:]), end if end >= 0 else len(text)]
    said = [plain_quantity(text[a:b].rstrip("= .")) for a, b in zip(starts, ends, strict=True)]
    found = [each for each in said if each and each.unit and each.unit.scales]
    same = len(found) == len(said) and all(_same(one, other) for one, other in itertools.pairwise(found))
    return chain.spans[-1] if same else None


def _same(one: Quantity, other: Quantity) -> bool:
    if one.unit is None or other.unit is None or one.unit.powers != other.unit.powers:
        return False
    return one.value * one.unit.factor == other.value * other.unit.factor
