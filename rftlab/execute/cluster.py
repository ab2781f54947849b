"""One cell on another machine: what goes there, what comes back, and how the driver files it.

The unit is the one of `one_cell`. Where the node sees the results folder, it writes there as a local run does; where it
does not, the cell is run in a temporary folder and its files travel back to the driver. Which of the two holds is
found out on each node, by a file that the driver leaves in the folder while it runs. Nodes need the same rftlab,
installed; data files, local models and a user's own modules are read by the paths that the grid names.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import rftlab
from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import folders
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.notebook import OnProgress
from rftlab.execute.one_cell import CellRun, Outcome, of_failure
from rftlab.files.staging import scratch, staged, swap_in, sweep_scratch
from rftlab.files.told_paths import below_home
from rftlab.grid import is_done
from rftlab.record.copied import FAILED

# How often a cell may be begun again because its node or its job was lost.
RETRIES = 4
_PROBE = ".shared"
# What accelerate and its kin read from the environment; carried to the kernels of other machines.
_CARRIED = ("ACCELERATE_", "FSDP_", "NCCL_", "PYTORCH_")
# A network file system may show what another machine wrote only after a while.
_VISIBLE_WITHIN_S = 60.0


@dataclass(frozen=True)
class Resources:
    """What each cell is given, and where.

    Attributes:
        address: of the cluster; what it means is the executor's affair, "" is its default.
        cpus: processor cores per cell; its kernel computes with as many threads.
        gpus: 1 or a fraction: 0.25 lets four cells share a GPU (which limits no memory); 0 for none. Never more than
            one: a cell is one process, and the trainer would spread a larger batch over all GPUs it sees.
        gather: files travel to the driver even where the results folder is shared.
        options: further settings, by the names of the executor.
    """

    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0
    gather: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cpus <= 0:
            raise RftlabError(f"a cell needs more than {self.cpus:g} cpus; give --cpus 1")
        if not 0 <= self.gpus <= 1:
            raise RftlabError(f"a cell runs on one GPU, not on {self.gpus:g}; give --gpus 1, or a fraction below 1")

    @property
    def threads(self) -> int:
        """Compute threads of a cell's kernel."""
        return max(1, int(self.cpus))


def read_options(texts: Sequence[str]) -> dict[str, str]:
    """Options from `NAME=VALUE` texts.

    Raises:
        RftlabError: a text without a name or an equals sign.
    """
    pairs = [text.partition("=") for text in texts]
    for text, (name, equals, _) in zip(texts, pairs, strict=True):
        if not name or not equals:
            raise RftlabError(f"--option takes NAME=VALUE, not {text!r}")
    return {name: value for name, _, value in pairs}


@dataclass(frozen=True)
class Errand:
    """A cell to be run elsewhere, with all that it takes; picklable."""

    cell: Cell
    results: Path
    token: str
    settings: KernelSettings
    notebooks: Mapping[str, Path]
    environment: Mapping[str, str]
    version: str = rftlab.__version__


@dataclass(frozen=True)
class Parcel:
    """What comes back: the outcome and, from a node that does not see the results folder, the files."""

    outcome: Outcome
    files: Mapping[str, bytes] | None = None


def run_errand(errand: Errand, on_progress: OnProgress = lambda _: None) -> Parcel:
    """Run the cell where this is called; a cell whose record is in the shared folder is not run again."""
    cell = errand.cell
    if errand.version != rftlab.__version__:
        return Parcel(_failed(cell, f"the node has rftlab {rftlab.__version__}, the driver {errand.version}"))
    os.environ.update(errand.environment)
    settings = _usable(errand.settings)
    try:
        if _is_shared(errand):
            return Parcel(CellRun(cell, errand.results, settings, errand.notebooks).run(on_progress))
        sweep_scratch()
        with scratch() as folder:
            outcome = CellRun(cell, folder, settings, errand.notebooks).run(on_progress)
            return Parcel(replace(outcome, folder=None), _read_files(outcome.folder))
    except Exception as error:  # this cell's trouble, not the grid's; the type may not be known to the driver
        return Parcel(_failed(cell, f"{type(error).__name__}: {error}"))


class Office:
    """The driver's side: writes errands and files what comes back.

    Args:
        results: the grid's results folder.
        resources: what each cell is given.
        settings: how kernels are started.
        notebooks: notebook per method, where it is not the registered one.
    """

    def __init__(
        self, results: Path, resources: Resources, settings: KernelSettings, notebooks: Mapping[str, Path] | None
    ) -> None:
        self._results, self._resources = results.resolve(), resources
        self.settings = replace(settings, threads=resources.threads)
        self._notebooks = {name: path.resolve() for name, path in (notebooks or {}).items()}
        self._environment = {name: value for name, value in os.environ.items() if name.startswith(_CARRIED)}
        self._token = ""

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """While the body runs, nodes can tell whether the results folder is theirs too."""
        probe = self._results / _PROBE
        if not self._resources.gather:
            self._token = uuid.uuid4().hex
            record.write_atomically(probe, self._token)
        try:
            yield
        finally:
            probe.unlink(missing_ok=True)

    def errand(self, cell: Cell) -> Errand:
        """What a node needs to run a cell."""
        return Errand(cell, self._results, self._token, self.settings, self._notebooks, self._environment)

    def file(self, parcel: Parcel) -> Outcome:
        """Put what came back where a local run would have put it."""
        outcome, files = parcel.outcome, parcel.files
        cell = outcome.cell
        if outcome.status == "done":
            folder = record.cells_dir(self._results) / cell.id
        else:
            folder = self._results / FAILED / cell.id
            if files is None and outcome.folder is None:
                files = of_failure(cell, below_home(outcome.error))
        if files is not None:
            with staged(folder) as staging:
                folders.write_files(files, staging)
                if outcome.status == "done":
                    record.put_in_place(staging, folder)
                    shutil.rmtree(self._results / FAILED / cell.id, ignore_errors=True)
                else:
                    swap_in(staging, folder)
        return replace(outcome, folder=folder)

    def lost(self, cell: Cell, why: str) -> Outcome:
        """A cell whose node or job was lost for good; done all the same if its record had been written before."""
        if is_done(cell, self._results):
            return self.file(Parcel(Outcome(cell, "done", 0.0, None)))
        return self.file(Parcel(_failed(cell, f"NodeLost: {why}")))

    def wait_until_visible(self, outcomes: Sequence[Outcome]) -> None:
        """Wait, a minute at most, until this machine sees the records that other machines have written."""
        deadline = time.monotonic() + _VISIBLE_WITHIN_S
        for outcome in outcomes:
            while outcome.status == "done" and not is_done(outcome.cell, self._results):
                if time.monotonic() > deadline:
                    return
                time.sleep(1)
                os.listdir(record.cells_dir(self._results))


def _failed(cell: Cell, error: str) -> Outcome:
    lines = error.strip().splitlines() or [""]
    return Outcome(cell, "failed", 0.0, None, lines[0][:300])


def _is_shared(errand: Errand) -> bool:
    try:
        return bool(errand.token) and (errand.results / _PROBE).read_text(encoding="utf-8") == errand.token
    except OSError:
        return False


def _usable(settings: KernelSettings) -> KernelSettings:
    """The settings, made cold where warm kernels are not possible."""
    if settings.kind == "warm":
        from rftlab.execute import warm

        try:
            warm.zygote_for(settings.modules, settings.environment()).wait_until_ready()
        except (RftlabError, OSError):
            return replace(settings, kind="cold")
    return settings


def _read_files(folder: Path | None) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files} if folder else {}
