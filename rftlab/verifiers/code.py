"""Model-written Python, judged by running it on hidden cases in the sandbox.

The example's ``meta`` holds ``entry_point`` (the function's name), ``tests`` (each ``args``, ``kwargs``, ``expected``,
optionally ``tolerance``) and, for efficiency, ``reference`` and ``efficiency`` (see ``efficiency``). The child gets the
code and the inputs; what it returned is compared here.

What no sandbox can mend: tests whose expected value stands in an input, or that expect only True or None, can be
guessed; write at least five with varied expected values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.sandbox.python import Check, Limits, Result, Sandbox, shared_sandbox
from rftlab.verifiers.base import OPEN_TAG, Extraction, Gold, Judgement, Score, Verifier, cannot_judge, extract_answer
from rftlab.verifiers.code_tests import HiddenTest, encode_tests, entry_point, read_tests, tests_from_asserts
from rftlab.verifiers.efficiency import Efficiency

__all__ = ["Code", "encode_tests", "extract_code", "read_tests", "tests_from_asserts"]

_FENCE = "```"


class Code(Verifier):
    """Share of hidden tests that the code passes, with efficiency weighed in where asked.

    `meta["entry_point"]` is the function's name, `meta["tests"]` the hidden tests: args, kwargs and expected of each,
    and optionally tolerance. With ``efficiency_weight``, `meta["reference"]` is code to compare with, and
    `meta["efficiency"]` further calls.

    Parts: ``tests_passed`` (share, 0 to 1), ``full_marks`` (0 or 1), ``loads`` (0 where the code does not compile or
    define the entry point; the compiler's sentence is in ``detail``), and with a weight ``efficiency`` (0 to 1).

    Args:
        partial_credit: reward the share of tests passed; otherwise only full marks.
        compare: "python": equal as ``==`` says, so 4.0 passes for 4; "strict": types must match too.
        efficiency_weight: share of the reward, 0 to 1, that efficiency decides for code with full marks.
        case_s: wall seconds for one call; calls after one that overran are not made.
        total_s: wall seconds for all calls of one completion.
        memory_mb: address space, MiB.
        allow_unsandboxed: accept running hostile code without isolation where none can be reached.
        sandbox: a pool of one's own; by default the process-wide one.
        answer_format: see ``Verifier``.

    Raises:
        RftlabError: a setting out of range; when scoring: an example without usable tests, or no sandbox.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "Write double(x).",
        "answer": "def double(x):\n    return 2 * x",
        "entry_point": "double",
        "tests": [{"args": [2], "expected": 4}],
    }

    needs_gold, is_program, says_why = False, True, True

    def __init__(
        self,
        *,
        partial_credit: bool = True,
        compare: Literal["python", "strict"] = "python",
        efficiency_weight: float = 0.0,
        case_s: float = 2.0,
        total_s: float = 5.0,
        memory_mb: int = 512,
        allow_unsandboxed: bool = False,
        sandbox: Sandbox | None = None,
        answer_format: Literal["strict", "lenient"] = "strict",
    ) -> None:
        super().__init__(answer_format=answer_format)
        if compare not in values.MODES:
            raise RftlabError(f"compare is {compare!r}; it must be one of {', '.join(values.MODES)}")
        if not 0 <= efficiency_weight <= 1:
            raise RftlabError(f"efficiency_weight is {efficiency_weight}; it must lie between 0 and 1")
        if min(case_s, total_s, memory_mb) <= 0:
            raise RftlabError("case_s, total_s and memory_mb must be greater than 0")
        self.partial_credit, self.compare, self.efficiency_weight = partial_credit, compare, efficiency_weight
        self.limits = Limits(case_s, total_s, memory_mb)
        self.sandbox = sandbox or shared_sandbox(allow_unsandboxed=allow_unsandboxed)
        self._efficiency = Efficiency(self.sandbox, compare)

    @property
    def isolation(self) -> str:  # type: ignore[override]
        """The sandbox's level of isolation, for the record."""
        return self.sandbox.level

    def score(self, completions: Sequence[str], examples: Sequence[Gold]) -> list[Score]:
        """Scores, one per completion; the checks run in parallel over the sandbox's workers."""
        extractions = [extract_code(completion) for completion in completions]
        found = [i for i, extraction in enumerate(extractions) if extraction.text is not None]
        judged = self.judge_batch([extractions[i].text or "" for i in found], [examples[i] for i in found])
        judgements = dict(zip(found, judged, strict=True))
        missing = Judgement(0.0, self._parts(0.0, loads=False), "no code was found")
        return [self._combine(e, judgements.get(i, missing)) for i, e in enumerate(extractions)]

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judgements of extracted code, in order."""
        names = [entry_point(example.meta) for example in examples]
        tests = [read_tests(example.meta) for example in examples]
        checks = [
            Check(code, name, [test.case for test in hidden], self.limits)
            for code, name, hidden in zip(answers, names, tests, strict=True)
        ]
        results = self.sandbox.run(checks)
        marks = [self._marks(result, hidden) for result, hidden in zip(results, tests, strict=True)]
        full = [i for i, passed in enumerate(marks) if all(passed) and self.efficiency_weight]
        work = self._efficiency.measure([answers[i] for i in full], [examples[i] for i in full]) if full else []
        measured = dict(zip(full, work, strict=True))
        return [
            self._judgement(result, passed, *measured.get(i, (0.0, "")))
            for i, (result, passed) in enumerate(zip(results, marks, strict=True))
        ]

    def _marks(self, result: Result, tests: Sequence[HiddenTest]) -> list[bool]:
        return [
            not outcome.problem and values.same(outcome.tree, test.expected, self.compare, test.tolerance)
            for outcome, test in zip(result.outcomes, tests, strict=True)
        ]

    def _judgement(self, result: Result, passed: list[bool], efficiency: float, why: str) -> Judgement:
        if result.broken:
            broken = cannot_judge(f"the sandbox gave no verdict: {result.broken}")
            return broken._replace(parts={**self._parts(0.0, loads=True), **broken.parts})
        share = sum(passed) / len(passed)
        reward = share if self.partial_credit else float(share == 1)
        if self.efficiency_weight:
            weight = self.efficiency_weight
            reward = min(1.0, (1 - weight) * reward + weight * efficiency)
        detail = result.load_error or why
        if not detail and share < 1:
            first = passed.index(False)
            problem = result.outcomes[first].problem or "another value was returned"
            detail = f"{sum(passed)} of {len(passed)} tests passed; test {first + 1}: {problem}"
        return Judgement(reward, self._parts(share, loads=not result.load_error, efficiency=efficiency), detail)

    def _parts(self, share: float, *, loads: bool, efficiency: float = 0.0) -> dict[str, float]:
        parts = {"tests_passed": share, "full_marks": float(share == 1), "loads": float(loads)}
        return {**parts, "efficiency": efficiency} if self.efficiency_weight else parts


def extract_code(completion: str) -> Extraction:
    """Find the code of a completion: in answer tags, or (``format_ok`` False) the one fenced block of an untagged text.

    A fence inside the tags is taken off. Several fenced blocks are no answer.

    Args:
        completion: any text.
    """
    if OPEN_TAG not in completion and _FENCE in completion:
        return Extraction(unfenced(completion), False)
    extraction = extract_answer(completion)
    if extraction.text is None or _FENCE not in extraction.text:
        return extraction
    return Extraction(unfenced(extraction.text), extraction.format_ok)


def unfenced(text: str) -> str | None:
    """Take the fence off a text with at most one fenced block; None where there are several or it is empty."""
    pieces = text.split(_FENCE)
    if len(pieces) == 1:
        return text or None
    if len(pieces) not in (2, 3):
        return None
    language, newline, body = pieces[1].partition("\n")
    code = body if newline and len(language.split()) < 2 else pieces[1]
    return code.strip("\n") or None
