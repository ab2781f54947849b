"""Cells that go on from policies of their own grid: what has to run first, and the others once those are there.

Nothing is remembered between runs but the policies that the cells of the first part have kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rftlab import record
from rftlab.cell import NOT_YET, Cell
from rftlab.contract import SEEDS
from rftlab.digests import with_all_digests
from rftlab.errors import RftlabError
from rftlab.grid import Grid, is_done
from rftlab.grid.starts import arm_of
from rftlab.policy import weights
from rftlab.screen import say

_Key = tuple[object, ...]


def sources(grid: Grid) -> Mapping[_Key, Cell]:
    """The cells whose policies others go on from, by arm and seeds."""
    needed = {_needs(cell) for cell in grid.cells if cell.started_by}
    found = {(arm_of(cell), *_seeds(cell)): cell for cell in grid.cells if not cell.started_by} if needed else {}
    return {key: cell for key, cell in found.items() if key in needed}


def resolved(grid: Grid, results: Path) -> Grid:
    """The grid, its cells that go on naming the policy they go on from; those whose policy is not there wait."""
    first = sources(grid)
    if not first:
        return grid
    there = {key for key, cell in first.items() if is_done(cell, results) and weights.has_policy(_at(results, cell))}
    cells = [
        _started(cell, _at(results, first[_needs(cell)]), there) if cell.started_by else cell for cell in grid.cells
    ]
    return replace(grid, cells=tuple(with_all_digests(cells)))


def require_policies(grid: Grid, results: Path, again: Iterable[Cell]) -> None:
    """Raise if a cell has run, is not to run again, and keeps no policy, and others wait for it.

    Raises:
        RftlabError: naming these cells.
    """
    to_come = {cell.id for cell in again}
    first, waiting = sources(grid), {_needs(cell) for cell in grid.cells if cell.waits}
    gone = [cell.id for key, cell in first.items() if key in waiting and is_done(cell, results)]
    gone = [each for each in gone if each not in to_come]
    if gone:
        many = len(gone) > 1
        raise RftlabError(
            f"cell{'s' * many} {', '.join(gone)} keep{'s' * (not many)} no policy, and others are to go on from "
            f"{'theirs' if many else 'it'}; run the grid with --rerun {' '.join(gone)}"
        )


def first(grid: Grid, left: Iterable[Cell]) -> list[Cell]:
    """Those of the cells that are left which others go on from."""
    needed = {cell.id for cell in sources(grid).values()}
    return [cell for cell in left if cell.id in needed]


def after(begun: Iterable[Cell], grid: Grid, results: Path) -> tuple[Grid, list[Cell]]:
    """The grid once these cells have ended, and the cells that can be run now; prints which ones cannot."""
    grid, ended = resolved(grid, results), {cell.id for cell in begun}
    left = [cell for cell in grid.split(results)[1] if cell.id not in ended and cell.tuned_by != NOT_YET]
    if waiting := [cell for cell in left if cell.waits]:
        arms = ", ".join(dict.fromkeys(cell.started_by for cell in waiting))
        say(f"  {len(waiting)} of the cells left wait for policies of {arms}, which were not trained")
    return grid, [cell for cell in left if not cell.waits]


def _started(cell: Cell, folder: Path, there: set[_Key]) -> Cell:
    digests = {name: text for name, text in cell.digests.items() if name != "start_from"}
    start = str(folder) if _needs(cell) in there else ""
    return Cell.make({**cell.model_dump(), "start_from": start, "digests": digests})


def _needs(cell: Cell) -> _Key:
    return (cell.started_by, *_seeds(cell))


def _seeds(cell: Cell) -> _Key:
    return tuple(getattr(cell, name) for name in SEEDS)


def _at(results: Path, cell: Cell) -> Path:
    return record.cells_dir(results) / cell.id
