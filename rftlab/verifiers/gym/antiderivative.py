"""Whether two texts are the same function up to a constant: both are evaluated at points drawn from the text itself.

Our own walk over syntax nodes, in complex floating point: nothing of a model's text reaches eval or sympy.
"""

import ast
import cmath
import operator
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rftlab.verifiers._expression import ExpressionError, parse

_POINTS = 6
_CLOSE, _ROUNDING = 1e-6, 1e-12
_CONSTANT = 0.7310585786300049
_FUNCTIONS: Mapping[str, Callable[[complex], complex]] = {
    name: getattr(cmath, name)
    for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "asin", "acos", "atan", "sinh", "cosh")
}
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def same_up_to_a_constant(answer: str, gold: str, variable: str) -> bool:
    """Whether answer and gold differ by a constant, as functions of the variable; C stands for any constant.

    How far they are apart changes by at most a millionth of what the gold answer changes by, over six points where both
    are finite; points are real, between 0.1 and 3.

    Raises:
        ExpressionError: the answer is no expression over the variable, C and common functions, or is nowhere finite.
    """
    first, second = parse(answer), parse(gold)
    rng = random.Random(f"{answer} {variable}")
    found: list[tuple[complex, complex]] = []
    for _ in range(20 * _POINTS):
        names = {
            variable: complex(rng.uniform(0.1, 3.0)),
            "C": complex(_CONSTANT),
            "E": complex(cmath.e),
            "pi": complex(cmath.pi),
        }
        try:
            a, b = _value(first, names), _value(second, names)
        except (ZeroDivisionError, OverflowError):
            continue
        if not (cmath.isfinite(a) and cmath.isfinite(b)):
            continue
        found.append((a, b))
        if len(found) == _POINTS:
            return _constant_apart(found)
    raise ExpressionError("not finite at enough points")


def _constant_apart(found: Sequence[tuple[complex, complex]]) -> bool:
    a0, b0 = found[0]
    scale = max(abs(b - b0) for _, b in found)
    return all(abs((a - b) - (a0 - b0)) <= _CLOSE * scale + _ROUNDING * (abs(a) + abs(b)) for a, b in found)


def _value(node: ast.expr, names: Mapping[str, complex]) -> complex:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return complex(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return complex(_BINARY[type(node.op)](_value(node.left, names), _value(node.right, names)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, names)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        return _call(node.func.id, _value(node.args[0], names))
    raise ExpressionError(f"{type(node).__name__} is not allowed here")


def _call(name: str, argument: complex) -> complex:
    if name not in _FUNCTIONS:
        raise ExpressionError(f"{name}() is not allowed here")
    try:
        return _FUNCTIONS[name](argument)
    except ValueError as error:
        raise ZeroDivisionError from error
