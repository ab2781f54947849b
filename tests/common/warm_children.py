"""Children of tests (`rftlab.user_code.child`) are forked from a process that has imported what they would import.

Each is a process of its own as ever, with its own session, streams, folder and environment; what is spared is the
seconds that its imports take. Where an environment differs in what libraries read at import, a child is started cold.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rftlab.execute.warm import _FROZEN_PREFIXES, _SINGLE_THREADED
from rftlab.files.paths import import_path

# Compiled under a name of no file, so that no line of it is taken for one of the user's in a traceback.
_SERVER = Path(__file__).with_name("warm_child_server.py")
_PROGRAM = "import sys; exec(compile(open(sys.argv[1]).read(), '<warm>', 'exec'))"


class WarmChildren:
    """Starts children as `child._start` does; its own process begins with the first of them."""

    def __init__(self, cold: Callable[[Mapping[str, str]], Any]) -> None:
        self._cold = cold
        self._env = {**os.environ, **import_path()}
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self, env: Mapping[str, str]) -> Any:
        """A child, with the part of subprocess.Popen's interface that `child` uses."""
        if _frozen(env) != _frozen(self._env):
            return self._cold(env)
        if self._control is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, _SERVER, str(theirs.fileno())],
                env={**self._env, **_SINGLE_THREADED},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            theirs.close()
        return Forked(self._control, env)

    def close(self) -> None:
        """End the process."""
        if self._control is not None and self._server is not None:
            self._control.close()
            self._server.kill()
            self._server.wait()


def _frozen(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_FROZEN_PREFIXES)}


class Forked:
    """A child of a process that is not this one; a process between them says how it ended."""

    def __init__(self, control: socket.socket, env: Mapping[str, str]) -> None:
        theirs, self.stdin = _pipe("wb")
        self.stdout, out = _pipe("rb")
        self.stderr, err = _pipe("rb")
        self._ending, told = _pipe("rb")
        ends = [theirs, out, err, told]
        request = json.dumps({"env": dict(env), "cwd": os.getcwd()}).encode()
        socket.send_fds(control, [request], ends)
        for each in ends:
            os.close(each)
        self.pid, self.returncode = int(self._ending.readline()), None

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        if self.returncode is None and select.select([self._ending], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        if self.returncode is None:
            self.returncode = int(self._ending.readline() or -signal.SIGKILL)
            self._ending.close()
        return self.returncode

    def kill(self) -> None:
        """End it now."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _pipe(mode: str) -> tuple[Any, Any]:
    """This process's end as a file and the child's as a descriptor, in the order of os.pipe."""
    reader, writer = os.pipe()
    return (os.fdopen(reader, mode, 0), writer) if mode == "rb" else (reader, os.fdopen(writer, mode, 0))
