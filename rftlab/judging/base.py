"""What a judge is, and what it says."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from rftlab.answer.contests import Contest, Question


class Verdict(NamedTuple):
    """What a judge says to a question: share for the first completion, None for no verdict, and why that is."""

    share: float | None
    why: str = ""


class Judge(Protocol):
    """Who decides between two completions.

    Attributes:
        name: by which its judgements are kept; two judges that may differ have two names, or two versions.
    """

    name: str

    def version(self, contest: Contest) -> str:
        """Which judge of its name decides a contest: a digest of what it was made from; "" where the name says it."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """What it is, as far as is known by now."""
        ...

    def ask(self, contest: Contest, asked: Sequence[Question]) -> list[Verdict | None]:
        """Verdicts in order; None where it could not be asked, and may be another time."""
        ...
