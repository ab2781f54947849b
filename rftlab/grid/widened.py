"""A grid's text with more seeds or label budgets, everything else in it as people wrote it, comments too."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid import Grid

_BY_HAND = "change it by hand"


def widened(path: Path, text: str, *, seeds: Sequence[int] = (), labels: Sequence[int] = ()) -> str:
    """The text of a grid that has all its cells, and those of further seeds or label budgets.

    Where the grid declares fewer `max_seeds` than it then has, that is raised; the results folder keeps what was
    declared first.

    Args:
        path: of the grid; files in it are named from there.
        text: the grid.
        seeds: that every arm gets.
        labels: that every arm with a budget gets.

    Raises:
        RftlabError: the text is no grid; or what it says cannot be widened in place, such as where each arm has seeds
            of its own.
    """
    before = Grid.load(path, text)
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    yaml.preserve_quotes = True
    document = yaml.load(text)
    for name, more in (("seed", seeds), ("labels", labels)):
        _add(document, name, more)
    if seeds and isinstance(document.get("max_seeds"), int):
        most = max(len({cell.seed for cell in before.cells} | set(seeds)), document["max_seeds"])
        document["max_seeds"] = most
    out = io.StringIO()
    yaml.dump(document, out)
    after = Grid.load(path, out.getvalue())
    _require_wider(before, after, seeds, labels, path)
    return out.getvalue()


def _add(document: CommentedMap, name: str, more: Sequence[int]) -> None:
    if not more:
        return
    holders = [block for block in _blocks(document) if name in block]
    if not holders:
        holders = [document["defaults"] if isinstance(document.get("defaults"), CommentedMap) else document]
    for block in holders:
        there = block.get(name, getattr(Cell.make({}), name))
        known = list(there) if isinstance(there, list) else [there]
        new: Any = there if isinstance(there, CommentedSeq) else CommentedSeq(known)
        if not isinstance(there, CommentedSeq):
            new.fa.set_flow_style()
        for each in more:
            if each not in known:
                new.append(each)
        block[name] = new


def _blocks(document: CommentedMap) -> Iterator[CommentedMap]:
    """The mappings whose parameters are swept."""
    yield document
    if isinstance(document.get("defaults"), CommentedMap):
        yield document["defaults"]
    for entry in document.get("include") or ():
        if isinstance(entry, CommentedMap):
            yield entry


def _require_wider(before: Grid, after: Grid, seeds: Sequence[int], labels: Sequence[int], path: Path) -> None:
    gone = {cell.id for cell in before.cells} - {cell.id for cell in after.cells}
    arms: dict[str, set[int]] = {}
    for cell in after.cells:
        arms.setdefault(cell.variant, set()).add(cell.seed)
    if gone or any(not set(seeds) <= found for found in arms.values()):
        raise RftlabError(f"{path} gives its arms seeds or budgets in several ways; {_BY_HAND}")
    if not set(labels) <= {cell.labels for cell in after.cells}:
        raise RftlabError(f"no arm of {path} has a label budget; {_BY_HAND}")
