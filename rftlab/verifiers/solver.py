"""Problems with many right answers: whatever satisfies the constraints is right, not only the gold answer.

Answers are read by our own walk over syntax nodes into exact fractions (`_expression`); nothing of a model's text ever
reaches eval, sympy's parser or z3's reader, which run or write what they are told. z3 (extra `[solver]`) is asked only
whether a list of solutions is complete, in a process of its own, about constraints that the task's author wrote.
"""

import ast
import importlib.util
import json
import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from rftlab.sandbox.library import shared
from rftlab.verifiers._expression import Evaluator, ExpressionError, numbers_in, parse
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.exact import normalise
from rftlab.verifiers.gym.polynomial import Polynomial

_SOLUTIONS = re.compile(r";|\n|\bor\b|\\text\{ ?or ?\}|\\lor\b", re.IGNORECASE)
_ITEMS = re.compile(r",|;|\n|\band\b|\bor\b|\\text\{ ?(?:and|or) ?\}", re.IGNORECASE)
_MAX_ITEMS = 64
_NO_SOLUTION = ("none", "no solution", "no solutions", "no real solution", "no real solutions")
_COUNTDOWN_NODES = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub)

Solution = dict[str, Any]


class Solver(Verifier):
    """Correct (1.0) if the answer satisfies the problem in `meta`, else 0.0.

    `meta["kind"]` is

    - "countdown": an expression over + - * / and brackets that makes `target` from `numbers`, each at most once;
      `use: "all"` asks for all of them, `order: "given"` for the order given.
    - "roots": the solutions of a polynomial `equation` in one `variable`, all distinct real ones unless
      `solutions: "any"`; `tolerance` (default 0) admits rounded decimals. Proved complete by Sturm's theorem.
    - "assignment": values for `variables` (name -> "integer", "real", "boolean" or a list of allowed values) under
      `constraints` (Python-like expressions over the names, also `distinct(a, b, ...)`). One solution is enough unless
      `solutions: "all"`, which takes the number of solutions from `count` or proves completeness with z3.

    Every solution that an answer lists must be right, so listing candidates does not score.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "Make 14.",
        "answer": "2 + 3 * 4",
        "kind": "countdown",
        "numbers": [2, 3, 4],
        "target": 14,
    }

    needs_gold = False

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Judge one extracted answer."""
        kinds = {"countdown": _countdown, "roots": _roots, "assignment": _assignment}
        kind = str(example.meta.get("kind") or _guess_kind(example.meta))
        if kind not in kinds:
            return cannot_judge(f"meta.kind is {kind!r}, not one of {', '.join(kinds)}")
        try:
            problem = kinds[kind](answer, example.meta)
        except ExpressionError as error:
            return Judgement(0.0, detail=str(error))
        except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            return cannot_judge(f"meta does not describe a {kind} problem: {type(error).__name__}: {error}")
        return Judgement(float(not problem), detail=problem)


def _guess_kind(meta: Mapping[str, Any]) -> str:
    keys = {"target": "countdown", "equation": "roots", "constraints": "assignment"}
    return next((kind for key, kind in keys.items() if key in meta), "")


def _countdown(answer: str, meta: Mapping[str, Any]) -> str:
    given, target = [Fraction(str(number)) for number in meta["numbers"]], Fraction(str(meta["target"]))
    text, equals, claimed = answer.partition("=")
    tree = parse(text)
    if equals and Evaluator().number(claimed) != target:
        return "claims another result than the target"
    if not all(isinstance(node, _COUNTDOWN_NODES) for node in ast.walk(tree)):
        return "uses more than + - * / and brackets"
    used = numbers_in(tree)
    over = Counter(used) - Counter(given)
    if over:
        return f"uses {next(iter(over))} more often than it is given"
    if meta.get("use") == "all" and len(used) < len(given):
        return "does not use every number"
    if meta.get("order") == "given" and used != given:
        return "does not keep the order of the numbers"
    value = Evaluator().number(text)
    return "" if value == target else f"makes {str(value)[:40]}, not {target}"


def _roots(answer: str, meta: Mapping[str, Any]) -> str:
    left, equals, right = str(meta["equation"]).replace("==", "=").partition("=")
    variable = str(meta.get("variable", "x"))
    unknown = Evaluator({variable: Polynomial(Fraction(0), Fraction(1))})
    try:
        difference = unknown(parse(left)) - (unknown(parse(right)) if equals else Fraction(0))
        polynomial = difference if isinstance(difference, Polynomial) else Polynomial(difference)
    except ExpressionError as error:
        raise ValueError(f"equation: {error}") from None
    if not polynomial.coefficients:
        raise ValueError("every value solves the equation")
    tolerance = Fraction(str(meta.get("tolerance", 0)))
    values, slack = [], tolerance
    for item in [] if normalise(answer) in _NO_SOLUTION else _listed(answer):
        name, named, text = item.rpartition("=")
        if named and name.strip() != variable:
            return f"gives {name.strip()[:20]}, not {variable}"
        evaluator = Evaluator()
        values += [evaluator.number(each) for each in _both_signs(text)]
        slack = slack if evaluator.exact else max(slack, Fraction(1, 10**40))
    if len(set(values)) < len(values):
        return "gives a solution twice"
    if not _are_roots(polynomial, sorted(values), slack):
        return "gives a value that does not solve the equation"
    if meta.get("solutions", "all") == "all" and len(values) != polynomial.real_roots():
        return "does not give every solution"
    return "" if values or not polynomial.real_roots() else "gives no solution"


def _are_roots(polynomial: Polynomial, values: list[Fraction], slack: Fraction) -> bool:
    """Whether sorted values are distinct roots; with a slack, whether each has a root of its own within it."""
    if not slack:
        return not any(polynomial(value) for value in values)
    start = 0
    for end, value in enumerate(values):
        if end + 1 < len(values) and values[end + 1] - value <= 2 * slack:
            continue
        if polynomial.real_roots(values[start] - slack, value + slack) < end + 1 - start:
            return False
        start = end + 1
    return True


def _assignment(answer: str, meta: Mapping[str, Any]) -> str:
    variables = meta["variables"]
    if not isinstance(variables, Mapping):
        variables = dict.fromkeys(map(str, variables), meta.get("domain", "real"))
    try:
        constraints = [parse(str(text)) for text in meta["constraints"]]
    except ExpressionError as error:
        raise ValueError(f"constraints: {error}") from None
    known = {*variables, "distinct", "sqrt", "abs", "min", "max"}
    for node in (node for constraint in constraints for node in ast.walk(constraint)):
        if isinstance(node, ast.Name) and node.id not in known:
            raise ValueError(f"constraints name {node.id!r}, which is no variable")
    texts, solutions, exact = _read_solutions(answer, variables)
    for solution in solutions:
        evaluator = Evaluator(solution)
        evaluator.exact = exact
        for text, constraint in zip(meta["constraints"], constraints, strict=True):
            if evaluator(constraint) is not True:
                return f"violates {str(text)[:80]}"
    if len({tuple(sorted(solution.items())) for solution in solutions}) < len(solutions):
        return "gives a solution twice"
    if meta.get("solutions") != "all":
        return ""
    if "count" in meta:
        return "" if len(solutions) == int(meta["count"]) else "does not give every solution"
    # A root that is no rational number is given to z3 as it was written, not as its approximation.
    given = [
        {n: text[n] if variables[n] == "real" else str(v) for n, v in s.items()}
        for text, s in zip(texts, solutions, strict=True)
    ]
    return _incomplete(variables, meta["constraints"], given)


def _read_solutions(answer: str, variables: Mapping[str, Any]) -> tuple[list[dict[str, str]], list[Solution], bool]:
    """Solutions as written (`x = 3, y = 7`, or JSON), their values, and whether those are exact."""
    texts: list[dict[str, str]] = []
    if answer.lstrip().startswith("{") and ":" in answer:
        try:
            value = json.loads(answer)
        except (ValueError, RecursionError):
            raise ExpressionError("not valid JSON") from None
        texts = [{str(name): str(item) for name, item in value.items()}]
    else:
        for part in _SOLUTIONS.split(answer):
            items = _listed(part)
            if len(variables) == 1:
                name = next(iter(variables))
                values = [text for item in items for text in _both_signs(item.removeprefix(name).lstrip(" ="))]
                texts += [{name: text} for text in values]
            elif any("=" in item for item in items):
                pairs = [item.partition("=") for item in items]
                if len({name.strip() for name, _, _ in pairs}) < len(pairs):
                    raise ExpressionError("gives a variable twice in one solution")
                texts.append({name.strip(): text for name, _, text in pairs})
            else:
                texts.append(dict(zip(variables, items, strict=False)) if len(items) == len(variables) else {})
    if len(texts) > _MAX_ITEMS:
        raise ExpressionError("far too many solutions")
    evaluator = Evaluator()
    solutions = []
    for text in texts:
        if set(text) != set(variables):
            raise ExpressionError(f"does not give a value to each of {', '.join(variables)}")
        solutions.append({name: _value(text[name], domain, evaluator) for name, domain in variables.items()})
    return texts, solutions, evaluator.exact


def _value(text: str, domain: Any, evaluator: Evaluator) -> Any:
    if domain == "boolean":
        truth = {"true": True, "false": False}.get(normalise(text))
        if truth is None:
            raise ExpressionError("a value that is neither true nor false")
        return truth
    if isinstance(domain, list | tuple) and any(isinstance(value, str) for value in domain):
        named = [value for value in domain if normalise(str(value)) == normalise(text)]
        if not named:
            raise ExpressionError(f"a value that is none of {', '.join(map(str, domain))}"[:200])
        return named[0]
    number = evaluator.number(text)
    if isinstance(domain, list | tuple) and number not in [Fraction(str(value)) for value in domain]:
        raise ExpressionError("a value outside the allowed ones")
    if domain == "integer" and number.denominator != 1:
        raise ExpressionError("a value that is no whole number")
    return number


def _listed(text: str) -> list[str]:
    text = text.strip().strip("$").strip()
    if text[:1] + text[-1:] in ("{}", "[]", "()") and not {"(", "["} & set(text[1:-1]):
        text = text[1:-1]
    items = [item.strip() for item in _ITEMS.split(text) if item.strip()]
    if not items or len(items) > _MAX_ITEMS:
        raise ExpressionError("no solution, or far too many")
    return items


def _both_signs(text: str) -> list[str]:
    text = text.replace("\\pm", "±")
    return [text.replace("±", sign) for sign in "+-"] if text.count("±") == 1 else [text]


def _incomplete(variables: Mapping[str, Any], constraints: Any, given: list[dict[str, str]]) -> str:
    """Ask z3 for a solution beyond the ones given."""
    if not set(map(str, variables.values())) <= {"integer", "real", "boolean"}:
        raise ValueError("completeness is proved for integer, real and boolean variables; give meta.count")
    if importlib.util.find_spec("z3") is None:
        raise ValueError("proving completeness needs z3: pip install 'rftlab[solver]', or give meta.count")
    worker = shared("rftlab.verifiers._z3_complete:another_solution", seconds=3.0)
    [(verdict, why)] = worker.map_with_reasons([(dict(variables), list(map(str, constraints)), given)])
    if verdict == "none":
        return ""
    if verdict == "exists":
        return "does not give every solution"
    raise ValueError(f"z3 could not decide whether the solutions are all ({why or 'unknown'}); give meta.count")
