"""Facts of a file whose rows hold no labels: comparisons of two completions, or prompts alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.advise.facts import Facts
from rftlab.advise.new import Unanswered
from rftlab.errors import RftlabError
from rftlab.tasks.file import load
from rftlab.tasks.pairs import read_pairs
from rftlab.tasks.tables import read_rows

_COMPARED = ("prompt", "chosen", "rejected")
JUDGE = "checks.py:score"
"""The verifier of a study whose data do not say who judges."""


class Unlabelled(NamedTuple):
    """What such a file holds.

    Attributes:
        facts: that it tells.
        settings: of the task `file`, its rows read as prompts.
        preferred: the same with what was preferred as the answer; empty where there are no comparisons.
        pairs: the file itself, where methods can read its comparisons as they are.
        held_out: prompts that would be tested on.
        told: what it is, in words.
    """

    facts: Facts
    settings: Mapping[str, Any]
    preferred: Mapping[str, Any]
    pairs: str
    held_out: int
    told: str


def comparisons(path: Path) -> Unlabelled | None:
    """Comparisons in a file, as TRL has them; None where its rows are none.

    Those of held-out prompts are left out of training by the methods.

    Raises:
        RftlabError: it cannot be read, or a row is not like the first.
    """
    row: Mapping[str, Any] = next((row for _, row in read_rows(path=str(path))), {}) if path.is_file() else {}
    if {*_COMPARED[1:]} <= {*row} and _COMPARED[0] not in row:
        raise RftlabError(
            f"{path}: chosen and rejected are compared, and no column prompt says for which prompt; give each row "
            "prompt, chosen and rejected, the completion alone in the last two"
        )
    if not {*_COMPARED} <= {*row}:
        return None
    if not all(isinstance(row[name], str) for name in _COMPARED):
        raise RftlabError(
            f"{path}: prompt, chosen and rejected are read as texts, and here they are not; write each as a text, the "
            "completion alone in chosen and in rejected"
        )
    readable = path.name.endswith(".jsonl")
    asked: dict[str, Any] = {"prompts_path": str(path.resolve()), "columns": {"prompt": "prompt"}, "verifier": JUDGE}
    columns = {"prompt": "prompt", "answer": "chosen"}
    preferred: dict[str, Any] = {"path": str(path.resolve()), "columns": columns, "verifier": "exact"}
    count = len(read_pairs(path)) if readable else sum(1 for _ in read_rows(path=str(path)))
    held_out = len(load(**preferred).test)
    facts = Facts(labels=0, prompts=len(load(**asked).prompts), preferences=count)
    told = f"{count} comparisons of two completions (prompt, chosen, rejected), {held_out} of their prompts held out"
    return Unlabelled(facts, asked, preferred, str(path.resolve()) if readable else "", held_out, told)


def prompts(path: Path, found: Unanswered) -> Unlabelled:
    """Prompts without answers in a file.

    Args:
        path: of the file.
        found: why its rows have no labels.

    Raises:
        RftlabError: no column is known to hold prompts; or it cannot be read.
    """
    by_hand = f"rftlab new {path} --columns prompt=... answer=... -o GRID.yaml, then rftlab advise GRID.yaml"
    if not found.prompt:
        raise RftlabError(f"{path}: which of its columns ({', '.join(found.columns)}) hold what? say so: {by_hand}")
    settings: dict[str, Any] = {
        "prompts_path": str(path.resolve()),
        "columns": {"prompt": found.prompt},
        "verifier": JUDGE,
    }
    task = load(**settings)
    told = f"{len(task.prompts)} prompts without labels, {len(task.test)} held out to test on"
    if others := [name for name in found.columns if name != found.prompt]:
        told += f"; no column ({', '.join(others)}) is known to hold answers; if one does: {by_hand}"
    return Unlabelled(Facts(labels=0, prompts=len(task.prompts)), settings, {}, "", len(task.test), told)
