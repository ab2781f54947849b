"""Measure how often our intervals hold: `python -m tests.simulations [NAME ...] [--tables N]`; prints Markdown."""

import argparse
import os
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from tests.simulations import coverage, families, folds, looks, settled

Measure = Callable[[Any, int, np.random.Generator], dict[str, float]]
Table = tuple[str, Sequence[Any], Measure, Callable[[Any, dict[str, float]], str]]


def tables() -> dict[str, Table]:
    """Every table by name: title, rows, how a row is measured, and what was promised of it ("" where it holds)."""
    c = coverage
    return {
        "differences": ("Coverage of a paired difference, nominal .95", c.difference_rows(), c.differences, _covered),
        "accuracies": ("Coverage of an accuracy, new items and seeds", c.accuracy_rows(), c.accuracies, _covered),
        "areas": ("Coverage of the area from 10 to 100 labels", c.area_rows(), c.areas, _covered),
        "crossovers": ("Crossovers", c.crossover_rows(), c.crossovers, _crossed),
        "collapses": ("Total collapse in one seed of five", c.collapse_rows(), c.collapses, _bounded),
        "families": (
            "All arms are one method, and one is called better",
            families.rows(),
            families.false_winners,
            _rarely,
        ),
        "best": ("The best set of five arms", families.leads(), families.best_sets, _held),
        "widths": ("What a family of all pairs of four equal arms costs", families.sizes(), families.widths, _joint),
        "folds": ("Coverage of a paired difference over folds", folds.rows(), folds.differences, _over_folds),
        "fold-accuracies": ("Coverage of an accuracy over folds", folds.accuracy_rows(), folds.accuracies, _over_folds),
        "pools": ("Labels from a pool of 100 rows, test items apart", folds.pools(), folds.from_few, _of_pool),
        "looks": ("Stopped when conclusive, looks at 3, 4, ..., 10 seeds", looks.rows(), looks.stopped, _spent),
        "settled": (
            "Run until decided or given up, looks at 3, 4, ..., 10 seeds",
            settled.rows(),
            settled.settled,
            _settled,
        ),
    }


def main() -> int:
    """Print the tables asked for; 1 if a row breaks its promise."""
    known = tables()
    parser = argparse.ArgumentParser(prog="python -m tests.simulations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or some of: {', '.join(known)}")
    parser.add_argument("--tables", type=int, default=2000, help="made-up studies a row (default 2000)")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(known)}")
    if options.tables < 1:
        parser.error("a row needs at least 1 made-up study")
    broken = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in options.names or known:
            title, rows, _, promise = known[name]
            began = time.perf_counter()
            found = list(pool.map(partial(_measured, name, options.tables), range(len(rows))))
            broken += _print(title, rows, found, promise)
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return 1 if broken else 0


def _measured(name: str, studies: int, index: int) -> dict[str, float]:
    _, rows, measure, _ = tables()[name]
    # Each row draws from a seed of its own, so that a row alone is the same as among others.
    return measure(rows[index], studies, np.random.default_rng([zlib.crc32(name.encode()), index]))


def _print(title: str, rows: Sequence[Any], found: Sequence[dict[str, float]], promise: Callable) -> int:
    sizes = [size for size in ("arms", "budgets", "rows", "seeds", "items") if hasattr(rows[0], size)]
    columns = ["world", *sizes, *found[0], "promise"]
    print(f"\n## {title}\n\n| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 2)}---|")
    broken = 0
    for row, numbers in zip(rows, found, strict=True):
        said = promise(row, numbers)
        broken += said.startswith("broken")
        cells = [row.name, *(str(getattr(row, size)) for size in sizes), *map(_number, numbers.items()), said]
        print(f"| {' | '.join(cells)} |", flush=True)
    return broken


def _number(item: tuple[str, float]) -> str:
    name, value = item
    if np.isnan(value):
        return ""
    one = ("half width", "half width by labels", "mean seeds", "arms in it")
    digits = 0 if name == "comparisons" else 1 if name in one else 3
    return f"{value:.{digits}f}"


def _kept(holds: bool, promised: str) -> str:
    return promised if holds else f"broken: {promised}"


def _covered(row: coverage.Row, found: dict[str, float]) -> str:
    return _kept(coverage.in_band(row, found["coverage"]), coverage.promise(row))


def _crossed(row: coverage.Row, found: dict[str, float]) -> str:
    return _kept(found["wrong"] <= 0.05 and not found["limits hold"] < 0.93, "limits hold .93, wrong .05")


def _bounded(row: coverage.Row, found: dict[str, float]) -> str:
    return _kept(found["bound holds"] >= 0.95, "bound holds .95")


def _rarely(row: families.Row, found: dict[str, float]) -> str:
    return _kept(found["some row is false"] <= 0.06, "at most .06")


def _held(row: families.Row, found: dict[str, float]) -> str:
    return _kept(found["holds the best"] >= 0.95, "at least .95")


def _joint(row: families.Row, found: dict[str, float]) -> str:
    return _kept(found["all hold"] >= 0.94, "all hold .94")


def _settled(row: settled.Row, found: dict[str, float]) -> str:
    if row.world.gap == 0.0:
        return _kept(found["false"] <= row.promised + 0.01, f"false at most {row.promised:g}")
    return _kept(found["better"] >= row.promised, f"better at least {row.promised:g}")


def _over_folds(_: folds.Row, found: dict[str, float]) -> str:
    return _kept(min(found["coverage, 10 labels"], found["all labels"]) >= 0.95, "at least .95")


def _of_pool(_: folds.Pool, found: dict[str, float]) -> str:
    return _kept(found["these rows"] >= 0.93, "these rows .93")


def _spent(row: looks.Row, found: dict[str, float]) -> str:
    return "" if row.world.gap else _kept(found["said better or worse"] <= 0.05, "at most .05")


if __name__ == "__main__":
    raise SystemExit(main())
