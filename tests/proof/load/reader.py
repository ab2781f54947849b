"""A program that reads, decides and reports the study in a results folder, and says what that took.

It runs in a process of its own, so that the most memory it ever held is its own.
"""

import json
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rftlab
from rftlab.answer.card import answer
from rftlab.answer.folder import study_of
from rftlab.errors import RftlabWarning
from rftlab.report import write_report


def main(results: str) -> int:
    """Do it, and print a line of JSON: processor seconds by step, what was found, and the most bytes held."""
    took: dict[str, float] = {}
    with _timed("load", took):
        cells = rftlab.load(results)
    with _timed("decide", took):
        study, decisions = study_of(results)
        answer(study, decisions)
    with _timed("report", took), warnings.catch_warnings():
        warnings.simplefilter("ignore", RftlabWarning)
        page, *_ = write_report(Path(results), notebook=False)
    found = {"cells": len(cells), "decisions": len(decisions.decisions), "page": page.stat().st_size}
    print(json.dumps({"took": took, "found": found, "most": _most()}))
    return 0


@contextmanager
def _timed(step: str, took: dict[str, float]) -> Iterator[None]:
    began = time.process_time()
    yield
    took[step] = time.process_time() - began


def _most() -> int:
    """Bytes of memory, the most that this process held; `getrusage` would count what started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
