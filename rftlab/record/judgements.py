"""What judges said of two completions of one prompt: `judgements.jsonl` of a results folder, a line a judgement.

It stands beside the records, which stay as they are, and only grows: whoever judged once is not asked again. A line
names the completion that was shown first and the one shown second by their cells, the item, and the share that the
first one won. `judges.json` says of each judge what it is.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from rftlab.errors import RftlabError
from rftlab.files.archive import opened
from rftlab.record import write_atomically

JUDGEMENTS, JUDGES = "judgements.jsonl", "judges.json"
TAKEN_BACK, SAME_TEXT, BOTH_BAD = "taken back", "same text", "both bad"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one judge said of two completions in the order in which it saw them.

    Attributes:
        judge: its name, as in `judges.json`.
        first: id of the cell whose completion was shown first.
        second: id of the cell of the other.
        item: id of the test item.
        share: what the first one won: 1, 0, .5 for a tie; None where the judge's words were no verdict.
        of: `digest_of` the texts it saw.
        why: "same text" where nobody had to be asked, "both bad" of such a tie, or why there is no verdict.
        by: which judge of that name: a digest of what it was made from; "" where the name says it all.
    """

    judge: str
    first: str
    second: str
    item: str
    share: float | None
    of: str
    why: str = ""
    by: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What is judged once: by whom, and what in which order."""
        return self.judge, self.first, self.second, self.item


def digest_of(prompt: str, first: str, second: str) -> str:
    """12 hex digits of the SHA-256 of what a judge saw."""
    return hashlib.sha256(json.dumps([prompt, first, second]).encode()).hexdigest()[:12]


def read_judgements(results: str | Path) -> list[Judgement]:
    """All judgements of a results folder or archive, in the order made, each once; of one made again the last.

    A last line without an end, which a crash can leave, is not read.

    Raises:
        RftlabError: a line is no judgement.
    """
    path = opened(results) / JUDGEMENTS
    try:
        whole = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RftlabError(f"{path} cannot be read ({error}); put it back, or remove it and judge again") from None
    found: dict[tuple[str, ...], Judgement] = {}
    for number, line in enumerate(whole[: whole.rfind("\n") + 1].split("\n")[:-1], 1):
        each = _parsed(line, f"{path}, line {number}")
        found.pop(each.key, None)  # one that was made again has its place among the latest
        found[each.key] = each
    return [each for each in found.values() if each.why != TAKEN_BACK]


def _parsed(line: str, where: str) -> Judgement:
    try:
        each = Judgement(**json.loads(line))
    except (ValueError, TypeError, RecursionError) as error:
        raise RftlabError(f"{where} is no judgement ({error}); remove the line") from None
    texts = (each.judge, each.first, each.second, each.item, each.of, each.why, each.by)
    known = each.share is None or (type(each.share) in (int, float) and 0 <= each.share <= 1)
    if not known or not all(isinstance(text, str) for text in texts):
        raise RftlabError(f"{where} is no judgement; remove the line")
    return each


class Judging:
    """An open `judgements.jsonl`, held by this process alone while it judges."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, made: Iterable[Judgement]) -> None:
        """Append judgements; they are on the disk when this returns."""
        lines = "".join(json.dumps(asdict(each), sort_keys=True, ensure_ascii=False) + "\n" for each in made)
        self._file.write(lines.encode("utf-8", errors="backslashreplace"))
        self._file.flush()
        os.fsync(self._file.fileno())


@contextlib.contextmanager
def judging(results: str | Path) -> Iterator[Judging]:
    """Hold a results folder's judgements; what a crash left of a last line is cut off.

    Raises:
        RftlabError: an archive, no such folder, or another process is judging.
    """
    folder = Path(results)
    if not folder.is_dir():
        what = "is an archive: import it first (rftlab import)" if folder.is_file() else "is no results folder"
        raise RftlabError(f"{folder} {what}; judgements are kept in a folder")
    with (folder / JUDGEMENTS).open("a+b") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no flock on Windows
            pass
        except BlockingIOError:
            raise RftlabError(f"somebody else is judging in {folder}; wait for it") from None
        file.seek(0)
        written = file.read()
        if written and not written.endswith(b"\n"):
            file.truncate(written.rfind(b"\n") + 1)
        try:
            yield Judging(file)
        finally:
            file.flush()
            if not os.fstat(file.fileno()).st_size:  # nothing came of it
                (folder / JUDGEMENTS).unlink(missing_ok=True)


def read_judges(results: str | Path) -> dict[str, Any]:
    """What each judge is, by name; empty where nobody has judged."""
    path = opened(results) / JUDGES
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not all(isinstance(facts, dict) for facts in found.values()):
            raise ValueError("it does not say of each judge what it is")
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RftlabError(f"{path} cannot be read ({error}); put it back") from None


def note_judge(results: str | Path, name: str, facts: Mapping[str, Any]) -> None:
    """Say in `judges.json` what a judge is; what was said of it before and is not said now stays."""
    judges = read_judges(results)
    judges[name] = {**judges.get(name, {}), **facts}
    write_atomically(Path(results) / JUDGES, json.dumps(judges, indent=1, sort_keys=True) + "\n")


def joined_judgements(studies: Iterable[Path]) -> tuple[str, str]:
    """The contents of both files for a study that several were joined in; "" where nobody has judged."""
    made: dict[tuple[str, ...], Judgement] = {}
    judges: dict[str, Any] = {}
    for folder in studies:
        for each in read_judgements(folder):
            made.setdefault((*each.key, each.of), each)
        for name, facts in read_judges(folder).items():
            judges[name] = {**facts, **judges.get(name, {})}
    lines = [json.dumps(asdict(each), sort_keys=True, ensure_ascii=False) + "\n" for each in made.values()]
    return "".join(lines), json.dumps(judges, indent=1, sort_keys=True) + "\n" if judges else ""
