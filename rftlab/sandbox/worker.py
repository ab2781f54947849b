"""The driver's side of one sandbox process: how it is started at a level, asked, and ended."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from rftlab.sandbox import values
from rftlab.sandbox.canaries import CANARIES, CANARY_CODE
from rftlab.sandbox.plain import UNSANDBOXED, PlainWorker

# Strongest first. "noopen" forbids opening files and looking them up at all, which also closes what Landlock cannot.
LADDER = (
    "bwrap+landlock+seccomp",
    "bwrap+seccomp-noopen",
    "landlock+seccomp",
    "landlock+seccomp-noopen",
    "seccomp-noopen",
)
OPT_OUT = "verifier_settings: {allow_unsandboxed: true}"
"""How a grid accepts, by name, that what a model wrote runs without isolation."""
START_SECONDS = 60.0
# Extension modules of the standard library (zlib, sqlite3) load shared libraries from here.
SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
# What of a job the zygote must not see.
_TASK = ("code", "entry", "late")
# What precedes each child's result lines; the zygote's file says what it holds.
_REPLY = struct.Struct("!IIII?")
_SCRIPT = Path(__file__).with_name("zygote.py")
_INSIDE = (_SCRIPT, _SCRIPT.with_name("lockdown.py"), _SCRIPT.with_name("values.py"))
# Numerical libraries start a thread pool on import unless told not to; a zygote that forks must have one thread.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

_pools: weakref.WeakSet = weakref.WeakSet()


def forget_in_forks(pool: object) -> None:
    """Have ``pool.forget()`` called in every fork of this process, where its locks and workers are not its own."""
    _pools.add(pool)


def _after_fork() -> None:
    for pool in list(_pools):
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class WorkerError(OSError):
    """A sandbox process that did not start, or that ended while it was asked."""


class Worker:
    """One zygote process at one level of the ladder.

    Args:
        level: a rung of ``LADDER``, or ``UNSANDBOXED``.
        target: "module:function" to import and call; "" runs code instead.
        path: folders the target's modules are imported from.
        readable: folders and files that code inside may read, besides the standard library.
        warm: argument lists the target is called with before the process locks itself down.
        late: modules the target imports late, imported before the process locks itself down.
        python: the interpreter; by default the one this process's environment is built on.

    Raises:
        WorkerError: the process did not come up; the text says why.
    """

    def __init__(
        self,
        level: str,
        *,
        target: str = "",
        path: Sequence[str] = (),
        readable: Sequence[str] = (),
        warm: Sequence[Sequence] = (),
        late: Sequence[str] = (),
        python: str = "",
    ) -> None:
        self.level, self.owner = level, os.getpid()
        python = python or os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        library = [str(Path(os.__file__).parent), *SYSTEM_LIBRARIES, *readable]
        command = [python, "-P", "-s", "-S", str(_SCRIPT)]
        if level.startswith("bwrap"):
            command = [*_bubblewrap(library), *command]
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise WorkerError(f"{command[0]} does not start: {error}") from None
        finally:
            theirs.close()
        self._socket = ours
        self._errors = cast("IO[bytes]", self._process.stderr)
        self.close = weakref.finalize(self, _end, self._process, ours, self.owner)
        config = {"level": level, "target": target, "path": list(path), "readable": library, "warm": list(warm)}
        config["late"] = list(late)
        self.hello = self._greet(config)

    def _greet(self, config: dict) -> dict:
        try:
            hello = json.loads(self._exchange(config, START_SECONDS))
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._process.wait(2)
            said = ""
            if self._process.poll() is not None:
                said = self._errors.read().decode(errors="replace").strip()[-300:]
            self.close()
            raise WorkerError(said or f"no greeting: {error}") from None
        self._errors.close()
        if "error" in hello:
            self.close()
            raise WorkerError(hello["error"])
        return hello

    @property
    def pid(self) -> int:
        """Process id of the zygote, or of the bubblewrap around it."""
        return self._process.pid

    def ask(self, job: dict) -> list[bytes]:
        """Run a job; one JSON line of untrusted text for each case.

        Raises:
            WorkerError: the process ended or did not answer in time; it is closed.
        """
        try:
            with _job_file(job) as (numbers, file):
                lines = self._answered(numbers, file)
        except OSError as error:
            self.close()
            raise WorkerError(f"the sandbox process ended: {error}") from None
        if len(lines) != len(job["cases"]):
            self.close()
            raise WorkerError("the sandbox process answered out of step")
        return lines

    def _answered(self, numbers: dict, file: int) -> list[bytes]:
        body = json.dumps(numbers).encode()
        body = struct.pack("!I", len(body)) + body
        self._socket.settimeout(numbers["total_s"] + 10.0)
        sent = socket.send_fds(self._socket, [body], [file])
        self._socket.sendall(body[sent:])
        lines: list[bytes] = []
        last = False
        while not last:
            size, got, given_up, why, last = _REPLY.unpack(self._receive(_REPLY.size))
            lines += self._receive(size).split(b"\n")[:got]
            reason = self._receive(why).decode()
            lines += [json.dumps({"x": reason}).encode()] * given_up
        return lines

    def _exchange(self, message: dict, patience: float) -> bytes:
        body = json.dumps(message).encode()
        self._socket.settimeout(patience)
        self._socket.sendall(struct.pack("!I", len(body)) + body)
        size = struct.unpack("!I", self._receive(4))[0]
        return self._receive(size)

    def _receive(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._socket.recv(min(size, 1 << 20))
            if not part:
                raise WorkerError("the connection closed")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def canaries(self) -> list[str]:
        """Try to break out in ten ways and to do one honest thing; what went wrong, by name."""
        # Landlock never covers stat(); documented for this level.
        names = [name for name in CANARIES if name != "stat" or self.level != "landlock+seccomp"]
        cases = [[values.encode([name]), ["d"]] for name in names]
        lines = self.ask(make_job(cases, code=CANARY_CODE, entry="probe", case_s=5.0, total_s=10.0))
        return [
            f"{name}: {line.decode(errors='replace')[:120]}"
            for name, line in zip(names, lines, strict=True)
            if json.loads(line) != CANARIES[name]
        ]


@contextlib.contextmanager
def _job_file(job: dict) -> Iterator[tuple[dict, int]]:
    """A job as numbers for the zygote and a file in memory for its children: first the code, then a case a line."""
    task = json.dumps({name: job[name] for name in _TASK}).encode()
    parts = [task, *[json.dumps(case).encode() + b"\n" for case in job["cases"]]]
    numbers = {name: value for name, value in job.items() if name not in ("cases", *_TASK)}
    numbers["ends"] = list(itertools.accumulate(map(len, parts)))
    with _file_in_memory() as file:
        file.write(b"".join(parts))
        file.flush()
        yield numbers, file.fileno()


def _file_in_memory() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("job"), "w+b")
    return tempfile.TemporaryFile()


def make_job(
    cases: list,
    *,
    code: str | None = None,
    entry: str = "",
    case_s: float = 2.0,
    total_s: float = 5.0,
    memory_mb: int = 512,
    output_bytes: int = 1 << 20,
    steps: int = 0,
    resume: bool = False,
    fresh: bool = False,
) -> dict:
    """A job for ``Worker.ask``.

    Args:
        cases: pairs of encoded positional and encoded keyword arguments.
        code: source text that defines ``entry``; None calls the worker's target.
        entry: name of the function in ``code``.
        case_s: wall seconds until a case is given up.
        total_s: wall seconds for all cases together.
        memory_mb: address space in MiB.
        output_bytes: bytes that a child may send back.
        steps: count interpreter steps and stop beyond this many; 0 does not count.
        resume: go on with the next case, in a new child, after one that was given up.
        fresh: a new child for each case.
    """
    return {
        "cases": cases,
        "code": code,
        "entry": entry,
        "late": [],
        "case_s": case_s,
        "total_s": total_s,
        "memory_bytes": memory_mb << 20,
        "output_bytes": output_bytes,
        "steps": steps,
        "resume": resume,
        "fresh": fresh,
    }


def sentence(said: object) -> str:
    """What a child said went wrong, made fit for a record: one line, at most 300 characters, no lone surrogates."""
    text = said if isinstance(said, str) else ""
    return " ".join(text.encode(errors="replace").decode().split())[:300]


def late_import(line: bytes) -> str:
    """The module that a call could not import at a level without opening files, as the child says; "" where none."""
    if b'"late"' not in line:
        return ""
    try:
        name = json.loads(line).get("late")
    except (ValueError, RecursionError, AttributeError):
        return ""
    return name if isinstance(name, str) and name.isascii() and name.replace(".", "").isidentifier() else ""


def start_strongest(levels: Sequence[str], **settings: Any) -> tuple[Worker | PlainWorker | None, dict[str, str]]:
    """Start a worker at the first level that comes up and passes its canaries.

    Args:
        levels: levels in order of preference.
        settings: further arguments of ``Worker``; where not even the level "unsandboxed" can fork, of ``PlainWorker``.

    Returns:
        The worker, None where no level held, and why each earlier level did not.
    """
    failures = {}
    for level in levels:
        try:
            worker = Worker(level, **settings)
            escaped = [] if level == UNSANDBOXED else worker.canaries()
        except (OSError, ValueError, AttributeError) as error:  # of a system that lacks a call, the last
            failures[level] = str(error)
            if level == UNSANDBOXED:
                with contextlib.suppress(OSError):
                    return PlainWorker(**settings), failures
            continue
        if not escaped:
            return worker, failures
        worker.close()
        failures[level] = f"canaries failed: {'; '.join(escaped)}"
    return None, failures


def default_levels(allow_unsandboxed: bool) -> tuple[str, ...]:
    """The ladder for this user: root skips the rung on which any path's stat() would be visible."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    levels = tuple(level for level in LADDER if not (root and level == "landlock+seccomp"))
    return (*levels, UNSANDBOXED) if allow_unsandboxed else levels


def _bubblewrap(readable: Sequence[str]) -> list[str]:
    program = shutil.which("bwrap")
    if not program:
        raise WorkerError("bubblewrap is not installed")
    command = [program, "--unshare-all", "--new-session", "--cap-drop", "ALL", "--clearenv", "--dev", "/dev"]
    for name, value in _ENVIRONMENT.items():
        command += ["--setenv", name, value]
    command += ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for folder in ("/bin", "/lib", "/lib64"):
        if Path(folder).is_symlink():
            command += ["--symlink", str(Path(folder).readlink()), folder]
        elif Path(folder).is_dir():
            command += ["--ro-bind", folder, folder]
    shown = [sys.base_prefix, *map(str, _INSIDE), *[path for path in readable if path not in SYSTEM_LIBRARIES]]
    for path in dict.fromkeys(os.path.realpath(path) for path in shown):
        if not path.startswith("/usr/") and path != "/usr":
            command += ["--ro-bind-try", path, path]
    return [*command, "--chdir", "/"]


def _end(process: subprocess.Popen, connection: socket.socket, owner: int) -> None:
    connection.close()
    if os.getpid() != owner:
        process.returncode = 0  # a fork's copy: not its child to wait for
        return
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr:
        process.stderr.close()
