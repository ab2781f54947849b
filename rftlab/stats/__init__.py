"""Intervals, paired differences and crossovers: pure functions on arrays and tables.

The tests and the bootstrap are scipy's and statsmodels'; written here are the crossed-design difference (no library
has it for a plain table), the crossover and the sentences. An interval that cannot be computed is NaN, never 0 wide.
Nothing here knows what a record, a task or a figure is.
"""

from rftlab.stats.crossed import Crossed, Spread, crossed_interval, seed_spread
from rftlab.stats.differences import (
    Crossover,
    Difference,
    crossover,
    difference_spread,
    holm,
    mcnemar_p,
    outcome,
    paired_difference,
    points,
    verdict,
)
from rftlab.stats.intervals import (
    Interval,
    bootstrap_interval,
    items_interval,
    pass_at_k,
    summarise,
    t_interval,
    wilson_interval,
)
from rftlab.stats.sequential import boundaries, look_confidence

__all__ = [
    "Crossed", "Crossover", "Difference", "Interval", "Spread", "bootstrap_interval", "boundaries", "crossed_interval",
    "crossover", "difference_spread", "holm", "items_interval", "look_confidence", "mcnemar_p", "outcome",
    "paired_difference", "pass_at_k", "points", "seed_spread", "summarise", "t_interval", "verdict", "wilson_interval",
]  # fmt: skip
