"""A grid's results folder: whose turn it is to work in it, and which cells it is for."""

import contextlib
import json
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.cell import Cell
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.files.archive import opened
from rftlab.files.staging import set_aside
from rftlab.files.told_paths import below_home
from rftlab.grid import Grid, label_budgets
from rftlab.grid.plan import Plan
from rftlab.record import GRID, write_atomically
from rftlab.record.machine import BF16, FP32, auto_precision, gpu

LOCK = ".lock"
_STOPS, _PRECISION = "stops", "auto_precision"
FUTILE, CLAIM = "futile", "claim"
"""Why a comparison was given up, and the first word of a claim in the place of an arm: see `Stop`."""
GRID_FILE = "grid.yaml"


class Stop(NamedTuple):
    """A comparison, or a claim, of a study run until it is decided, that needs no more seeds.

    Attributes:
        task: with model, variant, prompt and labels the place where both arms stand.
        model: likewise.
        variant: likewise.
        prompt: likewise.
        labels: likewise; 0 for a claim.
        first: an arm, the two in alphabetical order; "claim 1" for a claim.
        second: the other; the part of a claim.
        seeds: that it stopped with: its verdict rests on the first so many.
        why: better, worse or same for what was decided, futile for what was given up.
    """

    task: str
    model: str
    variant: str
    prompt: str
    labels: int
    first: str
    second: str
    seeds: int
    why: str


@contextlib.contextmanager
def results_lock(results: Path) -> Iterator[None]:
    """Hold a results folder, making it if need be; the lock goes when the process does, however it ends.

    Raises:
        RftlabError: another process holds it, or it cannot be made.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        handle = (results / LOCK).open("a")
    except OSError as error:
        raise RftlabError(f"cannot write results to {results}: {error.strerror}; choose another folder") from None
    with handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no flock on Windows
            pass
        except BlockingIOError:
            raise RftlabError(
                f"another run is working in {results}; wait for it, or give this one another folder with --results"
            ) from None
        yield


def write_grid(results: Path, grid: Grid, stops: Sequence[Stop] | None = None, *, precision: str = "") -> None:
    """Leave the list of a grid's cells in its results folder, for `rftlab status` and for the report.

    Args:
        results: the folder.
        grid: the cells, and what is declared.
        stops: comparisons that need no more seeds; None leaves those that are written there.
        precision: what `decided_precision` said; "" leaves what is written there.
    """
    if grid.path and grid.path.is_file():  # as people wrote it
        write_atomically(results / GRID_FILE, grid.path.read_text(encoding="utf-8"))
    found = read_stops(results) if stops is None else stops
    precision = precision or _written_precision(results)
    text = _listed(grid, _declared(results, grid), found, precision)
    _keep_unreadable(results)
    write_atomically(results / GRID, text)


def _keep_unreadable(results: Path) -> None:
    """Set a list aside that cannot be read: what was declared at the first start may stand in it, and nowhere else."""
    try:
        read_grid(results)
    except RftlabError as error:
        if (results / GRID).exists():
            target = set_aside(results / GRID, results)
            warnings.warn(
                f"set aside as {target}: {str(error).partition('; ')[0]}; what it declared, and looks it names, are no "
                "longer counted with",
                RftlabWarning,
                stacklevel=2,
            )


def decided_precision(results: Path, *, elsewhere: bool = False) -> str:
    """What `precision: auto` is in a results folder, "fp32" or "bf16": decided at its first start, for all its cells.

    What an earlier rftlab began goes on as it did: in bf16 on a GPU, in fp32 elsewhere.

    Args:
        results: the folder, which need not be there yet.
        elsewhere: cells run on GPUs of other machines, which are taken to compute in bf16.
    """
    if found := _written_precision(results):
        return found
    begun = (results / GRID).is_file()
    return BF16 if elsewhere or (begun and gpu()) else FP32 if begun else auto_precision()


def _written_precision(results: Path) -> str:
    try:
        found = json.loads((opened(results) / GRID).read_text(encoding="utf-8")).get(_PRECISION)
    except (OSError, RftlabError, ValueError, AttributeError):
        return ""
    return found if found in (FP32, BF16) else ""


def read_stops(results: Path) -> tuple[Stop, ...]:
    """The comparisons of a study run until it is decided that need no more seeds; () where it was not run so."""
    try:
        body = json.loads((opened(results) / GRID).read_text(encoding="utf-8"))
        return tuple(Stop(*each) for each in body.get(_STOPS, ()))
    except (OSError, RftlabError, ValueError, TypeError, AttributeError):
        return ()


def lists(results: Path, grid: Grid) -> bool:
    """Whether a results folder's list is of just these cells, their files where they are now."""
    try:
        return (results / GRID).read_text(encoding="utf-8") == _listed(
            grid, _declared(results, grid), read_stops(results), _written_precision(results)
        )
    except (OSError, ValueError):
        return False


def _listed(grid: Grid, declared: Plan, stops: Sequence[Stop], precision: str) -> str:
    cells = [below_home(cell.model_dump(mode="json")) for cell in grid.cells]
    plans = {"plan": declared.to_json(), "plan_now": grid.plan.to_json()}
    body: dict[str, Any] = {"name": grid.name, **plans, "ids": [cell.id for cell in grid.cells], "cells": cells}
    if precision:
        body[_PRECISION] = precision
    if stops:
        body[_STOPS] = stops
    return json.dumps(body, indent=1) + "\n"


def _declared(results: Path, grid: Grid) -> Plan:
    """The plan of a folder's first start; the grid's own where nothing was begun in it, or before there were plans."""
    found = read_plans(results)
    return found[0] if found else grid.plan


def read_plans(results: Path) -> tuple[Plan, Plan] | None:
    """What was declared when a results folder's study was first started, and what its grid declares now.

    Returns:
        None where no grid was run, or one of before there were plans.

    Raises:
        RftlabError: what is written there is no plan, or was changed by hand.
    """
    try:
        body = json.loads((opened(results) / GRID).read_text(encoding="utf-8"))
        plans = body["plan"], body["plan_now"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        first, now = map(Plan.of_json, plans)
    except (RftlabError, TypeError, AttributeError) as error:
        raise RftlabError(f"{results / GRID}: {error}; put it back, or run the grid into another folder") from None
    return first, now


def read_grid(results: Path) -> Grid:
    """The grid last run in a results folder.

    Raises:
        RftlabError: no grid was run there.
    """
    try:
        listed = opened(results) / GRID
        at = listed.stat()
        name, cells = _named_cells(listed, at.st_ino, at.st_size, at.st_mtime_ns)
    except FileNotFoundError:
        if not results.is_dir():
            raise RftlabError(f"there is no folder {results}; give the results folder of a run") from None
        raise RftlabError(
            f"{results} holds no results of a grid (there is no {GRID}); give the folder of a run, or see cells that "
            f"were run by hand with `rftlab report {results}`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RftlabError(f"{results / GRID} cannot be read ({error}); run the grid again, which writes it") from None
    plans = read_plans(results)
    return Grid(name, cells, plan=plans[1] if plans else Plan(labels=label_budgets(cells)))


@lru_cache(maxsize=2)
def _named_cells(listed: Path, *_state: int) -> tuple[str, tuple[Cell, ...]]:
    """A grid's name and its cells, once as long as the list is the same: a report of many asks for them many times."""
    body = json.loads(listed.read_text(encoding="utf-8"))
    return body["name"], tuple(Cell.make(values) for values in body["cells"])
