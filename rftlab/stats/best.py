"""The best set of several arms, from their simultaneous pairwise intervals."""

from collections.abc import Mapping, Sequence

from rftlab.stats.intervals import Interval


def best_set(arms: Sequence[str], differences: Mapping[tuple[str, str], Interval]) -> list[str]:
    """The arms that no other is better than, in the order given: the true best is among them.

    A single leader picked by its mean flatters itself (by 2 to 5 points among equals) and hides that others could not
    be told from it. With intervals that hold together with probability 1 - alpha, this set holds the truly best arm
    with that probability, however many arms there are.

    Args:
        arms: names, none twice.
        differences: (first, second) -> `simultaneous` interval of first minus second, each pair in either order; a pair
            without one, or with NaN, rules nobody out.

    Returns:
        Never empty for a non-empty list: where decisions run in a circle (a better than b better than c better than a,
        possible where pairs rest on different seeds), all arms of the circle that nothing outside it beats.
    Source: Hsu 1996, Multiple comparisons, chapter 4 (comparisons with the best, by way of all pairs).
    """
    beaten_by: dict[str, set[str]] = {arm: set() for arm in arms}
    for (first, second), difference in differences.items():
        if first in beaten_by and second in beaten_by:
            if difference.low > 0:
                beaten_by[second].add(first)
            elif difference.high < 0:
                beaten_by[first].add(second)
    above = {arm: _reached(arm, beaten_by) for arm in arms}
    return [arm for arm in arms if all(arm in above[other] for other in above[arm])]


def _reached(arm: str, beaten_by: Mapping[str, set[str]]) -> set[str]:
    """All that beat an arm, directly or through others."""
    found: set[str] = set()
    waiting = [arm]
    while waiting:
        new = beaten_by[waiting.pop()] - found
        found |= new
        waiting += new
    return found
