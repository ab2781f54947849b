"""A limit on calls of a user's code in a process that goes on with its work, such as scoring while a cell trains.

It also has a kernel tell in its log where such code was that ended the process by `os._exit`.

By a timer's signal, which reaches loops and regular expressions; it costs a few microseconds a call. There is no limit
on Windows, outside the main thread, and for a call that sets an alarm of its own.
"""

import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, Self, TypeVar

from rftlab.errors import RftlabError, defined_at, users_line

CALL_LIMIT_S = 600.0
"""Seconds a call may take; ten times what a check before a run gives it by default."""

_T = TypeVar("_T")


class _Late(BaseException):
    """Ends a call; no Exception, so that code which catches those does not go on."""


def _telling(leave: Any) -> Any:
    """An `os._exit` that has a kernel say first where it was, as it does of a crash: `line_in_dump` reads it."""
    log, process = getattr(sys.stderr, "_original_stdstream_copy", None), os.getpid()

    def left(status: int) -> None:
        if os.getpid() == process and isinstance(log, int):  # what is forked leaves so too
            faulthandler.dump_traceback(log)
        leave(status)

    return left


class Limited:
    """Calls within its `with` block, each of which may take so long.

    Args:
        who: how the sentence of the error begins, such as "verifier score(answer, example)".
        what: the function or the object that is called.
    """

    def __init__(self, who: str, what: object) -> None:
        self._who, self._what, self._place = who, what, ""
        self._can = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        self._leave, os._exit = os._exit, _telling(os._exit)
        if self._can:
            self._left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
            self._before = signal.signal(signal.SIGALRM, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        os._exit = self._leave
        if self._can:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before or signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, self._left)

    def __call__(self, function: Callable[..., _T], *arguments: Any, times: int = 1) -> _T:
        """What the function returns.

        Args:
            function: called with ``arguments``.
            arguments: of it.
            times: it does the work of so many calls.

        Raises:
            RftlabError: it took longer; the sentence names the line of the user's file that it was at.
        """
        if not self._can:
            return function(*arguments)
        limit, self._place = CALL_LIMIT_S * max(1, times), ""
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            return function(*arguments)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self._place:  # also where the call has caught what was to end it
                raise RftlabError(f"{self._who} did not come to an end within {limit:g} s{self._place}; mend it")

    def _end(self, _: int, frame: FrameType | None) -> None:
        lines = ((each.f_code.co_filename, line) for each, line in traceback.walk_stack(frame))
        self._place = users_line(lines) or defined_at(self._what) or " (in code without a file)"
        raise _Late
