"""A program that runs cells of a notebook that trains nothing, to be hurt from outside; its argument is JSON.

It prints a line once it has imported everything, and at its end what it was told of the run, and id, status and error
of each cell.
"""

import json
import sys
import threading
import time
from pathlib import Path

from rftlab.errors import RftlabError
from rftlab.execute.interrupts import Interrupted, raised
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.local import run_cells
from rftlab.grid import Grid, is_done
from tests.execute.stub_notebook import Quiet, cells

READY = "ready"


def main(
    notebook: str, results: str, count: int, seconds: float, kind: str, *, workers: int = 2, jump_s: float = 0.0,
    **settings: float,
) -> int:  # fmt: skip
    """Run what is left of so many cells, of which each sleeps for so long; codes as of the command line."""
    wanted, folder = cells(count, do="sleep", seconds=seconds), Path(results)
    left = [cell for cell in wanted if not is_done(cell, folder)]
    if jump_s:
        threading.Timer(0.5, _set_the_clock, (jump_s,)).start()
    listener = Quiet()
    try:
        with raised():  # as the command line does
            print(READY, flush=True)
            outcomes = run_cells(
                left, folder, listener, workers=workers, grid=Grid("proof", tuple(wanted)),
                settings=KernelSettings(kind=kind, modules=("rftlab.record",), **settings),
                notebooks={"sft": Path(notebook)},
            )  # fmt: skip
            print(*listener.notes, sep="\n", flush=True)
            for outcome in outcomes:
                print(json.dumps([outcome.cell.id, outcome.status, outcome.error]), flush=True)
    except Interrupted as error:
        return error.exit_code
    except (RftlabError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return int(any(outcome.status != "done" for outcome in outcomes))


def _set_the_clock(seconds: float) -> None:
    """The time of day is another one for this process from now on."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
