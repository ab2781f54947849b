"""Equations and formulas in letters inside an answer: what is solved for is put in, what only names is taken off.

`3x = 27, so x = 9` says 9 if 3 times 9 is 27; `A = πr² = 22/7 × 49 = 154` and `P(red) = 3/12 = 1/4` say their results.
"""

import re
from fractions import Fraction

from rftlab.verifiers._expression import Evaluator, ExpressionError
from rftlab.verifiers._prompt import Asked
from rftlab.verifiers._stem import WORD, is_denial, stem, to_number

_TERM = r"(?:\d{1,9}(?:\.\d{1,6})?[a-z]?(?![a-z])|[a-z](?![a-z])|\([^()=]{1,30}\))(?:[²³]|\^\d)?"
_SIDE = rf"-?{_TERM}(?: ?[+\-−*/×÷·] ?{_TERM}| ?(?=\(){_TERM}){{0,8}}"
_EQUATION = re.compile(rf"(?<![\w.^°$€£)/+*-])(?P<left>{_SIDE}) ?= ?(?P<right>{_SIDE})(?![\w^°%(]| ?[=+*/×÷·]|\.\d)")
_LETTER = re.compile(r"(?<![a-z])[a-z](?![a-z])")
_ASSIGNED = re.compile(r"(?<![\w)])([A-Za-z]) ?= ?-?[\d.√(\\]")
_FORMULA = re.compile(r"=(?P<formula>[^=\n,;:]{1,60})=(?= ?-?[\d.√(])")
# The numbers that a formula has in it: powers, a half, a factor before a letter.
_CONSTANT = re.compile(r"\^\d|(?<![\d.])1/2(?![\d.])|(?<![\d.])[2-4](?=[rwabxπ(])|/ ?[23](?![\d.])")
_OPERATES = re.compile(r"[*/×÷·+−²³π^()]|[A-Za-z] [A-Za-z] |[a-z]-[a-z]|^ ?[a-z]{2,3} ?$")
_CALLED = re.compile(r"^\s{0,9}([A-Za-z]{3}) ?\([\d,; ]{1,60}\) ?= ?")
_ODDS_OF = re.compile(r"^\s{0,9}P ?\(([^()=]{1,60})\) ?(?==)")


def without_formulas(text: str, asked: Asked) -> str:
    """A text without the sides of an equation that are in letters alone (`A = πr² =`), and without `P(...)`.

    A formula stays where a word in it denies; the name of an event stays where it is not one that the prompt has.
    """
    if asked.of_chance and (odds := _ODDS_OF.match(text)) and _is_asked(odds[1], asked):
        text = f"probability {text[odds.end() :]}"
    if (called := _CALLED.match(text)) and called[1].casefold() in asked.initials:
        text = text[called.end() :]
    for found in reversed(list(_FORMULA.finditer(text))):
        if _is_formula(found["formula"]):
            text = f"{text[: found.start()]}={text[found.end() :]}"
    return text


def _is_asked(event: str, asked: Asked) -> bool:
    words = [word for word in re.findall(WORD, event) if not (word.isupper() and len(word) < 4)]
    return all(stem(word) in asked.question or to_number(word) in asked.tokens for word in words)


def _is_formula(text: str) -> bool:
    words = re.findall(WORD, text)
    if re.search(r"\d", _CONSTANT.sub("", text)):
        return False
    return bool(words) and bool(_OPERATES.search(text)) and not any(map(is_denial, words))


def equations_in(text: str) -> tuple[str, list[tuple[str, str, str]]]:
    """A text without its equations in one letter, and these: letter, left and right side.

    >>> equations_in("3x = 27, so x = 9")
    (', so x = 9', [('x', '3x', '27')])
    """
    found = []
    for each in _EQUATION.finditer(text):
        letters = set(_LETTER.findall(each[0]))
        if len(letters) == 1 and not {each["left"].strip(), each["right"].strip()} & letters:
            found.append((each, letters.pop()))
    solved = _ASSIGNED.findall(text)
    if any(letter not in solved for _, letter in found):
        return text, []
    for each, _ in reversed(found):
        text = text[: each.start()] + text[each.end() :]
    return text, [(letter, each["left"], each["right"]) for each, letter in found]


def holds(equation: tuple[str, str, str], value: Fraction) -> bool:
    """Whether an equation holds where its letter has a value."""
    letter, *sides = equation
    evaluator = Evaluator({letter: value})
    try:
        left, right = (evaluator.number(side) for side in sides)
    except ExpressionError:
        return False
    return left == right and evaluator.exact
