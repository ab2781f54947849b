"""A person's marks on completions, in a file of one line each, in the order in which they were made.

The file is written anew after every mark, and holds either the old marks or all of the new ones after any crash: a
second sitting goes on where the first one stopped.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from rftlab.advise.completions import Candidate
from rftlab.errors import RftlabError
from rftlab.record import write_atomically

Mark = Literal["right", "wrong", "unsure"]


class Marks:
    """The marks of a file, by the key of what was marked.

    Args:
        path: made with the first mark; marks of other completions in it stay.

    Raises:
        RftlabError: it cannot be read, or holds something else than marks: it is not touched then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, dict[str, str]] = {line["key"]: line for line in _read(path)}

    def __contains__(self, candidate: Candidate) -> bool:
        return candidate.key in self._lines

    def __getitem__(self, candidate: Candidate) -> Mark:
        mark: Mark = self._lines[candidate.key]["mark"]  # type: ignore[assignment]
        return mark

    def set(self, candidate: Candidate, mark: Mark) -> None:
        """Keep a mark.

        Raises:
            RftlabError: it cannot be written.
        """
        self._lines[candidate.key] = {
            "key": candidate.key, "mark": mark, "prompt": candidate.prompt, "answer": candidate.answer,
            "completion": candidate.completion,
        }  # fmt: skip
        self._write()

    def take_back(self, candidate: Candidate) -> None:
        """Forget a mark.

        Raises:
            RftlabError: the file cannot be written.
        """
        del self._lines[candidate.key]
        self._write()

    def last_of(self, candidates: list[Candidate]) -> Candidate | None:
        """Which of these was marked last, None if none was."""
        by_key = {candidate.key: candidate for candidate in candidates}
        return next((by_key[key] for key in reversed(self._lines) if key in by_key), None)

    def _write(self) -> None:
        text = "".join(json.dumps(line) + "\n" for line in self._lines.values())
        try:
            write_atomically(self.path, text)
        except OSError as error:
            raise RftlabError(
                f"cannot keep marks in {self.path}: {error.strerror}; name another file with --marks"
            ) from None


def _read(path: Path) -> Iterator[dict[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise RftlabError(f"cannot read the marks in {path}: {error}; name another file with --marks") from None
    for number, text in enumerate(lines, 1):
        if not text:
            continue
        try:
            line = json.loads(text)
            if not (all(isinstance(line[name], str) for name in ("key", "mark")) and line["mark"] in get_args(Mark)):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise RftlabError(f"{path} line {number} is no mark; mend it, or name another file with --marks") from None
        yield line
