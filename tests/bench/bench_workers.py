"""Cells an hour against the number of workers, and what a worker's kernel adds to memory, warm and cold.

The cells are the demo's SFT and GRPO cells, shortened to ten steps; the clock starts when the first cell does, so
warming up is left out. Memory is sampled while the cells run: USS is what ending the kernel would give back, PSS
counts shared pages by the share of each process. On a GPU up to eight workers share it.
"""

import shutil
import tempfile
import threading
import time
from pathlib import Path

import psutil

from rftlab.cell import Cell
from rftlab.execute.kernels import KernelKind, kernel_settings
from rftlab.execute.local import run_cells
from tests.bench.measure import Row, ratios, row, take_turns
from tests.execute.stub_notebook import Quiet

SHORT = {
    "labels": 50,
    "cot": True,
    "budget.amount": 10.0,
    "evaluation": {"test_items": 50, "train_items": 25, "ood_items": 25, "sampled_items": 12, "along_the_way": 1},
}


def run(quick: bool = False) -> dict[str, Row]:
    """At most three rounds within 80 s, and two of memory (one of each if quick)."""
    counts = (1, 2, 4, 8) if shutil.which("nvidia-smi") else (1, 2)
    number = 2 if quick else 2 * max(counts)
    short = {**SHORT, "budget.amount": 2.0} if quick else SHORT
    methods = ("grpo", "sft")
    cells = [Cell.make({**short, "method": methods[n % 2], "seed": n // 2}) for n in range(number)]
    arms = {str(count): lambda count=count: _seconds(cells, count, "warm") for count in counts}
    took = take_turns(1 if quick else 3, arms, within_s=80)
    rows = {
        f"workers.cells_per_hour_{count}": row([3600 * len(cells) / s for s in values], "cells/h")
        for count, values in took.items()
    }
    rows["workers.two_against_one"] = ratios(took["1"], took["2"])
    memory: dict[KernelKind, list[tuple[float, float]]] = {"warm": [], "cold": []}
    for _ in range(1 if quick else 2):
        for kind, peaks in memory.items():
            with _Memory() as sampled:
                _seconds(cells[:2], 2, kind)
            peaks.append(sampled.peak_mb())
    for kind, peaks in memory.items():
        rows[f"workers.memory_uss_{kind}"] = row([uss for uss, _ in peaks], "MB/worker")
        rows[f"workers.memory_pss_{kind}"] = row([pss for _, pss in peaks], "MB/worker")
    uss = {kind: [uss for uss, _ in peaks] for kind, peaks in memory.items()}
    rows["workers.memory_cold_against_warm"] = ratios(uss["cold"], uss["warm"])
    return rows


def _seconds(cells: list[Cell], workers: int, kind: KernelKind) -> float:
    listener = _FirstStart()
    with tempfile.TemporaryDirectory(prefix="bench-") as results:
        run_cells(cells, Path(results), listener, workers=workers, settings=kernel_settings(kind, workers))
        took = time.perf_counter() - listener.first
    for outcome in listener.outcomes:
        assert outcome.status == "done", outcome.error
    return took


class _FirstStart(Quiet):
    first = 0.0

    def started(self, cell: Cell) -> None:
        self.first = self.first or time.perf_counter()


class _Memory:
    """Most memory of each kernel below this process while the body runs."""

    def __enter__(self) -> "_Memory":
        self._peaks: dict[int, tuple[int, int]] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def peak_mb(self) -> tuple[float, float]:
        """USS and PSS in MB, the mean over kernels of each one's most."""
        count = len(self._peaks)
        return tuple(sum(peak[i] for peak in self._peaks.values()) / count / 1e6 for i in (0, 1))  # type: ignore

    def _watch(self) -> None:
        while not self._done.wait(0.3):
            for process in psutil.Process().children(recursive=True):
                try:
                    if _is_kernel(process):
                        used = process.memory_full_info()
                        before = self._peaks.get(process.pid, (0, 0))
                        self._peaks[process.pid] = (max(before[0], used.uss), max(before[1], used.pss))
                except psutil.Error:
                    continue


def _is_kernel(process: psutil.Process) -> bool:
    line = process.cmdline()
    if "rftlab.execute.kernel" in line:
        return True
    parent = process.parent()
    return "rftlab.execute.zygote" in line and parent is not None and "rftlab.execute.zygote" in parent.cmdline()
