"""Finished cells that a results folder holds but its grid does not name: what changed since they ran.

A cell's id follows the content of the user's files and the versions of packaged parts. Once one of them changes, the
grid asks for a cell of another id; its twin of before stays in the folder, is named, and is kept out of the report.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rftlab import record
from rftlab.cell import Cell
from rftlab.digests import changes, describe, kind_of, missing, texts_of, with_all_digests
from rftlab.errors import RftlabError
from rftlab.json_values import is_version, without_folders

_NAMED = 3
_BY_NAME = ("task", "verifier", "method")


@dataclass(frozen=True)
class Earlier:
    """A finished cell that the grid does not name.

    Attributes:
        cell: as it was run.
        twin: the cell of the grid that differs only in what `changed` names; None if there is none.
        changed: in words: `checks.py`, `grpo (version 2 now)`.
    """

    cell: Cell
    twin: Cell | None = None
    changed: tuple[str, ...] = ()


def earlier_cells(cells: Iterable[Cell], results: Path) -> list[Earlier]:
    """Finished cells in ``results`` that are none of ``cells``, in order of id; unreadable ones are left out."""
    folder = record.cells_dir(results)
    if not folder.is_dir():
        return []
    cells = list(cells)
    wanted = {cell.id for cell in cells}
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    others = [cell for name in names if name not in wanted and (cell := _read(folder / name)) is not None]
    others = [cell for cell in others if cell.id not in wanted]  # a copy of one that counts is damage, named as such
    twins = {_bare(cell): cell for cell in cells} if others else {}
    found = []
    for cell in others:
        twin = twins.get(_bare(cell))
        found.append(Earlier(cell, twin, _changed(cell, twin) if twin else ()))
    return found


def run_again(earlier: Iterable[Earlier], left: Iterable[Cell]) -> list[str]:
    """Sentences on the cells that are left because something changed since they ran."""
    waiting = {cell.id for cell in left}
    # Several versions of before may wait for one cell: the latest cannot be told, so all that differs is named.
    reasons: dict[str, set[str]] = {}
    for each in earlier:
        if each.twin and each.twin.id in waiting:
            reasons.setdefault(each.twin.id, set()).update(each.changed)
    counts = Counter(tuple(sorted(names)) for names in reasons.values())
    return [
        f"{', '.join(names)} changed since {_cells(count)} ran: {'it' if count == 1 else 'they'} will run again"
        for names, count in counts.items()
    ]


def kept_out(earlier: Sequence[Earlier]) -> list[str]:
    """The sentence on cells that stay in the folder and out of the report, with some ids; none for no cells."""
    # Of a tuning stage's cells `tuning.json` says which count; none is ever in the report.
    earlier = [each for each in earlier if each.cell.evaluation.part == "test"]
    if not earlier:
        return []
    groups: dict[str, list[str]] = {}
    for each in earlier:
        why = (
            f"run before {', '.join(each.changed)} changed"
            if each.changed
            else "of rows taken out of it, or of another grid"
        )
        groups.setdefault(why, []).append(each.cell.id)
    reasons = "; ".join(f"{why} ({_some(ids)})" for why, ids in groups.items())
    return [f"{_cells(len(earlier))} that the grid does not name, kept out of its report: {reasons}"]


def as_they_are(cells: Sequence[Cell]) -> list[Cell]:
    """The cells with the digests of now; those whose files are not where they were stay as they are."""
    return [
        cell if missing(cell.digests, now.digests) else now
        for cell, now in zip(cells, with_all_digests(cells), strict=True)
    ]


def _read(folder: Path) -> Cell | None:
    try:
        found = record.read(folder)
        return Cell.make(found.cell) if found else None
    except (RftlabError, OSError):
        return None


def _bare(cell: Cell) -> str:
    """All of a cell but folders and digests."""
    values = cell.model_dump(mode="json")
    paths = {name: "" for name, value in texts_of(cell) if kind_of(name, value) not in ("", *_BY_NAME)}
    values = without_folders(values, paths)
    del values["digests"]
    if values.pop("tuned_by"):
        del values["learning_rates"]
    return json.dumps(values, sort_keys=True)


def _changed(then: Cell, now: Cell) -> tuple[str, ...]:
    names = changes(then.digests, now.digests)
    changed = tuple(dict.fromkeys(_in_words(then, now, name) for name in names))
    if then.tuned_by != now.tuned_by and not changed:
        return ("the tuning of its learning rates",)
    return changed


def _in_words(then: Cell, now: Cell, name: str) -> str:
    text = now.digests.get(name) or then.digests[name]
    if not is_version(text):
        return describe(now, name)
    part, _, version = text.rpartition(" version ")
    return f"{part} (version {version if name in now.digests else 1} now)"


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{', '.join(ids[:_NAMED])}{more}"
