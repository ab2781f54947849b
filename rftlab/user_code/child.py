"""A function called in a process of its own, for code that is the user's: a task, a verifier, a method.

Whatever such code does (it raises, ends its process, hangs, prints without end, changes the working folder or signal
handlers, starts threads) this process goes on, and an error says what it was doing. The child is
`python -m rftlab.user_code.child`: it gets nonce, function and argument as JSON on its standard input, and answers on
what was its standard output, which nothing else can reach: prints go to standard error. An answer without the nonce is
none.
"""

import contextlib
import faulthandler
import importlib
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import IO, Any, NoReturn

from rftlab.errors import RftlabError, line_in_dump, one_line, told
from rftlab.files.paths import import_path

# Seconds one step of a user's code may take where nothing else is said.
LIMIT_S = 60.0
# A child ends itself when its time is up, with a traceback; this much later it is killed.
_GRACE_S = 5.0
_KEPT_BYTES = 4096
_MAX_LINES = 400


def call(target: str, argument: Any, *, limit: float | None = None, heard: Callable[[Any], None] | None = None) -> Any:
    """What the function ``target`` ("module:function" of rftlab) returns for ``argument``, called in a new process.

    Args:
        target: takes one JSON value and returns one; says by `announce` what it is about to do.
        argument: a JSON value.
        limit: seconds each announced step may take, where it does not bring its own limit; by default `LIMIT_S`, which
            people cannot change.
        heard: called with each value that the function hands over (`hand`) before it returns.

    Raises:
        RftlabError: the function raised one; or it raised anything else, ended the process or ran out of time. The
            sentence says at what, and names file and line of the user's code where they are known.
    """
    child = Child(target, argument, limit, heard)
    try:
        return child.answer()
    finally:
        child.end()


def _start(env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "rftlab.user_code.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that what it starts can be ended with it
        env=dict(env),
    )


class Child:
    """A function that is called in a process of its own: `answer` waits for what it returns, `end` for nothing.

    Args:
        target: as of `call`, as the next three.
        argument: see there.
        limit: see there.
        heard: see there.
        environment: variables of the process beside this one's.
    """

    def __init__(
        self,
        target: str,
        argument: Any,
        limit: float | None,
        heard: Callable[[Any], None] | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._handed = heard
        self._nonce = secrets.token_hex(16)
        self._asked, limit = limit, limit or LIMIT_S
        self._doing, self._limit = "being started", max(limit, LIMIT_S)
        self._loose: deque[str] = deque(maxlen=_MAX_LINES)
        self._printed = b""
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = _start({**os.environ, **import_path(), **environment})
        request = {"nonce": self._nonce, "target": target, "argument": argument, "limit": limit}
        for work in (self._write, self._listen, self._drain):
            threading.Thread(target=work, args=(json.dumps(request),), daemon=True).start()

    def answer(self) -> Any:
        """What the function returns.

        Raises:
            RftlabError: as `call`.
        """
        deadline = time.monotonic() + self._limit + _GRACE_S
        while time.monotonic() < deadline:
            ended = self._process.poll() is not None
            try:
                line = self._heard.get(timeout=0.2)
            except queue.Empty:
                if ended:
                    raise self._ended() from None
                continue
            message = self._understood(line)
            if "result" in message:
                return message["result"]
            if "error" in message:
                error = RftlabError(message["error"])
                error.about, error.value = message.get("about", ""), message.get("value")
                error.add_note(message.get("traceback", ""))
                raise error
            if "part" in message:
                if self._handed is not None:
                    self._handed(message["part"])
            elif message:
                self._doing, self._limit = message["doing"], message["limit"]
                deadline = time.monotonic() + self._limit + _GRACE_S
        raise self._late()

    def end(self) -> None:
        """End the child and all it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _understood(self, line: str) -> dict[str, Any]:
        if line.startswith(self._nonce):
            message: dict[str, Any] = json.loads(line.removeprefix(self._nonce))
            return message
        self._loose.append(line)
        return {}

    def _ended(self) -> RftlabError:
        if any(line.startswith("Timeout (") for line in self._loose):
            return self._late()
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        said = one_line((self._printed.decode(errors="replace").strip().splitlines() or [""])[-1])
        place = line_in_dump(self._loose)
        return RftlabError(
            f"{self._doing}: the process {how} before it was done{place}; "
            f"code that is loaded must not end the process{f' (last it printed: {said})' if said else ''}"
        )

    def _late(self) -> RftlabError:
        more = ", or allow more with --check-timeout" if self._limit == self._asked else ""
        return RftlabError(
            f"{self._doing}: did not finish within {self._limit:g} s{line_in_dump(self._loose)}; make it faster{more}"
        )

    def _write(self, request: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()  # stays open: by its end the child knows that this process is gone

    def _listen(self, _request: str) -> None:
        for line in _lines(self._process.stdout):
            self._heard.put(line)

    def _drain(self, _request: str) -> None:
        stream = self._process.stderr
        assert stream is not None
        with contextlib.suppress(OSError), stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                self._printed = (self._printed + chunk)[-_KEPT_BYTES:]


def _lines(stream: IO[bytes] | None) -> Iterator[str]:
    assert stream is not None
    with contextlib.suppress(OSError), stream:
        for line in stream:
            yield line.decode(errors="replace").rstrip("\n")


# A user's code gets another one under this name: see `_Reporter.left`.
_leave = os._exit


class _Reporter:
    """The child's way to answer; nothing leaves a process that it forks."""

    def __init__(self, descriptor: int, nonce: str, limit: float) -> None:
        self._descriptor, self._nonce, self._limit, self._pid = descriptor, nonce, limit, os.getpid()
        self.doing = "being started"

    def announce(self, doing: str, limit: float | None) -> None:
        self.doing, limit = doing, self._limit if limit is None else limit
        # Its own thread in C: it works also while a regular expression or a foreign function holds the interpreter.
        faulthandler.dump_traceback_later(limit, exit=True, file=self._descriptor)
        self._say({"doing": doing, "limit": limit})

    def hand(self, value: Any) -> None:
        self._say({"part": value})

    def answer(self, message: dict[str, Any]) -> None:
        self._say(message)
        _leave(0)  # exit handlers and threads that were left behind are the user's too

    def left(self, status: int) -> NoReturn:
        """What a user's code calls as `os._exit`."""
        if os.getpid() == self._pid:
            faulthandler.dump_traceback(self._descriptor)
        _leave(status)

    def _say(self, message: dict[str, Any]) -> None:
        if os.getpid() != self._pid:
            _leave(1)
        rest = memoryview(f"{self._nonce}{json.dumps(message)}\n".encode())
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


_reporter: _Reporter | None = None


def announce(doing: str, *, limit: float | None = None) -> None:
    """Say what is about to be done, as the error would have it ("loading task 'mine.py:make'"), and start its time.

    Does nothing outside a child, so that what announces can be called anywhere.

    Args:
        doing: what is done next.
        limit: seconds it may take; None takes the caller's limit.
    """
    if _reporter is not None:
        _reporter.announce(doing, limit)


def hand(value: Any) -> None:
    """Give the caller a JSON value before the function returns; nothing happens outside a child."""
    if _reporter is not None:
        _reporter.hand(value)


def _main() -> None:
    global _reporter
    answers = os.dup(1)
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_parent, args=(os.dup(0),), daemon=True).start()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    reporter = _reporter = _Reporter(answers, request["nonce"], request["limit"])
    faulthandler.enable(answers)  # where it crashes, and below where it is ended, is told: `line_in_dump`
    os._exit = reporter.left
    module, _, function = request["target"].partition(":")
    try:
        result = getattr(importlib.import_module(module), function)(request["argument"])
        message = {"result": json.loads(json.dumps(result))}
    except RftlabError as error:
        text = one_line(str(error)) if "\n" in str(error) else str(error)
        message = {"error": text, "about": error.about, "value": error.value, "traceback": _trace(error)}
    except BaseException as error:
        message = {"error": f"{reporter.doing}: {told(error)}", "traceback": _trace(error)}
    reporter.answer(message)


def _leave_with_parent(descriptor: int) -> None:
    os.read(descriptor, 1)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    _leave(1)


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


if __name__ == "__main__":
    # Run as a program this module is `__main__`; those who announce import it by its name.
    from rftlab.user_code import child

    child._main()
