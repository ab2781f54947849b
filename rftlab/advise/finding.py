"""What a check finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "FAIL"]
MAX_SHOWN, MAX_SCORED = 5, 200


def excerpt(text: str, longest: int = 60) -> str:
    """A text in quotes, cut where it is too long for a line of evidence, and then it says so."""
    return repr(text) if len(text) <= longest else f"{text[: longest - 3]!r}..."


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        level: "FAIL" stops the check from passing; "note" is for people to weigh.
        what: short name, the same in every report.
        text: one sentence with the figures.
        evidence: up to five examples.
    """

    level: Level
    what: str
    text: str
    evidence: Sequence[str] = ()
