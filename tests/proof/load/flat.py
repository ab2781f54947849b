"""What a long run held, cell after cell, and whether that was as much at its end as near its beginning.

The first fifth is left out: what is made once (sockets of the first kernels, caches) is made there.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence

Figures = Sequence[Mapping[str, float]]
"""One line for each cell that ended, in order."""

# A kernel and what belongs to it come and go while another cell ends: counts of the worker beside it differ by these.
_ONE_WORKER: Mapping[str, float] = {"files": 40, "threads": 8, "sockets": 12, "processes": 3, "temporary files": 12}
COUNTED = tuple(_ONE_WORKER)


def parts(lines: Figures) -> tuple[Figures, Figures]:
    """The second fifth and the last.

    Raises:
        ValueError: of fewer than ten cells.
    """
    fifth = len(lines) // 5
    if fifth < 2:
        raise ValueError(f"{len(lines)} cells have no fifths to compare")
    return lines[fifth : 2 * fifth], lines[-fifth:]


def leak(lines: Figures, name: str) -> str:
    """How a count grew, by its most in either part: more than one worker makes it differ; "" if it did not."""
    then, now = (max(line[name] for line in part) for part in parts(lines))
    return f"{now:.0f} at the end, {then:.0f} near the beginning" if now > then + _ONE_WORKER[name] else ""


def growth(lines: Figures, name: str, most: float) -> str:
    """How a figure grew by more than ``most`` for each cell between the two parts, median to median; "" if not."""
    then, now = (statistics.median(line[name] for line in part) for part in parts(lines))
    each = (now - then) / _between(lines)
    return f"grew by {each / 1e3:.1f} KB a cell, from {then / 1e6:.1f} to {now / 1e6:.1f} MB" if each > most else ""


def slower(lines: Figures, taken: Callable[[Figures], float], most: float, what: str) -> str:
    """How many times as long a cell took at the end, if more than ``most`` times; "" if not."""
    then, now = map(taken, parts(lines))
    return f"{now:.3f} s {what} at the end, {then:.3f} s near the beginning" if now > most * then else ""


def wall(lines: Figures) -> float:
    """Seconds of a cell, median."""
    return statistics.median(line["seconds"] for line in lines)


def processor(lines: Figures) -> float:
    """Processor seconds of a cell, mean."""
    return (lines[-1]["processor"] - lines[0]["processor"]) / (len(lines) - 1)


def _between(lines: Figures) -> int:
    """Cells from the middle of the second fifth to that of the last."""
    return len(lines) - len(lines) // 5 * 2
