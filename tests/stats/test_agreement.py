"""Cohen's kappa: what is known of it, and how often its interval holds."""

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from rftlab.stats import kappa_interval, wilson_interval


def test_a_table_worked_by_hand():
    found = kappa_interval([[20, 5], [10, 15]])  # agreed 0.7, by chance 0.5
    assert found.estimate == pytest.approx(0.4)
    agreed = wilson_interval(35, 50)
    assert (found.low, found.high) == pytest.approx(((agreed.low - 0.5) / 0.5, (agreed.high - 0.5) / 0.5))
    assert found.n == 50


@pytest.mark.parametrize("table", [np.zeros((2, 2)), [[7, 0], [0, 0]]])
def test_where_chance_alone_explains_it_there_is_none(table):
    found = kappa_interval(table)
    assert np.isnan([found.estimate, found.low, found.high]).all()


def test_all_agreeing_has_an_interval_with_a_width():
    found = kappa_interval([[5, 0], [0, 5]])
    assert found.estimate == 1
    assert found.high == pytest.approx(1)
    assert 0 < found.low < 0.5


@pytest.mark.parametrize("true", [0.0, 0.6, 0.9])
def test_the_interval_holds_as_often_as_it_says_where_the_usual_one_does_not(true):
    rng = np.random.default_rng(7)
    shares = np.array([0.4, 0.4, 0.1, 0.1])
    joint = true * np.diag(shares) + (1 - true) * np.outer(shares, shares)
    tables = rng.multinomial(30, joint.ravel(), 600).reshape(-1, 4, 4)
    found = [kappa_interval(table) for table in tables]
    assert np.mean([each.low <= true <= each.high for each in found]) > 0.92
    with np.errstate(invalid="ignore"):
        usual = [cohens_kappa(table) for table in tables]
    width = 1.96 * np.sqrt([max(each.var_kappa, 0) for each in usual])
    held = np.abs([each.kappa - true for each in usual]) <= width
    assert held.mean() < 0.95
