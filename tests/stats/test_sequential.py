"""Levels of repeated looks, against simulated studies and the published ones."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from rftlab import stats


def test_looks_spend_what_was_declared_and_no_more():
    assert stats.look_confidence(2, 10) == 1.0
    assert stats.look_confidence(3, 3) == pytest.approx(0.95)
    rng = np.random.default_rng(11)
    values = rng.normal(size=(200_000, 6))
    stopped = np.zeros(len(values), dtype=bool)
    for n, critical in enumerate(stats.boundaries(6), start=3):
        seen = values[:, :n]
        stopped |= np.abs(seen.mean(axis=1)) > critical * scipy_stats.sem(seen, axis=1)
        assert stopped.mean() == pytest.approx(0.05 * (n / 6) ** 2, abs=0.002)


def test_boundaries_are_those_of_the_audit():
    expected = [15.1, 7.8, 5.3, 4.2, 3.6, 3.2, 2.9, 2.7]
    assert stats.boundaries(10)[1:] == pytest.approx(expected[1:], abs=0.06)
    assert stats.boundaries(10)[0] == pytest.approx(scipy_stats.t.isf(0.05 * 0.09 / 2, 2))


def test_levels_at_a_sixtieth_of_alpha_agree_with_weighted_draws():
    """Draws of values that lie close together, weighted by their likelihood ratio: plain ones hardly pass."""
    alpha, rng, draws = 0.05 / 60, np.random.default_rng(5), 200_000
    spreads = np.array([0.01, 0.03, 0.1, 0.3, 0.6, 1.0])
    values = rng.normal(size=(draws, 1)) + rng.choice(spreads, draws)[:, None] * rng.normal(size=(draws, 8))
    weight = np.zeros(draws)
    going = np.ones(draws, dtype=bool)
    for n, critical in enumerate(stats.boundaries(8, alpha=alpha), start=3):
        seen = values[:, :n]
        mean, around = seen.mean(axis=1), seen.var(axis=1) * n
        here = going & (np.abs(mean) > critical * np.sqrt(around / (n - 1) / n))
        going &= ~here
        null = np.exp(-(around + n * mean**2) / 2)
        drawn = [
            np.exp(-(around / s**2 + n * mean**2 / (s**2 + n)) / 2) / s ** (n - 1) / np.sqrt(s**2 + n) for s in spreads
        ]
        weight += np.where(here, null / np.mean(drawn, axis=0), 0)
        assert weight.mean() == pytest.approx(alpha * (n / 8) ** 2, rel=0.05), n


def test_more_seeds_than_declared_are_refused():
    with pytest.raises(ValueError, match="declared"):
        stats.look_confidence(11, 10)
    with pytest.raises(ValueError, match="first look"):
        stats.look_confidence(3, 10, first=1)
    with pytest.raises(ValueError, match="alpha"):
        stats.look_confidence(3, 10, alpha=0.0)
