"""Work that code does against a reference solution's, counted in interpreter instructions, never in seconds.

The count is taken in the child, so only code that cannot reach the interpreter's tracing is counted at all (see
``_countable``); other code scores 0 for efficiency, whatever it returns, and so does a call during which the
interpreter dropped the counter (a stack that overflows inside it). Work inside functions written in C (``sorted``,
``sum``, ``in`` on a list) is not seen: keep the weight of efficiency small.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.sandbox.python import Case, Check, Limits, Result, Sandbox
from rftlab.verifiers.base import Gold
from rftlab.verifiers.code_tests import entry_point, read_tests

# A traced call runs about 30 times slower, so counting gets its own, longer limits.
_LIMITS = Limits(case_s=10.0, total_s=20.0)
_MOST_STEPS = 3_000_000
# A solution that needs this many times the reference's steps scores next to nothing anyway.
_STEPS_FACTOR = 20
_KEPT = 10_000


class _Work(NamedTuple):
    cases: list[Case]
    steps: list[int]
    trees: list[Any]


class Efficiency:
    """Measures solutions against their examples' reference solutions.

    Args:
        sandbox: where both run.
        compare: how return values are compared, "python" or "strict".
    """

    def __init__(self, sandbox: Sandbox, compare: str) -> None:
        self._sandbox, self._compare = sandbox, compare
        self._known: dict[Any, _Work] = {}

    def measure(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[tuple[float, str]]:
        """Measure solutions that have already passed their tests.

        Args:
            answers: source texts.
            examples: each with ``reference`` (a correct solution's source) and ``efficiency`` (growing inputs, each
                ``args``, ``kwargs``; by default the tests' own) in its ``meta``.

        Returns:
            For each, the reference's steps over its own, at most 1, averaged over the inputs, 0 for an input with
            another return value than the reference's; and one sentence where it could not be counted.

        Raises:
            RftlabError: an example without a reference solution, or with one that fails.
        """
        references = [self._reference(example) for example in examples]
        gates = [Check(_gate(), "why_not", [Case([code])]) for code in answers]
        reasons = [_sentence(result) for result in self._sandbox.run(gates)]
        open_for = [i for i, reason in enumerate(reasons) if not reason]
        checks = [self._check(answers[i], examples[i], references[i]) for i in open_for]
        results = dict(zip(open_for, self._sandbox.run(checks), strict=True))
        ratios = {i: self._ratio(result, references[i]) for i, result in results.items()}
        for i, result in results.items():
            reasons[i] = result.load_error or next((o.problem for o in result.outcomes if o.problem), "")
        return [
            (ratios.get(i, 0.0), reason and f"efficiency {ratios.get(i, 0.0):.2g}: {reason}")
            for i, reason in enumerate(reasons)
        ]

    def _check(self, code: str, example: Gold, reference: _Work) -> Check:
        most = _STEPS_FACTOR * max(reference.steps)
        return Check(code, entry_point(example.meta), reference.cases, _LIMITS, steps=most)

    def _ratio(self, result: Result, reference: _Work) -> float:
        ratios = [
            min(1.0, steps / max(1, outcome.steps))
            for outcome, steps, tree in zip(result.outcomes, reference.steps, reference.trees, strict=True)
            if not outcome.problem and outcome.steps and values.same(outcome.tree, tree, self._compare)
        ]
        return sum(ratios) / len(reference.cases)

    def _reference(self, example: Gold) -> _Work:
        source, name = example.meta.get("reference"), entry_point(example.meta)
        if not isinstance(source, str):
            raise RftlabError(
                f"efficiency is weighed in, but the meta of {name!r} has no 'reference' solution; add one"
            )
        growing = [{"expected": None, **inputs} for inputs in example.meta.get("efficiency") or ()]
        cases = [test.case for test in read_tests({"tests": growing} if growing else example.meta)]
        key = (source, name, repr(cases))
        if key not in self._known:
            result = self._sandbox.run([Check(source, name, cases, _LIMITS, steps=_MOST_STEPS)])[0]
            problem = result.load_error or next((o.problem for o in result.outcomes if o.problem), "")
            if problem:
                raise RftlabError(f"the reference solution of {name!r} fails on its own inputs ({problem}); mend it")
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = _Work(cases, [o.steps or 1 for o in result.outcomes], [o.tree for o in result.outcomes])
        return self._known[key]


@functools.cache
def _gate() -> str:
    return Path(__file__).with_name("_countable.py").read_text(encoding="utf-8")


def _sentence(result: Result) -> str:
    outcome = result.outcomes[0]
    return outcome.tree if isinstance(outcome.tree, str) else f"the code cannot be examined ({outcome.problem})"
