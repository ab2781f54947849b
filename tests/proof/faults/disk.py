"""A disk that is full, and a folder that cannot be written: one sentence, nothing half-written, later it goes on."""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.proof.faults import pages
from tests.proof.faults.driven import Place, in_peace, moment, place, unlike
from tests.proof.faults.studies import STUDIES, goes_on
from tests.proof.faults.studies import in_peace as in_peace_of
from tests.proof.proof import Case

_ROOMY = "size=64m"
_BLOCK = 4096


@cache
def no_mounts() -> str | None:
    """Why no small disk can be mounted here; None where it can."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = _mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
        if mounted.returncode:
            return f"no file system can be mounted here ({mounted.stderr.strip() or 'mount is not there'})"
        _unmount(Path(folder))
    return None


def full_disks(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """The disk of the results, or that of temporary files, is full after so much."""
    with place(folder) as here, _disk(here.results, _ROOMY):
        here.ended(here.drive("cold"))
        takes = _used(here.results)
    for number in range(count):
        temporary = number % 5 == 4
        room = chance.randrange(1, (4 if temporary else takes // _BLOCK) + 1) * _BLOCK
        with place(folder) as here, _disk(here.temporary if temporary else here.results, f"size={room}") as disk:
            yield f"{number + 1}: {room >> 10} kB, {'temporary' if temporary else 'results'}", _filled(here, disk)


def read_only(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """The folder cannot be written when a run begins, or goes on."""
    peace, seconds = in_peace("cold")
    for number in range(count):
        with place(folder) as here, _disk(here.results, _ROOMY) as disk:
            run = here.drive("cold")
            waited = moment(chance, seconds) if number else 0.0
            run.kill()
            run.communicate()
            here.settle()
            _remount(disk, "ro")
            code, said = here.ended(here.drive("cold"))
            short = "" if code == 2 or len(here.records()) == len(peace) else f"ended with {code}: {said[-200:]}"
            if "Traceback" in said or (code and said.count("\n") > 1):
                short = f"said: {said[-200:]}"
            _remount(disk, f"rw,{_ROOMY}")
            yield f"{number + 1}: after {waited:.2f} s of a run", short or here.again(peace)


def full_pages(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """The disk is full while a report or an archive of a study is written."""
    base = pages.made_up(folder)
    for number in range(count):
        verb = ("report", "export")[number % 2]
        whole, _ = pages.in_peace(verb, base)
        with place(folder) as here, _disk(here.results, _ROOMY) as disk:
            shutil.copytree(base, here.results, dirs_exist_ok=True)
            room = chance.randrange(1, len(whole) // _BLOCK + 2) * _BLOCK
            _remount(disk, f"size={_used(disk) + room}")
            code, said = here.ended(pages.begin(verb, here))
            short = (
                "" if code == 2 and "space" in said and "Traceback" not in said else f"ended with {code}: {said[-200:]}"
            )
            short = "" if not code and pages.made(verb, here) == whole else short or here.left()
            _remount(disk, _ROOMY)
            yield f"{number + 1}: {verb}, {room >> 10} kB", short or pages.again(verb, here, whole)


def full_studies(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """The disk is full in the middle of a study that tunes, keeps policies and writes checkpoints."""
    for number in range(count):
        study = STUDIES[number % 2]
        peace, _ = in_peace_of(study)
        takes = sum(path.stat().st_size + _BLOCK for path in peace.rglob("*") if path.is_file())
        room = chance.randrange(1, takes // _BLOCK + 1) * _BLOCK
        with place(folder) as here, _disk(here.results, f"size={room}") as disk:
            code, said = here.ended(study.run(here))
            short = "a traceback: " + said[-200:] if code not in (0, 1, 2) or "Traceback" in said else ""
            _remount(disk, _ROOMY)
            yield f"{number + 1}: {study.name}, {room >> 10} kB", short or goes_on(study, here, peace)


def _filled(here: Place, disk: Path) -> str:
    peace, _ = in_peace("cold")
    code, said = here.ended(here.drive("cold"))
    whole = len(here.records()) == len(peace)
    if code not in (0, 1, 2) or "Traceback" in said or (not whole and not code):
        return f"ended with {code}, {len(here.records())} of {len(peace)} cells done: {said[-300:]}"
    if code and "space" not in said and "OSError" not in said:
        return f"does not speak of the disk: {said[-300:]}"
    problem = unlike(here.records(), peace)
    _remount(disk, _ROOMY)
    return problem or here.again(peace)


@contextmanager
def _disk(at: Path, options: str) -> Iterator[Path]:
    """A small disk in place of a folder."""
    at.mkdir(parents=True, exist_ok=True)
    done = _mount("-t", "tmpfs", "-o", options, "tmpfs", at)
    if done.returncode:
        raise OSError(f"mount: {done.stderr.strip()}")
    try:
        yield at
    finally:
        _unmount(at)


def _used(disk: Path) -> int:
    at = os.statvfs(disk)
    return (at.f_blocks - at.f_bfree) * at.f_frsize


def _remount(disk: Path, options: str) -> None:
    done = _mount("-o", f"remount,{options}", disk)
    if done.returncode:
        raise OSError(f"mount: {done.stderr.strip()}")


def _unmount(disk: Path) -> None:
    # Lazily: a process that is about to end may still have a file open.
    subprocess.run(["umount", "-l", disk], check=False, capture_output=True)


def _mount(*arguments: object) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(["mount", *map(str, arguments)], check=False, capture_output=True, text=True)
    except OSError as error:
        return subprocess.CompletedProcess([], 1, "", str(error))
