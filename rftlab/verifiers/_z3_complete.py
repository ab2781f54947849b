"""Runs inside the isolated worker: whether constraints have a solution beyond the ones given, by z3.

The solver's input is built here from our own syntax trees; z3's reader of SMT-LIB, which can write files, is never
called. Work is bounded by z3's resource limit, which unlike its timeout is deterministic. The simple
solver is used because the default one starts a thread, which the sandbox forbids.
"""

import ast
import itertools
from typing import Any

import z3

from rftlab.verifiers._expression import ExpressionError, parse

_RESOURCES = 20_000_000
_SORTS = {"integer": z3.Int, "real": z3.Real, "boolean": z3.Bool}


def another_solution(variables: dict[str, str], constraints: list[str], given: list[dict[str, str]]) -> str:
    """Return "none", "exists" or "unknown".

    Args:
        variables: name -> "integer", "real" or "boolean".
        constraints: expressions over them.
        given: solutions that are known, name -> expression without names.
    """
    names = {name: _SORTS[kind](name) for name, kind in variables.items()}
    solver = z3.SimpleSolver()
    solver.set("rlimit", _RESOURCES)
    solver.add(*(_build(parse(text), names, solver) for text in constraints))
    for solution in given:
        differs = [names[name] != _build(parse(text), {}, solver) for name, text in solution.items()]
        solver.add(z3.Or(*differs))
    verdict = solver.check()
    return "exists" if verdict == z3.sat else "none" if verdict == z3.unsat else "unknown"


def _build(node: ast.expr, names: dict[str, Any], solver: z3.Solver) -> Any:
    def build(inner: ast.expr) -> Any:
        return _build(inner, names, solver)

    if isinstance(node, ast.Constant):
        kinds = {bool: z3.BoolVal, int: z3.IntVal, float: lambda value: z3.RealVal(str(value))}
        return kinds[type(node.value)](node.value)
    if isinstance(node, ast.Name):
        return names[node.id] if node.id in names else z3.BoolVal({"True": True, "False": False}[node.id])
    if isinstance(node, ast.BinOp):
        return _binary(node.op, build(node.left), build(node.right))
    if isinstance(node, ast.UnaryOp):
        value = build(node.operand)
        return z3.Not(value) if isinstance(node.op, ast.Not) else -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BoolOp):
        return (z3.And if isinstance(node.op, ast.And) else z3.Or)(*map(build, node.values))
    if isinstance(node, ast.Compare):
        pairs = itertools.pairwise([build(value) for value in (node.left, *node.comparators)])
        return z3.And(*(_compare(op, a, b) for op, (a, b) in zip(node.ops, pairs, strict=True)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node.func.id, [build(argument) for argument in node.args], solver)
    raise ExpressionError(type(node).__name__)


def _binary(kind: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(kind, ast.Div):
        return z3.ToReal(left) / right if z3.is_int(left) else left / right
    if isinstance(kind, ast.Pow):
        power = right.as_long()
        result = z3.IntVal(1)
        for _ in range(abs(power)):
            result = result * left
        return result if power >= 0 else 1 / (z3.ToReal(result) if z3.is_int(result) else result)
    if isinstance(kind, ast.Mod):
        return left % right
    return {ast.Add: left.__add__, ast.Sub: left.__sub__, ast.Mult: left.__mul__}[type(kind)](right)


def _compare(kind: ast.cmpop, left: Any, right: Any) -> Any:
    names = {
        ast.Lt: "__lt__",
        ast.LtE: "__le__",
        ast.Gt: "__gt__",
        ast.GtE: "__ge__",
        ast.Eq: "__eq__",
        ast.NotEq: "__ne__",
    }
    return getattr(left, names[type(kind)])(right)


def _call(name: str, values: list[Any], solver: z3.Solver) -> Any:
    if name == "distinct":
        return z3.Distinct(*values)
    if name == "abs":
        return z3.If(values[0] >= 0, values[0], -values[0])
    if name == "sqrt":
        root = z3.FreshReal("root")
        solver.add(root * root == values[0], root >= 0)
        return root
    best = values[0]
    for value in values[1:]:
        best = z3.If(value < best if name == "min" else value > best, value, best)
    return best
