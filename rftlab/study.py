"""A study from grid to report: what `rftlab run` does, callable from Python."""

import functools
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from rftlab import preflight, record, settling, trackers
from rftlab.cell import NOT_YET, Cell
from rftlab.digests import file_of, kind_of, stale, texts_of
from rftlab.errors import RftlabError
from rftlab.execute import requests, starts
from rftlab.execute.cluster import Resources
from rftlab.execute.keep import Keeper, require_room
from rftlab.execute.kernels import (
    CHECKPOINT_EVERY_S,
    KernelKind,
    cool,
    default_kernel,
    default_workers,
    kernel_settings,
    preheat,
)
from rftlab.execute.one_cell import Outcome
from rftlab.execute.results import decided_precision, lists, read_grid, read_stops, results_lock, write_grid
from rftlab.execute.tuning import StageRun, stage_of, told
from rftlab.files import archive
from rftlab.files.staging import set_aside
from rftlab.grid import Grid, is_done
from rftlab.grid.tuning import prototypes
from rftlab.policy.weights import DEFAULT_KEEP, KEEP_CHOICES, Keep, find_cell
from rftlab.record import joined
from rftlab.registry import EXECUTORS, find, resolve
from rftlab.screen import busy, say
from rftlab.stages import RunCells, Stages
from rftlab.user_code.child import LIMIT_S

if TYPE_CHECKING:
    from rftlab.report.remarks import Remark

# What every cell of the tiny base warns of; the answer says it, too.
_TINY = "tiny base:"


def run(
    grid: Grid | str | Path,
    results: str | Path | None = None,
    *,
    workers: int | None = None,
    kernel: Literal["warm", "cold"] | None = None,
    timeout: int | None = None,
    checkpoint: float | None = None,
    executor: str = "local",
    resources: Resources | None = None,
    keep: Keep | None = None,
    report_to: str | Sequence[str] | None = None,
    keep_going: bool = False,
    rerun: bool | Sequence[str] = False,
    until: Literal["decided"] | None = None,
    check_timeout: float = LIMIT_S,
    dry_run: bool = False,
) -> list[Outcome]:
    """Run what is left of a grid, its tuning stage first if it has one, then write its report.

    Args:
        grid: a grid, or the YAML file of one.
        results: where to; by default `results/NAME` in the working folder.
        workers: cells run at once; by default one per core.
        kernel: fork kernels from a warm process, or start each; by default warm on Linux and cold elsewhere.
        timeout: limit in seconds for one cell of a notebook; by default a day.
        checkpoint: minutes between two checkpoints of a training, from which a run that was killed goes on; 0 writes
            one after every step, None is ten.
        executor: local, ray or slurm.
        resources: of an executor that is not local.
        keep: which trained policies are kept: none, best (of each arm, by development accuracy) or all; by default
            what the grid says, else best.
        report_to: trackers that cells report to as well, tensorboard or trackio; by default what the grid says.
        keep_going: begin further cells also after three in a row have failed alike.
        rerun: run cells again that are done: all, or those whose ids begin with one of these; what they left is set
            aside.
        until: decided: add seeds, one look after another, until every comparison of the confirmatory family and every
            claim that the grid names is decided or given up as futile, at most up to its `max_seeds`.
        check_timeout: seconds a step in the user's code may take while it is checked (loading it, scoring one example).
        dry_run: check everything, the user's own code by executing it, and list the cells; train nothing.

    Returns:
        How each cell that was left ended, those of the tuning stage included; empty if none was.

    Raises:
        RftlabError: anything about the grid or an argument that cannot work; nothing is written then.
        Interrupted: SIGINT, SIGTERM or SIGHUP, or a request to stop (`rftlab.execute.requests`); running again goes on.
    """
    from rftlab.advise import forecast as forecasts  # with pandas: not needed by `rftlab status`
    from rftlab.advise import held
    from rftlab.advise.room import lacking

    _require_choice(keep=(keep, KEEP_CHOICES), kernel=(kernel, get_args(KernelKind)), until=(until, settling.UNTIL))
    _require_positive("whole number", int, workers=workers, timeout=timeout)
    _require_positive("number", (int, float), check_timeout=check_timeout, checkpoint=checkpoint or None)
    if not isinstance(grid, Grid | str | Path):
        raise RftlabError(f"a grid is a Grid or the path of its YAML file, not a {type(grid).__name__}")
    grid = grid.settled() if isinstance(grid, Grid) else Grid.load(grid)
    where = (Path(results) if results else Path("results") / grid.name).expanduser().resolve()
    grid = starts.resolved(grid, where)
    if until:
        settling.require_seeds_to_add(grid)
    # What an earlier call added stays: a verdict that it stopped with rests on it.
    grown = bool(until or read_stops(where))
    grid = settling.extended(grid, where) if grown else grid
    reported = grid.report_to if report_to is None else trackers.named(report_to)
    trackers.require(reported)
    done, left = grid.split(where)
    again = [] if grid.tuning else _chosen(grid, rerun, done)
    left = [*again, *left]
    run_cells, here = _run_cells(executor, resources or Resources()), executor == "local"
    many = workers or (default_workers(left) if here else 0)
    kept = cast("Keep", keep or grid.keep or DEFAULT_KEEP)
    settings = replace(
        kernel_settings(kernel or default_kernel(), many, cell_timeout=timeout, keep=kept),
        keep_going=keep_going,
        report_to=reported,
        precision=decided_precision(where, elsewhere=bool(resources and resources.gpus)),
        checkpoint_s=CHECKPOINT_EVERY_S if checkpoint is None else 60.0 * checkpoint,
        grid_folder=grid.path.resolve().parent if grid.path else None,
    )
    if here and left and not dry_run:
        preheat(settings)
    to_come = settling.to_come(grid) if until else []
    with grid.lines_named(), busy("loading the base and checking the grid"):
        found = preflight.check([*grid.cells, *to_come, *prototypes(grid)], limit=check_timeout, here=here)
    stage = stage_of(grid, found.facts, where)
    items = found.facts[preflight.TEST_ITEMS]
    with busy("loading the base; looking for what such cells took before"):
        shown, machines = (items, 0 if here else many) if dry_run else (None, 0)
        known = here or machines  # of a cluster only with so many workers, for a dry run
        forecast = forecasts.before(grid, where, stage, many * here, shown=shown, machines=machines) if known else None
    stages = Stages(where, many, settings, run_cells, forecast.seconds_of if forecast else _unplanned)
    began = time.monotonic()
    tuned: list[Outcome] = []
    if stage:
        _chosen(starts.resolved(stage.resolved(), where), rerun, (), stage.cells)  # before hours of tuning
        say(f"{grid.name}: {stage}")
        tuned = [] if dry_run else stages.tune(stage, grid.name)
        grid = starts.resolved(stage.resolved(), where)
        grid = settling.extended(grid, where) if grown else grid
    done, left = grid.split(where)
    again = _chosen(grid, rerun, done)
    starts.require_policies(grid, where, again)
    left = [*again, *left]
    room = require_room(left, where, kept, many)
    size = f"{len(grid.cells)} cell{'s' * (len(grid.cells) != 1)} ({grid.variants} combinations, each with its seeds)"
    counts = f"{size}, {len(grid.cells) - len(left)} done, {len(left)} left"
    say(f"{grid.name}: {counts}{room}")
    tuning = stage.wanted if stage else []
    if grid.idle:
        say(f"  left out, having nothing to train on: {', '.join(grid.idle)}")
    short = lacking(left, many) if here else []
    for note in (*found.notes, *short, *_on_earlier_cells(grid, [*tuning, *left], where)):
        say(f"  {note}")
    if until:
        say(f"  then seeds are added until all is decided or given up, {grid.plan.max_seeds} at most (max_seeds)")
    if dry_run:
        _list(grid, left, stage)
        say(*forecasts.last_lines(grid, forecast, items, executor))
        return []
    left = [cell for cell in left if cell.tuned_by != NOT_YET]
    _forget(again, where)
    keeper = Keeper(grid.cells, where, kept, forced=bool(keep or grid.keep))
    keeper.settle()
    outcomes: list[Outcome] = []
    if first := starts.first(grid, left):
        outcomes = stages.begin(grid, first)
        grid, left = starts.after(first, grid, where)
        keeper = Keeper(grid.cells, where, kept, forced=bool(keep or grid.keep))
    outcomes += stages.rest(grid, left, keeper) if left else []
    took = time.monotonic() - began  # looks add what nobody could plan
    if forecast and (compared := held.after(forecast, [*tuned, *outcomes], where, took)):
        say(compared)
    if until and any(is_done(cell, where) for cell in grid.cells):
        more, grid = stages.settle(grid, kept)
        outcomes, keeper = [*outcomes, *more], Keeper(grid.cells, where, kept, forced=bool(keep or grid.keep))
    cool()
    if not left and not lists(where, grid):  # rows were taken out of the grid, or its files were moved
        with results_lock(where):
            write_grid(where, grid)
    keeper.settle()
    say(keeper)
    if any(is_done(cell, where) for cell in grid.cells):
        report(where)
    return [*tuned, *outcomes]


def report(
    results: str | Path | Sequence[str | Path],
    waive: str | Iterable[str] = (),
    out: str | Path | None = None,
    prices: str | Path | None = None,
) -> None:
    """Write the report of a results folder; print what happened in its cells, the answer, and the path of the page.

    Args:
        results: a grid's results folder or archive, or several, whose cells are joined in ``out``.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.
        out: a new folder for the joined study and its report; of a single archive, by default one beside it.
        prices: a file of prices, for the page's section on cost and return; by default the folder's prices.yaml.

    Raises:
        RftlabError: several folders and no ``out``; as `rftlab.record.joined.join` and `rftlab.write_report`.
    """
    from rftlab.answer.contracts import waivers
    from rftlab.report import publish  # matplotlib and pandas: not needed by a run that fails

    waivers(waive)
    places = [results] if isinstance(results, str | Path) else list(results)
    if len(places) > 1 and out is None:
        raise RftlabError("several results folders are joined in a new one; name it with -o")
    if out is None and Path(places[0]).is_file():
        out = str(places[0]).removesuffix(archive.SUFFIX)
        if out == str(places[0]):
            raise RftlabError(f"{out} does not end in {archive.SUFFIX}; name the report's folder with -o")
    results = places[0] if out is None else joined.join(places, out)
    with busy("writing the report"):
        published = publish(Path(results), waive, Path(prices) if prices else None)
    card = str(published.answer)
    tell(remark for remark in published.remarks if not (remark.text.startswith(_TINY) and _TINY in card.lower()))
    say(card, *published.files[:1])


def tell(remarks: "Iterable[Remark]") -> None:
    """Print what happened in a study, one line each."""
    for remark in remarks:
        say(f"note: {remark}")


def forget(cells: Sequence[str], results: str | Path | None = None) -> list[Path]:
    """Set finished cells aside, whoever ran them: they count no longer, and a grid that names them runs them again.

    Args:
        cells: their folders, or the beginnings of their ids.
        results: results folder that ids are looked for in; None for every folder of `results/`.

    Returns:
        Where each has been moved to, in `aside/` of its results folder.

    Raises:
        RftlabError: no such cell, or several; nothing is moved then. Or a run is working in the folder.
    """
    folders = list(dict.fromkeys(find_cell(cell, Path(results) if results else None) for cell in cells))
    for folder in folders:
        if folder.parent != record.cells_dir(folder.parent.parent):
            raise RftlabError(f"{folder} does not lie in the cells of a results folder; delete it by hand")
    moved = []
    for folder in folders:
        with results_lock(folder.parent.parent):
            moved.append(set_aside(folder))
    return moved


def status(results: str | Path) -> tuple[Grid, list[Cell], list[Cell], list[str]]:
    """The grid last run in a results folder, with the user's files as they are now; else the cells that it holds.

    Returns:
        The grid, its cells that are done, those that are left, and sentences on what changed since they ran.

    Raises:
        RftlabError: no grid was run there, and it holds no cells.
    """
    results = archive.opened(results)
    if not (results / record.GRID).exists() and record.cells_dir(results).is_dir():
        cells = tuple(Cell.make(found.cell) for found in record.scan(results)[0])
        note = "no grid was run here: these are its finished cells, each run by hand or copied"
        return Grid(results.resolve().name, cells), list(cells), [], [note]
    grid = read_grid(results)
    grid = replace(grid, cells=tuple(stale.as_they_are(grid.cells)))
    done, left = grid.split(results)
    tuning = told(results)
    notes = [*([tuning] if tuning else []), *requests.told(results, left), *_on_earlier_cells(grid, left, results)]
    return grid, done, left, notes


def _unplanned(_: Cell) -> None:
    """Of a run on another machine nothing is known before."""


def _require_choice(**given: tuple[str | None, Sequence[str]]) -> None:
    for name, (value, choices) in given.items():
        if value is not None and value not in choices:
            raise RftlabError(f"{name} is {value!r}; give one of {', '.join(choices)}")


def _require_positive(what: str, kind: type | tuple[type, ...], **given: float | None) -> None:
    for name, value in given.items():
        if value is not None and not (isinstance(value, kind) and value > 0):
            raise RftlabError(f"{name} is {value!r}; give a {what} above 0")


def _chosen(grid: Grid, rerun: bool | Sequence[str], done: Sequence[Cell], tuning: Sequence[Cell] = ()) -> list[Cell]:
    """The cells that are done and asked for again; those of a tuning stage cannot be."""
    if isinstance(rerun, bool):
        return list(done) if rerun else []
    for text in rerun:
        found = [cell.id for cell in grid.cells if cell.id.startswith(text)]
        if len(found) != 1:
            if not found and any(cell.id.startswith(text) for cell in tuning):
                raise RftlabError(
                    f"--rerun {text}: {text} is a cell of the tuning stage; rftlab forget sets it aside, and the next "
                    "run of the grid runs it again"
                )
            problem = f"is the beginning of {', '.join(found)}" if found else "is no cell of the grid"
            raise RftlabError(f"--rerun {text}: {text} {problem}; --dry-run lists its cells")
    return [cell for cell in done if cell.id.startswith(tuple(rerun))]


def _list(grid: Grid, left: Sequence[Cell], stage: StageRun | None) -> None:
    waiting = {cell.id for cell in left}
    if stage:
        wanted, named = {cell.id for cell in stage.wanted}, Cell.labels_apart(stage.cells)
        for cell in stage.cells:
            say(f"  {'tune' if cell.id in wanted else 'done'}  {cell.id}  {named[cell.id]}")
    labels = Cell.labels_apart(grid.cells)
    for cell in grid.cells:
        if cell.waits:  # its id is not known yet
            say(f"  after {cell.started_by:<13} {labels[cell.id]}")
        elif cell.tuned_by == NOT_YET:
            say(f"  after tuning        {labels[cell.id]}")
        else:
            say(f"  {'left' if cell.id in waiting else 'done'}  {cell.id}  {labels[cell.id]}")
    if executed := _users_files(grid.cells):
        say(f"trained nothing; to check them, this has executed {', '.join(executed)}")


def _forget(cells: Sequence[Cell], results: Path) -> None:
    if cells:
        with results_lock(results):
            folders = [set_aside(record.cells_dir(results) / cell.id) for cell in cells]
        say(f"  {len(folders)} of them once more; what they left is set aside in {folders[0].parent}")


def _on_earlier_cells(grid: Grid, left: Sequence[Cell], results: Path) -> list[str]:
    """What will run again because something changed since it ran, and what else of before the folder holds."""
    earlier = stale.earlier_cells([*grid.cells, *left], results)
    waiting = {cell.id for cell in left}
    rest = [each for each in earlier if each.twin is None or each.twin.id not in waiting]
    return [*stale.run_again(earlier, left), *stale.kept_out(rest)]


def _users_files(cells: Iterable[Cell]) -> list[str]:
    """Names of the Python files of the user's own that cells are made of."""
    named = (file_of("code", text) for cell in cells for name, text in texts_of(cell) if kind_of(name, text) == "code")
    return list(dict.fromkeys(file.name for file in named))


def _run_cells(executor: str, resources: Resources) -> RunCells:
    entry, _ = find(EXECUTORS, executor, "executor")
    if executor != "local":
        return functools.partial(resolve(entry), resources=resources)
    if resources != Resources():
        raise RftlabError(
            "--address, --cpus, --gpus, --gather and --option are for --executor ray or slurm; name one, or leave them "
            "out"
        )
    return cast("RunCells", resolve(entry))
