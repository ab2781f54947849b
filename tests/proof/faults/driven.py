"""A run to be hurt, in a folder of its own, and what is counted after it: records, processes, files, locks."""

import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import psutil

from tests.common.measured import measured
from tests.execute.stub_notebook import write_stub
from tests.proof.faults import driver

ROOT = Path(__file__).parents[3]
DO = "RFTLAB_PROOF_DO"
"""Environment variable with code that every cell of the notebook runs first."""
_ENDS_WITHIN_S = 20.0
_LONGEST_S = 180.0
Records = dict[str, dict[str, str]]


@dataclass
class Place:
    """Where one case runs: a results folder and a temporary folder of its own, by which its processes are known.

    Args:
        results: the results folder.
        temporary: with a path so short that sockets may lie in it.
        notebook: trains nothing, and begins with what `DO` says.
        count: cells.
        seconds: that each of them sleeps.
    """

    results: Path
    temporary: Path
    notebook: Path
    count: int = 3
    seconds: float = 0.6

    def drive(self, kind: str = "cold", do: str = "", **options: Any) -> subprocess.Popen[str]:
        """Start the driver, and wait until it begins."""
        asked = {"notebook": str(self.notebook), "results": str(self.results), "count": self.count}
        asked |= {"seconds": self.seconds, "kind": kind, **options}
        run = self.start([sys.executable, "-P", driver.__file__, json.dumps(asked)], **({DO: do} if do else {}))
        assert run.stdout is not None
        run.stdout.readline()
        return run

    def start(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        """Start a program whose processes are known by their temporary folder."""
        where = {"TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command, env={**os.environ, **where, **environment}, cwd=self.results.parent, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def records(self) -> Records:
        """What every finished cell measured, by id."""
        folders = [path.parent for path in sorted(self.results.glob("cells/[!.]*/record.json"))]
        return {folder.name: measured_in(folder) for folder in folders}

    def processes(self) -> list[psutil.Process]:
        """Those that were started here and are alive, however they are related."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and process.environ().get("TMPDIR") == str(self.temporary):
                    found.append(process)
        return found

    def left(self) -> str:
        """What is left of a run that should have left nothing but its results; "" if nothing is."""
        if alive := self.settle():
            return f"left {len(alive)} processes: {' '.join(alive[0].cmdline())[:80]}"
        # Torch keeps a cache of its own there.
        if files := [path.name for path in self.temporary.iterdir() if not path.name.startswith("torchinductor_")]:
            return f"left {', '.join(files)} in the temporary folder"
        hidden = [path for path in self.results.rglob(".*") if path.name != ".lock"]
        if hidden := [*hidden, *self.results.glob("failed/*")]:
            return f"left {', '.join(str(path.relative_to(self.results)) for path in hidden)}"
        return "" if not (self.results / ".lock").exists() or _is_free(self.results / ".lock") else "its lock is held"

    def ended(self, run: subprocess.Popen[str]) -> tuple[int, str]:
        """Exit code of a run and what it said, waited for."""
        out, err = run.communicate(timeout=_LONGEST_S)
        return run.returncode, (err + out).strip()

    def again(self, peace: Records, kind: str = "cold") -> str:
        """How it fell short of a run left in peace once it is run again; "" if it did not."""
        if alive := self.settle():
            return f"{len(alive)} processes outlived what started them"
        code, said = self.ended(self.drive(kind))
        if code:
            return f"run again it ended with {code}: {said[-200:]}"
        return apart(self.records(), peace) or self.left()

    def settle(self) -> list[psutil.Process]:
        """Wait for what was started here to end; what does not."""
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while (alive := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return alive


@contextmanager
def place(folder: Path, **values: Any) -> Iterator[Place]:
    """A place below a folder, of which nothing is left after, and no process either."""
    with tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as temporary:
        own = Path(tempfile.mkdtemp(dir=folder))
        made = Place(own / "results", Path(temporary), hooked(folder / "stub.ipynb"), **values)
        try:
            yield made
        finally:
            for process in made.processes():
                with suppress(psutil.Error):
                    process.kill()
            shutil.rmtree(own, ignore_errors=True)


def hooked(path: Path) -> Path:
    """The notebook that trains nothing, whose cells first do what `DO` says."""
    if not path.exists():
        notebook = nbformat.read(write_stub(path), as_version=4)
        notebook.cells.insert(1, nbformat.v4.new_code_cell(f"import os; exec(os.environ.get({DO!r}, ''))"))
        nbformat.write(notebook, path)
    return path


@cache
def in_peace(kind: str, **values: Any) -> tuple[Records, float]:
    """What a run left in peace records, and the seconds it takes once it has begun; run once for all proofs.

    Args:
        kind: of its kernels.
        values: of its `Place`.
    """
    with tempfile.TemporaryDirectory(prefix="rftlab-proof-") as folder, place(Path(folder), **values) as here:
        run, began = here.drive(kind), time.monotonic()
        code, said = here.ended(run)
        if code or (problem := here.left()):
            raise AssertionError(f"left in peace it ended with {code}: {said or problem}")
        return here.records(), time.monotonic() - began


def apart(found: Records, peace: Records) -> str:
    """What sets records apart from those of a run left in peace; "" if nothing does."""
    if found == peace:
        return ""
    if found.keys() != peace.keys():
        return f"{len(found)} records instead of {len(peace)}"
    return f"another record of {', '.join(name for name in peace if found[name] != peace[name])}"


def unlike(found: Records, peace: Records) -> str:
    """Of a run that was cut short: which of the records that are there is not as it should be; "" if all are."""
    wrong = [name for name in found if found[name] != peace.get(name)]
    return f"left another record of {', '.join(wrong)}" if wrong else ""


def measured_in(folder: Path) -> dict[str, str]:
    """What a cell's folder says was measured."""
    return {name: measured(folder / name) for name in ("record.json", "trace.jsonl", "samples.jsonl")}


def moment(chance: random.Random, seconds: float) -> float:
    """Wait for a random part of so many seconds; how long."""
    waited = chance.uniform(0, seconds)
    time.sleep(waited)
    return waited


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until something holds; what it holds, None if it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    return None


def _is_free(lock: Path) -> bool:
    with lock.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
