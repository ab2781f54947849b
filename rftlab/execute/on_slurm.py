"""Cells as Slurm array jobs, submitted and watched by submitit. Extra: rftlab[slurm].

The results folder has to be on a disk that the nodes share, as submitit itself asks. A job runs one cell, or several
one after the other (`--option cells_per_job=20`), which spares the scheduler and keeps kernels warm. A job that ends
without a result (its node was lost, its time ran out) is submitted again for the cells it has not finished; Slurm's own
requeueing does the same. `--address local` runs the jobs as processes of this machine, all at once.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import folders, interrupts, requests
from rftlab.execute.alike import Alike
from rftlab.execute.cluster import Errand, Office, Parcel, Resources, run_errand
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.local import Listener
from rftlab.execute.one_cell import Outcome, ready
from rftlab.execute.results import results_lock, write_grid
from rftlab.grid import Grid, is_done

# Of further jobs for the same cells; fewer than the nodes of a Ray cluster get, because a job may have lasted hours.
RETRIES = 2
# Slurm's default limit for one array is 1001.
_ARRAY = 1000
_PARALLEL = 256
_TIME_LIMIT_MIN = 240
_LOOK_EVERY_S = 1.0


def run_cells(
    cells: Sequence[Cell],
    results: Path,
    listener: Listener,
    *,
    workers: int = 0,
    settings: KernelSettings | None = None,
    notebooks: Mapping[str, Path] | None = None,
    grid: Grid | None = None,
    resources: Resources | None = None,
) -> list[Outcome]:
    """Run cells as Slurm jobs; otherwise as `local.run_cells`.

    Args:
        cells: what is left of a grid.
        results: the grid's results folder, by the path under which the nodes see it too.
        listener: told of every start and end.
        workers: at most so many jobs of an array at once; 0 for 256.
        settings: how kernels are started; the number of threads is set by the resources.
        notebooks: notebook per method, where it is not the registered one.
        grid: the whole grid, noted in the folder for `rftlab status`.
        resources: what each job is given. `address` is "" for Slurm, "local" for processes here. Options are
            submitit's (`slurm_partition=gpu`, `timeout_min=60`, `mem_gb=16`) and `cells_per_job`.

    Returns:
        Outcomes in the order the cells ended.

    Raises:
        RftlabError: submitit or Slurm is not there, or refuses an option; or as `local.run_cells`.
        Interrupted: SIGINT, SIGTERM or SIGHUP; the jobs are cancelled.
    """
    resources = resources or Resources()
    if resources.gpus % 1:
        raise RftlabError(f"Slurm gives a job whole GPUs, not {resources.gpus:g}; run several cells per GPU with Ray")
    if resources.gather:
        raise RftlabError("executor slurm needs a results folder that the nodes share; --gather is for ray")
    options = dict(resources.options)
    per_job = _whole(options.pop("cells_per_job", "1"), "cells_per_job")
    executor = _executor(results.resolve() / "slurm", resources, options, workers or _PARALLEL)
    cells = ready(cells, notebooks, settings.report_to if settings else ())
    office = Office(results, resources, settings or KernelSettings(), notebooks)
    with (
        results_lock(results),
        interrupts.collected() as caught,
        requests.heeded(results, caught),
        office.open(),
    ):
        folders.sweep(results)
        for sentence in folders.clear_the_way(cells, results):
            listener.noted(sentence)
        if grid is not None:
            write_grid(results, grid, precision=office.settings.precision)
        cells = requests.unskipped(cells, results, listener)
        jobs = [list(cells[first : first + per_job]) for first in range(0, len(cells), per_job)]
        outcomes = _Watch(executor, office, Alike(listener, keep_going=office.settings.keep_going), results).run(
            jobs, caught
        )
        folders.sweep(results)
    if caught:
        raise Interrupted(caught[0])
    office.wait_until_visible(outcomes)
    if all(outcome.status == "done" for outcome in outcomes):
        shutil.rmtree(results / "slurm", ignore_errors=True)  # submitit's pickles and logs
    return outcomes


class _Watch:
    """Jobs submitted and not ended yet."""

    def __init__(self, executor: Any, office: Office, listener: Alike, results: Path) -> None:
        self._executor, self._office, self._listener, self._results = executor, office, listener, results
        self._jobs: dict[Any, list[Cell]] = {}
        self._begun: set[str] = set()
        self._attempts: dict[str, int] = {}

    def run(self, jobs: Sequence[list[Cell]], caught: Sequence[int]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for first in range(0, len(jobs), _ARRAY):
            self._submit(jobs[first : first + _ARRAY])
        while self._jobs and not caught and not self._listener.stopped:
            time.sleep(_LOOK_EVERY_S)
            for job in [job for job in self._jobs if self._has_begun(job) and job.done()]:
                ended = self._collect(job, self._jobs.pop(job))
                for outcome in ended:
                    self._listener.finished(outcome)
                outcomes += ended
        for job in self._jobs:
            job.cancel(check=False)
        return outcomes

    def _submit(self, jobs: Sequence[list[Cell]]) -> None:
        errands = [[self._office.errand(cell) for cell in cells] for cells in jobs]
        try:
            submitted = self._executor.map_array(_run_errands, errands)
        except Exception as error:
            raise RftlabError(f"the jobs cannot be submitted: {_first_line(error)}") from None
        self._jobs |= dict(zip(submitted, jobs, strict=True))

    def _has_begun(self, job: Any) -> bool:
        if job.job_id not in self._begun:
            if job.state in {"PENDING", "UNKNOWN", ""} and not job.done():
                return False
            self._begun.add(job.job_id)
            for cell in self._jobs[job]:
                self._listener.started(cell)
        return True

    def _collect(self, job: Any, cells: list[Cell]) -> list[Outcome]:
        try:
            return [self._office.file(parcel) for parcel in job.result()]
        except OSError as error:
            return [Outcome(cell, "failed", 0.0, None, f"{type(error).__name__}: {error}") for cell in cells]
        except Exception as error:  # submitit's, or what the job itself raised
            left = [cell for cell in cells if not is_done(cell, self._results)]
            attempts = self._attempts[cells[-1].id] = self._attempts.get(cells[-1].id, 0) + 1
            if left and attempts <= RETRIES:
                self._listener.noted(f"job {job.job_id} was lost ({job.state}); its cells are submitted again")
                self._submit([left])
                return [self._office.lost(cell, "") for cell in cells if cell not in left]
            return [self._office.lost(cell, f"job {job.job_id}: {_first_line(error)}") for cell in cells]


def _run_errands(errands: Sequence[Errand]) -> list[Parcel]:
    return [run_errand(errand) for errand in errands]


def _executor(folder: Path, resources: Resources, options: Mapping[str, str], parallel: int) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise RftlabError(f"executor slurm needs submitit ({error}); run: pip install 'rftlab[slurm]'") from None
    cluster = resources.address or "slurm"
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise RftlabError("there is no sbatch here; run on a login node of the cluster, or with --executor ray")
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(
            **{
                "name": "rftlab",
                "timeout_min": _TIME_LIMIT_MIN,
                "cpus_per_task": resources.threads,
                "gpus_per_node": int(resources.gpus),
                "slurm_array_parallelism": parallel,
                **{name: int(value) if value.isdecimal() else value for name, value in options.items()},
            }
        )
    except (ValueError, TypeError, NameError, AssertionError, RuntimeError) as error:
        raise RftlabError(f"executor slurm: {_first_line(error)}") from None
    return executor


def _whole(text: str, name: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise RftlabError(f"option {name} is a whole number of at least 1, not {text!r}")
    return int(text)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
