"""The driver's side of an ordinary process: what `unsandboxed` is where no zygote can be forked (Windows)."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

UNSANDBOXED = "unsandboxed"
_SCRIPT = Path(__file__).with_name("plain_child.py")
_START_SECONDS = 120.0


class PlainWorker:
    """Answers jobs as `worker.Worker` does, with limits on time, on memory where the system has them, and no isolation.

    Args:
        target: "module:function" to import and call; "" runs code instead, each job's in a new process.
        path: folders the target's modules are imported from.
        warm: argument lists the target is called with once.
        python: the interpreter; by default the one this process's environment is built on.

    Raises:
        OSError: the process does not start.
    """

    level = UNSANDBOXED

    def __init__(
        self, *, target: str = "", path: Sequence[str] = (), warm: Sequence[Sequence] = (), python: str = "", **_: Any
    ) -> None:
        self.target, self.owner = target, os.getpid()
        self._config = {"target": target, "path": list(path), "warm": list(warm)}
        self._python = python or os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.close = weakref.finalize(self, _end, self._processes, self.owner)
        self._start()

    def ask(self, job: dict[str, Any]) -> list[bytes]:
        """Run a job; one JSON line of untrusted text for each case.

        Raises:
            OSError: the process does not start again.
        """
        cases, end = job["cases"], time.monotonic() + job["total_s"]
        lines: list[bytes] = []
        while len(lines) < len(cases):
            rest = cases[len(lines) : len(lines) + 1] if job["fresh"] else cases[len(lines) :]
            got, why = self._some({**job, "cases": rest}, end)
            lines += got
            if len(got) < len(rest):
                given_up = 1 if job["resume"] and time.monotonic() < end else len(cases) - len(lines)
                lines += [json.dumps({"x": why}).encode()] * given_up
            if why or job["fresh"] or not self.target:
                _end(self._processes, self.owner)
        return lines

    def _some(self, job: dict[str, Any], end: float) -> tuple[list[bytes], str]:
        """Result lines as far as they came, and why no more did."""
        if not self._processes:
            self._start()
        stream = self._processes[0].stdin
        assert stream is not None
        with contextlib.suppress(OSError):
            stream.write(json.dumps(job).encode() + b"\n")
            stream.flush()
        got: list[bytes] = []
        size = 0
        while True:
            line = self._line(min(end, time.monotonic() + job["case_s"]) - time.monotonic())
            size += len(line or b"")
            if line is None or size > job["output_bytes"]:
                return got, "timeout" if line is None else "output"
            if not line:
                return got, "the process ended"
            if line == _DONE:
                return got, "" if len(got) == len(job["cases"]) else "the code does not load"
            got.append(line)

    def _start(self) -> None:
        self._lines = queue.SimpleQueue()
        process = subprocess.Popen(
            [self._python, "-P", "-s", "-S", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}
            | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self._processes[:] = [process]
        assert process.stdin is not None
        assert process.stdout is not None
        threading.Thread(target=_read, args=(process.stdout, self._lines), daemon=True).start()
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(self._config).encode() + b"\n")
            process.stdin.flush()
        if self._line(_START_SECONDS) != _DONE:
            _end(self._processes, self.owner)
            raise OSError(f"no ordinary process with {self.target or 'Python'} starts either")

    def _line(self, patience: float) -> bytes | None:
        """The next line; b"" at the end of the process, None where none came in time."""
        try:
            return self._lines.get(timeout=max(0.0, patience))
        except queue.Empty:
            return None


_DONE = b'{"end":true}'


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with stream, contextlib.suppress(OSError, ValueError):
        for line in stream:
            lines.put(line.rstrip(b"\n"))
    lines.put(b"")


def _end(processes: list[subprocess.Popen[bytes]], owner: int) -> None:
    """Kill the process, unless this is a fork's copy of it, and forget it."""
    while processes:
        process = processes.pop()
        if os.getpid() != owner:
            process.returncode = 0
            continue
        process.kill()
        process.wait()
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
