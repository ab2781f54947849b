"""Preference pairs in a file: one JSON object a line, {"prompt": ..., "chosen": ..., "rejected": ...}.

`prompt` is the bare question, as in a task's examples; the template is added when a pair is trained on, so that a file
does not depend on a model's wording. `chosen` and `rejected` are whole completions, without an end-of-sequence token.
Other keys are ignored.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
    file = Path(path).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # a text may hold what splitlines takes for an end
    except (OSError, UnicodeDecodeError) as error:
        raise RftlabError(f"pairs file {path}: {error}; give a JSONL file of prompt, chosen, rejected") from None
    return [_pair(line, f"pairs file {path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


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


def _pair(line: str, where: str) -> Pair:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RftlabError(f"{where}: not JSON ({error})") from None
    names = ("prompt", "chosen", "rejected")
    missing = [n for n in names if not isinstance(row, dict) or not isinstance(row.get(n), str)]
    if missing:
        raise RftlabError(f"{where}: {', '.join(missing)} must be given as text")
    if row["chosen"] == row["rejected"]:
        raise RftlabError(f"{where}: chosen and rejected are the same text; a pair must say which is better")
    return Pair(*(row[name] for name in names))
