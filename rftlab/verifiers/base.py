"""What a verifier is, what it returns, and how the final answer is found in a completion.

Completions are hostile input. Nothing here evaluates, formats or compiles them; every scan is linear in their length.
"""

import functools
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, SupportsFloat, TypeVar

from rftlab.errors import CAUGHT, RftlabError, came_from_user, defined_at, one_line, told
from rftlab.making import make
from rftlab.registry import VERIFIERS, find, resolve
from rftlab.user_code.limited import Limited
from rftlab.verifiers.wrappers import boxed

OPEN_TAG, CLOSE_TAG = "<answer>", "</answer>"
THINK, THOUGHT = "<think>", "</think>"

# A final answer longer than this is no answer; it also bounds what any parser downstream is given.
MAX_ANSWER_CHARS = 20_000
# The fallback looks only at the end of a completion, where final answers stand.
_FALLBACK_TAIL_CHARS = 2_000


class Gold(Protocol):
    """What a verifier reads of an example (`rftlab.tasks.base.Example` is one)."""

    @property
    def prompt(self) -> str:
        """The question."""
        ...

    @property
    def answer(self) -> str:
        """The gold answer."""
        ...

    @property
    def meta(self) -> Mapping[str, Any]:
        """What a verifier needs beside it."""
        ...


class Extraction(NamedTuple):
    """The answer found in a completion.

    Attributes:
        text: the answer, stripped; None if there is none or several that differ.
        format_ok: True if it stood in exactly one well-formed pair of answer tags.
    """

    text: str | None
    format_ok: bool


@dataclass(frozen=True, slots=True)
class Score:
    """A verifier's verdict on one completion.

    Attributes:
        reward: in [0, 1]; what training and accuracy see.
        parts: named components in [0, 1]; always "correct" (tolerant extraction) and "format".
        extracted: the answer that was judged, None if none was found.
        format_ok: the answer stood in exactly one well-formed pair of answer tags.
        detail: one sentence for people (a compiler's message, a failed check); "" if there is nothing to say.
    """

    reward: float
    parts: Mapping[str, float]
    extracted: str | None
    format_ok: bool
    detail: str = ""

    @property
    def reason(self) -> str:
        """Why the reward is what it is, never empty: the detail, or what the verifier was given to judge."""
        if self.detail:
            return self.detail
        if self.extracted is None:
            return "no answer was found in the completion"
        return f"it was given the answer {one_line(repr(self.extracted[:80]))}, and says no more"


class Judgement(NamedTuple):
    """What a subclass says of an extracted answer: correctness in [0, 1], further parts, a sentence."""

    correct: float
    parts: Mapping[str, float] = {}
    detail: str = ""


def cannot_judge(reason: str) -> Judgement:
    """A judgement of 0 that is the data's or the verifier's fault, not the answer's; counted as "verifier_error"."""
    return Judgement(0.0, {"verifier_error": 1.0}, reason)


def after_thinking(completion: str) -> str:
    """What a completion says once it has done thinking: all that follows the last `</think>`.

    The whole of a text without the tags; nothing ("") of one that ends while it still thinks, in a `<think>` that is
    not closed. Applied to its own result it changes nothing.
    """
    said = completion.rpartition(THOUGHT)[2]
    return "" if THINK in said else said


def extract_answer(completion: str) -> Extraction:
    r"""Final answer of a completion: in one pair of `<answer>` tags, else by a tolerant fallback.

    The fallback (``format_ok`` False) takes, from the last 2 000 characters, what follows an unclosed tag, `####`,
    `\boxed{...}` or "the answer (to ...) is"; without any of these, the right side of a last line that is a sum
    worked out. Several answers that differ are no answer: listing candidates never scores. What was only thought of is
    no answer either: see `after_thinking`.

    Args:
        completion: any text, of any length.
    """
    completion = after_thinking(completion)
    pieces = completion.split(CLOSE_TAG)
    tagged = [piece.rpartition(OPEN_TAG)[2].strip() for piece in pieces[:-1] if OPEN_TAG in piece]
    opened = completion.count(OPEN_TAG)
    if tagged:
        if len(set(tagged)) > 1 or not tagged[0] or len(tagged[0]) > MAX_ANSWER_CHARS:
            return Extraction(None, False)
        return Extraction(tagged[0], opened == 1 and len(pieces) == 2)
    tail = completion[-_FALLBACK_TAIL_CHARS:]
    candidates = {candidate.strip() for pattern in _FALLBACKS for candidate in pattern.findall(tail)}
    candidates |= {content.strip() for content in boxed(tail)}
    candidates = {candidate.removesuffix(".").strip() for candidate in candidates} - {""}
    if not candidates and (worked := _WORKED_SUM.search(tail)):
        return Extraction(worked[1], False)
    return Extraction(candidates.pop(), False) if len(candidates) == 1 else Extraction(None, False)


# Bounded repetitions only: each pattern is linear on the 2 000 characters it sees.
_FALLBACKS = (
    re.compile(r"<answer>([^<\n]{1,200})\s*$"),
    re.compile(r"####[ \t]*([^\n]{1,200})"),
    re.compile(r"(?i)\banswer(?: to [^\n.:]{1,60}?)?(?: is|:)[ \t]*([^\n<]{1,80}?)(?=\.?[ \t]*(?:\n|$)|\.[ \t])"),
)
_WORKED_SUM = re.compile(r"(?:^|\n)[ \t]*[-+*/×÷().\d \t]{1,80}=[ \t]*(-?\d[\d.,]{0,40}?)\.?\s*$")


def tagged(answer: str) -> str:
    """An answer as a completion in the asked form."""
    return f"{OPEN_TAG}{answer}{CLOSE_TAG}"


class Verifier:
    """Base of all verifiers: deterministic, never raises on any text, bounded in time and memory.

    A subclass implements `judge` (one answer) or, where batching pays, `judge_batch`; one that overrides `score` gets
    what follows the thinking (`after_thinking`), like every other.

    Args:
        answer_format: "strict" rewards only an answer inside the tags; "lenient" also what the fallback found.

    Attributes:
        graded: True where even a gold answer need not reach 1 (a learned or judged score); then only the order of
            rewards means anything, and `rftlab check` compares means.
        told: what it is given to judge, where that is not plain; "" else.
        needs_gold: False where prompt and `meta` alone decide (a solver, a game, a form), so that several may be right.
        row: an example of a row that it judges, as a file of one's own would hold it; further columns become `meta`.
        is_program: True where an answer is a program, which may define more than what is asked.
        says_why: True where its sentences say what is wrong with an answer, and never what would be right.
        isolation: level the code or the library it runs is isolated at, None where it runs none (so far).
    """

    row: ClassVar[Mapping[str, Any]] = {"prompt": "What is 2 + 3?", "answer": "5"}
    graded: bool = False
    needs_gold: bool = True
    is_program: bool = False
    says_why: bool = False
    told: str = ""
    answer_format: Literal["strict", "lenient"] = "strict"  # also of a subclass that forgets to call __init__
    isolation: str | None = None

    def __init__(self, *, answer_format: Literal["strict", "lenient"] = "strict") -> None:
        self.answer_format = answer_format

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "score" in vars(cls):
            own = cls.score

            # A score of the user's own must not pay for an answer that was only thought of either.
            @functools.wraps(own)
            def score(self: Any, completions: Sequence[str], examples: Sequence[Gold]) -> list[Score]:
                return _scored(self, own, [after_thinking(completion) for completion in completions], examples)

            cls.score = score  # type: ignore[method-assign]

    def __call__(self, completion: str, example: Gold) -> Score:
        """Score one completion."""
        return self.score([completion], [example])[0]

    def score(self, completions: Sequence[str], examples: Sequence[Gold]) -> list[Score]:
        """Scores, one per completion; what follows the thinking in ``completions[i]`` against ``examples[i]``."""
        extractions = [extract_answer(completion) for completion in completions]
        found = [i for i, extraction in enumerate(extractions) if extraction.text is not None]
        judged = self._judged([extractions[i].text or "" for i in found], [examples[i] for i in found])
        judgements = dict(zip(found, judged, strict=True))
        return [self._combine(e, judgements.get(i, Judgement(0.0))) for i, e in enumerate(extractions)]

    def _judged(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """What `judge_batch` says; where a subclass raises, each answer alone, so that one spoils no other."""
        found, problem = _asked(self, lambda: self.judge_batch(answers, examples), Judgement, len(answers))
        if not problem:
            return found
        if len(answers) <= 1:
            return [cannot_judge(problem)] * len(answers)
        return [self._judged([answer], [example])[0] for answer, example in zip(answers, examples, strict=True)]

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judgements of extracted answers, in order."""
        return [self.judge(answer, example) for answer, example in zip(answers, examples, strict=True)]

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Judgement of one extracted answer."""
        raise TypeError(f"{type(self).__name__} implements neither judge nor judge_batch")

    def _combine(self, extraction: Extraction, judgement: Judgement) -> Score:
        counts = extraction.format_ok or self.answer_format == "lenient"
        return Score(
            reward=judgement.correct if counts else 0.0,
            parts={"correct": judgement.correct, "format": float(extraction.format_ok), **judgement.parts},
            extracted=extraction.text,
            format_ok=extraction.format_ok,
            detail=judgement.detail,
        )


_Verdict = TypeVar("_Verdict", Judgement, Score)


def _asked(
    verifier: Verifier, ask: Callable[[], list[_Verdict]], kind: type[_Verdict], count: int
) -> tuple[list[_Verdict], str]:
    """What a verifier says, and what is wrong with that: it raised, or gave no ``count`` of ``kind`` in range."""
    try:
        if type(verifier).__module__.startswith("rftlab."):  # has limits of its own
            found = ask()
        else:
            with Limited(f"verifier {type(verifier).__name__}", verifier) as limited:
                found = limited(ask, times=count)
    except RftlabError:
        raise
    except CAUGHT as error:
        return [], f"the verifier raised {told(error)}{'' if came_from_user(error) else defined_at(verifier)}"
    if not isinstance(found, Sequence) or len(found) != count:
        return [], f"the verifier returned {_shown(found)}, not {count} {kind.__name__}s{defined_at(verifier)}"
    for each in found:
        number = getattr(each, "correct" if kind is Judgement else "reward", None)
        if not isinstance(each, kind) or not isinstance(number, float | int) or not 0 <= number <= 1:
            what = f"not a {kind.__name__} of a number from 0 to 1"
            return [], f"the verifier returned {_shown(each)}, {what}{defined_at(verifier)}"
    return found, ""


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def _shown(value: object) -> str:
    return _ADDRESS.sub("", one_line(repr(value)))[:100]


def _scored(
    verifier: Verifier, score: Callable[..., list[Score]], completions: Sequence[str], examples: Sequence[Gold]
) -> list[Score]:
    """What a subclass's own score says; where it fails, each completion alone, so that one spoils no other."""
    found, problem = _asked(verifier, lambda: score(verifier, completions, examples), Score, len(completions))
    if not problem:
        return found
    if len(completions) > 1:
        return [_scored(verifier, score, [c], [e])[0] for c, e in zip(completions, examples, strict=True)]
    extraction = extract_answer(completions[0]) if completions else Extraction(None, False)
    return [verifier._combine(extraction, cannot_judge(problem))] * len(completions)


class FunctionVerifier(Verifier):
    """A user's plain function as a verifier: `score(answer, example)` or `score(completion, example)`, from 0 to 1.

    The name of its first parameter decides what it is given. `answer`: the extracted answer; it is not asked where
    there is none, and `answer_format` holds. Any other name: the whole completion, or what follows its thinking.

    A raised exception or a value outside [0, 1] scores 0 and sets the part "verifier_error", which `rftlab check` and
    the report show: a bug in a user's verifier is never read as a wrong answer in silence.

    A function that reads no gold answer says so by an attribute: `score.needs_gold = False`.

    Attributes:
        function: the user's.
        reads: "answer" or "completion", what the function is given.

    Raises:
        RftlabError: the function cannot be called with a text and an example, or gives no number at once.
    """

    def __init__(
        self, function: Callable[[str, Any], float], *, answer_format: Literal["strict", "lenient"] = "strict"
    ) -> None:
        super().__init__(answer_format=answer_format)
        self.function, self._place = function, defined_at(function)
        parameters = _parameters(function)
        self._name = f"{_called(function)}({', '.join(parameters[:2])})"
        self.reads = "answer" if parameters[0] == "answer" else "completion"
        self.told = (
            f"{self._name} is given the extracted answer, as its first parameter is called answer"
            if self.reads == "answer"
            else f"{self._name} is given the whole completion; call its first parameter answer for the extracted answer"
        )
        self.needs_gold = bool(getattr(function, "needs_gold", True))
        self.told += "" if self.needs_gold else "; it says that it reads no gold answer"

    def score(self, completions: Sequence[str], examples: Sequence[Gold]) -> list[Score]:
        """Scores, one per completion."""
        with Limited(f"verifier {self._name}", self.function) as limited:
            return [limited(self._score_one, c, e) for c, e in zip(completions, examples, strict=True)]

    def _score_one(self, completion: str, example: Gold) -> Score:
        extraction = extract_answer(completion)
        if self.reads == "completion":
            judgement = self._ask(completion, example)
            return Score(
                judgement.correct,
                {"correct": judgement.correct, "format": float(extraction.format_ok), **judgement.parts},
                extraction.text,
                extraction.format_ok,
                judgement.detail,
            )
        if extraction.text is None:
            return self._combine(extraction, Judgement(0.0, {"verifier_error": 0.0}))
        return self._combine(extraction, self._ask(extraction.text, example))

    def _ask(self, given: str, example: Gold) -> Judgement:
        try:
            value = self.function(given, example)
        except CAUGHT as error:
            place = "" if came_from_user(error) else self._place
            return cannot_judge(f"the verifier raised {told(error)}{place}")
        try:
            reward = float(value) if isinstance(value, SupportsFloat) else math.nan
        except CAUGHT:  # such as an array of several numbers
            reward = math.nan
        if not (math.isfinite(reward) and 0 <= reward <= 1):
            return cannot_judge(f"the verifier returned {_shown(value)}, not a number from 0 to 1{self._place}")
        why = "" if reward == 1 else f"{self._name} returned {reward:g}"
        return Judgement(reward, {"verifier_error": 0.0}, why)


def _called(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Names of a function's parameters, if it can be called with an answer or a completion, and an example."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # made in C: calling it will tell
        return ["completion", "example"]
    name, names, wrong = _called(function), list(signature.parameters), ""
    try:
        signature.bind("", None)
    except TypeError:
        wrong = "cannot be called with two arguments"
    if not wrong and names[0] == "example":
        wrong = "takes the example first"
    if any(
        of(function) for of in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    ):
        wrong = "is asynchronous or a generator and gives no number"
    if wrong:
        write = f"write def {name}(answer, example) or def {name}(completion, example)"
        raise RftlabError(f"verifier {name}{signature} {wrong}{defined_at(function)}; {write}")
    return names


def make_verifier(name: str, *, answer_format: str = "strict", settings: Mapping[str, Any] | None = None) -> Verifier:
    """Verifier by its registered name or as `path/to/module.py:function`.

    Raises:
        RftlabError: unknown name, or settings the verifier does not take.
    """
    entry, _ = find(VERIFIERS, name, "verifier")
    target = resolve(entry)
    if not (isinstance(target, type) and issubclass(target, Verifier)):
        if isinstance(target, type | Verifier) or not callable(target):
            what = "class" if isinstance(target, type) else type(target).__name__
            raise RftlabError(
                f"verifier {name!r} is a {what}{defined_at(target)}; give a function, or a class that is derived from "
                "rftlab.verifiers.base.Verifier"
            )
        target = partial(FunctionVerifier, target)
    verifier: Verifier = make(target, f"verifier {name!r}", answer_format=answer_format, **dict(settings or {}))
    return verifier
