"""Thumbs in a file: one JSON object a line, {"prompt": ..., "completion": ..., "label": true or false}.

`prompt` is the bare question and `completion` a whole one without an end-of-sequence token, as in a pairs file. Other
keys are ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rftlab.errors import RftlabError
from rftlab.tasks.pairs import read_objects


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
    rows = read_objects("thumbs file", path, ("prompt", "completion"), ("label",))
    return [_thumb(row, where) for where, row in rows]


def _thumb(row: Mapping[str, Any], where: str) -> Thumb:
    if row.get("label") not in (0, 1):
        raise RftlabError(f"{where}: label must be true (thumb up) or false (thumb down)")
    return Thumb(row["prompt"], row["completion"], bool(row["label"]))
