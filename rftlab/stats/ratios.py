"""An interval for a ratio of two estimates, each with limits of its own."""

from math import isfinite, nan, sqrt

from rftlab.stats.intervals import Interval

_NOTHING = 1e-9
"""A lower limit no higher than that is taken for 0."""


def ratio_interval(above: Interval, below: Interval) -> Interval:
    """The ratio of two independent estimates, of which the lower one's interval lies above 0.

    Args:
        above: estimate and limits, 0 or more; without spread, or without limits, it is taken as exact.
        below: estimate and limits.

    Returns:
        Limits are NaN where the interval below holds 0, or has no limits: the ratio may be anything then; its
        estimate too is NaN where the one below is not above 0. With an exact ``above`` they are the inverses of the
        limits below.

    Source: MOVER for ratios, Donner and Zou 2012, Statistical Methods in Medical Research 21:347, which takes limits
        that are not symmetric, and with symmetric ones is Fieller's interval.
    """
    n = min(above.n, below.n)
    estimate = above.estimate / below.estimate if below.estimate > 0 else nan
    if not (below.estimate > 0 and below.low > _NOTHING and isfinite(below.high)):
        return Interval(estimate, nan, nan, n)
    exact = not (isfinite(above.low) and isfinite(above.high))
    low, high = (above.estimate, above.estimate) if exact else (above.low, above.high)
    product = above.estimate * below.estimate

    def spread(limit: float, other: float) -> float:
        """Root of the discriminant; rounding may leave it a little below 0."""
        inner = limit * (2 * above.estimate - limit) * other * (2 * below.estimate - other)
        return sqrt(max(0.0, product**2 - inner))

    # In this form nothing is divided by 0 where the upper limit below is twice its estimate.
    least = low * (2 * above.estimate - low) / (product + spread(low, below.high)) if product else 0.0
    most = (product + spread(high, below.low)) / (below.low * (2 * below.estimate - below.low))
    return Interval(estimate, least, most, n)
