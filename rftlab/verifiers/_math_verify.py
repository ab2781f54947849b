"""Runs inside the isolated worker: equality that needs algebra, by math-verify's LaTeX parser and sympy.

One parse only, of all of the text, and no second looser one: math-verify's own `parse` falls back to a number found
somewhere in the text, and its `verify` to rounded ones, which pays `72` for `not 72`. Values are compared at fixed
points with 40 digits and more; nothing is simplified, so that a verdict does not hang on how long that may take. The
limit is processor time, so load does not change a verdict either; what is too large to evaluate is told by its form.
"""

import functools
import importlib
import pkgutil
import random
import re
import signal
from collections.abc import Callable
from typing import Any

import sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

from rftlab.verifiers._math_form import Form, Group, Leaf, Relation, SetOperation, latex, read, variables
from rftlab.verifiers._math_same import MIN_PLACES, same

CPU_SECONDS = 2.0
_DIGITS, _MOST_DIGITS, _MOST_EXPONENT, _MOST_FACTORIAL = 40, 4000, 10_000, 3000

# The parser reads `2(3)` and `\frac{4}{2}3` as mixed numbers, `5 4` as 9, and drops `_2` and `'`.
_UNREADABLE = re.compile(
    r"\\text|'|%|\d_|\d +\d|\\(?:ldots|dots|cdots|angle|qquad)(?![A-Za-z])|\\\\(?!.*\\end)|[°€£¥₹$&](?!.*\\end)"
)
_REWRITTEN = (
    (re.compile(r"(\^|(?<!\\log)_) ?(\d+)"), r"\1{\2}"),
    (re.compile(r"([_^]) ?([A-Za-z0-9])"), r"\1{\2}"),
    (re.compile(r"(\d+(?:\.\d+)?)°"), r"\\frac{\1\\pi}{180}"),
    (re.compile(r"(?<![\^_\d.])(\d+(?:\.\d+)?) ?(?=\()"), r"\1\\cdot "),
    (re.compile(r"(\\frac\{[^{}]*\}\{[^{}]*\}) ?(?=[\d(]|\\frac)"), r"\1\\cdot "),
)
_CONFIG = ConversionConfig(lowercase_symbols=False)
# What is a fault of this process is told as such; all else that the library raises says that a text cannot be read.
_OURS = (ImportError, OSError, MemoryError)


class Unreadable(Exception):
    """The text is no mathematics this can decide on."""


class TooLong(BaseException):
    """Out of processor time; no `Exception`, so that nothing in the library takes it for one of its own."""


def equal(gold: str, answer: str) -> bool:
    """Whether the answer is the gold answer; both as they were written."""
    signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        return same(read(gold), read(answer), Sympy())
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _stop(*_: object) -> None:
    raise TooLong(f"deciding took more than {CPU_SECONDS:g} s of processor time")


def _decides(function: Callable[..., bool]) -> Callable[..., bool]:
    def decide(*args: Any) -> bool:
        try:
            return function(*args)
        except _OURS:
            raise
        except Exception:
            return False

    return decide


class Sympy:
    """`rftlab.verifiers._math_same.Algebra`; False for what cannot be read or decided."""

    @_decides
    def equal(self, gold: str, answer: str) -> bool:
        """Whether two expressions have the same value, or one is the other rounded to six places or more."""
        one, other = parse(gold), parse(answer)
        if isinstance(one, sympy.MatrixBase) or isinstance(other, sympy.MatrixBase):
            alike = (
                isinstance(one, sympy.MatrixBase) and isinstance(other, sympy.MatrixBase) and one.shape == other.shape
            )
            return alike and all(_same_value(g, a) for g, a in zip(one, other, strict=True))
        return _same_value(one, other) or any(
            len(text.partition(".")[2]) >= MIN_PLACES
            and text.replace(".", "").lstrip("-").isdigit()
            and _rounds(value, text)
            for value, text in ((one, answer), (other, gold))
        )

    @_decides
    def rounds(self, gold: str, decimal: str) -> bool:
        """Whether the value, rounded to the decimal's places, is the decimal."""
        return _rounds(parse(gold), decimal)

    @_decides
    def same_relation(self, gold: Relation, answer: Relation) -> bool:
        """Whether one is a multiple of the other, or both, of one variable, hold on the same set."""
        if len(gold.members) == len(answer.members) == 2 and r"\in" not in gold.operators + answer.operators:
            (first, one), (second, other) = _standard(gold), _standard(answer)
            if (
                first == second
                and first in ("=", ">", ">=", "!=")
                and _multiple(one, other, positive=first in (">", ">="))
            ):
                return True
        if set(gold.operators) | set(answer.operators) <= {"="}:
            return False
        return self.same_set(gold, answer)

    @_decides
    def same_set(self, gold: Form, answer: Form) -> bool:
        """Whether both are the same set of real numbers."""
        if len(variables(gold) | variables(answer)) > 1:
            return False
        one, other = _as_set(gold), _as_set(answer)
        return bool(one == other or (one - other) + (other - one) == sympy.S.EmptySet)


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Any:
    """One expression or matrix, all of its text read.

    Raises:
        Unreadable: it is no such thing, or too large to evaluate.
    """
    for pattern, new in _REWRITTEN:
        text = pattern.sub(new, text)
    if _UNREADABLE.search(text):
        raise Unreadable(text)
    parsed = latex2sympy(text, is_real=True, normalization_config=None, conversion_config=_CONFIG)
    if isinstance(parsed, sympy.MatrixExpr | sympy.MatrixBase):
        parsed = sympy.Matrix(parsed.doit())
        return parsed.applyfunc(_ready)
    if not isinstance(parsed, sympy.Expr):
        raise Unreadable(text)
    return _ready(parsed)


def _ready(parsed: Any) -> Any:
    """The expression with decimals exact, `i` imaginary, functions as names, and the size of its numbers bounded."""
    _bound(parsed)
    parsed = parsed.replace(lambda each: isinstance(each, sympy.UnevaluatedExpr), lambda each: each.args[0])
    parsed = parsed.xreplace({each: sympy.Rational(str(each)) for each in parsed.atoms(sympy.Float)})
    calls = parsed.atoms(sympy.core.function.AppliedUndef)
    parsed = parsed.xreplace({each: sympy.Symbol(str(each), real=True) for each in calls})
    if parsed.has(sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative):
        parsed = parsed.doit()
    return parsed.xreplace({sympy.Symbol("i", real=True): sympy.I})


def _bound(expression: Any) -> None:
    """Refuse powers and factorials that are too large to evaluate, from the inside out."""
    for each in sympy.postorder_traversal(expression):
        if isinstance(each, sympy.Pow) and each.exp.is_number and not abs(each.exp.evalf(15)) <= _MOST_EXPONENT:
            raise Unreadable("the exponent is too large")
        grows = isinstance(each, sympy.factorial | sympy.gamma) and each.args[0].is_number
        if grows and not abs(each.args[0].evalf(15)) <= _MOST_FACTORIAL:
            raise Unreadable("the factorial is too large")
        if isinstance(each, sympy.Integer) and abs(each.p).bit_length() > 4 * _MOST_DIGITS:
            raise Unreadable("the number is too large")


def _same_value(one: Any, other: Any) -> bool:
    if one == other:
        return bool(one.is_finite is not False or one in (sympy.oo, -sympy.oo))
    if (one.is_Rational and other.is_Rational) or one.has(sympy.oo, sympy.zoo, sympy.nan):
        return False
    if _rebuilt(one) == _rebuilt(other):
        return True
    pairs = [(_value(one, point), _value(other, point)) for point in _points(one, other)]
    pairs = [(gold, answer) for gold, answer in pairs if gold is not None]
    # Where the gold value is not real, its domain ends: `2\log x` is `\log x^2` for all x that it is written for.
    pairs = [pair for pair in pairs if sympy.im(pair[0]) == 0] or pairs
    return len(pairs) >= (2 if one.free_symbols | other.free_symbols else 1) and all(
        answer is not None and _close(gold, answer) for gold, answer in pairs
    )


def _close(gold: Any, answer: Any) -> bool:
    """Whether two values agree in 25 digits behind the unit place, and of a small one in as many significant ones."""
    scale = min(abs(gold), 1)
    return bool(abs(gold - answer) <= scale * sympy.Float(10) ** -25)


def _value(expression: Any, point: dict[Any, Any]) -> Any | None:
    """Its value at a point with 40 significant digits, more for more than one before the point; None if it has none."""
    rough = expression.evalf(15, subs=point)
    if not rough.is_number or rough.has(sympy.oo, sympy.zoo, sympy.nan) or not rough.is_finite:
        return None
    size = abs(rough)
    digits = _DIGITS + (max(0, int(sympy.log(size, 10).evalf(15))) if size > 1 else 0)
    if digits > _MOST_DIGITS:
        return None
    value = expression.evalf(digits, subs=point)
    if not (value.is_number and value.is_finite):
        return None
    # What has no significant digit is a zero: sympy says so by a precision of one bit.
    real, imaginary = (0 if part.is_Float and part._prec == 1 else part for part in value.as_real_imag())
    return sympy.sympify(real + sympy.I * imaginary)


def _points(*expressions: Any) -> list[dict[Any, Any]]:
    """Six fixed points, three of them positive in all variables; one, of none, where there are no variables."""
    symbols = sorted({symbol for each in expressions for symbol in each.free_symbols}, key=str)
    if not symbols:
        return [{}]
    points = []
    for index in range(6):
        rng = random.Random(index)
        low = 0.25 if index % 2 == 0 else -2.75
        points.append({symbol: sympy.Rational(round(rng.uniform(low, 2.75) * 10**9), 10**9) for symbol in symbols})
    return points


def _rebuilt(expression: Any) -> Any:
    """The expression, which the parser left as it was written, in sympy's own order."""
    return expression.func(*map(_rebuilt, expression.args)) if expression.args else expression


def _rounds(value: Any, decimal: str) -> bool:
    places = len(decimal.partition(".")[2])
    number = _value(value, {})
    return number is not None and bool(abs(number - sympy.Rational(decimal)) * 2 * 10**places <= 1)


def _standard(relation: Relation) -> tuple[str, Any]:
    r"""A relation of two sides as `expression operator 0`, where operator is none of `<` and `\leq`."""
    left, right = (parse(latex(member)) for member in relation.members)
    operator = {r"\leq": "<=", r"\geq": ">=", r"\neq": "!="}.get(relation.operators[0], relation.operators[0])
    if operator in ("<", "<="):
        return operator.replace("<", ">"), right - left
    return operator, left - right


def _multiple(one: Any, other: Any, *, positive: bool) -> bool:
    """Whether one expression is the other times a number that is not zero; neither may be constant."""
    if not one.free_symbols or one.free_symbols != other.free_symbols:
        return False
    pairs = [(_value(one, point), _value(other, point)) for point in _points(one, other)]
    good = [(gold, answer) for gold, answer in pairs if gold is not None and answer is not None]
    if len(good) < 3 or any(gold == 0 or answer == 0 for gold, answer in good):
        return False
    ratio = good[0][0] / good[0][1]
    return (not positive or bool(ratio > 0)) and all(_close(gold, answer * ratio) for gold, answer in good)


def _as_set(form: Form) -> Any:
    """The set of real numbers a form stands for.

    Raises:
        Unreadable: it stands for none.
    """
    if isinstance(form, Leaf):
        named = {r"\mathbb{R}": sympy.S.Reals, r"\mathbb{Z}": sympy.S.Integers, r"\mathbb{N}": sympy.S.Naturals}
        named |= {r"\mathbb{Q}": sympy.S.Rationals, r"\emptyset": sympy.S.EmptySet}
        if form.text.replace(" ", "") in named:
            return named[form.text.replace(" ", "")]
        raise Unreadable(form.text)
    if isinstance(form, Group):
        parts = [parse(latex(part)) for part in form.parts]
        if form.kind == "set":
            return sympy.FiniteSet(*parts)
        if len(parts) == 2 and form.kind in ("()", "[]", "(]", "[)"):
            return sympy.Interval(*parts, left_open=form.kind[0] == "(", right_open=form.kind[1] == ")")
        raise Unreadable(form.kind)
    if isinstance(form, SetOperation):
        whole = _as_set(form.parts[0])
        for operator, part in zip(form.operators, form.parts[1:], strict=True):
            whole = _OPERATIONS[operator](whole, _as_set(part))
        return whole
    if form.operators == (r"\in",):
        return _as_set(form.members[1])
    whole = sympy.S.Reals
    for left, operator, right in zip(form.members, form.operators, form.members[1:], strict=False):
        sides = parse(latex(left)), parse(latex(right))
        relation = _RELATIONS[operator](*sides)
        whole = sympy.Intersection(whole, relation.as_set())
    return whole


_RELATIONS = {"<": sympy.Lt, ">": sympy.Gt, r"\leq": sympy.Le, r"\geq": sympy.Ge, r"\neq": sympy.Ne, "=": sympy.Eq}
_OPERATIONS = {r"\cup": sympy.Union, r"\cap": sympy.Intersection, r"\setminus": sympy.Complement}

# sympy imports late, by what an expression needs. All that values and sets can need is imported now, before the process
# locks itself down: where a child may open no files, a verdict would otherwise hang on what was asked before it.
_NEEDED = (
    "calculus",
    "concrete",
    "functions",
    "integrals",
    "logic",
    "matrices",
    "series",
    "sets",
    "solvers",
    "simplify",
)
for _package in _NEEDED:
    for _found in pkgutil.walk_packages([f"{sympy.__path__[0]}/{_package}"], f"sympy.{_package}."):
        if not re.search(r"\.(?:tests|benchmarks|\w+_doc)\b", _found.name):
            importlib.import_module(_found.name)

# The parser and sympy fill their caches on first use, which no answer shall be charged for.
for _pair in (
    ("(x+1)^2", "x^2+2x+1"),
    (r"\frac{1}{\sqrt{2}}", r"0.70710678"),
    (r"\sin^2 x+\log_2 y-|z|", r"\cos x \cdot \binom{5}{2}! - \ln \pi"),
    (r"\{1,\sqrt{2}\} \cup [3,\infty)", r"(1, 2] \setminus \{x^2 < 4\}"),
    (r"x^2-3x+2 \geq 0", r"(-\infty, 1] \cup [2, \infty)"),
    (r"1 \leq |z| \leq \frac{3}{2}", r"[-\frac{3}{2},-1] \cup [1,\frac{3}{2}]"),
    (r"x \neq \sqrt{2}", r"(-\infty,\sqrt{2}) \cup (\sqrt{2},\infty)"),
    ("2x+y=3", "4x+2y=6"),
    (r"\int_0^1 x^2 dx + \sum_{k=1}^{n} k", r"\lim_{x \to 0} \frac{\sin x}{x} + \lfloor 2.5 \rfloor"),
    (
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix} \begin{pmatrix}1\\ x\end{pmatrix}",
        r"\begin{pmatrix}1+2x\\ 3+4x\end{pmatrix}",
    ),
    (r"(2+i)^2", "3+4i"),
    (r"\arctan 1 + e^{x} + \sinh x", r"\max(1,2) + f(x) + a_1 + \gcd(2,4)"),
):
    equal(*_pair)
