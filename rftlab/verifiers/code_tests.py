"""Hidden tests of code tasks: read from an example, and made from assert-style tests (HumanEval, MBPP).

Tests are data: arguments and an expected value. Asserts are turned into data where they can be; they are never run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.sandbox.python import Case


class HiddenTest(NamedTuple):
    """One hidden case: the call, the expected value as a tree, and the allowed absolute difference if any."""

    case: Case
    expected: Any
    tolerance: float | None


def entry_point(meta: Mapping[str, Any]) -> str:
    """Name of the function that the code must define.

    Raises:
        RftlabError: the example has none.
    """
    name = meta.get("entry_point")
    if not isinstance(name, str) or not name.isidentifier():
        raise RftlabError(f"a code example's meta needs 'entry_point', the function's name; it holds {name!r}")
    return name


def read_tests(meta: Mapping[str, Any]) -> list[HiddenTest]:
    """Read the hidden tests of an example.

    Args:
        meta: holds ``tests``; each has ``args``, ``kwargs`` and ``expected``, or ``encoded`` (see ``encode_tests``),
            and optionally ``tolerance``, an absolute difference.

    Raises:
        RftlabError: no tests, or one that is not plain data.
    """
    tests = meta.get("tests")
    if not isinstance(tests, Sequence) or isinstance(tests, str) or not tests:
        raise RftlabError("a code example's meta needs 'tests', a list of {args, kwargs, expected}; it has none")
    return [_read_test(number, test) for number, test in enumerate(tests, 1)]


def _read_test(number: int, test: Any) -> HiddenTest:
    try:
        tolerance = test.get("tolerance")
        tolerance = None if tolerance is None else float(tolerance)
        if "encoded" in test:
            args, kwargs, expected = test["encoded"]
            case = Case(values.decode(args), values.decode(kwargs))
        else:
            case, expected = Case(list(test["args"]), dict(test.get("kwargs") or {})), values.encode(test["expected"])
        values.canonical(expected)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RftlabError(
            f"test {number} of a code example is not {{args, kwargs, expected}} of plain data: "
            f"{type(error).__name__}: {error}"
        ) from None
    return HiddenTest(case, expected, tolerance)


def encode_tests(tests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Turn tests into a form that survives JSON with tuples, sets, bytes and large numbers intact.

    Args:
        tests: as ``read_tests`` takes them.

    Raises:
        RftlabError: a test that is not plain data.
    """
    encoded = []
    for test in read_tests({"tests": tests}):
        trees = [values.encode(list(test.case.args)), values.encode(dict(test.case.kwargs)), test.expected]
        extra = {} if test.tolerance is None else {"tolerance": test.tolerance}
        encoded.append({"encoded": trees, **extra})
    return encoded


def tests_from_asserts(source: str, entry_point: str) -> list[dict[str, Any]]:
    """Turn assert statements into tests.

    Understood: ``assert f(..) == literal`` (either way round, also ``is``), ``assert f(..)`` (True expected),
    ``assert not f(..)`` (False expected), ``abs(f(..) - literal) < literal`` and ``math.isclose(f(..), literal)``
    (a tolerance), with ``f`` the entry point or ``candidate``; at top level or in one function such as ``check``.
    Docstrings, imports, ``assert True``, ``METADATA = {...}`` and a call of ``check`` are passed over.

    Args:
        source: the test's source text.
        entry_point: the function under test.

    Returns:
        Tests with ``args``, ``kwargs``, ``expected`` (Python values: tuples and sets stay what they are; use
        ``encode_tests`` before writing them as JSON) and, where the assert has one, ``tolerance``.

    Raises:
        RftlabError: a statement that is not data (a loop, arithmetic on the result, a variable, an unordered
            comparison), with its line and text; or no test at all.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RftlabError(f"the tests of {entry_point!r} are not Python: {error}") from None
    names = {entry_point, "candidate"}
    tests = [test for statement in _flat(body) if (test := _statement(statement, names, entry_point)) is not None]
    if not tests:
        raise RftlabError(f"the tests of {entry_point!r} hold no assert that can be turned into data; write one")
    return tests


tests_from_asserts.__test__ = False  # type: ignore[attr-defined]


def _flat(body: list[ast.stmt]) -> list[ast.stmt]:
    flat = []
    for statement in body:
        flat += statement.body if isinstance(statement, ast.FunctionDef) else [statement]
    return flat


def _statement(statement: ast.stmt, names: set[str], entry_point: str) -> dict[str, Any] | None:
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass)):
        return None
    if isinstance(statement, ast.Expr) and (isinstance(statement.value, ast.Constant) or _calls_check(statement.value)):
        return None
    if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "METADATA":
        return None
    if isinstance(statement, ast.Assert):
        if isinstance(statement.test, ast.Constant) and statement.test.value is True:
            return None
        try:
            return _assertion(statement.test, names)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            pass
    text = ast.unparse(statement).split("\n")[0][:120]
    raise RftlabError(
        f"the tests of {entry_point!r}, line {statement.lineno}: `{text}` cannot be turned into data; rewrite it as "
        "`assert f(literals) == literal` or leave this task out"
    )


def _calls_check(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"


def _assertion(test: ast.expr, names: set[str]) -> dict[str, Any]:
    """One assert's condition as data; ValueError where it is not data."""
    if isinstance(test, ast.Call) and _is_call(test, names):
        return _row(test, True)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _row(test.operand, False, names)
    if isinstance(test, ast.Call) and ast.unparse(test.func) in ("math.isclose", "isclose"):
        call, wanted = test.args
        expected = _literal(wanted)
        options = {keyword.arg: _literal(keyword.value) for keyword in test.keywords}
        tolerance = max(options.get("rel_tol", 1e-9) * abs(expected), options.get("abs_tol", 0.0))
        return {**_row(call, expected, names), "tolerance": float(tolerance)}
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        raise ValueError("not a single comparison")
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    if isinstance(operator, (ast.Lt, ast.LtE)) and isinstance(left, ast.Call) and ast.unparse(left.func) == "abs":
        difference = left.args[0]
        if not isinstance(difference, ast.BinOp) or not isinstance(difference.op, ast.Sub):
            raise ValueError("not a difference")
        call, wanted = difference.left, difference.right
        if not _is_call(call, names):
            call, wanted = wanted, call
        return {**_row(call, _literal(wanted), names), "tolerance": float(_literal(right))}
    if not isinstance(operator, (ast.Eq, ast.Is)):
        raise ValueError("not an equality")
    if not _is_call(left, names):
        left, right = right, left
    return _row(left, _literal(right), names)


def _is_call(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _row(call: ast.expr, expected: Any, names: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(call, ast.Call) or (names is not None and not _is_call(call, names)):
        raise ValueError("not a call of the function under test")
    if any(keyword.arg is None for keyword in call.keywords):
        raise ValueError("** is not data")
    args = [_literal(argument) for argument in call.args]
    return {"args": args, "kwargs": {str(k.arg): _literal(k.value) for k in call.keywords}, "expected": expected}


def _literal(node: ast.expr) -> Any:
    value = ast.literal_eval(node)
    values.canonical(values.encode(value))
    return value
