"""Parameters of many cells side by side: each path as short as tells contents apart, whatever folder it was in.

Cells of a project that was moved, or of a colleague's copy, name the same files by other paths. A table that groups by
parameters must see them as one, and two files of one name as two.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rftlab.cell import Cell
from rftlab.json_values import is_version, with_texts


def flat_values(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """`Cell.flat` of each cell; a path whose content is in the cell's digests becomes its file name.

    As many folders are kept before it as tell files of that name and other content apart; where one file changed in
    its place, the beginning of its digest follows. What a path shows so is taken out of the column `digests`.
    """
    found = [_paths(cell) for cell in cells]
    contents: dict[str, dict[str, set[str]]] = {}
    for paths in found:
        for path, content in paths.values():
            contents.setdefault(_tail(path, 1), {}).setdefault(path, set()).add(content)
    depths = {name: _depth(paths) for name, paths in contents.items()}
    return [_flat(cell, paths, depths) for cell, paths in zip(cells, found, strict=True)]


def _flat(cell: Cell, paths: Mapping[str, tuple[str, str]], depths: Mapping[str, int]) -> dict[str, Any]:
    def shown(name: str, text: str) -> str:
        if name not in paths:
            return text
        depth = depths[_tail(text, 1)]
        return _tail(text, depth) if depth else f"{_tail(text, 1)}@{paths[name][1][:6]}"

    values = {name: with_texts(value, shown, name) for name, value in cell.flat().items()}
    return values | {"digests": {n: text for n, text in cell.digests.items() if n.partition(":")[0] not in paths}}


def _paths(cell: Cell) -> dict[str, tuple[str, str]]:
    """Dotted name -> path and its content: the digest of the file and of all that lies beside it."""
    found: dict[str, tuple[str, str]] = {}

    def note(name: str, text: str) -> str:
        if not is_version(cell.digests.get(name, " version ")):
            found[name] = text, _content(cell, name)
        return text

    for name, value in cell.flat().items() if cell.digests else ():
        with_texts(value, note, name)
    return found


def _content(cell: Cell, name: str) -> str:
    beside = sorted(text for other, text in cell.digests.items() if other.startswith(f"{name}:"))
    whole = cell.digests[name]
    return hashlib.sha256(" ".join([whole, *beside]).encode()).hexdigest()[:12] if beside else whole


def _depth(paths: Mapping[str, Iterable[str]]) -> int:
    """How many last parts of paths that end alike tell their contents apart; 0 if none does."""
    longest = max(path.count("/") for path in paths) + 1
    for depth in range(1, longest + 1):
        tails: dict[str, set[str]] = {}
        for path, contents in paths.items():
            tails.setdefault(_tail(path, depth), set()).update(contents)
        if all(len(contents) == 1 for contents in tails.values()):
            return depth
    return 0


def _tail(path: str, depth: int) -> str:
    return "/".join(path.rstrip("/").split("/")[-depth:])
