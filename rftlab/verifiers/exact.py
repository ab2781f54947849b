"""Exact match after normalisation."""

import unicodedata

from rftlab.verifiers.base import Gold, Judgement, Verifier


def normalise(text: str) -> str:
    """Text in NFKC, case-folded, white space collapsed, one final full stop and thousands separators dropped.

    `1,234` and `1234` become equal; `0.5` and `1/2` do not: that is the math verifier's job.
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).removesuffix(".").rstrip()
    without_commas = folded.replace(",", "")
    is_grouped = without_commas.lstrip("+-$").replace(".", "", 1).isdecimal() and without_commas.isascii()
    return without_commas if is_grouped else folded


class Exact(Verifier):
    """Correct (1.0) if the normalised answer equals the normalised gold answer, else 0.0."""

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Compare one extracted answer with the gold one."""
        return Judgement(float(normalise(answer) == normalise(example.answer)))
