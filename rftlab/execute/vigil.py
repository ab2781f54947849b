"""Notice a kernel that hangs: alive, but it neither says anything nor computes.

A long computation uses the processor, a short one ends and says so; a kernel that does neither for minutes was stopped,
waits for a lock that nobody holds, or for an answer that does not come. Busy loops are left to the time limit.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import psutil

_LOOK_EVERY_S = 1.0
# A kernel that only waits polls its parent and its sockets: about a thousandth of a core.
_IDLE_SHARE = 0.005


class Vigil:
    """What is known of a kernel being watched; `heard` is called whenever it says something.

    Args:
        pid: of the kernel; None while there is none.
        end: ends it.
        limit: seconds without a word or work until it is ended; read anew at each look.
    """

    def __init__(self, pid: Callable[[], int | None], end: Callable[[], None], limit: Callable[[], float]) -> None:
        self.hung_s = 0.0
        self._pid, self._end, self._limit = pid, end, limit
        self._over = threading.Event()
        self.heard()

    def heard(self) -> None:
        """The kernel has said something."""
        self._since, self._used = time.monotonic(), -1.0

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Watch while the body runs."""
        thread = threading.Thread(target=self._watch, name="vigil", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            pid = self._pid()
            used = _processor_seconds(pid) if pid else None
            limit = self._limit()
            if used is None or not 0 <= used - self._used <= _IDLE_SHARE * limit:
                self._since, self._used = time.monotonic(), -1.0 if used is None else used
            elif time.monotonic() - self._since > limit:
                self.hung_s = limit
                self._end()
                return


def _processor_seconds(pid: int) -> float | None:
    """Seconds of computing by a process and those below it; None if it is gone."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = each.cpu_times()
                total += times.user + times.system
        return total
    return None
