"""Intervals, paired differences and crossovers: pure functions on arrays and tables.

The tests and the bootstrap are scipy's and statsmodels'; written here are the crossed-design difference (no library
has it for a plain table), the crossover and the sentences. An interval that cannot be computed is NaN, never 0 wide.
Nothing here knows what a record, a task or a figure is.
"""

from rftlab.stats.differences import (
    Crossover,
    Difference,
    crossover,
    holm,
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

__all__ = [
    "Crossover", "Difference", "Interval", "bootstrap_interval", "crossover", "holm", "items_interval", "outcome",
    "paired_difference", "pass_at_k", "points", "summarise", "t_interval", "verdict", "wilson_interval",
]  # fmt: skip
