"""How much of an answer is new: n-gram overlap with known texts and with the other samples for the same prompt."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from rftlab.errors import RftlabError
from rftlab.verifiers.base import Gold, Judgement, Verifier
from rftlab.verifiers.exact import normalise

Gram = tuple[str, ...]


class Originality(Verifier):
    """1.0 while the overlap is at most ``allowed``, then falling linearly to 0.0 where every n-gram is known.

    The overlap is the share of the answer's word n-grams that occur in the known texts (part ``known``) or in another
    sample for the same example in the same call (part ``among_samples``), whichever is larger. An example's own
    gold answer never counts as known: copying it is what a label teaches, and train against test accuracy shows it.

    Args:
        texts: known texts, such as the answers of the training set.
        path: a UTF-8 file of known texts, one a line.
        n: words in an n-gram; an answer shorter than that is one n-gram.
        allowed: overlap without penalty, in [0, 1).
        samples: compare the samples of a call with each other.
        **settings: see `Verifier`.

    Raises:
        RftlabError: n < 1, ``allowed`` out of range, or a file that cannot be read.
    """

    def __init__(
        self,
        *,
        texts: Sequence[str] = (),
        path: str = "",
        n: int = 3,
        allowed: float = 0.3,
        samples: bool = True,
        answer_format: Literal["strict", "lenient"] = "strict",
    ) -> None:
        super().__init__(answer_format=answer_format)
        if n < 1 or not 0 <= allowed < 1:
            raise RftlabError(f"originality: n={n}, allowed={allowed}; give n >= 1 and 0 <= allowed < 1")
        self._n, self._allowed, self._samples = n, allowed, samples
        self._known = Counter(gram for text in {*texts, *_lines(path)} for gram in self._grams(text))
        self.needs_gold = bool(self._known)  # the example's own does not count as known

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge the answers of one call, each against the known texts and the others."""
        grams = [self._grams(answer) for answer in answers]
        # Without gold answers it is the prompt that tells examples apart.
        groups: dict[tuple[str, str], Counter[Gram]] = defaultdict(Counter)
        for found, example in zip(grams, examples, strict=True):
            groups[example.prompt, example.answer].update(found)
        return [
            self._judge(found, example, groups[example.prompt, example.answer])
            for found, example in zip(grams, examples, strict=True)
        ]

    def _judge(self, grams: set[Gram], example: Gold, group: Counter[Gram]) -> Judgement:
        own = self._grams(example.answer)
        known = sum(self._known[gram] > (gram in own) for gram in grams) / max(1, len(grams))
        shared = sum(group[gram] > 1 for gram in grams) / max(1, len(grams)) if self._samples else 0.0
        overlap = max(known, shared)
        reward = min(1.0, (1 - overlap) / (1 - self._allowed)) if grams else 0.0
        return Judgement(reward, {"known": known, "among_samples": shared})

    def _grams(self, text: str) -> set[Gram]:
        words = normalise(text).split()
        size = min(self._n, len(words))
        return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)} if words else set()


def _lines(path: str) -> Iterable[str]:
    if not path:
        return []
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RftlabError(
            f"originality: cannot read {path}: {error}; give a UTF-8 text file, one text a line"
        ) from None
