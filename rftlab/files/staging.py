"""Files and folders that appear whole or not at all, and folders for a while: whoever works in one holds its lock.

The lock of a process that died is free, so that whoever comes next can tell what a crash has left, and remove it.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rftlab.errors import RftlabError

RUNNING, OLD = ".running", ".old"
ASIDE = "aside"
SCRATCH = "rftlab-scratch-"
# What `tempfile` puts behind a prefix: nothing that a person has named so is ever taken for a leftover.
_RANDOM = r"[a-z0-9_]{8}"


@contextlib.contextmanager
def staged(final: Path) -> Iterator[Path]:
    """A new folder beside ``final``, locked while this process works in it and removed unless it was renamed."""
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RftlabError(f"cannot write {final}: what it should lie in is a file; give another folder") from None
    made = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.", suffix=RUNNING))
    made.chmod(0o755)
    try:
        with locked(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write into that takes the place of ``path`` at the end, so that it is the old or the new one always.

    Raises:
        OSError: the disk is full or not writable; the old file, if any, is untouched.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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


@contextlib.contextmanager
def scratch(parent: Path | None = None, prefix: str = SCRATCH) -> Iterator[Path]:
    """A folder for a while, locked while this process uses it and gone after; `sweep_scratch` finds those of crashes.

    Args:
        parent: where; by default the system's temporary folder.
        prefix: what its name begins with.
    """
    made = Path(tempfile.mkdtemp(dir=parent, prefix="." + prefix))
    try:
        with locked(made):
            # Only now by the name that is swept: whoever sweeps never meets a folder that is not locked yet.
            made = made.rename(made.with_name(made.name[1:]))
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep_scratch(parent: Path | None = None, prefix: str = SCRATCH) -> None:
    """Remove the scratch folders of processes that died; those of living ones, and of other users, stay.

    Args:
        parent: where; by default wherever this package makes some.
        prefix: as of `scratch`.
    """
    if os.name != "posix":
        return  # nothing is locked there
    # Sockets lie in /tmp where the path of the temporary folder is too long for them.
    for where in [parent] if parent else {Path(tempfile.gettempdir()), Path("/tmp")}:
        for leftover in where.glob(f"{prefix}*"):
            if re.fullmatch(re.escape(prefix) + _RANDOM, leftover.name):
                remove_if_left(leftover)


def remove_if_left(folder: Path) -> None:
    """Remove a folder unless a living process has its lock or it is another user's."""
    with contextlib.suppress(BlockingIOError, FileNotFoundError, NotADirectoryError, PermissionError), locked(folder):
        shutil.rmtree(folder, ignore_errors=True)


def swap_in(source: Path, target: Path) -> None:
    """Rename a folder over another; the old one is out of the way before and gone after."""
    old = None
    if target.exists():
        old = target.with_name(f".{target.name}.{time.monotonic_ns()}{OLD}")
        target.rename(old)
    source.rename(target)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def put_back(old: Path) -> None:
    """Undo a `swap_in` whose process died in it: what it moved away is put back, or removed if the new one is there."""
    target = old.with_name(old.name[1:].removesuffix(OLD).rpartition(".")[0])
    if target.exists():
        remove_if_left(old)
    else:
        old.rename(target)


def set_aside(path: Path, results: Path | None = None) -> Path:
    """Move what must neither count nor be lost to `aside/` of its results folder.

    Args:
        path: a cell's folder, `cells/<id>`, or something else.
        results: the results folder; by default that of a cell's folder.

    Returns:
        Its new path; numbered, so that nothing set aside before is overwritten.
    """
    kept = (results or path.parent.parent) / ASIDE
    kept.mkdir(exist_ok=True)
    number = 1
    while (target := kept / (path.name if number == 1 else f"{path.name}-{number}")).exists():
        number += 1
    path.rename(target)
    return target
