"""Measure a method for its page in docs/methods: `python -m tests.bench.method_pages METHOD ... [--seeds N ...]`.

A short cell of each seed on the tiny base, in a process of its own, so that the peak of memory is this method's. What
was measured goes into docs/methods/results.json, from which `python -m tests.method_pages` writes the page.
"""

import argparse
import itertools
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.record import write_atomically
from rftlab.registry import METHODS

RESULTS = Path(__file__).parents[2] / "docs" / "methods" / "results.json"
TASK, LABELS = "arithmetic/word", 100
STEPS = 30
# Several updates are made from each draw; a step of TRPO is a dozen gradient passes.
STEPS_OF = {"ppo": 60, "ddpg": 60, "rlhf": 40, "acer": 40, "sac": 40, "trpo": 5}
_COSTS = (
    "optimizer_steps", "tokens_generated", "tokens_trained", "flops", "completions", "verifier_calls", "seconds",
    "peak_memory_bytes",
)  # fmt: skip
_SHOWN = ("accuracy", "sampled_accuracy", "kl_to_base")


def cell_of(method: str, seed: int) -> Cell:
    """The cell of a page's result: reasoning asked for, 100 labels, every setting as it is by default."""
    teacher = {"teacher": "tiny-base"} if METHODS[method].teacher else {}
    return Cell.make(
        {
            "method": method, "task": TASK, "model": "tiny-base", "cot": True, "seed": seed, "settings": teacher,
            "labels": LABELS if METHODS[method].uses_labels else 0, "budget.amount": float(STEPS_OF.get(method, STEPS)),
            "evaluation": {
                "test_items": 100, "train_items": 1, "ood_items": 0, "sampled_items": 25, "samples": 4,
                "retention": "", "along_the_way": 1, "along_items": 1,
            },
        }
    )  # fmt: skip


def measure(method: str, seed: int) -> tuple[dict[str, Any], set[str]]:
    """What a cell measured and cost, and the names of the metrics that its steps were logged with."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(cell_of(method, seed), out=folder)
        experiment.train()
        experiment.evaluate()
        found = experiment.record()
    logged = {name for row in experiment.trace if row["kind"] == "train" for name in row if "/" in name}
    costs = {name: found.cost.get(name) or 0 for name in _COSTS}
    return {"seed": seed, **{name: found.metrics.get(name) for name in _SHOWN}, **costs}, logged


def main() -> None:
    """Measure the methods that are asked for, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.method_pages", description=__doc__)
    parser.add_argument("methods", nargs="+", metavar="METHOD", choices=sorted(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    for method, seed in itertools.product(options.methods, options.seeds):
        process = multiprocessing.get_context("fork").Process(target=_add, args=(method, seed))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"{method}, seed {seed}: failed")


def _add(method: str, seed: int) -> None:
    """Measure a seed and put it beside those of the same version of the method."""
    version = METHODS[method].version
    row, logged = measure(method, seed)
    results = read()
    kept = results.get(method, {})
    kept = kept if kept.get("version") == version else {"runs": [], "logged": []}
    runs = [run for run in kept["runs"] if run["seed"] != seed] + [row]
    results[method] = {
        "version": version,
        "logged": sorted(logged | {*kept["logged"]}),
        "runs": sorted(runs, key=lambda run: run["seed"]),
    }
    write_atomically(RESULTS, json.dumps(results, indent=1, sort_keys=True) + "\n")
    print(method, json.dumps(row), flush=True)


def read() -> dict[str, Any]:
    """What has been measured, by method."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


if __name__ == "__main__":
    main()
