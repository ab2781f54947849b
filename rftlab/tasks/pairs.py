"""Preference pairs in a file: one JSON object a line, {"prompt": ..., "chosen": ..., "rejected": ...}.

`prompt` is the bare question, as in a task's examples; the template is added when a pair is trained on, so that a file
does not depend on a model's wording. `chosen` and `rejected` are whole completions, without an end-of-sequence token.
Other keys are ignored.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rftlab.errors import RftlabError, storable
from rftlab.record import write_atomically


@dataclass(frozen=True, slots=True)
class Pair:
    """Two completions of a prompt, the preferred one first."""

    prompt: str
    chosen: str
    rejected: str


def read_pairs(path: str | Path) -> list[Pair]:
    """Pairs of a file, in order; empty lines are skipped.

    Raises:
        RftlabError: there is no such file, or a line is not a pair; the sentence names the line.
    """
    return [_pair(row, where) for where, row in read_objects("pairs file", path, ("prompt", "chosen", "rejected"))]


def read_objects(
    kind: str, path: str | Path, texts: Sequence[str], others: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line stands, in words, and the JSON object on it; empty lines are skipped.

    Args:
        kind: of the file, for what is said of it.
        path: of it.
        texts: keys that have to be there, with a text.
        others: further keys of such a file.

    Raises:
        RftlabError: there is no such file, or a line is no such object; the sentence names the line.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").split("\n")  # splitlines ends lines within texts
    except (OSError, UnicodeDecodeError) as error:
        raise RftlabError(f"{kind} {path}: {error}; give a JSONL file of {', '.join([*texts, *others])}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{kind} {path}, line {number}"
            yield where, _object(line, where, texts)


def _object(line: str, where: str, texts: Sequence[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RftlabError(f"{where}: not JSON ({error})") from None
    missing = [name for name in texts if not isinstance(row, dict) or not isinstance(row.get(name), str)]
    if missing:
        raise RftlabError(f"{where}: {', '.join(missing)} must be given as text")
    found: dict[str, Any] = row
    return found


def write_pairs(path: str | Path, pairs: Sequence[Pair]) -> Path:
    """Write the pairs in place of the file's contents, atomically: a reader sees all of the old or all of the new.

    Raises:
        RftlabError: the disk is full or not writable; the old file is untouched.
    """
    file = Path(path).expanduser()
    lines = "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return write_atomically(file, storable(lines))
    except OSError as error:
        raise RftlabError(f"cannot write pairs to {file}: {error.strerror}; name another file") from None


def _pair(row: Mapping[str, Any], where: str) -> Pair:
    if row["chosen"] == row["rejected"]:
        raise RftlabError(f"{where}: chosen and rejected are the same text; a pair must say which is better")
    return Pair(row["prompt"], row["chosen"], row["rejected"])
