"""Looking at a study more than once: repeated intervals over seeds, with a declared largest number of them."""

from functools import lru_cache

import numpy as np
from scipy import interpolate, optimize, special, stats

from rftlab.stats.intervals import Floats

BINS, COARSE = 400, 100
"""Bins of the recursion: for intervals that are shown, and for plans, where a level may be off by 3 % of itself."""


def look_confidence(seeds: int, largest: int, *, first: int = 3, alpha: float = 0.05, bins: int = BINS) -> float:
    """Confidence of the interval to show after ``seeds`` seeds, when a study may grow to ``largest``.

    Intervals of that confidence, shown at every look (after ``first``, ``first`` + 1, ..., ``largest`` seeds), all hold
    the truth with probability 1 - ``alpha`` or more: nobody gains by adding seeds until something is conclusive.

    Args:
        seeds: seeds so far.
        largest: declared before the first one ran.
        first: seeds at the first look; with fewer the confidence is 1 (an interval without limits).
        alpha: of the whole plan; divide it by the number of comparisons of a family.
        bins: of the recursion.

    Raises:
        ValueError: more seeds than declared, ``first`` below 2, or ``alpha`` not between 0 and 1.
    Source: group-sequential boundaries that spend alpha (n / N)^2 (Kim and DeMets 1987), computed for Student's t with
        n - 1 degrees of freedom rather than its normal limit, which is too liberal for few seeds; intervals as in
        Jennison and Turnbull 1989; computed by recursion over the looks (Armitage, McPherson, Rowe 1969). With 400
        bins a level is off by less than .2 % of itself at alpha .05, by less than .5 % at .05 / 315.
    """
    if not first >= 2:
        raise ValueError(f"a first look needs 2 seeds, not {first}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, not at {alpha}")
    if seeds > largest:
        raise ValueError(f"{seeds} seeds, but the study was declared to have {largest} at most")
    if seeds < first:
        return 1.0
    return 1.0 - _levels(first, seeds, largest, alpha, bins)[-1]


def boundaries(largest: int, *, first: int = 3, alpha: float = 0.05) -> list[float]:
    """Critical |t| at each look, for n - 1 degrees of freedom.

    Args:
        largest: seeds at the last look.
        first: seeds at the first.
        alpha: of the whole plan.
    """
    levels = _levels(first, largest, largest, alpha)
    return [float(stats.t.isf(level / 2, n - 1)) for n, level in enumerate(levels, start=first)]


@lru_cache
def _levels(first: int, last: int, largest: int, alpha: float, count: int = BINS) -> tuple[float, ...]:
    """Nominal two-sided level at each look up to ``last``, so that alpha (n / largest)^2 is spent after n seeds.

    Followed is u = sum / (sqrt(n) norm) of n standard normal values, t = sqrt(n - 1) u / sqrt(1 - u^2). Where a
    vector's direction does not depend on its length, u after n + 1 values depends on u after n alone, so that the
    looks are a Markov chain in one dimension. Kept is the mass of paths not yet stopped, in bins of arcsin |u|.
    """
    steps = np.diff(alpha * (np.arange(first, last + 1) / largest) ** 2)
    levels = [alpha * (first / largest) ** 2]
    bins = _bins(np.arctan(-special.stdtrit(first - 1, levels[0] / 2) / np.sqrt(first - 1)), count)
    mass = -np.diff(_level(bins, first))
    for n, wanted in enumerate(steps, start=first):
        middle = (bins[1:] + bins[:-1]) / 2
        edge = optimize.brentq(_missing, 0, np.pi / 2 - 1e-12, args=(mass, middle, n, wanted), xtol=1e-13)
        levels.append(float(_level(edge, n + 1)))
        bins = _bins(edge, count)
        mass = -np.diff(mass @ _beyond(middle[:, None], bins, n))
    return tuple(levels)


def _missing(edge: float, mass: Floats, middle: Floats, n: int, wanted: float) -> float:
    """How much more than wanted is stopped by the boundary ``edge``."""
    return float(mass @ _beyond(middle, edge, n)) - wanted


def _bins(edge: float, count: int) -> Floats:
    """Limits of bins from 0 to ``edge``, finer towards the edge, where paths are stopped next."""
    return edge * np.sin(np.linspace(0, np.pi / 2, count + 1))


def _level(angle: Floats | float, n: int) -> Floats:
    """Two-sided p of Student's t with n - 1 degrees of freedom at an angle."""
    return 2 * special.stdtr(n - 1, -np.tan(angle) * np.sqrt(n - 1))


def _beyond(angle: Floats, edge: Floats | float, n: int) -> Floats:
    """Chance that |u| passes sin(edge) after n + 1 values, where u is sin(angle) after n of them.

    sqrt(n + 1) u' = sqrt(n) u cos(phi) + sin(phi) = r cos(phi - d), with phi's density proportional to cos^(n-1).
    """
    along = np.sqrt(n) * np.sin(angle)
    r, d = np.hypot(along, 1), np.arctan2(1, along)
    width = np.arccos(np.clip(np.sin(edge) * np.sqrt(n + 1) / r, -1, 1))
    return _below(d + width, n) - _below(d - width, n) + _below(d + width - np.pi, n)


def _below(phi: Floats, n: int) -> Floats:
    """Distribution function of an angle in [-pi/2, pi/2] with density proportional to cos^(n-1)."""
    found: Floats = _distribution(n)(np.clip(phi, -np.pi / 2, np.pi / 2))
    return found


@lru_cache(maxsize=200)
def _distribution(n: int) -> interpolate.CubicHermiteSpline:
    """Of `_below`, through 4097 exact values and slopes: some ten times as fast, and right to about 1e-12."""
    phi = np.linspace(-np.pi / 2, np.pi / 2, 4097)
    s, c = np.sin(phi), np.cos(phi)
    exact = 0.5 + 0.5 * np.sign(s) * special.betainc(0.5, n / 2, s * s)
    return interpolate.CubicHermiteSpline(phi, exact, c ** (n - 1) / special.beta(0.5, n / 2))
