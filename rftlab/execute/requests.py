"""What is asked of a run from outside, by empty files in its results folder: stop, skip a cell, retry a cell.

    requests/stop        end the run as Ctrl-C does; removed once it is heeded
    requests/skip-ID     do not run this cell, end it where it runs; holds for every run until the file is removed
    requests/retry-ID    run this cell of the present run again, which failed or was skipped; removed once it begins

A name says all, so that `touch` makes a request, a crash leaves none half-written, and who asks need not be the
process, the person or the machine that started the run. A local run looks several times a second; one on Ray or Slurm
heeds a stop, and skips at its start.
"""

import contextlib
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from rftlab.cell import Cell
from rftlab.errors import RftlabError

if TYPE_CHECKING:
    from rftlab.execute.local import Listener

FOLDER = "requests"
_STOP, _SKIP, _RETRY = "stop", "skip-", "retry-"
_LOOK_EVERY_S = 0.3
# By how much the clock of a disk and that of the system may differ.
_CLOCKS_DIFFER_S = 1.0


def ask_to_stop(results: Path) -> None:
    """Ask the run in a results folder to stop; what has ended stays, and running the grid again goes on.

    Raises:
        RftlabError: the folder cannot be written.
    """
    _put(results, _STOP)


def ask_to_skip(results: Path, cell_id: str) -> None:
    """Ask every run in a results folder to leave out a cell, until `ask_to_retry` takes it back.

    Raises:
        RftlabError: the folder cannot be written.
    """
    _remove(results, f"{_RETRY}{cell_id}")
    _put(results, f"{_SKIP}{cell_id}")


def ask_to_retry(results: Path, cell_id: str) -> None:
    """Ask the run in a results folder to run a cell again that failed or was skipped; a later run does so anyway.

    Raises:
        RftlabError: the folder cannot be written.
    """
    _remove(results, f"{_SKIP}{cell_id}")
    _put(results, f"{_RETRY}{cell_id}")


def skipped(results: Path) -> frozenset[str]:
    """Ids of the cells that are to be left out."""
    return frozenset(name.removeprefix(_SKIP) for name in _names(results) if name.startswith(_SKIP))


def retried(results: Path) -> frozenset[str]:
    """Ids of the cells that are asked for again, and were not heeded yet."""
    return frozenset(name.removeprefix(_RETRY) for name in _names(results) if name.startswith(_RETRY))


def heed_retry(results: Path, cell_id: str) -> None:
    """The cell is run again, or need not be: the request is done with."""
    _remove(results, f"{_RETRY}{cell_id}")


def is_stopping(results: Path) -> bool:
    """Whether a run was asked to stop and has not heeded it yet."""
    return _STOP in _names(results)


def told(results: Path, cells: Sequence[Cell]) -> list[str]:
    """Sentences on the cells that are left out."""
    out = skipped(results)
    return [
        f"left out, as {FOLDER}/{_SKIP}{cell.id} asks until it is deleted: {cell.label}"
        for cell in cells
        if cell.id in out
    ]


def unskipped(cells: Sequence[Cell], results: Path, listener: "Listener") -> list[Cell]:
    """The cells that are to be run; the others are noted. For who hands cells to other machines all at once."""
    for sentence in told(results, cells):
        listener.noted(sentence)
    out = skipped(results)
    return [cell for cell in cells if cell.id not in out]


@contextlib.contextmanager
def heeded(results: Path, caught: list[int]) -> Iterator[None]:
    """While the body runs, a request to stop is one more signal in ``caught``.

    A request from before this process began was meant for another run, and is removed.
    """
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(results, caught, ended), name="requests", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def forget_stop(results: Path) -> None:
    """Remove a request to stop that nobody heeded; for who begins a run."""
    _remove(results, _STOP)


def _watch(results: Path, caught: list[int], ended: threading.Event) -> None:
    path, began = results / FOLDER / _STOP, psutil.Process().create_time()
    while not ended.is_set():
        with contextlib.suppress(OSError):
            asked = path.stat().st_mtime
            path.unlink(missing_ok=True)
            if asked >= began - _CLOCKS_DIFFER_S:
                caught.append(signal.SIGINT)
                return
        ended.wait(_LOOK_EVERY_S)


def _names(results: Path) -> Collection[str]:
    try:
        return [path.name for path in (results / FOLDER).iterdir()]
    except OSError:
        return []


def _put(results: Path, name: str) -> None:
    path = results / FOLDER / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise RftlabError(f"cannot write {path}: {error.strerror}") from None


def _remove(results: Path, name: str) -> None:
    with contextlib.suppress(OSError):
        (results / FOLDER / name).unlink(missing_ok=True)
