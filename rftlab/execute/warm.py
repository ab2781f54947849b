"""Kernels forked from a warm process: a jupyter_client provisioner (`rftlab-warm`) and the process behind it.

A kernelspec that names the provisioner, with the modules to preload as its config, is all that papermill or JupyterLab
need; the manager, the client and the protocol stay theirs. Linux only: elsewhere, forking after importing system
libraries is not safe.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from traitlets import List, Unicode

from rftlab.errors import RftlabError

NAME = "rftlab-warm"
# Read once, at import or when a library is loaded: kernels that differ in one of these cannot share a zygote.
_FROZEN_PREFIXES = (
    "OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "KMP_", "GOMP_", "PYTHON", "HF_", "TRANSFORMERS_", "TORCH", "PYTORCH_",
    "CUDA_", "TRL_", "TOKENIZERS_", "MPL", "LD_",
)  # fmt: skip
# Libraries that start a thread when imported, told not to; and a check for a GPU that does not initialise CUDA.
_SINGLE_THREADED = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
_START_TIMEOUT_S = 180


class Zygote:
    """A process that imports modules and then forks kernels on request; `wait_until_ready` says whether it can.

    Args:
        modules: what it imports.
        env: its environment; kernels get the values that libraries read at import from it.
    """

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rftlab.execute.zygote", str(theirs.fileno()), *modules],
            env={**env, **_SINGLE_THREADED},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            start_new_session=True,
        )
        theirs.close()
        self._asking = threading.Lock()
        self._news = threading.Condition()
        self._state: dict[str, Any] = {}
        self._codes: dict[int, int] = {}
        self._forked: list[int] = []
        self._gone = False
        self._listener = threading.Thread(target=self._listen, name="zygote", daemon=True)
        self._listener.start()

    @property
    def alive(self) -> bool:
        """False once the process has ended; its kernels then end within a second."""
        return not self._gone

    def wait_until_ready(self, stop: Callable[[], object] = lambda: False) -> list[str]:
        """Wait for the imports; the modules that could not be imported and are left to the notebooks.

        Args:
            stop: asked now and then; once it says yes, waiting ends with nothing learnt.

        Raises:
            RftlabError: it ended, took too long, or importing left it unfit to fork.
        """
        with self._news:
            deadline = time.monotonic() + _START_TIMEOUT_S
            while not (self._state or self._gone or time.monotonic() > deadline):
                if stop():
                    return []
                self._news.wait(0.2)
            if "ready" in self._state:
                return list(self._state["ready"])
            why = self._state.get("unfit") or self._last_complaint() or "the imports take too long"
        self.close()
        raise RftlabError(f"warm kernels are not possible here ({why}); use --kernel cold")

    def fork(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], log: str) -> "ForkedProcess":
        """A new kernel.

        Args:
            argv: arguments of `rftlab.execute.kernel`.
            cwd: its working folder.
            env: its environment.
            log: file for what it writes past Jupyter.

        Raises:
            RftlabError: there is no process to fork from.
        """
        self.wait_until_ready()
        request = {"argv": list(argv), "cwd": cwd, "env": dict(env), "log": log}
        with self._asking:
            with contextlib.suppress(OSError):
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            with self._news:
                self._news.wait_for(lambda: self._forked or self._gone)
                if not self._forked:
                    raise RftlabError("the process that warm kernels are forked from has ended; use --kernel cold")
                return ForkedProcess(self._forked.pop(), self)

    def code(self, pid: int) -> int | None:
        """Exit code of a kernel, negative for a signal; None while it runs."""
        with self._news:
            return -signal.SIGKILL if self._gone else self._codes.get(pid)

    def wait(self, pid: int) -> int:
        """Wait for a kernel to end; its exit code."""
        with self._news:
            self._news.wait_for(lambda: self._gone or pid in self._codes)
            return self._codes.get(pid, -signal.SIGKILL)

    def close(self) -> None:
        """End the process; kernels of it that still run end by themselves."""
        self._process.kill()
        self._listener.join()
        self._socket.close()
        self._complaints.close()

    def _listen(self) -> None:
        with self._socket.makefile("rb") as lines:
            for line in lines:
                self._hear(json.loads(line))
        self._process.wait()
        with self._news:
            self._gone = True
            self._news.notify_all()

    def _hear(self, message: Mapping[str, Any]) -> None:
        with self._news:
            if "code" in message:
                self._codes[message["pid"]] = message["code"]
            elif "pid" in message:
                self._codes.pop(message["pid"], None)  # of an earlier process that had the same number
                self._forked.append(message["pid"])
            else:
                self._state = dict(message)
            self._news.notify_all()

    def _last_complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if self._gone and lines else ""


class ForkedProcess:
    """A forked kernel, with the part of subprocess.Popen's interface that jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, zygote: Zygote) -> None:
        self.pid, self._zygote = pid, zygote

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        return self._zygote.code(self.pid)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._zygote.wait(self.pid)

    def send_signal(self, signum: int) -> None:
        """Signal the process, unless it has ended and its number may be another's by now."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it now."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by forking; all else is the local provisioner's."""

    process: Any = None
    modules: List = List(Unicode(), help="modules the kernels find imported").tag(config=True)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel that `cmd`, a call of `python -m rftlab.execute.kernel`, would have started."""
        log = kwargs.get("stdout")
        self.cwd = str(kwargs.get("cwd") or os.getcwd())
        self.process = zygote_for(self.modules, kwargs["env"]).fork(
            cmd[cmd.index("rftlab.execute.kernel") + 1 :],
            cwd=self.cwd,
            env=kwargs["env"],
            log=getattr(log, "name", os.devnull),
        )
        self.pid = self.pgid = self.process.pid
        return self.connection_info


_zygotes: dict[tuple[Any, ...], Zygote] = {}
_zygotes_lock = threading.Lock()


def zygote_for(modules: Sequence[str], env: Mapping[str, str]) -> Zygote:
    """This process's zygote for these modules and import-time settings, started if there is none alive.

    Raises:
        RftlabError: not on Linux.
    """
    if not sys.platform.startswith("linux"):
        raise RftlabError("warm kernels need Linux; use --kernel cold")
    frozen = frozenset(item for item in env.items() if item[0].startswith(_FROZEN_PREFIXES))
    key = (tuple(modules), frozen)
    with _zygotes_lock:
        found = _zygotes.get(key)
        if found is None or not found.alive:
            if found is not None:
                found.close()
            found = _zygotes[key] = Zygote(modules, env)
        return found


@atexit.register
def close_all() -> None:
    """End every zygote of this process."""
    with _zygotes_lock:
        while _zygotes:
            _zygotes.popitem()[1].close()


# The entry point of the installed package says the same; this serves a checkout that was never installed.
KernelProvisionerFactory.provisioners.setdefault(
    NAME, EntryPoint(NAME, f"{__name__}:WarmProvisioner", KernelProvisionerFactory.GROUP_NAME)
)
