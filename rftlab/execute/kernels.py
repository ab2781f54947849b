"""Kernels for notebooks: the running interpreter, sockets of their own, and a fair share of the cores.

Nothing is taken from installed kernelspecs, which may name another interpreter. Each kernel talks over IPC sockets in
a folder of its own: parallel kernels that choose TCP ports at random now and then choose the same one.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

# What most notebooks of the training column import: preloaded once by warm kernels.
TRAINING_MODULES = (
    "torch", "transformers", "trl", "trl.trainer.sft_trainer", "trl.trainer.grpo_trainer", "peft", "pandas",
    "matplotlib.pyplot", "matplotlib_inline.backend_inline", "rftlab.experiment", "rftlab.plots",
)  # fmt: skip

# A unix socket's path holds at most 107 bytes; the name of the socket itself takes about 30 of them.
_MAX_SOCKET_FOLDER = 70

KernelKind = Literal["warm", "cold"]


@dataclass(frozen=True)
class KernelSettings:
    """How the kernels of one run are started.

    Attributes:
        kind: "warm" forks them from a process that has ``modules`` imported; "cold" starts an interpreter for each.
        threads: compute threads each kernel may use.
        modules: imported ahead by warm kernels; those that cannot be imported are left to the notebook.
        start_timeout: seconds a kernel may take until it answers.
        cell_timeout: seconds one notebook cell may take; None for no limit.
    """

    kind: KernelKind = "cold"
    threads: int = 1
    modules: tuple[str, ...] = TRAINING_MODULES
    start_timeout: int = 120
    cell_timeout: int | None = None

    def environment(self) -> dict[str, str]:
        """Environment variables of a kernel, the driver's own beneath."""
        return {**os.environ, **_thread_limits(self.threads), **_ENVIRONMENT, **_import_path()}


_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # The debugger's frozen-modules warning and its slow import are of no use in batch.
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_manager(settings: KernelSettings) -> AsyncKernelManager:
    """Manager of one kernel that has not started yet; `dispose` takes away what it leaves in the temporary folder."""
    metadata: dict[str, Any] = {"debugger": False}
    if settings.kind == "warm":
        metadata["kernel_provisioner"] = {
            "provisioner_name": "rftlab-warm",
            "config": {"modules": list(settings.modules)},
        }
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="rftlab",
        language="python",
        metadata=metadata,
    )
    manager = AsyncKernelManager(kernel_name="rftlab", kernel_spec_manager=_OneSpec(spec=spec))
    folder = _socket_folder()
    manager.connection_file = str(folder / "k.json")
    if os.name == "posix":
        manager.transport = "ipc"
        manager.ip = str(folder / "s")
    return manager


def dispose(manager: AsyncKernelManager) -> None:
    """Remove the folder of a manager's sockets."""
    shutil.rmtree(Path(manager.connection_file).parent, ignore_errors=True)


class _OneSpec(KernelSpecManager):
    """Knows one kernelspec, whatever is installed."""

    def __init__(self, *, spec: KernelSpec) -> None:
        super().__init__()
        self._spec = spec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return self._spec


def _socket_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rftlab-"))
    if len(str(folder).encode()) > _MAX_SOCKET_FOLDER and Path("/tmp").is_dir():
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="rftlab-", dir="/tmp"))
    return folder


def _thread_limits(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {name: str(max(1, threads)) for name in names}


def _import_path() -> dict[str, str]:
    """Lets kernels, whose working folder is the notebook's, import the rftlab that the driver runs."""
    root = str(Path(__file__).resolve().parents[2])
    if root in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
