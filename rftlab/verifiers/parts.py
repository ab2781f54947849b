"""Rewards on the completion itself, whatever its answer: format, length, repetition. Made to be composed by a rubric.

TRL has the latter two over token ids (`trl.rewards`); a verifier sees text and imports neither TRL nor torch, so the
same formulas are applied to words or characters and shifted into [0, 1], where 1 means no penalty.
"""

from collections.abc import Sequence
from typing import Any, Literal

from rftlab.errors import RftlabError
from rftlab.verifiers.base import Gold, Score, Verifier, extract_answer

# Longer completions are cut before words are counted: they are over any cap and repeat themselves enough to tell.
_MAX_CHARS = 200_000


class CompletionPart(Verifier):
    """Base of verifiers that judge the whole completion, its thinking aside; ``answer_format`` has no say in them."""

    needs_gold = False

    def score(self, completions: Sequence[str], examples: Sequence[Gold]) -> list[Score]:
        """Scores, one per completion."""
        return [self._whole(completion) for completion in completions]

    def judge_completion(self, completion: str) -> float:
        """Reward in [0, 1] of one completion."""
        raise TypeError(f"{type(self).__name__} does not implement judge_completion")

    def _whole(self, completion: str) -> Score:
        extraction = extract_answer(completion)
        reward = self.judge_completion(completion)
        parts = {"correct": reward, "format": float(extraction.format_ok)}
        return Score(reward, parts, extraction.text, extraction.format_ok)


class Format(CompletionPart):
    """1.0 if the completion holds exactly one well-formed pair of answer tags, else 0.0."""

    def judge_completion(self, completion: str) -> float:
        """1.0 for a well-formed completion."""
        return float(extract_answer(completion).format_ok)


class Length(CompletionPart):
    """1.0 up to ``maximum - soft``, then falling linearly to 0.0 at ``maximum``.

    Args:
        maximum: length at which nothing is left, in ``unit``.
        soft: width of the slope before it; 0 cuts off sharply.
        unit: "words" (separated by white space) or "characters".
        **settings: see `Verifier`.

    Raises:
        RftlabError: not 0 <= soft <= maximum, or an unknown unit.

    Source: Yu et al. 2025 (2503.14476) equation 13, soft overlong punishment; differs: plus one, and not tokens.
    """

    def __init__(
        self, *, maximum: int = 200, soft: int = 50, unit: Literal["words", "characters"] = "words", **settings: Any
    ) -> None:
        super().__init__(**settings)
        if not 0 <= soft <= maximum or unit not in ("words", "characters"):
            raise RftlabError(
                f"length: maximum={maximum}, soft={soft}, unit={unit!r}; give 0 <= soft <= maximum, words or characters"
            )
        self._maximum, self._soft, self._unit = maximum, soft, unit

    def judge_completion(self, completion: str) -> float:
        """What the length leaves of the reward."""
        size = len(completion) if self._unit == "characters" else len(completion[:_MAX_CHARS].split())
        over = size - (self._maximum - self._soft)
        if over <= 0:
            return 1.0
        return max(0.0, 1 - over / self._soft) if self._soft else 0.0


class Repetition(CompletionPart):
    """Share of distinct word n-grams among all, 1.0 where there are none or too few words to tell.

    Args:
        n: words in an n-gram.
        **settings: see `Verifier`.

    Raises:
        RftlabError: n < 1.

    Source: Yeo et al. 2025 (2502.03373) appendix C.2, repetition penalty; differs: plus one, and words, not tokens.
    """

    def __init__(self, *, n: int = 3, **settings: Any) -> None:
        super().__init__(**settings)
        if n < 1:
            raise RftlabError(f"repetition: n={n}; give at least 1")
        self._n = n

    def judge_completion(self, completion: str) -> float:
        """Distinct n-grams over all n-grams."""
        words = completion[:_MAX_CHARS].split()
        grams = [tuple(words[i : i + self._n]) for i in range(len(words) - self._n + 1)]
        return len(set(grams)) / len(grams) if grams else 1.0
