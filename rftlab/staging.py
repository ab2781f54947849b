"""A folder that appears whole or not at all: worked on under another name beside its final one, then renamed."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RUNNING, OLD = ".running", ".old"
ASIDE = "aside"


@contextlib.contextmanager
def staged(final: Path) -> Iterator[Path]:
    """A new folder beside ``final``, locked while this process works in it and removed unless it was renamed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.", suffix=RUNNING))
    made.chmod(0o755)
    try:
        with locked(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; a process that dies lets go of it.

    Raises:
        BlockingIOError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # no flock on Windows: folders of parallel runs are not told apart there
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def swap_in(source: Path, target: Path) -> None:
    """Rename a folder over another; the old one is out of the way before and gone after."""
    old = None
    if target.exists():
        old = target.with_name(f".{target.name}.{time.monotonic_ns()}{OLD}")
        target.rename(old)
    source.rename(target)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Move a cell's folder, `cells/<id>`, that must neither count nor be lost to `aside/` beside `cells/`.

    Returns:
        Its new path; numbered, so that nothing set aside before is overwritten.
    """
    kept = folder.parent.parent / ASIDE
    kept.mkdir(exist_ok=True)
    number = 1
    while (target := kept / (folder.name if number == 1 else f"{folder.name}-{number}")).exists():
        number += 1
    folder.rename(target)
    return target
