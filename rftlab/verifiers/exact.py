"""Exact match after normalisation."""

import re
import unicodedata

from rftlab.verifiers.base import Gold, Judgement, Verifier
from rftlab.verifiers.wrappers import unwrap

_GROUPED = re.compile(r"[+-]?\$?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_NUMBER = re.compile(r"[+-]?\d{1,60}(?:\.\d{1,60})?", re.ASCII)
_MINUS = re.compile(r"[−‐‑‒–—﹣](?=[ ]?[\d.])")
_BOXED = re.compile(r"\\boxed\s{0,3}\{([^{}]{1,2000})\}")
# What these characters mean is not what is left of them in NFKC: 2³ is not 23, and 1½ is not 11/2.
_KEPT = ("<super>", "<sub>", "<fraction>", "<circle>")


def normalise(text: str) -> str:
    """Text in NFKC, case-folded, white space collapsed, one final full stop and thousands separators dropped.

    A dash of any length before the digits that it begins with is a minus.

    `1,234` and `1234` become equal, `1,2` and `12` do not: a thousand has three digits. Nor do `2³` and `23`. That
    `0.5` is `1/2` is the math verifier's job.
    """
    folded = " ".join(_nfkc(text).casefold().split()).removesuffix(".").rstrip()
    folded = f"-{folded[1:].lstrip()}" if _MINUS.match(folded) else folded
    return folded.replace(",", "") if _GROUPED.fullmatch(folded) else folded


def _nfkc(text: str) -> str:
    kept = {each for each in text if unicodedata.decomposition(each).startswith(_KEPT)}
    parts = re.split(f"([{''.join(sorted(kept))}])", text) if kept else [text]
    # What stands between them is normalised as a whole: a character goes with the marks that follow it.
    return "".join(part if part in kept else unicodedata.normalize("NFKC", part) for part in parts)


class Exact(Verifier):
    r"""Correct (1.0) if the normalised answer equals the normalised gold answer, else 0.0.

    `\boxed{}` around an answer is never part of it. Where the gold answer is a number, nor is any other wrapper
    (`unwrap`): `**42**`, `$42$` and "The answer is 42." are 42. Of a text every character counts.
    """

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Compare one extracted answer with the gold one."""
        gold, said = normalise(example.answer), {normalise(answer)}
        if _NUMBER.fullmatch(gold):
            said.add(normalise(unwrap(answer.strip().removesuffix("."))))
        elif found := _BOXED.fullmatch(answer.strip()):
            said.add(normalise(found[1]))
        return Judgement(float(gold in said))
