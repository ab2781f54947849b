"""Looking at a study more than once: repeated intervals over seeds, with a declared largest number of them."""

from functools import lru_cache

import numpy as np
from scipy import stats

_DRAWS, _CHUNK = 2_000_000, 100_000


def look_confidence(seeds: int, largest: int, *, first: int = 3, alpha: float = 0.05) -> float:
    """Confidence of the interval to show after ``seeds`` seeds, when a study may grow to ``largest``.

    Intervals of that confidence, shown at every look (after ``first``, ``first`` + 1, ..., ``largest`` seeds), all hold
    the truth with probability 1 - ``alpha`` or more: nobody gains by adding seeds until something is conclusive.

    Args:
        seeds: seeds so far.
        largest: declared before the first one ran.
        first: seeds at the first look; with fewer the confidence is 1 (an interval without limits).
        alpha: of the whole plan; divide it by the number of comparisons of a family.

    Raises:
        ValueError: more seeds than declared, or ``first`` below 2.
    Source: group-sequential boundaries that spend alpha (n / N)^2 (Kim and DeMets 1987), computed for Student's t with
        n - 1 degrees of freedom rather than its normal limit, which is too liberal for few seeds; intervals as in
        Jennison and Turnbull 1989.
    """
    if not first >= 2:
        raise ValueError(f"a first look needs 2 seeds, not {first}")
    if seeds > largest:
        raise ValueError(f"{seeds} seeds, but the study was declared to have {largest} at most")
    if seeds < first:
        return 1.0
    return 1.0 - _levels(first, largest, alpha)[seeds - first]


def boundaries(largest: int, *, first: int = 3, alpha: float = 0.05) -> list[float]:
    """Critical |t| at each look, for n - 1 degrees of freedom.

    Args:
        largest: seeds at the last look.
        first: seeds at the first.
        alpha: of the whole plan.
    """
    levels = _levels(first, largest, alpha)
    return [float(stats.t.isf(level / 2, n - 1)) for n, level in enumerate(levels, start=first)]


@lru_cache
def _levels(first: int, largest: int, alpha: float) -> tuple[float, ...]:
    """Nominal two-sided level at each look, so that what is spent after n seeds is alpha (n / largest)^2."""
    spent = alpha * (np.arange(first, largest + 1) / largest) ** 2
    p = _nominal(first, largest)
    alive = np.ones(len(p), dtype=bool)
    levels = []
    for look, total in enumerate(spent):
        wanted = round(total * len(p)) - int((~alive).sum())
        here = np.sort(p[alive, look])
        level = float(here[max(wanted, 1) - 1]) if look else float(total)  # the first look is exact
        levels.append(level)
        alive &= p[:, look] > level
    return tuple(levels)


@lru_cache
def _nominal(first: int, largest: int) -> np.ndarray:
    """Two-sided p of a t-test after first, ..., largest standard normal values: (draws, looks)."""
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(_DRAWS // _CHUNK):
        values = rng.standard_normal((_CHUNK, largest), dtype=np.float32)
        n = np.arange(1, largest + 1)
        total, squares = values.cumsum(axis=1), (values**2).cumsum(axis=1)
        n, total, squares = (x[..., first - 1 :] for x in (n, total, squares))
        t = total / np.sqrt(n) / np.sqrt((squares - total**2 / n) / (n - 1))
        parts.append((2 * stats.t.sf(np.abs(t), n - 1)).astype(np.float32))
    return np.concatenate(parts)
