"""Seconds to load the records of a grid and to write its report (without executing the compare notebook).

The records are made up, with some 40 rows of trace and samples a cell: two methods, five label budgets,
chain-of-thought on and off. A larger grid has more seeds and a few more tasks; since every task gets pictures of its
own, a row with the same cells spread over ten tasks says what that costs.
"""

import tempfile
from pathlib import Path
from unittest import mock

import rftlab.record
from rftlab.report import write_report
from tests.bench.measure import Row, row, seconds, take_turns
from tests.synthetic import write_grid

# Name of the row -> tasks, seeds (each pair has 20 cells), test items, and how often it is measured at most.
SIZES = {
    "100": (1, 5, 16, 5), "1000": (2, 25, 16, 3), "1000_in_10_tasks": (10, 5, 16, 1), "10000": (4, 125, 16, 1),
    "460_of_200_items": (1, 23, 200, 1),
}  # fmt: skip


def run(quick: bool = False) -> dict[str, Row]:
    """At most five runs with 100 cells, three with 1 000, one of the others (100 and 1 000 once if quick)."""
    rows = {}
    for name, (tasks, seeds, items, runs) in SIZES.items():
        if quick and name not in ("100", "1000"):
            continue
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            results = Path(scratch)
            _make(results, tasks, seeds, items)
            arms = {
                "load": lambda folder=results: seconds(lambda: rftlab.load(folder)),
                "load_and_report": lambda folder=results: seconds(lambda: write_report(folder, notebook=False)),
            }
            took = take_turns(1 if quick else runs, arms, within_s=30)
        rows |= {f"records.{what}_{name}": row(values, "s") for what, values in took.items()}
    return rows


def _make(results: Path, tasks: int, seeds: int, items: int) -> None:
    # Durability is not what is measured here; waiting for the disk 30 000 times would take minutes.
    with mock.patch("rftlab.files.staging.os.fsync"):
        write_grid(
            results,
            tasks=[f"file/task{task}" for task in range(tasks)],
            methods=("sft", "grpo"),
            labels=(10, 30, 100, 300, 1000),
            seeds=range(seeds),
            items=items,
        )
