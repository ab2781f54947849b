"""Arithmetic and logical expressions in model text, evaluated exactly by walking an allow-list of syntax nodes.

Never `eval`, `sympify` or a solver's own reader: those run what they are given. Python's parser only builds the tree;
the walk knows numbers, given names, + - * / // % **, comparisons, and/or/not and a few functions. The length of the
text, the size of every number and every power are bounded before they are worked on.
"""

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

MAX_CHARS = 400
_MAX_BITS = 4096
_MAX_POWER = 64
_SQRT_BITS = 200
_CLOSE = Fraction(1, 10**40)

_SPELLINGS = (
    ("−", "-"), ("×", "*"), ("·", "*"), ("÷", "/"), ("²", "**2"), ("³", "**3"), ("≤", "<="), ("≥", ">="), ("≠", "!="),
    ("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"), ("\\left", ""), ("\\right", ""), ("\\,", " "), ("^", "**"),
)  # fmt: skip
_FRAC = re.compile(r"\\[dt]?frac\{([^{}]{1,80})\}\{([^{}]{1,80})\}")
_SQRT = re.compile(r"(?:\\sqrt\{([^{}]{1,80})\}|√\(([^()]{1,80})\)|√(\d{1,20}))")
_IMPLICIT = re.compile(r"(?<=[0-9)])[ ]?(?=[A-Za-z(])(?!(?:and|or)\b)")
_KEYWORD = re.compile(r"(?<=[0-9])(?=(?:and|or)\b)")
_ALLOWED = re.compile(r"[\w \t\n+\-*/%().,<>=!'\"\[\]]*", re.ASCII)

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


class ExpressionError(ValueError):
    """Text that is no expression of the allowed kind, or one that would cost too much."""


def parse(text: str) -> ast.expr:
    r"""Syntax tree of an expression; reads `2x`, `x^2`, `\frac{a}{b}`, `\sqrt{2}` as well.

    Raises:
        ExpressionError: too long, or not the syntax of one expression.
    """
    text = text.strip()
    if len(text) > MAX_CHARS:
        raise ExpressionError(f"longer than {MAX_CHARS} characters")
    text = _SQRT.sub(lambda found: f"sqrt({found[1] or found[2] or found[3]})", _FRAC.sub(r"((\1)/(\2))", text))
    for written, meant in _SPELLINGS:
        text = text.replace(written, meant)
    text = _KEYWORD.sub(" ", _IMPLICIT.sub("*", text.strip("$ \t\n")))
    if not _ALLOWED.fullmatch(text) or len(text) > 4 * MAX_CHARS:
        raise ExpressionError("characters that do not belong into an expression")
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("not an expression") from None


def numbers_in(tree: ast.expr) -> list[Fraction]:
    """Every number written in an expression, left to right."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [_constant(node) for node in sorted(found, key=lambda node: (node.lineno, node.col_offset))]


class Evaluator:
    """Evaluates trees over given names.

    Args:
        names: values of the names: Fraction, bool, text, or anything with arithmetic operators.

    Attributes:
        exact: False once a root that is no rational number was taken; it is then right to 60 decimal places, and two
            numbers count as equal if they agree to 40.
    """

    def __init__(self, names: Mapping[str, Any] | None = None) -> None:
        self._names = names or {}
        self.exact = True

    def __call__(self, tree: ast.expr) -> Any:
        """Value of a tree.

        Raises:
            ExpressionError: an unknown name, a node that is not allowed, a division by zero, or a number too large.
        """
        try:
            return self._value(tree)
        except (TypeError, ZeroDivisionError, RecursionError, OverflowError) as error:
            raise ExpressionError(f"cannot be evaluated: {str(error)[:80]}") from None

    def number(self, text: str) -> Fraction:
        """Value of a text that is a number.

        Raises:
            ExpressionError: it is none.
        """
        value = self(parse(text))
        if not isinstance(value, Fraction):
            raise ExpressionError("not a number")
        return value

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str | bool) else _constant(node)
        if isinstance(node, ast.Name) and node.id in self._names:
            return self._names[node.id]
        if isinstance(node, ast.BinOp):
            return _bounded(self._binary(node.op, _plain(self._value(node.left)), _plain(self._value(node.right))))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            value = _plain(self._value(node.operand))
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self._value(node.operand)
        if isinstance(node, ast.BoolOp):
            values = [bool(self._value(value)) for value in node.values]
            return all(values) if isinstance(node.op, ast.And) else any(values)
        if isinstance(node, ast.Compare):
            pairs = itertools.pairwise([self._value(value) for value in (node.left, *node.comparators)])
            return all(self._holds(op, a, b) for op, (a, b) in zip(node.ops, pairs, strict=True))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, [self._value(argument) for argument in node.args])
        raise ExpressionError(f"{type(node).__name__} is not allowed here")

    def _binary(self, kind: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(kind, ast.Pow):
            if not isinstance(right, Fraction) or right.denominator != 1 or abs(right) > _MAX_POWER:
                raise ExpressionError(f"a power that is no whole number up to {_MAX_POWER}")
            if isinstance(left, Fraction) and _bits(left) * abs(int(right)) > _MAX_BITS:
                raise ExpressionError("a number too large")
            return left ** int(right)
        if type(kind) not in _BINARY:
            raise ExpressionError(f"{type(kind).__name__} is not allowed here")
        return _BINARY[type(kind)](left, right)

    def _holds(self, kind: ast.cmpop, left: Any, right: Any) -> bool:
        if type(kind) not in _COMPARE:
            raise ExpressionError(f"{type(kind).__name__} is not allowed here")
        numbers = isinstance(left, Fraction) and isinstance(right, Fraction)
        if numbers and not self.exact and abs(left - right) <= _CLOSE * (1 + abs(left)):
            return isinstance(kind, ast.Eq | ast.LtE | ast.GtE)
        return bool(_COMPARE[type(kind)](left, right))

    def _call(self, name: str, values: list[Any]) -> Any:
        if name == "distinct":
            return len(set(values)) == len(values)
        if name == "sqrt" and len(values) == 1 and isinstance(values[0], Fraction) and values[0] >= 0:
            return self._sqrt(values[0])
        if name in ("min", "max", "abs") and values and all(isinstance(value, Fraction) for value in values):
            return {"min": min, "max": max}[name](values) if name != "abs" else abs(values[0])
        raise ExpressionError(f"{name}() is not allowed here")

    def _sqrt(self, value: Fraction) -> Fraction:
        square = value.numerator * value.denominator
        root = math.isqrt(square)
        if root * root == square:
            return Fraction(root, value.denominator)
        self.exact = False
        return Fraction(math.isqrt(square << 2 * _SQRT_BITS), value.denominator << _SQRT_BITS)


def _constant(node: ast.Constant) -> Fraction:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError("a constant that is no number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("a number too large")
    return _bounded(Fraction(str(value)) if isinstance(value, float) else Fraction(value))


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, str):
        raise ExpressionError("text in a calculation")
    return value


def _bounded(value: Any) -> Any:
    if isinstance(value, Fraction) and _bits(value) > _MAX_BITS:
        raise ExpressionError("a number too large")
    return value


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()
