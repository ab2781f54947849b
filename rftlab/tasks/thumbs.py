"""Thumbs in a file: one JSON object a line, {"prompt": ..., "completion": ..., "label": true or false}.

`prompt` is the bare question and `completion` a whole one without an end-of-sequence token, as in a pairs file. Other
keys are ignored.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from rftlab.errors import RftlabError


@dataclass(frozen=True, slots=True)
class Thumb:
    """A completion of a prompt, and whether it was liked."""

    prompt: str
    completion: str
    label: bool


def read_thumbs(path: str | Path) -> list[Thumb]:
    """Thumbs of a file, in order; empty lines are skipped.

    Raises:
        RftlabError: there is no such file, or a line is none; the sentence names the line.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RftlabError(f"thumbs file {path}: {error}; give a JSONL file of prompt, completion, label") from None
    return [_thumb(line, f"thumbs file {path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _thumb(line: str, where: str) -> Thumb:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RftlabError(f"{where}: not JSON ({error})") from None
    missing = [n for n in ("prompt", "completion") if not isinstance(row, dict) or not isinstance(row.get(n), str)]
    if missing:
        raise RftlabError(f"{where}: {', '.join(missing)} must be given as text")
    if row.get("label") not in (0, 1):
        raise RftlabError(f"{where}: label must be true (thumb up) or false (thumb down)")
    return Thumb(row["prompt"], row["completion"], bool(row["label"]))
