"""Kernels for notebooks: the running interpreter, sockets of their own, and a fair share of the cores.

Nothing is taken from installed kernelspecs, which may name another interpreter. Each kernel talks over IPC sockets in
a folder of its own: parallel kernels that choose TCP ports at random now and then choose the same one.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.files.paths import import_path
from rftlab.files.staging import SCRATCH, scratch
from rftlab.files.told_paths import GRID_FOLDER
from rftlab.policy.weights import CHECKPOINT_S, KEEP
from rftlab.progress import BATCH
from rftlab.record.machine import AUTO_PRECISION

# What most notebooks of the training column import: preloaded once by warm kernels.
TRAINING_MODULES = (
    "torch", "transformers", "trl", "trl.trainer.sft_trainer", "trl.trainer.grpo_trainer", "peft", "pandas",
    "matplotlib.pyplot", "matplotlib_inline.backend_inline",
    "transformers.models.llama.modeling_llama",
    "rftlab.experiment", "rftlab.plots", "rftlab.tasks.arithmetic", "rftlab.methods.sft", "rftlab.methods.grpo",
)  # fmt: skip

# A unix socket's path holds at most 107 bytes; the name of the socket itself takes about 30 of them.
_MAX_SOCKET_FOLDER = 70

DAY_S = 24 * 60 * 60
CHECKPOINT_EVERY_S = 600.0
KernelKind = Literal["warm", "cold"]


@dataclass(frozen=True)
class KernelSettings:
    """How the kernels of one run are started.

    Attributes:
        kind: "warm" forks them from a process that has ``modules`` imported; "cold" starts an interpreter for each.
        threads: compute threads each kernel may use.
        modules: imported ahead by warm kernels; those that cannot be imported are left to the notebook.
        start_timeout: seconds a kernel may take until it answers.
        cell_timeout: seconds one notebook cell may take.
        silent_timeout: seconds a notebook cell may neither say anything nor compute.
        shared: folder of what the cells of a grid need only compute once (`rftlab.policy.base_answers`); None shares
            nothing.
        keep: which policies the run keeps, "none", "best" or "all"; "" leaves it to the kernel, which then keeps its
            cell's for good.
        precision: what `precision: auto` of a cell is, "fp32" or "bf16"; "" leaves it to the kernel's machine.
        checkpoint_s: seconds between two checkpoints of a cell that trains; None writes none.
        keep_going: begin further cells also after several have failed alike.
        report_to: trackers that cells report to, of `rftlab.trackers`.
        grid_folder: of the grid's file, from which records tell the paths of what lies below it; None tells none so.
        stay_warm: leave what warm kernels are forked from running, for the cells that come after these.
    """

    kind: KernelKind = "cold"
    threads: int = 1
    modules: tuple[str, ...] = TRAINING_MODULES
    start_timeout: int = 120
    cell_timeout: int = DAY_S
    silent_timeout: float = 600.0
    shared: Path | None = None
    keep: str = ""
    precision: str = ""
    checkpoint_s: float | None = CHECKPOINT_EVERY_S
    keep_going: bool = False
    report_to: tuple[str, ...] = ()
    grid_folder: Path | None = None
    stay_warm: bool = False

    def environment(self) -> dict[str, str]:
        """Environment variables of a kernel, the driver's own beneath."""
        told = {
            "RFTLAB_SHARED": str(self.shared or ""),
            KEEP: self.keep,
            AUTO_PRECISION: self.precision,
            GRID_FOLDER: str(self.grid_folder or ""),
            CHECKPOINT_S: "" if self.checkpoint_s is None else f"{self.checkpoint_s:g}",
        }
        given = {name: value for name, value in told.items() if value}
        return {**os.environ, **_thread_limits(self.threads), **_ENVIRONMENT, **import_path(), **given}


_ENVIRONMENT = {
    BATCH: "1",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # glibc gives every large tensor's memory back and asks for it again; page faults were a third of a GRPO step.
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    # The debugger's frozen-modules warning and its slow import are of no use in batch.
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_kernel() -> KernelKind:
    """Warm on Linux; elsewhere, forking after importing system libraries is not safe."""
    return "warm" if sys.platform.startswith("linux") else "cold"


def default_workers(cells: Sequence[Cell]) -> int:
    """Workers where none are asked for: one per core for the tiny base, one in all for larger models.

    Processes that train a cell together share a worker's cores.
    """
    tiny = all(cell.model == "tiny-base" for cell in cells)
    together = max((cell.processes for cell in cells), default=1)
    return max(1, min(cores() // together if tiny else 1, len(cells)))


def kernel_settings(
    kind: KernelKind, workers: int, *, cell_timeout: int | None = None, keep: str = "", precision: str = ""
) -> KernelSettings:
    """Settings under which ``workers`` kernels share this machine's cores without oversubscription."""
    threads = max(1, cores() // max(1, workers))
    return KernelSettings(kind, threads, cell_timeout=cell_timeout or DAY_S, keep=keep, precision=precision)


def preheat(settings: KernelSettings) -> None:
    """Begin to warm up, if the kernels are to be warm, while the driver does other things; errors show up later."""
    if settings.kind == "warm":
        from rftlab.execute import warm

        with contextlib.suppress(RftlabError, OSError):
            warm.zygote_for(settings.modules, settings.environment())


def cool() -> None:
    """End what warm kernels are forked from, if anything is."""
    if (warm := sys.modules.get("rftlab.execute.warm")) is not None:
        warm.close_all()


def make_manager(settings: KernelSettings) -> AsyncKernelManager:
    """Manager of one kernel that has not started yet; `dispose` takes away what it leaves in the temporary folder."""
    metadata: dict[str, Any] = {"debugger": False}
    if settings.kind == "warm":
        from rftlab.execute import warm  # registers the provisioner

        metadata["kernel_provisioner"] = {
            "provisioner_name": warm.NAME,
            "config": {"modules": list(settings.modules)},
        }
    spec = KernelSpec(
        # A notebook's folder, from which -m would import, may hold a file of any name.
        argv=[sys.executable, "-P", "-m", "rftlab.execute.kernel", "-f", "{connection_file}"],
        display_name="rftlab",
        language="python",
        metadata=metadata,
    )
    # Of this name, nbclient keeps the history in memory; on disk, parallel kernels would wait for each other.
    client = f"{__name__}.{_Client.__name__}"
    manager = _Manager(kernel_name="python3", kernel_spec_manager=_OneSpec(spec=spec), client_class=client)
    held = contextlib.ExitStack()
    folder = held.enter_context(scratch(_scratch_parent()))
    _held[manager] = held
    manager.connection_file = str(folder / "k.json")
    if os.name == "posix":
        manager.transport = "ipc"
        manager.ip = str(folder / "s")
    return manager


def dispose(manager: AsyncKernelManager) -> None:
    """Remove the folder of a manager's sockets."""
    if (held := _held.pop(manager, None)) is not None:
        held.close()


# Locks of the folders that hold the sockets of kernels.
_held: dict[AsyncKernelManager, contextlib.ExitStack] = {}


class _Manager(AsyncKernelManager):
    """Gives clients that lose nothing of what a kernel says, however slowly they read it.

    By default a socket drops messages once a thousand are waiting; `rftlab.execute.kernel` does the same at its end.
    """

    def client(self, **arguments: Any) -> AsyncKernelClient:  # type: ignore[override]
        client = super().client(**arguments)
        client.context.rcvhwm = 0
        return client


class _Client(AsyncKernelClient):
    """Waits for a kernel by a clock that nobody sets: jupyter_client's is the time of day, which may jump."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # type: ignore[override]
        """Wait until the kernel answers.

        Raises:
            RuntimeError: it ended, or takes longer than so many seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                await super().wait_for_ready()
        except TimeoutError:
            raise RuntimeError(f"Kernel didn't respond in {timeout} seconds") from None


class _OneSpec(KernelSpecManager):
    """Knows one kernelspec, whatever is installed."""

    def __init__(self, *, spec: KernelSpec) -> None:
        super().__init__()
        self._spec = spec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return self._spec


def _scratch_parent() -> Path | None:
    """Where sockets' paths are short enough; None for the system's temporary folder."""
    long = len(tempfile.gettempdir().encode()) + len(SCRATCH) + 10 > _MAX_SOCKET_FOLDER
    return Path("/tmp") if long and Path("/tmp").is_dir() else None


def _thread_limits(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {name: str(max(1, threads)) for name in names}
