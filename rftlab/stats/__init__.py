"""Intervals, paired differences, families of comparisons and crossovers: pure functions on arrays and tables.

The tests and the bootstrap are scipy's and statsmodels'; written here are the crossed-design difference (no library
has it for a plain table), the levels of repeated looks, the area between two curves and the five words. An interval
that cannot be computed is NaN, never 0 wide. Nothing here knows what a record, a task or a figure is.
`tests/simulations` measures how often these intervals hold, docs/simulations.md has the tables.
"""

from rftlab.stats.agreement import kappa_interval
from rftlab.stats.area import Area, area, log_weights, weighted
from rftlab.stats.best import best_set
from rftlab.stats.collapse import Collapse, at_most, collapse, collapsed
from rftlab.stats.crossed import Crossed, Spread, crossed_interval, fold_overlap, seed_spread
from rftlab.stats.crossovers import Crossover, crossover
from rftlab.stats.differences import (
    Difference,
    difference_spread,
    holm,
    mcnemar_p,
    outcome,
    paired_difference,
    paired_table,
    points,
    table_difference,
    table_mean,
    table_spread,
    verdict,
)
from rftlab.stats.family import family_confidence, final_confidence, pooled_spreads, simultaneous
from rftlab.stats.futility import HOPELESS, chance_to_decide
from rftlab.stats.intervals import (
    Interval,
    bootstrap_interval,
    items_interval,
    pass_at_k,
    stratified_interval,
    summarise,
    t_interval,
    wilson_interval,
)
from rftlab.stats.planning import MOST_SEEDS, Components, items_forbid, seeds_to_show
from rftlab.stats.ratios import ratio_interval
from rftlab.stats.sampling import best_of, majority
from rftlab.stats.sequential import boundaries, look_confidence
from rftlab.stats.words import WORDS, Word, decide, negligible, suggestion, turned, word

__all__ = [
    "HOPELESS", "MOST_SEEDS", "WORDS", "Area", "Collapse", "Components", "Crossed", "Crossover", "Difference",
    "Interval", "Spread", "Word", "area", "at_most", "best_of", "best_set", "bootstrap_interval", "boundaries",
    "chance_to_decide", "collapse", "collapsed", "crossed_interval", "crossover", "decide", "difference_spread",
    "family_confidence", "final_confidence", "fold_overlap", "holm", "items_forbid", "items_interval",
    "kappa_interval", "log_weights", "look_confidence", "majority", "mcnemar_p", "negligible", "outcome",
    "paired_difference", "paired_table", "pass_at_k", "points", "pooled_spreads", "ratio_interval", "seed_spread",
    "seeds_to_show", "simultaneous", "stratified_interval", "suggestion", "summarise", "t_interval",
    "table_difference", "table_mean", "table_spread", "turned", "verdict", "weighted", "wilson_interval", "word",
]  # fmt: skip
