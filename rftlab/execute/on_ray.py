"""Cells as Ray tasks, on the cluster the user has or on one that is started for the run. Extra: rftlab[ray].

A cell is a task with the resources asked for. Ray begins it again elsewhere when its node or its worker is lost; a
cell whose record was written before that is not run twice. Without an address, RAY_ADDRESS or a cluster already running
on this machine is used; failing that, one is started here, without a dashboard, for as long as the run takes.
"""

import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import folders, interrupts, requests
from rftlab.execute.alike import Alike
from rftlab.execute.cluster import RETRIES, Errand, Office, Parcel, Resources, run_errand
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.local import Listener
from rftlab.execute.one_cell import Outcome, ready
from rftlab.execute.ray_cluster import connected, import_ray, task_options
from rftlab.execute.results import results_lock, write_grid
from rftlab.grid import Grid

# Tasks handed to Ray at a time: enough to keep a large cluster busy and to let an autoscaler see the demand.
_IN_FLIGHT = 1000
_TELL_EVERY_S = 1.0


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
    """Run cells on a Ray cluster; otherwise as `local.run_cells`.

    Args:
        cells: what is left of a grid.
        results: the grid's results folder, as this machine sees it.
        listener: told of every start, step and end.
        workers: at most so many cells at once; 0 for as many as the cluster has room for.
        settings: how kernels are started; the number of threads is set by the resources.
        notebooks: notebook per method, where it is not the registered one; nodes read it by the same path.
        grid: the whole grid, noted in the folder for `rftlab status`.
        resources: what each cell is given; `address` is Ray's, one core by default.

    Returns:
        Outcomes in the order the cells ended.

    Raises:
        RftlabError: Ray is not installed or the cluster cannot be reached; or as `local.run_cells`.
        Interrupted: SIGINT, SIGTERM or SIGHUP.
    """
    resources = resources or Resources()
    ray = import_ray()
    cells = ready(cells, notebooks, settings.report_to if settings else ())
    office = Office(results, resources, settings or KernelSettings(), notebooks)
    with (
        results_lock(results),
        connected(ray, resources.address),
        interrupts.collected() as caught,
        requests.heeded(results, caught),
        office.open(),
    ):
        folders.sweep(results)
        for sentence in folders.clear_the_way(cells, results):
            listener.noted(sentence)
        if grid is not None:
            write_grid(results, grid, precision=office.settings.precision)
        alike = Alike(listener, keep_going=office.settings.keep_going)
        run = _Run(ray, office, alike, resources, workers or _IN_FLIGHT)
        outcomes = run.run(requests.unskipped(cells, results, listener), caught)
        folders.sweep(results)
    if caught:
        raise Interrupted(caught[0])
    office.wait_until_visible(outcomes)
    return outcomes


class _Run:
    """The tasks in flight and the news from them."""

    def __init__(self, ray: Any, office: Office, listener: Alike, resources: Resources, in_flight: int) -> None:
        self._ray, self._office, self._listener, self._in_flight = ray, office, listener, in_flight
        options = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_retries": RETRIES}
        # max_calls: by default Ray ends a worker after one task that has a GPU, and with it the warm kernels. The
        # worker itself never touches the GPU.
        self._task = ray.remote(max_calls=0, **options, **task_options(resources.options))(_run_errand)
        self._news = _news_actor(ray)
        self._running: dict[Any, Cell] = {}
        self._cells: dict[str, Cell] = {}
        self._begun: set[str] = set()
        self._remark_on(resources)

    def run(self, cells: Sequence[Cell], caught: Sequence[int]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        waiting = deque(cells)
        while (waiting or self._running) and not caught and not self._listener.stopped:
            while waiting and len(self._running) < self._in_flight:
                cell = waiting.popleft()
                self._cells[cell.id] = cell
                self._running[self._task.remote(self._office.errand(cell), self._news)] = cell
            finished, _ = self._ray.wait(list(self._running), num_returns=1, timeout=0.5)
            if finished:
                finished, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
            self._hear()
            for task in finished:
                outcome = self._collect(task, self._running.pop(task))
                self._cells.pop(outcome.cell.id)
                self._listener.finished(outcome)
                outcomes.append(outcome)
        self._cancel()
        return outcomes

    def _collect(self, task: Any, cell: Cell) -> Outcome:
        try:
            return self._office.file(self._ray.get(task))
        except OSError as error:  # the driver's disk is full or not writable
            return Outcome(cell, "failed", 0.0, None, f"{type(error).__name__}: {error}")
        except self._ray.exceptions.RayError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            return self._office.lost(cell, f"given up after {RETRIES + 1} attempts ({reason})")

    def _hear(self) -> None:
        try:
            news = self._ray.get(self._news.take.remote())
        except self._ray.exceptions.RayError as error:
            lost = f"the Ray cluster is gone ({type(error).__name__})"
            raise RftlabError(f"{lost}; finished cells are kept, run the same command again to go on") from None
        for cell_id, progress in news:
            cell = self._cells.get(cell_id)
            if cell is not None and progress is None:
                if cell_id in self._begun:
                    self._listener.noted(f"begun again, its node or worker was lost: {cell.label}")
                self._begun.add(cell_id)
                self._listener.started(cell)
            elif cell is not None:
                self._listener.progressed(cell, progress)

    def _remark_on(self, resources: Resources) -> None:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(n.get("CPU", 0) >= resources.cpus and n.get("GPU", 0) >= resources.gpus for n in nodes):
            wanted = f"{resources.cpus:g} CPUs and {resources.gpus:g} GPUs"
            self._listener.noted(f"no node has {wanted} for a cell now; waiting for one to join")
        gpus = sum(node.get("GPU", 0) for node in nodes)
        if gpus and not resources.gpus:
            self._listener.noted(f"the cluster has {gpus:g} GPUs, which the cells do not use; give --gpus 1, or less")

    def _cancel(self) -> None:
        for task in self._running:
            self._ray.cancel(task)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=10)


class _News:
    """What running cells say, until the driver asks for it; an actor beside the driver."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, Mapping[str, Any] | None]] = []

    def say(self, cell_id: str, progress: Mapping[str, Any] | None) -> None:
        self._messages.append((cell_id, progress))

    def take(self) -> list[tuple[str, Mapping[str, Any] | None]]:
        messages, self._messages = self._messages, []
        return messages


def _news_actor(ray: Any) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(_News).options(num_cpus=0, scheduling_strategy=here).remote()


def _run_errand(errand: Errand, news: Any) -> Parcel:
    told = 0.0

    def tell(progress: Mapping[str, Any]) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            news.say.remote(errand.cell.id, dict(progress))

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Inherited from a cluster started in the background of a shell; Ray could not cancel the task.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    import_ray().get(news.say.remote(errand.cell.id, None))  # waits: the driver knows of every attempt
    return run_errand(errand, tell)
