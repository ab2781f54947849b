"""Many records and many rows, read as who asks for an answer reads them, in a process of its own."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rftlab import record
from rftlab.answer.outcomes import outcomes
from rftlab.files.archive import opened
from tests.proof.load import reader, studies
from tests.proof.proof import Case
from tests.shipped import ARCHIVE

ROOT = Path(__file__).parents[3]
WITHIN_S = 60.0
AT_MOST = 2 * 2**30
ROWS_A_SECOND = 100_000
_FEW = 50
_TASKS = 4
_MEASURES = ("accuracy", "sampled_accuracy", "ood_accuracy", "train_accuracy")


def whole(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """So many records loaded, decided and reported one after the other, all within a minute."""
    results = studies.study(folder, count, tasks=_TASKS)
    told = _read(results)
    took, found = told["took"], told["found"]
    yield "all are read", "" if found["cells"] >= count else f"{found['cells']} of {count}"
    yield "they are decided", "" if found["decisions"] else "nothing was decided"
    yield "and reported", "" if found["page"] > 100_000 else f"a page of {found['page']} bytes"
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in took.items())
    yield "within a minute", f"{steps} s of the processor" if sum(took.values()) > WITHIN_S else ""
    yield "in 2 GB", f"{told['most'] / 2**30:.2f} GB" if told["most"] > AT_MOST else ""


def rows(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Rows of made-up records; with more than a few cells also those of the reference study, with all their texts."""
    items = 200 if count > _FEW else 1000
    places = {"made-up records": studies.study(folder, count, items=items)}
    places |= {"the reference study": opened(ARCHIVE)} if count > _FEW else {}
    for name, results in places.items():
        read, seconds = _outcomes(results)
        short = f"{read} rows in {seconds:.2f} s of the processor"
        yield name, short if not read or read / seconds < ROWS_A_SECOND else ""


def _outcomes(results: Path) -> tuple[int, float]:
    """Rows that paired comparisons read of every cell, on each part that it kept answers to, and how long that took."""
    cells = [found.id for found in record.read_all(results)]
    began = time.process_time()
    measured = [outcomes(results, cell, measure) for cell in cells for measure in _MEASURES]
    took = time.process_time() - began
    assert all(len(values) for values in measured[:: len(_MEASURES)]), "a cell without answers to test items"
    return sum((record.cells_dir(results) / cell / record.SAMPLES).read_bytes().count(b"\n") for cell in cells), took


def _read(results: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", reader.__file__, str(results)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-300:]}"
    return dict(json.loads(done.stdout.splitlines()[-1]))
