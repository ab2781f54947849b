"""Many trivial cells in one run of the real driver: what it holds, and what a cell takes, are at the end as before."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from tests.execute.stub_notebook import write_stub
from tests.proof.faults.driven import Place, place
from tests.proof.inputs_tried import used
from tests.proof.load import driver
from tests.proof.load.flat import COUNTED, growth, leak, processor, slower, wall
from tests.proof.proof import Case

KERNELS = "RFTLAB_PROOF_KERNELS"
"""Environment variable with the file into which every kernel writes what it holds at its end."""
RESUMED_WITHIN_S = 10.0
# The driver remembers of a cell how it ended, in some 2 KB; its notebook, client or sockets would be a hundred.
_DRIVER_KEEPS = 10e3
# A parent or a kernel remembers nothing of cells that ended: what it differs by between two looks is a megabyte or two.
_KERNELS_KEEP = 5e3
# Of what the clock says the machine's other work is part; what processors did is not, but for shared caches.
_SLOWER, _MORE_WORK = 1.5, 1.3
_LOOKS = """
import os, psutil
import {module}
with open(os.environ["{variable}"], "a") as file:
    file.write(f"{{psutil.Process().memory_full_info().uss}}\\n")
"""


@dataclass(frozen=True)
class _Way:
    """How the kernels of a run are started, what they import, and what is asked of their memory."""

    kind: str
    modules: tuple[str, ...] | None
    imported: str


COLD = _Way("cold", ("rftlab.record",), "rftlab.record")
WARM = _Way("warm", None, "torch, trl, rftlab.experiment")


def cold(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """An interpreter for each cell; then the grid is resumed."""
    with place(folder) as here:
        notebook = _notebook(here, COLD)
        yield from _tried(here, notebook, COLD, count)
        yield "resumed", _resumed(here, notebook, count)


def warm(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Kernels forked from one process that has imported what trains; each imports that too, which costs it nothing."""
    with place(folder) as here:
        yield from _tried(here, _notebook(here, WARM), WARM, count)
        kernels = [{"memory": float(line)} for line in _file_of_kernels(here).read_text().split()]
        lines = [line for line in _lines(_figures(here)) if line["status"] == "done"]
        yield "memory of the process that forks", growth(lines, "parent's memory", _KERNELS_KEEP)
        few = f"{len(kernels)} kernels looked at themselves" if len(kernels) != count else ""
        yield "memory of a kernel", few or growth(kernels, "memory", _KERNELS_KEEP)


def _tried(here: Place, notebook: Path, way: _Way, count: int) -> Iterator[Case]:
    """Every cell as it ends, then what the driver held."""
    run = _start(here, notebook, way, count)
    ended = 0
    for line in _followed(here, run):
        ended += 1
        yield f"cell {ended}", "" if line["status"] == "done" else str(line["status"])
    _, said = run.communicate()
    broken = f"ended with {run.returncode} after {ended} cells: {said[-300:]}" if run.returncode else ""
    yield "the run", broken or here.left()
    lines = _ended(here)
    before, after = (next(x for x in _lines(_figures(here)) if x["status"] == when) for when in ("before", "after"))
    for name in COUNTED:
        kept = f"{after[name]:.0f} after, {before[name]:.0f} before" if after[name] > before[name] else ""
        yield name, leak(lines, name) or kept
    yield "memory of the driver", growth(lines, "memory", _DRIVER_KEEPS)
    yield "seconds of a cell", slower(lines, wall, _SLOWER, "by the clock")
    yield "work for a cell", slower(lines, processor, _MORE_WORK, "of all processors")


def _followed(here: Place, run: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The lines of cells that ended, until the run is over."""
    told, over = 0, False
    while not over:
        over = run.poll() is not None
        found = _ended(here)
        yield from found[told:]
        told = len(found)
        time.sleep(0 if over else 0.5)


def _start(here: Place, notebook: Path, way: _Way, count: int) -> subprocess.Popen[str]:
    asked = {"notebook": str(notebook), "results": str(here.results), "figures": str(_figures(here)), "count": count}
    asked |= {"kind": way.kind, "modules": way.modules}
    command = [sys.executable, "-P", driver.__file__, json.dumps(asked)]
    return here.start(command, **{KERNELS: str(_file_of_kernels(here))})


def _resumed(here: Place, notebook: Path, count: int) -> str:
    """Started again there is nothing to do: how long that took, if too long."""
    began, known = used(), len(_lines(_figures(here)))
    run = _start(here, notebook, COLD, count)
    _, said = run.communicate()
    took = used() - began
    if run.returncode or len(_lines(_figures(here))) != known:
        return f"ended with {run.returncode}, and ran {len(_lines(_figures(here))) - known} cells: {said[-300:]}"
    return f"took {took:.1f} s of the processor" if took > RESUMED_WITHIN_S else ""


def _notebook(here: Place, way: _Way) -> Path:
    """The notebook that trains nothing, whose kernel at its end writes down what it holds."""
    path = here.results.parent / "nothing.ipynb"
    notebook = nbformat.read(write_stub(path), as_version=4)
    code = _LOOKS.format(module=way.imported, variable=KERNELS).strip()
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    nbformat.write(notebook, path)
    return path


def _ended(here: Place) -> list[dict[str, Any]]:
    return [line for line in _lines(_figures(here)) if line["status"] not in ("before", "after")]


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that may be written just now."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _figures(here: Place) -> Path:
    return here.results.parent / "figures.jsonl"


def _file_of_kernels(here: Place) -> Path:
    return here.results.parent / "kernels.txt"
