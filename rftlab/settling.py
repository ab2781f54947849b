"""Running a grid until it is decided: the seeds that each look adds, and what the folder remembers of the looks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rftlab.cell import Cell
from rftlab.contract import SEEDS
from rftlab.digests import with_all_digests
from rftlab.errors import RftlabError
from rftlab.execute.results import FUTILE, Stop, read_grid, read_stops, results_lock, write_grid
from rftlab.grid import Grid, is_done

UNTIL = ("decided",)


class Next(NamedTuple):
    """What comes after a look.

    Attributes:
        grid: with the cells that the next look needs.
        left: those of them that have no record.
        told: what the look found, in a line.
    """

    grid: Grid
    left: list[Cell]
    told: str


def require_seeds_to_add(grid: Grid) -> None:
    """Raise unless seeds can be added to a grid.

    Raises:
        RftlabError: its arms go on from policies of their own seeds, or it has the seeds that it declares.
    """
    if any(cell.started_by for cell in grid.cells):
        raise RftlabError(
            "--until decided adds seeds, and arms with start_from go on from a policy of each seed, which nobody has "
            "trained for a new one; leave it out, or give more seeds in the grid"
        )
    most = max(len(set(seeds)) for seeds in _seeds(grid.cells).values())
    if most >= grid.plan.max_seeds:
        raise RftlabError(
            f"--until decided adds seeds, but the grid has {most}, as many as it declares (max_seeds); give fewer, "
            "such as seed: [0, 1, 2]"
        )


def to_come(grid: Grid) -> list[Cell]:
    """The cells that looks may add to a grid, for what has to be checked before anything runs."""
    from rftlab.answer.settle import further_seeds, reseeded

    arms = {cell.variant: cell for cell in grid.cells}
    seeds = further_seeds({cell.seed for cell in grid.cells})[: grid.plan.max_seeds]
    known = {(cell.variant, cell.seed) for cell in grid.cells}
    return [reseeded(cell, seed) for cell in arms.values() for seed in seeds if (cell.variant, seed) not in known]


def extended(grid: Grid, results: Path) -> Grid:
    """The grid with the cells that earlier looks added to it: of its arms, with other seeds."""
    try:
        listed = read_grid(results).cells
    except RftlabError:
        return grid
    arms, there = {cell.variant for cell in grid.cells}, {cell.id for cell in grid.cells}
    added = [cell for cell in listed if cell.variant in arms and cell.id not in there]
    return replace(grid, cells=(*grid.cells, *added))


def next_look(grid: Grid, results: Path, tried: Sequence[Cell]) -> Next:
    """Look at a study: what is decided or given up stays so, the others get a seed more.

    Args:
        grid: as far as it has grown.
        results: its folder.
        tried: cells of this run that left no record; none of them is tried again.
    """
    from rftlab.answer.results import read_results  # pandas: not needed by a run that fails
    from rftlab.answer.settle import look

    found = look(read_results(results), read_stops(results))
    wanted = [cell for cell in with_all_digests(found.wanted) if cell.id not in {each.id for each in tried}]
    there = {cell.id for cell in grid.cells}
    grid = replace(grid, cells=(*grid.cells, *(cell for cell in found.waiting if cell.id not in there)))
    with results_lock(results):
        write_grid(results, grid, found.stops)
    left = [cell for cell in wanted if not is_done(cell, results)]
    return Next(grid, left, _told(found.stops, found.going_on, left))


def _told(stops: Sequence[Stop], going_on: int, left: Sequence[Cell]) -> str:
    given_up = sum(stop.why == FUTILE for stop in stops)
    counts = [f"{len(stops) - given_up} decided", f"{given_up} given up"] if stops else ["nothing decided"]
    if not going_on:
        return f"{', '.join(counts)}: no comparison needs more seeds, or may have them"
    cells = f"{len(left)} cell{'s' * (len(left) != 1)}" if left else "no cell that could be run"
    seeds = ", ".join(str(seed) for seed in sorted({cell.seed for cell in left}))
    return f"{', '.join(counts)}, {going_on} to go on: {cells}{f' of seed {seeds}' if seeds else ''}"


def _seeds(cells: Sequence[Cell]) -> dict[str, list[tuple[int, ...]]]:
    found: dict[str, list[tuple[int, ...]]] = {}
    for cell in cells:
        found.setdefault(cell.variant, []).append(tuple(getattr(cell, name) for name in SEEDS))
    return found
