"""Reports and archives of a study that is made up: what is left where their making is cut short."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rftlab.execute.results import write_grid
from rftlab.grid import Grid
from tests.proof.faults.driven import Place, moment, place
from tests.proof.proof import Case
from tests.synthetic import write_cell

_GRID = """name: study
defaults: {task: arithmetic/word}
method: [sft, grpo]
labels: [10, 100]
seed: [0, 1]
"""


def made_up(folder: Path) -> Path:
    """A made-up study with its lists."""
    file, results = folder / "study.yaml", folder / "made-up"
    file.write_text(_GRID)
    grid = Grid.load(file)
    for cell in grid.cells:
        write_cell(results, cell.model_dump(), items=8)
    write_grid(results, grid)
    return results


def cut_short(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """`rftlab report` and `rftlab export` are killed or terminated: the old file, the new one or none, never a part."""
    base = made_up(folder)
    for number in range(count):
        verb, signum = ("report", "export")[number % 2], (signal.SIGKILL, signal.SIGTERM)[number // 2 % 2]
        whole, seconds = in_peace(verb, base)
        with place(folder) as here:
            shutil.copytree(base, here.results)
            run = begin(verb, here)
            waited = moment(chance, seconds)
            run.send_signal(signum)
            code, said = here.ended(run)
            short = "" if code in (0, -signum, 128 + signum) else f"ended with {code}: {said[-200:]}"
            if not short and made(verb, here) not in (None, whole):
                short = f"left a part of the {verb}"
            if not short and signum != signal.SIGKILL and code:
                short = here.left()
            short = short or again(verb, here, whole)
            yield f"{number + 1}: {verb}, {signum.name} after {waited:.1f} s", short


def again(verb: str, here: Place, whole: bytes) -> str:
    """How a verb that is called again falls short of one left in peace; "" if it does not."""
    code, said = here.ended(begin(verb, here))
    if code:
        return f"run again it ended with {code}: {said[-200:]}"
    return here.left() if made(verb, here) == whole else f"another {verb} than one left in peace"


@cache
def in_peace(verb: str, base: Path) -> tuple[bytes, float]:
    """What a verb makes of a study, and the seconds it takes."""
    with place(base.parent) as here:
        shutil.copytree(base, here.results)
        began = time.monotonic()
        code, said = here.ended(begin(verb, here))
        found = made(verb, here)
        if code or found is None:
            raise AssertionError(f"{verb} left in peace ended with {code}: {said[-300:]}")
        return found, time.monotonic() - began


def begin(verb: str, here: Place) -> "subprocess.Popen[str]":
    """Start it in a place."""
    more = ["-o", str(here.results / "study.tar.xz")] if verb == "export" else []
    return here.start([sys.executable, "-m", "rftlab", verb, str(here.results), *more])


def made(verb: str, here: Place) -> bytes | None:
    """What it has made; None if it is not there."""
    path = here.results / ("report/report.html" if verb == "report" else "study.tar.xz")
    return path.read_bytes() if path.is_file() else None
