"""What the benchmarks share: rows of results, and arms that take turns so that a ratio never spans two runs."""

import importlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SMOLLM2 = Path("models/SmolLM2-135M-Instruct")
"""Where `rftlab fetch smollm2` puts it."""


def row(values: Sequence[float], unit: str) -> Row:
    """Median, least and most of what was measured, and how often that was."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "unit": unit,
        "runs": len(values),
    }


def take_turns(
    rounds: int, arms: Mapping[str, Callable[[], float]], *, within_s: float = 60.0
) -> dict[str, list[float]]:
    """What each arm returns in each round; the arms run in turn (A B A B), so that all see the same machine.

    No further round is begun that would probably end later than ``within_s`` after the first began.
    """
    measured: dict[str, list[float]] = {name: [] for name in arms}
    began = time.perf_counter()
    for done in range(rounds):
        spent = time.perf_counter() - began
        if done and spent * (done + 1) / done > within_s:
            break
        for name, arm in arms.items():
            measured[name].append(arm())
    return measured


def ratios(above: Sequence[float], below: Sequence[float]) -> Row:
    """Round by round, how many times ``above`` is ``below``."""
    return row([a / b for a, b in zip(above, below, strict=True)], "x")


def seconds(function: Callable[[], object]) -> float:
    """Wall time of a call."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def note(text: str) -> None:
    """Tell whoever started the benchmarks something about the rows."""
    print(f"  note: {text}", file=sys.stderr, flush=True)


def run_alone(name: str, *, quick: bool) -> dict[str, Row]:
    """Rows of one benchmark, run in a process of its own: threads, memory and imports do not reach the next."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(_run, name, quick).result()


def _run(name: str, quick: bool) -> dict[str, Row]:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    rows: dict[str, Row] = importlib.import_module(f"tests.bench.bench_{name}").run(quick)
    return rows
