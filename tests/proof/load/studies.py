"""Made-up studies of a size: a grid file and, in its results folder, a record of every cell of it."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

from rftlab.cell import Cell
from rftlab.execute.results import write_grid
from rftlab.grid import Grid
from tests import synthetic

TASKS = ("arithmetic/word", "arithmetic/chain", "arithmetic/dose", "arithmetic/count")
_OF_A_SEED = 18
"""Cells that the grid has for each task and seed."""
_SHARE = 500


def study(folder: Path, count: int, *, tasks: int = 1, items: int = 40) -> Path:
    """A study of at least so many cells: three methods, four label budgets, both prompts, as many seeds as it takes.

    Args:
        folder: where `many.yaml` and `results/many` go.
        count: cells.
        tasks: over which they are spread, of `TASKS`.
        items: test items; a record has some two and a half times as many rows.

    Returns:
        The results folder.
    """
    seeds = range(-(-count // (tasks * _OF_A_SEED)))
    path = folder / "many.yaml"
    path.write_text(
        f"task: [{', '.join(TASKS[:tasks])}]\nmethod: [base, sft, grpo]\nlabels: [10, 30, 100, 300]\n"
        f"cot: [true, false]\nseed: [{', '.join(map(str, seeds))}]\n"
    )
    return measured(path, items)


def measured(path: Path, items: int) -> Path:
    """The results folder of a grid file whose cells have all been measured."""
    grid, results = Grid.load(path), path.parent / "results" / path.stem
    results.mkdir(parents=True)
    write_grid(results, grid)
    shares = [grid.cells[at : at + _SHARE] for at in range(0, len(grid.cells), _SHARE)]
    if len(shares) == 1:
        _write(results, items, grid.cells)
        return results
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(_write, results, items), shares))
    return results


def _write(results: Path, items: int, cells: tuple[Cell, ...]) -> None:
    # That the disk has it is not waited for: what is tried here is reading.
    with mock.patch("rftlab.files.staging.os.fsync"):
        for cell in cells:
            synthetic.write_cell(results, cell.model_dump(), items=items)
