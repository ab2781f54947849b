"""The process inside the sandbox: starts once, locks itself down, forks one child for each check.

Runs as a script of its own, ``python -P -s -S zygote.py``, never as a fork of the trainer, with an empty environment.
Its file descriptor 0 is a socket to the driver. The driver is trusted, the children are not.

A child inherits every page of this process, freed ones too, and hostile code can read them. So nothing of a check may
ever lie in this process's memory: a job is a few numbers and the descriptor of a file that the child alone reads; what
the child writes passes through one buffer, which is cleared before the next fork. Nothing of it is parsed here.
Standard library only; its neighbours ``inside``, ``lockdown`` and ``values`` are loaded by path.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import platform
import select
import signal
import socket
import struct
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

# A reply's head: bytes of result lines, cases they answer, cases given up, bytes of the reason, whether it is the last.
REPLY = struct.Struct("!IIII?")
QUIET_MS = 20
# Imported before the fork, so that no child has to; where a child may not open files it can import no more than this.
PREIMPORT = (
    "abc array ast bisect calendar cmath collections collections.abc contextlib copy dataclasses datetime decimal enum "
    "encodings.ascii encodings.latin_1 fractions functools heapq html inspect io itertools json keyword math numbers "
    "operator queue random re reprlib statistics string struct textwrap threading types typing unicodedata weakref"
)
PREIMPORT_WHERE_CLOSED = (
    "_strptime base64 binascii csv difflib encodings.idna graphlib hashlib hmac locale secrets stringprep timeit token "
    "tokenize traceback uuid zlib"
)


@contextlib.contextmanager
def _no_fork_hooks() -> Iterator[None]:
    """Keep random (which reseeds itself) and threading from hooking into fork: 0.8 ms for each check, for nothing."""
    register = os.register_at_fork
    os.register_at_fork = lambda **hooks: None
    try:
        yield
    finally:
        os.register_at_fork = register


def _neighbour(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


inside = _neighbour("inside")


def receive(control: socket.socket) -> dict | None:
    """Read one message; None where the driver has gone."""
    head = _exactly(control, 4)
    body = _exactly(control, struct.unpack("!I", head)[0]) if head else None
    return json.loads(body) if body else None


def _exactly(control: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = control.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(control: socket.socket, body: bytes) -> None:
    """Write one message."""
    control.sendall(struct.pack("!I", len(body)) + body)


def receive_job(control: socket.socket) -> tuple[dict, int] | None:
    """Read a job's numbers and the descriptor of its file; None where the driver has gone."""
    head, files, _, _ = socket.recv_fds(control, 4, 1)
    rest = _exactly(control, 4 - len(head)) if head else None
    body = _exactly(control, struct.unpack("!I", head + rest)[0]) if rest is not None else None
    return (json.loads(body), files[0]) if body and files else None


def read_part(file: int, start: int, end: int) -> bytes:
    """Bytes of a job's file; by ``pread``, because all its children share one position."""
    parts = []
    while start < end:
        parts.append(os.pread(file, end - start, start))
        start += len(parts[-1]) or end
    return b"".join(parts)


class Zygote:
    """Serves jobs until the driver's end of the socket closes."""

    def __init__(self, control: socket.socket, config: dict) -> None:
        self.control, self.config = control, config
        self.lockdown, values = _neighbour("lockdown"), _neighbour("values")
        self.lock = None
        self.late, self.closed = inside.Late(), "noopen" in config["level"]
        target = self._prepare()
        self.inside = inside.Inside(values, target, self.late)
        self.null = os.open(os.devnull, os.O_RDWR)
        self._make_room(1 << 16)
        self.abi = self._lock()

    def _prepare(self) -> Callable | None:
        sys.dont_write_bytecode = True
        sys.path += self.config["path"]
        late = PREIMPORT_WHERE_CLOSED if self.closed else ""
        with _no_fork_hooks():
            for name in f"{PREIMPORT} {late}".split():
                importlib.import_module(name)
        sys.modules["random"].seed(0)
        if not self.config["target"]:
            return None
        module, _, attribute = self.config["target"].partition(":")
        target = getattr(importlib.import_module(module), attribute)
        for args in self.config["warm"]:
            target(*args)
        for name in self.config["late"]:
            self.late.fetch(name)
        return target

    def _lock(self) -> int:
        level = self.config["level"]
        self.lockdown.limit_for_good()
        if level == "unsandboxed":
            return 0
        program = self.lockdown.filter_program(platform.machine(), "noopen" not in level)
        self.lock = self.lockdown.ChildLock(program, os.getpid())
        self.lockdown.give_up_privileges()
        return self.lockdown.landlock(self.config["readable"]) if "landlock" in level else 0

    def serve(self) -> None:
        """Answer every job with the result lines of its children."""
        while message := receive_job(self.control):
            job, file = message
            try:
                self.answer(job, file)
            finally:
                os.close(file)

    def answer(self, job: dict, file: int) -> None:
        """Run a job's cases in as few children as it allows, and send one reply for each child."""
        done, count = 0, len(job["ends"]) - 1
        end = time.monotonic() + job["total_s"]
        if len(self.bytes) < REPLY.size + job["output_bytes"] + 400:
            self._make_room(REPLY.size + job["output_bytes"] + 400)
        while done < count:
            wanted = 1 if job["fresh"] else count - done
            size, got, why = self.check(job, file, done, done + wanted, end)
            done += got
            given_up = 0
            if got < wanted:
                given_up = 1 if job["resume"] and time.monotonic() < end else count - done
            done += given_up
            self._reply(size, got, given_up, why.encode(), done == count)

    def _make_room(self, size: int) -> None:
        self.bytes = bytearray(size)
        self.buffer = memoryview(self.bytes)

    def _reply(self, size: int, got: int, given_up: int, why: bytes, last: bool) -> None:
        REPLY.pack_into(self.buffer, 0, size, got, given_up, len(why), last)
        whole = REPLY.size + size + len(why)
        self.buffer[REPLY.size + size : whole] = why
        self.control.sendall(self.buffer[:whole])
        self.buffer[:whole] = bytes(whole)

    def check(self, job: dict, file: int, first: int, stop: int, end: float) -> tuple[int, int, str]:
        """Fork one child for some cases; return the bytes and lines it left in the buffer, and why it stopped."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            self._become_child(job, file, first, stop, writer)
        os.close(writer)
        try:
            size, got, why = self._listen(reader, job, stop - first, end)
        finally:
            os.close(reader)
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        if why == "ended":
            why = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
        return size, got, why

    def _listen(self, reader: int, job: dict, wanted: int, end: float) -> tuple[int, int, str]:
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(reader, 0)
        size, got = 0, 0
        room = self.buffer[REPLY.size : REPLY.size + job["output_bytes"]]
        deadline = min(end, time.monotonic() + job["case_s"])
        # Most checks end at once: be woken by the end alone, not by each line.
        poller.poll(QUIET_MS)
        poller.modify(reader, select.POLLIN)
        while got < wanted:
            ready = poller.poll(max(0, deadline - time.monotonic()) * 1000)
            if not ready:
                return size, got, "timeout"
            if any(number == self.control.fileno() for number, _ in ready):
                return size, got, "driver gone"
            if size == len(room):
                return size, got, "output"
            # Straight into the buffer: a copy on the heap would be there for the next child to find.
            read = os.readv(reader, [room[size : size + (1 << 16)]])
            if not read:
                return size, got, "ended"
            lines = self.bytes.count(b"\n", REPLY.size + size, REPLY.size + size + read)
            size += read
            if lines:
                got = min(wanted, got + lines)
                deadline = min(end, time.monotonic() + job["case_s"])
        return size, got, ""

    def _become_child(self, job: dict, file: int, first: int, stop: int, writer: int) -> None:
        try:
            ends = job["ends"]
            task = json.loads(read_part(file, 0, ends[0]))
            cases = [json.loads(line) for line in read_part(file, ends[first], ends[stop]).splitlines()]
            for number in (0, 1, 2):
                os.dup2(self.null, number)
            if writer != inside.RESULT:
                os.dup2(writer, inside.RESULT)
            os.closerange(inside.RESULT + 1, 256)
            self.lockdown.limit_check(int(job["total_s"]) + 1, job["memory_bytes"])
            if self.lock:
                self.lock.die_with_parent()
                if self.closed:
                    self.late.fetch_named(task["code"] or "")
                    for name in task["late"]:
                        self.late.fetch(name)
                    sys.meta_path.append(self.late)
                self.lock.seccomp()
            self.inside.run(job, task, cases)
        except BaseException as error:
            with contextlib.suppress(BaseException):
                inside.emit({"e": inside.describe(error)})
        finally:
            os._exit(0)


def main() -> None:
    """Read the configuration, prepare, say hello, serve."""
    import resource  # not there on Windows, where `plain_child` uses what is above

    control = socket.socket(fileno=0)
    config = receive(control) or sys.exit()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        zygote = Zygote(control, config)
    except BaseException as error:
        send(control, json.dumps({"error": inside.describe(error)}).encode())
        return
    for number in (1, 2):
        os.dup2(zygote.null, number)
    gc.collect()
    gc.freeze()
    send(control, json.dumps({"landlock": zygote.abi, "python": platform.python_version()}).encode())
    zygote.serve()


if __name__ == "__main__":
    main()
