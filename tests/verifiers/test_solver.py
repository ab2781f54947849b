"""Any answer that satisfies the constraints is right; nothing of it is evaluated by anyone else's parser."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.verifiers import solver
from rftlab.verifiers._expression import Evaluator, ExpressionError, parse
from rftlab.verifiers.gym.polynomial import Polynomial
from rftlab.verifiers.solver import Solver
from tests.verifiers.cases import example, reward

COUNTDOWN = {"kind": "countdown", "numbers": [3, 5, 7, 7], "target": 22}
ROOTS = {"kind": "roots", "equation": "x^2 - 5x = -6"}
PAIR = {"variables": {"x": "integer", "y": "integer"}, "constraints": ["x + y == 10", "x*y == 21"]}


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("3*5+7", 1), ("7 + 3 × 5", 1), ("3*5+7=22", 1), ("$7+7+5+3$", 1), ("(7/7)*(3*5+7)", 0), ("3*5+7=23", 0),
        ("22", 0),
        ("3*5+7*1", 0), ("5+5+7+5", 0), ("3**2+7", 0), ("3*5+7, 7+7+5+3", 0), ("3*5+7 or 7+7+5+3", 0), ("7/(3-3)", 0),
        ("35+7", 0), ("__import__('os').getpid()", 0), ("3.0*5+7", 1), ("sqrt(3)", 0), ("", 0), ("3*5+seven", 0),
    ],
)  # fmt: skip
def test_countdown(answer, right):
    assert reward(Solver(), answer, **COUNTDOWN) == right


def test_countdown_may_ask_for_all_numbers_or_their_order():
    assert reward(Solver(), "3*5+7", **COUNTDOWN, use="all") == 0
    assert reward(Solver(), "3+5+7+7", **COUNTDOWN, use="all", order="given") == 1
    assert reward(Solver(), "7+3+5+7", **COUNTDOWN, use="all", order="given") == 0


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("2, 3", 1), ("x = 3 or x = 2", 1), ("{2, 3}", 1), ("6/3, 3.0", 1), ("2 and 3", 1), ("2", 0), ("2, 3, 4", 0),
        ("2, 3, 3", 0),
        ("y = 2, y = 3", 0), ("1, 2, 3, 4, 5, 6", 0), ("no solution", 0), ("x", 0), ("2, 3, import os", 0),
    ],
)  # fmt: skip
def test_roots(answer, right):
    assert reward(Solver(), answer, **ROOTS) == right


@pytest.mark.parametrize(
    ("equation", "answer", "more", "right"),
    [
        ("x^2 = 2", "±sqrt(2)", {}, 1), ("x^2 = 2", r"\sqrt{2}, -\sqrt{2}", {}, 1),
        ("x^2 = 2", "1.41421356, -1.41421356", {}, 0),
        ("x^2 = 2", "1.414, -1.414", {"tolerance": 0.001}, 1), ("x^2 = 2", "1.414, 1.4141", {"tolerance": 0.001}, 0),
        ("x^2 + 1 = 0", "no solution", {}, 1), ("x^2 + 1 = 0", "1", {}, 0), ("x^3 = x", "0, 1, -1", {}, 1),
        ("(x-1)^2 = 0", "1", {}, 1), ("x^2 = 4", "2", {"solutions": "any"}, 1),
        ("x^2 = 4", "3", {"solutions": "any"}, 0),
        ("2x/3 + 1/2 = x", "3/2", {}, 1), ("m^2 = m", "m = 0, m = 1", {"variable": "m"}, 1),
        ("x^5 - x + 1 = 0", "-1.1673", {"tolerance": 1e-4}, 1),
    ],
)  # fmt: skip
def test_roots_of_other_equations(equation, answer, more, right):
    assert reward(Solver(), answer, equation=equation, **more) == right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("x=3, y=7", 1), ("x = 7, y = 3", 1), ("3, 7", 1), ("(7, 3)", 1), ('{"x": 3, "y": 7}', 1), ("x=3 and y=7", 1),
        ("x=3,y=7 or x=7,y=3", 1), ("x=3,y=7 or x=1,y=9", 0), ("x=1,y=9 or x=2,y=8 or x=3,y=7", 0), ("x=3", 0),
        ("x=3, x=7, y=7", 0),
        ("x=5, y=5", 0), ("x=3, y=7, z=1", 0), ("x=3.5, y=6", 0), ('{"x": [3], "y": 7}', 0), ("{", 0),
    ],
)  # fmt: skip
def test_assignment(answer, right):
    assert reward(Solver(), answer, **PAIR) == right


def test_all_solutions_by_count():
    assert reward(Solver(), "x=3,y=7", **PAIR, solutions="all", count=2) == 0
    assert reward(Solver(), "x=3,y=7; x=7,y=3", **PAIR, solutions="all", count=2) == 1


def test_all_solutions_by_proof():
    pytest.importorskip("z3")
    assert reward(Solver(), "x=3,y=7", **PAIR, solutions="all") == 0
    assert reward(Solver(), "x=3,y=7; x=7,y=3", **PAIR, solutions="all") == 1
    cubic = {"variables": {"x": "real"}, "constraints": ["x**3 == 2*x"], "solutions": "all"}
    assert reward(Solver(), "0, sqrt(2), -sqrt(2)", **cubic) == 1
    assert reward(Solver(), "0, sqrt(2)", **cubic) == 0


def test_without_z3_completeness_is_the_datas_fault(monkeypatch):
    monkeypatch.setattr(solver.importlib.util, "find_spec", lambda name: None)
    score = Solver()("<answer>x=3,y=7</answer>", example("", **PAIR, solutions="all"))
    assert score.parts["verifier_error"] == 1
    assert "rftlab[solver]" in score.detail


def test_words_and_truth_values():
    colours = {"variables": {"a": ["red", "blue"], "b": ["red", "blue"]}, "constraints": ["a != b", "a == 'red'"]}
    assert reward(Solver(), "a = Red, b = blue", **colours) == 1
    assert reward(Solver(), "a = red, b = red", **colours) == 0
    assert reward(Solver(), "a = red, b = green", **colours) == 0
    knights = {
        "variables": dict.fromkeys("AB", "boolean"),
        "constraints": ["A == (not B)", "A + B == 1", "not (A and B)"],
    }
    assert reward(Solver(), "A = true, B = false", **knights) == 1
    assert reward(Solver(), "A = true, B = true", **knights) == 0


@pytest.mark.parametrize(
    "meta",
    [
        {}, {"kind": "chess"}, {"kind": "countdown"}, {"equation": "x = = 2"}, {"equation": "x = x"},
        {"equation": "sin(x) = 1"}, {"variables": ["x"], "constraints": ["y == 1"]}, {"numbers": ["a"], "target": 1},
    ],
)  # fmt: skip
def test_unusable_meta_is_the_datas_fault(meta):
    assert Solver()("<answer>1</answer>", example("1", **meta)).parts["verifier_error"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "().__class__", "[x for x in 1]", "lambda: 1", "1 if 1 else 2", "x", "9**9**9", "2**65",
        "1/0", "'a'*9", "sqrt(-1)", "1e5", "0x10", "f(1)", "a.b", "max()", "1 2", "10!", "(" * 300, "9" * 500,
        "+" * 399 + "1" * 2, "1;2", "a:=1", "*1", "yield", "{}", "*".join(["99**64"] * 11), "\\sqrt{", "1\n2", "\0",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ExpressionError):
        Evaluator()(parse(text))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789+-*/()., xsqrt^", max_size=60))
def test_expressions_never_raise_anything_else(text):
    with contextlib.suppress(ExpressionError):
        Evaluator({"x": Fraction(3)})(parse(text))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.integers(0, 99).map(str),
        lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({''.join(t)})"),
    )
)
def test_arithmetic_agrees_with_python(text):
    if len(text) <= 400:
        assert Evaluator()(parse(text)) == eval(text)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.fractions(-9, 9, max_denominator=6), min_size=1, max_size=6))
def test_sturm_counts_the_roots_a_product_was_made_of(roots):
    polynomial = Polynomial(Fraction(1))
    for root in roots:
        polynomial = polynomial * Polynomial(-root, Fraction(1))
    assert polynomial.real_roots() == len(set(roots))
    assert polynomial.real_roots(Fraction(0), Fraction(20)) == len({root for root in roots if root > 0})
    assert (polynomial * Polynomial(Fraction(1), Fraction(0), Fraction(1))).real_roots() == len(set(roots))
