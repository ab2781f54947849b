"""Mathematical equality of the final answer, by its form, exact fractions, and algebra in a process of its own.

`_math_text` takes the typography off, `_math_form` reads both sides by one grammar, `_math_same` compares like with
like. Plain numbers, words, and lists, intervals and matrices of them are decided here and never start a process. What
needs algebra goes to math-verify's LaTeX parser and sympy in an `IsolatedWorker`: hostile input can take them seconds.
"""

import re
from collections.abc import Sequence

from rftlab.sandbox.library import shared
from rftlab.verifiers._math_form import MAX_CHARS, read
from rftlab.verifiers._math_same import NeedsAlgebra, NoAlgebra, same
from rftlab.verifiers._sentence import says_nothing_else
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.exact import normalise
from rftlab.verifiers.wrappers import unwrap

# Wall time for one answer, far above the processor time it may take: a busy machine changes no verdict.
_SECONDS = 20.0
_TEXT = re.compile(r"\\text\{([^{}]{0,60})\}")
_WORDS = re.compile(r"[a-z]{2,30}(?: [a-z]{1,30}){0,4}")


class Math(Verifier):
    r"""Correct (1.0) if the answer equals the gold answer as mathematics, else 0.0.

    `1/2`, `0.5`, `50 %` and `\frac{1}{2}` are equal. A percent sign is read both ways: `50 %` equals a gold answer of
    0.5 and one of 50, since authors write percentages with and without the sign. A unit or a currency may be left out,
    but where both sides name one, they must agree. `x = 5` equals 5; two different values are no answer. Lists and sets
    are compared without order, tuples with it; equations up to a factor, inequalities also with their solution sets.
    A gold answer in words may stand in a sentence that else only repeats the prompt (`The function is even`).

    An answer that cannot be judged (out of time or memory, a library that does not load) scores 0 with
    "verifier_error" and a sentence; one that is no mathematics is wrong.
    """

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge a batch: by form here, the rest in one call to the isolated worker."""
        verdicts = [_decide(answer, example) for answer, example in zip(answers, examples, strict=True)]
        judged = [Judgement(float(bool(verdict))) for verdict in verdicts]
        open_ones = [i for i, verdict in enumerate(verdicts) if verdict is None]
        if open_ones:
            worker = shared("rftlab.verifiers._math_verify:equal", seconds=_SECONDS)
            self.isolation = worker.level
            pairs = [(examples[i].answer, answers[i]) for i in open_ones]
            for i, (equal, why) in zip(open_ones, worker.map_with_reasons(pairs), strict=True):
                judged[i] = cannot_judge(f"math could not decide: {why}") if equal is None else Judgement(float(equal))
        return judged


def _decide(answer: str, example: Gold) -> bool | None:
    """Verdict where form and fractions give one, None where algebra has to look."""
    gold = example.answer
    if len(answer) > MAX_CHARS and len(answer) > 2 * len(gold):
        return False
    try:
        return same(read(gold), read(answer), NoAlgebra()) or _says(answer, gold, example.prompt)
    except NeedsAlgebra:
        return None


def _says(answer: str, gold: str, prompt: str) -> bool:
    """Whether a sentence gives a gold answer in words, and else only repeats the prompt: `The function is even`."""
    words, said = normalise(unwrap(gold)), normalise(unwrap(_TEXT.sub(r"\1", answer)))
    if not _WORDS.fullmatch(words):
        return False
    sides = re.split(rf"(?<![\w-]){words}(?![\w-])", said)
    return len(sides) == 2 and says_nothing_else(sides[0], sides[1], prompt)
