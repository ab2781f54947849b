"""What several sampled answers to a question are worth, expected over all choices of k of the N that were drawn.

Draws are exchangeable, so the mean over every subset of k of them is the unbiased estimate with the least variance that
they allow; no completion is sampled anew.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import comb, floor

import numpy as np
from numpy.typing import ArrayLike

from rftlab.stats.intervals import Floats

EXACT_UP_TO = 64
"""Draws of an item up to which a majority is counted out; of more it is estimated."""
_SUBSETS = 4_000


def best_of(rewards: ArrayLike, k: int) -> Floats:
    """Expected highest reward of k draws without replacement: what a verifier at hand makes of k answers.

    With rewards of 0 and 1 it is pass@k (`pass_at_k`).

    Args:
        rewards: (..., N), N draws of an item in the last axis.
        k: 1 <= k <= N.

    Returns:
        One value an item, shape (...).

    Raises:
        ValueError: k is not among 1 to N.
    Source: sum of r_(i) C(i-1, k-1) / C(N, k) over the ordered rewards r_(1) <= ... <= r_(N): order statistics of a
        sample without replacement; for 0 and 1 Chen et al. 2021 (2107.03374) equation 1.
    """
    ordered = np.sort(np.asarray(rewards, dtype=float), axis=-1)
    draws = ordered.shape[-1]
    _require(k, draws)
    return np.asarray(ordered @ _weights(draws, k))


def majority(answers: Sequence[tuple[int, int]], silent: int, k: int) -> float:
    """Chance that the most frequent answer of k draws without replacement is right; equally frequent ones share it.

    An answer is right where a right one of its rows is among the k: two rows of one text may differ in form, and the
    better one is given. Draws without an answer do not vote; k of them are wrong.

    Args:
        answers: for each distinct answer its rows that are right and those that are not.
        silent: draws without an answer.
        k: 1 <= k <= N, N being all draws.

    Returns:
        In [0, 1]; exact up to `EXACT_UP_TO` draws, beyond estimated from 4 000 choices of a fixed seed (standard error
        below .008).

    Raises:
        ValueError: k is not among 1 to N.
    Source: Wang et al. 2022 (2203.11171) section 2; ties and the mean over choices are ours.
    """
    draws = silent + sum(map(sum, answers))
    _require(k, draws)
    own = tuple(sorted(map(tuple, answers)))
    return (_counted_out if draws <= EXACT_UP_TO else _estimated)(own, silent, k)


def between(value_at: Sequence[float], k: float) -> float:
    """The value of a fractional number of draws: of floor(k) and ceil(k), mixed so that their mean is k.

    Args:
        value_at: of floor(k), and of ceil(k).
        k: at least 1.
    """
    share = k - floor(k)
    return (1 - share) * value_at[0] + share * value_at[-1]


@lru_cache(maxsize=1_000)
def _weights(draws: int, k: int) -> Floats:
    """Chance (N,) that each of the ordered draws is the highest of k."""
    return np.array([comb(i, k - 1) / comb(draws, k) for i in range(draws)])


@lru_cache(maxsize=100_000)
def _counted_out(answers: tuple[tuple[int, int], ...], silent: int, k: int) -> float:
    draws = silent + sum(map(sum, answers))
    won = 0.0
    for place, (right, wrong) in enumerate(answers):
        if right:
            others = tuple(sum(each) for i, each in enumerate(answers) if i != place)
            for votes in range(1, min(k, right + wrong) + 1):
                # Ways in which it gets so many votes, a right row among them.
                ways = comb(right + wrong, votes) - comb(wrong, votes)
                won += ways * _ways_of_the_rest(others, silent, votes, k - votes)
    return won / comb(draws, k)


@lru_cache(maxsize=100_000)
def _ways_of_the_rest(others: tuple[int, ...], silent: int, votes: int, left: int) -> float:
    """Ways to choose the other draws so that no answer has more votes, each way counted 1 / (answers level with it)."""
    level = left // votes
    ways_S_L = np.zeros((left + 1, level + 1))  # draws chosen so far, answers level so far
    ways_S_L[0, 0] = 1.0
    for size in others:
        grown_S_L = np.zeros_like(ways_S_L)
        for taken in range(min(size, votes, left) + 1):
            tied = int(taken == votes)
            grown_S_L[taken:, tied:] += comb(size, taken) * ways_S_L[: left + 1 - taken, : level + 1 - tied]
        ways_S_L = grown_S_L
    of_silent_S = np.array([float(comb(silent, left - chosen)) for chosen in range(left + 1)])
    return float(of_silent_S @ ways_S_L @ (1 / (1 + np.arange(level + 1))))


@lru_cache(maxsize=100_000)
def _estimated(answers: tuple[tuple[int, int], ...], silent: int, k: int) -> float:
    sizes = [size for both in answers for size in both] + [silent]
    drawn_M_C = np.random.default_rng(0).multivariate_hypergeometric(sizes, k, size=_SUBSETS)
    right_M_A, wrong_M_A = drawn_M_C[:, 0:-1:2], drawn_M_C[:, 1:-1:2]
    if not right_M_A.shape[1]:
        return 0.0
    votes_M_A = right_M_A + wrong_M_A
    most_M_1 = votes_M_A.max(axis=1, keepdims=True)
    level_M_A = (votes_M_A == most_M_1) & (most_M_1 > 0)
    return float(np.mean((level_M_A & (right_M_A > 0)).sum(axis=1) / np.maximum(level_M_A.sum(axis=1), 1)))


def _require(k: int, draws: int) -> None:
    if not 1 <= k <= draws:
        raise ValueError(f"k is {k}, and there are {draws} draws; give 1 <= k <= {draws}")
