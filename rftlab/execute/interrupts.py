"""Ctrl-C, a termination and a lost terminal, handled alike: work ends, nothing half-written stays, one line says so."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

# Without a terminal (nohup) SIGHUP is ignored from the start, and stays so.
_HANDLED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(BaseException):
    """Work was ended by a signal; every kernel is gone and nothing half-written is left.

    Not an `Exception`, so that nothing on the way takes it for a failure.

    Attributes:
        exit_code: 130, 143 or 129, as shells have it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


@contextlib.contextmanager
def collected() -> Iterator[list[int]]:
    """Signals caught while the body runs, which looks at the list and ends in its own way."""
    caught: list[int] = []

    def handle(signum: int, _frame: FrameType | None) -> None:
        if caught:  # asked twice: go at once, the kernels notice that their parent is gone
            os._exit(128 + signum)
        caught.append(signum)

    with _handled_by(handle):
        yield caught


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """While the body runs, a signal raises Interrupted in it; a second one ends the process at once."""
    caught: list[int] = []

    def handle(signum: int, _frame: FrameType | None) -> None:
        if caught:
            os._exit(128 + signum)
        caught.append(signum)
        raise Interrupted(signum)

    with _handled_by(handle):
        yield


@contextlib.contextmanager
def _handled_by(handle: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [number for number in _HANDLED if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
