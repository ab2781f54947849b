"""A regular expression the answer must match, in a process of its own: a pattern that blows up costs one second."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from rftlab.errors import RftlabError
from rftlab.sandbox.library import shared
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "a": re.ASCII}


class Regex(Verifier):
    """Correct (1.0) if the answer matches the pattern, else 0.0; the gold answer is one text that does.

    Args:
        pattern: Python regular expression; empty takes `meta["pattern"]` of each example.
        match: "full": the whole answer; "search": somewhere in it.
        flags: letters out of a, i, m, s, x.
        **settings: see `Verifier`.

    Raises:
        RftlabError: the pattern does not compile, or an unknown ``match`` or flag.
    """

    row: ClassVar[Mapping[str, Any]] = {"prompt": "Name a year of the 1920s.", "answer": "1923", "pattern": r"192\d"}

    needs_gold = False

    def __init__(
        self, *, pattern: str = "", match: Literal["full", "search"] = "full", flags: str = "", **settings: Any
    ) -> None:
        super().__init__(**settings)
        if match not in ("full", "search") or not set(flags) <= set(_FLAGS):
            raise RftlabError(f"regex: match={match!r}, flags={flags!r}; give match full or search, flags out of aimsx")
        self._pattern, self._whole = pattern, match == "full"
        self._flags = sum(int(_FLAGS[letter]) for letter in set(flags))
        problem = self._problem(pattern) if pattern else ""
        if problem:
            raise RftlabError(f"regex: {problem}; mend verifier_settings.pattern")

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge a batch in one call to the isolated worker."""
        patterns = [self._pattern or str(example.meta.get("pattern") or "") for example in examples]
        problems = {pattern: self._problem(pattern) for pattern in set(patterns)}
        usable = [i for i, pattern in enumerate(patterns) if not problems[pattern]]
        calls = [(patterns[i], self._flags, self._whole, answers[i]) for i in usable]
        results: list[tuple[Any, str]] = []
        if calls:
            worker = shared("rftlab.verifiers._regex:matches")
            results, self.isolation = worker.map_with_reasons(calls), worker.level
        verdicts = [cannot_judge(problems[pattern]) for pattern in patterns]
        for i, (matched, why) in zip(usable, results, strict=True):
            lost = cannot_judge(f"the pattern gave no verdict: {why}")
            verdicts[i] = lost if matched is None else Judgement(float(bool(matched)))
        return verdicts

    def _problem(self, pattern: str) -> str:
        if not pattern:
            return "no pattern: give verifier_settings.pattern, or meta.pattern in each row"
        try:
            re.compile(pattern, self._flags)
        except (re.error, RecursionError, OverflowError) as error:
            return f"pattern {pattern[:80]!r} is not a regular expression: {error}"
        return ""
