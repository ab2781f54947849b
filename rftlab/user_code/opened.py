"""Which files a user's code opens: what parsing does not find, is seen when it happens.

An audit hook, which Python cannot remove again; outside of `watched` it does nothing. Only files that lie where texts
may name them (`sources.places`) are noted, and only while code from there is running; what is installed, hidden or
shipped with rftlab is left out, and so is what a library opens past Python.
"""

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from rftlab.files import paths


@dataclass
class Opened:
    """Files that were opened.

    Attributes:
        read: path -> name of the file whose code read it.
        written: paths that were opened to be written, by whomever.
    """

    read: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)


@contextmanager
def watched(folders: Iterable[Path]) -> Iterator[Opened]:
    """Note what code that lies in ``folders`` opens there."""
    global _watch, _hooked
    inside = sorted((f"{folder}{os.sep}" for folder in folders if folder != folder.parent), key=len, reverse=True)
    _watch = _Watch(tuple(inside), sys._getframe(2).f_code, Opened())
    if inside and not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    try:
        yield _watch.opened
    finally:
        _watch = None


@dataclass(frozen=True)
class _Watch:
    inside: tuple[str, ...]  # the innermost first
    watcher: CodeType
    opened: Opened

    def sees(self, path: str) -> bool:
        place = next((place for place in self.inside if path.startswith(place)), None)
        return place is not None and f"{os.sep}." not in path[len(place) - 1 :] and not path.startswith(_NOT_THE_USERS)

    def reader(self, frame: FrameType | None) -> str:
        """Name of the user's file whose code is running, "" for none."""
        while frame is not None and frame.f_code is not self.watcher:
            if self.sees(frame.f_code.co_filename):
                return os.path.basename(frame.f_code.co_filename)
            frame = frame.f_back
        return ""


_watch: _Watch | None = None
_hooked = False
_NOT_THE_USERS = tuple(
    f"{place}{os.sep}"
    for place in (
        sys.prefix,
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        Path(paths.__file__).parents[1],
        paths.data_dir(),
    )
)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch is None or event not in ("open", "sqlite3.connect"):
        return
    with suppress(Exception):  # it must never break what it watches
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.endswith(".pyc"):
            path = importlib.util.source_from_cache(path)
        if not _watch.sees(path):
            return
        flags = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
        if flags & (os.O_WRONLY | os.O_RDWR):
            _watch.opened.written.add(path)
        elif reader := _watch.reader(sys._getframe(1)):
            _watch.opened.read.setdefault(path, reader)
