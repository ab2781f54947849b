"""The five words for a difference: better, worse, same, better or same, open."""

from dataclasses import replace
from math import isnan
from typing import Literal, get_args

from rftlab.stats.differences import Difference

Word = Literal["better", "worse", "same", "better or same", "open"]
WORDS: tuple[Word, ...] = get_args(Word)


def decide(low: float, high: float, margin: float) -> Word:
    """The one word for an interval of a difference, first minus second; exactly one holds, in this order.

    1. "better": low > 0. Also where the whole interval lies below the margin: that the first is better is then known,
       and `negligible` says that it is by less than matters.
    2. "worse": high < 0, by the same rule.
    3. "same", within the margin: -margin < low and high < margin.
    4. "better or same": low > -margin. The mirror of it, high < margin alone, is "open" from this side: turn the
       comparison round (`turned`), so that the first is the one that is ahead.
    5. "open": anything else, an interval that is NaN among it.

    Args:
        low: lower limit; NaN where there is none.
        high: upper limit, not below ``low``.
        margin: smallest effect that matters, above 0, in the unit of the limits.

    Raises:
        ValueError: a margin that is not above 0, or limits in the wrong order.
    """
    if not margin > 0:
        raise ValueError(f"the smallest effect that matters must be above 0, not {margin}")
    if isnan(low) or isnan(high):
        return "open"
    if low > high:
        raise ValueError(f"limits in the wrong order: {low} to {high}")
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    if low > -margin:
        return "same" if high < margin else "better or same"
    return "open"


def word(difference: Difference, margin: float) -> Word:
    """The word for a comparison; "open" with one seed, whatever its items say: see `suggestion`."""
    return decide(difference.low, difference.high, margin) if difference.seeds > 1 else "open"


def suggestion(difference: Difference, margin: float) -> Word:
    """What one seed suggests: the word that its items would give, "open" for several seeds, which decide.

    One training run is one draw: with a seed spread of 5 points an interval over its items alone holds the difference
    of the methods in 67 % of cases, with 10 points in 41 %.
    """
    return decide(difference.low, difference.high, margin) if difference.seeds == 1 else "open"


def negligible(low: float, high: float, margin: float) -> bool:
    """Whether the whole interval lies within the margin: different or not, the difference is not worth having."""
    return -margin < low and high < margin


def turned(difference: Difference) -> Difference:
    """The same comparison from the other side, second minus first."""
    low, high = difference.runs
    mean = -difference.estimate
    return replace(difference, estimate=mean, low=-difference.high, high=-difference.low, runs=(-high, -low))
