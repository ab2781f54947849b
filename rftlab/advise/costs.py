"""What cells that have not run will take, from cells that have: straight lines through what was measured.

Training goes with optimiser steps, an evaluation with the completions asked, a look along the way with its items; what
is left of a cell's time is its start. Two amounts give a line with what does not grow, one amount a line through 0.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from rftlab.advise.measured import Measured, kind_of
from rftlab.cell import Cell

AXES = ("wall", "peak_bytes", "disk_bytes", "tokens_generated", "tokens_trained", "flops", "asked")
COVERAGE = 0.8
"""Share of predictions whose interval shall hold what comes."""
# Amounts that differ by less tell nothing of what does not grow with them.
_APART = 1.3
_GROWING = ("train", "tokens_generated", "tokens_trained", "flops")

# Spread of ln(measured / predicted) of whole runs: so wide that four of five of those in docs/planning.md lie inside
# (`python -m tests.bench.forecasts`). Of cells that ran, what a run at another time adds to what holding out shows.
RUNS_OF_PROBES = {
    "wall": 0.35, "peak_bytes": 0.04, "disk_bytes": 0.07, "tokens_generated": 0.22, "tokens_trained": 0.05,
    "flops": 0.09, "asked": 0.01,
}  # fmt: skip
RUNS_OF_CELLS = {
    "wall": 0.25, "peak_bytes": 0.04, "disk_bytes": 0.01, "tokens_generated": 0.03, "tokens_trained": 0.02,
    "flops": 0.02, "asked": 0.01,
}  # fmt: skip


class Amount(NamedTuple):
    """A prediction and its interval."""

    estimate: float
    low: float
    high: float

    def times(self, factor: float) -> "Amount":
        """The same of so many."""
        return Amount(*(factor * each for each in self))

    @staticmethod
    def summed(amounts: Iterable["Amount"]) -> "Amount":
        """Of a sum whose parts are all too low or all too high together, which is the worst case."""
        found = [*zip(*amounts, strict=True)] or [(0.0,)] * 3
        return Amount(*map(sum, found))

    @staticmethod
    def largest(amounts: Iterable["Amount"]) -> "Amount":
        """Of the largest of several."""
        found = [*zip(*amounts, strict=True)] or [(0.0,)] * 3
        return Amount(*map(max, found))


@dataclass(frozen=True)
class Rates:
    """What is known of cells on this machine, and how far predictions from it have been off.

    Attributes:
        cells: measured ones; of a probe, its runs, which are of one kind and count for what was asked to be probed.
        probed: whether they are probes: short runs, whose interval is that of whole runs predicted by such.
        errors: root mean square of ln(measured / predicted), by axis.
        held_out: cells that were predicted from the others for it; 0 where all of it is as measured on other runs.
        own_error: of those, of their time.
    """

    cells: tuple[Measured, ...]
    probed: bool
    errors: Mapping[str, float]
    held_out: int = 0
    own_error: float = 0.0

    @staticmethod
    def of_probes(cells: Sequence[Measured]) -> "Rates":
        """From two short runs of a kind."""
        return Rates(tuple(cells), True, RUNS_OF_PROBES)

    @staticmethod
    def of_cells(cells: Sequence[Measured]) -> "Rates":
        """From cells that ran: each is held out and predicted from the others of its kind."""
        plain = Rates(tuple(cells), False, dict.fromkeys(AXES, 0.0))
        found: dict[str, list[float]] = {axis: [] for axis in AXES}
        held = 0
        for left_out in cells:
            rest = replace(plain, cells=tuple(each for each in cells if each is not left_out))
            predicted = rest.predict(left_out.cell)
            if predicted is None:
                continue
            held += 1
            for axis, value in actual(left_out).items():
                if value > 0 and predicted[axis].estimate > 0:
                    found[axis].append(math.log(value / predicted[axis].estimate))
        errors = {axis: math.hypot(RUNS_OF_CELLS[axis], _spread(found[axis])) for axis in AXES}
        return replace(plain, errors=errors, held_out=held, own_error=_spread(found["wall"]))

    def predict(self, cell: Cell) -> dict[str, Amount] | None:
        """What a cell will take, by axis; None where no cell of its kind is known."""
        alike = self._alike(cell)
        if not alike:
            return None
        steps, least = _steps(cell, alike)
        asked = _asked(cell, max(alike, key=lambda m: sum(m.asked.values())))
        train = {name: _line(alike, lambda m: m.steps, name) for name in _GROWING}
        evaluation = _line(alike, lambda m: float(sum(m.asked.values())), "evaluation")
        look = _line(alike, lambda m: float(m.cell.evaluation.along_items), lambda m: m.along / _looks(m.cell))
        start = float(np.mean([m.start for m in alike]))
        along = _looks(cell) * look(cell.evaluation.along_items) if cell.evaluation.along_the_way else 0.0
        fixed = start + evaluation(asked)
        bytes_asked = sum(m.sample_bytes for m in alike) / max(1, sum(sum(m.asked.values()) for m in alike))
        others = float(np.mean([m.other_bytes for m in alike]))
        values = {name: train[name](steps) for name in _GROWING[1:]}
        values |= {
            "wall": fixed + train["train"](steps) + along,
            "peak_bytes": max(m.peak_bytes for m in alike),
            "disk_bytes": others + bytes_asked * asked,
            "asked": asked,
        }
        if cell.budget.unit == "seconds":
            values["wall"] = fixed + (cell.budget.amount if steps else 0.0) + along
        share = least / steps if steps else 1.0
        lows = {name: train[name](least) for name in _GROWING[1:]} | {"wall": fixed + share * (values["wall"] - fixed)}
        return {axis: self._around(axis, values[axis], lows.get(axis, values[axis])) for axis in AXES}

    def _around(self, axis: str, value: float, least: float) -> Amount:
        freedom = self.held_out or math.inf
        factor = math.exp(float(stats.t.ppf(0.5 + COVERAGE / 2, freedom)) * self.errors[axis])
        return Amount(value, min(value, least) / factor, value * factor)

    def _alike(self, cell: Cell) -> list[Measured]:
        """Those of its kind; of cells that ran, with the nearest number of labels."""
        if self.probed:
            return list(self.cells)
        work, asked = kind_of(cell)
        same = [m for m in self.cells if kind_of(m.cell)[0] == work]
        alike = [m for m in same if kind_of(m.cell)[1] == asked]
        if not alike and cell.evaluation.part == "development":
            alike = [m for m in same if m.cell.evaluation.part == "test"]
        nearest = min((_far(m.cell, cell) for m in alike), default=0.0)
        return [m for m in alike if _far(m.cell, cell) == nearest]


def actual(found: Measured) -> dict[str, float]:
    """What a cell took, by axis."""
    return {
        "wall": found.wall, "peak_bytes": found.peak_bytes, "disk_bytes": found.sample_bytes + found.other_bytes,
        "tokens_generated": found.tokens_generated, "tokens_trained": found.tokens_trained, "flops": found.flops,
        "asked": float(sum(found.asked.values())),
    }  # fmt: skip


def makespan(seconds: Sequence[float], workers: int) -> float:
    """Seconds until the last of these cells has ended, each given to the worker that is free first, in order."""
    free = [0.0] * max(1, min(workers, len(seconds)))
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def _spread(errors: Sequence[float]) -> float:
    return math.sqrt(sum(e * e for e in errors) / len(errors)) if errors else 0.0


def _far(first: Cell, second: Cell) -> float:
    return abs(math.log(max(first.labels, 1) / max(second.labels, 1)))


def _looks(cell: Cell) -> int:
    """Evaluations along the way: one before training, and those after it began."""
    return cell.evaluation.along_the_way + 1


def _steps(cell: Cell, alike: Sequence[Measured]) -> tuple[float, float]:
    """Optimiser steps that a cell will take, and the fewest that it can."""
    if not any(m.steps for m in alike):
        return 0.0, 0.0
    budget, unit = cell.budget, cell.budget.unit
    if unit == "steps":
        most = max(1.0, math.floor(budget.amount))
    else:
        spent: dict[str, Callable[[Measured], float]] = {
            "seconds": lambda m: m.train,
            "flops": lambda m: m.flops,
            "tokens": lambda m: m.tokens_generated + m.tokens_trained,
        }
        cost = _line(alike, lambda m: m.steps, spent[unit])
        most = max(0.0, (budget.amount - cost(0.0)) / max(cost(1.0) - cost(0.0), 1e-12))
    if budget.until == "spent":
        return most, most
    least = most * min(1.0, budget.patience / max(1, cell.evaluation.along_the_way))
    ended = [m for m in alike if m.cell.budget.until == "plateau" and m.cell.budget.unit == unit == "steps"]
    share = float(np.mean([m.steps / m.cell.budget.amount for m in ended])) if ended else 1.0
    return most * min(1.0, share), least


def _asked(cell: Cell, like: Measured) -> float:
    """Completions of a cell's last evaluation, by what an alike cell was asked."""
    now, then = cell.evaluation, like.cell.evaluation
    if now.part == "development":
        return now.along_items + min(now.sampled_items, now.along_items) * now.samples
    times = {
        "test": (now.test_items, then.test_items),
        "ood": (now.ood_items, then.ood_items),
        "retention": (now.retention_items, then.retention_items),
        "sampled": (now.sampled_items * now.samples, then.sampled_items * then.samples),
        "development": (now.along_items, then.along_items),
        "train": (min(cell.labels, now.train_items), min(like.cell.labels, then.train_items)),
    }
    times["base_train"] = times["train"]
    return sum(
        float(rows * times[part][0] / times[part][1]) if part in times and times[part][1] else float(rows)
        for part, rows in like.asked.items()
    )


def _line(
    alike: Sequence[Measured], amount: Callable[[Measured], float], value: str | Callable[[Measured], float]
) -> Callable[[float], float]:
    """The straight line through what alike cells took at their amounts; nothing of it falls or begins below 0."""
    of = (lambda m: float(getattr(m, value))) if isinstance(value, str) else value
    x, y = np.array([amount(m) for m in alike]), np.array([of(m) for m in alike])
    if not x.max() > 0:
        return lambda _: float(y.mean())
    through_zero = float(y @ x / (x @ x))
    if x.min() <= 0 or x.max() / x.min() < _APART:
        return lambda at: float(y.sum() / x.sum()) * at
    slope, rest = map(float, np.polyfit(x, y, 1))
    if slope < 0 or rest < 0:
        return lambda at: through_zero * at
    return lambda at: rest + slope * at
