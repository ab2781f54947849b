"""How long a run will still take: cell by cell, from cells of its kind that have ended, else from what was planned."""

import heapq
import json
from collections.abc import Callable, Mapping, Sequence

from rftlab.cell import Cell

# What makes two cells of one kind, where nothing closer has ended: that they take about the same time.
_OF_KIND = ("task", "model", "method", "cot", "cot_eval", "budget", "evaluation")
# Of what a cell is expected to take, left of one that has run for longer.
_LATE = 0.1


class TimeLeft:
    """Learns from cells as they end.

    Args:
        left: cells that are to be run, in their order.
        workers: cells run at once; 0 where that is not known.
        planned: seconds that a cell will take as far as was known before the run; None where nothing was.
    """

    def __init__(self, left: Sequence[Cell], workers: int, planned: Callable[[Cell], float | None]) -> None:
        self._workers = workers
        self._variants = {cell.id: cell.variant for cell in left}
        kinds = {cell.variant: _kind(cell) for cell in left}
        self._kinds = {name: kinds[variant] for name, variant in self._variants.items()}
        by_variant = {cell.variant: cell for cell in left}
        forecast = {variant: planned(cell) for variant, cell in by_variant.items()}
        self._planned = {name: forecast[variant] for name, variant in self._variants.items()}
        # Seconds in all and cells, by variant and by kind: a run of many cells asks for their mean for each that waits.
        self._took: dict[str, tuple[float, int]] = {}
        self._compared = [0.0, 0.0]  # seconds that ended cells took, and what had been planned for them

    def learn(self, cell: Cell, seconds: float) -> None:
        """So long a cell took that ran to its end; of one that failed there is nothing to learn."""
        if cell.id not in self._variants:
            return
        for alike in (self._variants[cell.id], self._kinds[cell.id]):
            in_all, ended = self._took.get(alike, (0.0, 0))
            self._took[alike] = in_all + seconds, ended + 1
        if planned := self._planned[cell.id]:
            self._compared[0] += seconds
            self._compared[1] += planned

    def seconds(self, running: Mapping[str, float], waiting: Sequence[str]) -> float | None:
        """Until the last cell ends, each given to the worker that is free first.

        Args:
            running: id -> seconds since it began, of the cells that run now.
            waiting: ids of those that have not begun, in their order.

        Returns:
            None where for one of them nothing tells how long it takes.
        """
        expected = {name: self._expected(name) for name in [*running, *waiting]}
        if any(each is None for each in expected.values()):
            return None
        takes = {name: each for name, each in expected.items() if each is not None}
        free = [max(takes[name] - since, _LATE * takes[name]) for name, since in running.items()]
        free += [0.0] * max(0, (self._workers or 1) - len(free))
        heapq.heapify(free)
        for name in waiting:
            heapq.heapreplace(free, free[0] + takes[name])
        return max(free)

    def _expected(self, name: str) -> float | None:
        """Of one arm as its other seeds took, else as planned and as far off as others were, else as others alike."""
        if name not in self._variants:
            return None
        if (took := self._mean(self._variants[name])) is not None:
            return took
        if (planned := self._planned[name]) is not None:
            took_in_all, planned_in_all = self._compared
            return planned * (took_in_all / planned_in_all if planned_in_all else 1.0)
        return self._mean(self._kinds[name])

    def _mean(self, alike: str) -> float | None:
        in_all, ended = self._took.get(alike, (0.0, 0))
        return in_all / ended if ended else None


def _kind(cell: Cell) -> str:
    """What decides how long a cell takes, as text that no `Cell.variant` equals."""
    values = cell.model_dump(mode="json")
    return json.dumps([values[name] for name in _OF_KIND], sort_keys=True)
