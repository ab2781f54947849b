"""What a labeller said of two completions: every choice, beside the pairs file that is made of some of them.

A pairs file, which preference methods train on, has room for preferences alone. Its choices (`pairs.choices.jsonl`
beside `pairs.jsonl`) also hold ties and what was bad on both sides, which completion stood first, who chose, and
whether the verifier's opinion had been looked at: what undoing in a later sitting, and how far two labellers agree,
need.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from rftlab.errors import RftlabError
from rftlab.record import write_atomically
from rftlab.tasks.pairs import Pair

Word = Literal["first", "second", "tie", "both bad"]
WORDS: tuple[Word, ...] = get_args(Word)


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice.

    Attributes:
        prompt: the bare question.
        first: the completion that stood first, on the left.
        second: the other one.
        choice: which is better, or that neither is.
        labeller: who chose; "" where it was not said.
        opinion_seen: whether the verifier's opinion was looked at before.
    """

    prompt: str
    first: str
    second: str
    choice: Word
    labeller: str = ""
    opinion_seen: bool = False

    @property
    def key(self) -> tuple[str, frozenset[str]]:
        """What was chosen between, whichever stood first."""
        return key_of(self.prompt, self.first, self.second)

    @property
    def pair(self) -> Pair | None:
        """The preference; None of a tie, or where both are bad."""
        if self.choice == "first":
            return Pair(self.prompt, self.first, self.second)
        return Pair(self.prompt, self.second, self.first) if self.choice == "second" else None


def key_of(prompt: str, one: str, other: str) -> tuple[str, frozenset[str]]:
    """What two completions of a prompt are known by, in either order."""
    return prompt, frozenset((one, other))


def choices_path(pairs: str | Path) -> Path:
    """Where the choices of a pairs file are: `a/pairs.choices.jsonl` of `a/pairs.jsonl`."""
    path = Path(pairs).expanduser()
    return path.with_name(f"{path.stem}.choices.jsonl")


def read_choices(pairs: str | Path) -> list[Choice]:
    """The choices beside a pairs file, in the order in which they were made; none where there is no such file.

    Raises:
        RftlabError: it cannot be read, or a line is no choice; the sentence names the line.
    """
    path = choices_path(pairs)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RftlabError(f"cannot read the choices in {path}: {error}; name another pairs file") from None
    return [_choice(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line]


def write_choices(pairs: str | Path, choices: Sequence[Choice]) -> Path:
    """Write the choices beside a pairs file in place of those that are there, atomically.

    Raises:
        RftlabError: the disk is full or not writable; the old file is untouched.
    """
    path = choices_path(pairs)
    text = "".join(json.dumps(asdict(choice)) + "\n" for choice in choices)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_atomically(path, text)
    except OSError as error:
        raise RftlabError(f"cannot keep choices in {path}: {error.strerror}; name another pairs file") from None


def _choice(line: str, where: str) -> Choice:
    try:
        choice = Choice(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        raise RftlabError(f"{where} is no choice; mend or remove the line") from None
    kinds = {field.name: bool if field.name == "opinion_seen" else str for field in fields(Choice)}
    if choice.choice not in WORDS or not all(isinstance(getattr(choice, name), kind) for name, kind in kinds.items()):
        raise RftlabError(f"{where} is no choice; mend or remove the line")
    return choice
