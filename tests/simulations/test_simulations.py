"""The simulations in short: what intervals promise, and that the rules they replaced would break it.

`make simulations` runs them in full. A few hundred made-up studies a row here: bands are wider by two standard errors.
"""

from dataclasses import replace

import numpy as np
import pytest

from tests.simulations import __main__ as command
from tests.simulations import coverage, families, folds, looks, settled
from tests.simulations.worlds import FALL_CHANCE, ITEM, REST, World


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.mark.parametrize("binary", [False, True])
def test_made_up_studies_have_the_components_and_the_truth_that_they_say(rng, binary):
    world = World(0.05, binary=binary, gap=(0.04, -0.04))
    studies = np.array([world.outcomes(rng, 2, 2, 6, 300) for _ in range(60)])
    paired = studies[:, 0] - studies[:, 1]
    assert paired.mean(axis=(0, 2, 3)) == pytest.approx([0.04, -0.04], abs=0.012)
    assert studies[:, 1].mean() == pytest.approx(world.accuracy(), abs=0.02)
    rest = paired - paired.mean(axis=3, keepdims=True) - paired.mean(axis=2, keepdims=True)
    rest += paired.mean(axis=(2, 3), keepdims=True)
    noise = (rest**2).sum() / (60 * 2 * 5 * 299)
    assert np.sqrt(noise) == pytest.approx(REST, rel=0.1)
    assert np.sqrt(paired.mean(axis=2).var(axis=2, ddof=1).mean() - noise / 6) == pytest.approx(ITEM, rel=0.1)
    assert np.sqrt(paired.mean(axis=3).var(axis=2, ddof=1).mean() - noise / 300) == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("binary", [False, True])
def test_a_fall_moves_no_mean_only_the_spread(rng, binary):
    world = World(0.01, binary=binary, fall=0.15)
    means = np.array(
        [(v := world.outcomes(rng, 2, 1, 10, 200))[0].mean(axis=2) - v[1].mean(axis=2) for _ in range(150)]
    )
    assert means.mean() == pytest.approx(0, abs=0.006)
    assert np.mean(means < -0.06) == pytest.approx(FALL_CHANCE, abs=0.04)


@pytest.mark.parametrize("size", [(2, 200), (3, 200), (5, 500)])
def test_a_difference_holds_the_truth_where_a_method_falls_in_one_seed_of_five(rng, size):
    row = coverage.Row("falls", coverage.FALLS, *size)
    assert coverage.differences(row, 200, rng)["coverage"] >= 0.91


def test_negative_control_without_pooling_the_same_row_fails(rng):
    row = coverage.Row("falls", coverage.FALLS, 5, 500)
    assert coverage.differences(row, 200, rng, pool=False)["coverage"] < 0.91


@pytest.mark.parametrize("spread", [0.015, 0.076])
def test_a_difference_is_neither_too_narrow_nor_too_wide_where_seeds_spread_evenly(rng, spread):
    row = coverage.Row("even", World(spread, binary=True), 3, 200)
    assert 0.93 <= coverage.differences(row, 200, rng)["coverage"] <= 0.99


def test_an_accuracy_holds_its_truth_on_new_items_and_one_over_seeds_alone_does_not(rng):
    row = coverage.Row("even", World(0.015, binary=True), 5, 200, 3, 1)
    found = coverage.accuracies(row, 200, rng)
    assert 0.92 <= found["coverage"] <= 0.99
    assert found["seeds only"] < 0.85


def test_the_area_holds_its_truth_also_where_one_budget_has_more_seeds(rng):
    assert 0.92 <= coverage.areas(coverage.area_rows()[1], 200, rng)["coverage"] <= 0.995


def test_crossovers_are_found_the_right_way_round(rng):
    for row in (coverage.crossover_rows()[1], coverage.crossover_rows()[3]):
        found = coverage.crossovers(row, 60, rng)
        assert found["found"] > 0.9
        assert found["wrong"] == 0
        assert found["limits hold"] > 0.9


def test_collapse_that_no_interval_covers_is_bounded(rng):
    found = coverage.collapses(coverage.collapse_rows()[0], 150, rng)
    assert found["bound holds"] >= 0.95
    assert found["seen"] == pytest.approx(FALL_CHANCE, abs=0.06)


@pytest.mark.parametrize(("arms", "budgets", "studies"), [(2, 1, 400), (3, 3, 200), (5, 3, 120), (15, 1, 20)])
def test_no_arm_is_called_better_where_all_are_one_method(rng, arms, budgets, studies):
    row = families.Row("greedy", World(0.05, binary=True), arms, budgets)
    assert families.false_winners(row, studies, rng)["some row is false"] <= 0.06


def test_negative_control_a_table_without_correction_has_false_winners(rng):
    row = families.Row("greedy", World(0.05), 5, 3)
    assert families.false_winners(row, 60, rng, corrected=False)["some row is false"] > 0.2


def test_the_best_set_holds_the_best_arm(rng):
    found = families.best_sets(families.leads()[1], 40, rng)
    assert found["holds the best"] >= 0.95
    assert found["arms in it"] < 3


@pytest.mark.parametrize("world", [World(0.05), coverage.FALLS, replace(coverage.FALLS, falling="all")])
def test_looking_again_and_again_finds_nothing_where_nothing_is(rng, world):
    assert looks.stopped(looks.Row("nothing", world), 150, rng)["said better or worse"] <= 0.07


def test_negative_control_looking_without_a_plan_does(rng):
    found = looks.stopped(looks.Row("nothing", World(0.05, gap=0.0), items=500), 150, rng, declared=False)
    assert found["said better or worse"] > 0.08


def test_declared_looks_find_ten_points_and_stop_early(rng):
    found = looks.stopped(looks.Row("there", World(0.05, gap=0.1), budgets=3), 40, rng)
    assert found["said better or worse"] > 0.9
    assert found["mean seeds"] < 7


def test_the_command_prints_markdown_and_fails_where_a_promise_is_broken(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["simulations", "best", "--tables", "3"])
    assert command.main() == 0
    assert "| first leads by 10 | 5 | 3 | 5 | 200 |" in capsys.readouterr().out
    assert command._rarely(families.rows()[0], {"some row is false": 0.5}).startswith("broken")
    assert command._covered(coverage.Row("", World(), 3, 200), {"coverage": 0.999}).startswith("broken")
    assert not command._covered(coverage.Row("", World(), 3, 200), {"coverage": 0.95}).startswith("broken")


@pytest.mark.parametrize("row", [folds.rows()[3], folds.rows()[12], folds.rows()[19]], ids=lambda row: row.name)
def test_a_difference_over_folds_holds_the_truth_and_one_as_over_seeds_does_not(rng, row):
    found = folds.differences(row, 60, rng)
    assert min(found["coverage, 10 labels"], found["all labels"]) >= 0.91
    assert found["half width by labels"] > 1.5 * found["half width"]
    if row.seeds > 2 * folds.FOLDS:
        assert found["as seeds, all"] < 0.9


def test_an_accuracy_over_folds_holds_its_truth(rng):
    found = folds.accuracies(folds.accuracy_rows()[1], 80, rng)
    assert min(found["coverage, 10 labels"], found["all labels"]) >= 0.91
    assert found["as seeds, all"] < 0.93


def test_where_labels_are_all_of_their_pool_an_interval_speaks_of_these_rows_alone(rng):
    few, _, half, _, all_ = (folds.from_few(pool, 200, rng) for pool in folds.pools())
    assert few["new rows"] > 0.88
    assert half["new rows"] < 0.88
    assert all_["new rows"] < 0.8
    assert min(found["these rows"] for found in (few, half, all_)) >= 0.92


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_a_study_run_until_decided_says_little_that_is_false_and_finds_what_is_there(rng, gap):
    row = settled.Row("spread 5", World(0.05, gap=gap), 0.05)
    found = settled.settled(row, 200, rng)
    if gap:
        assert found["better"] >= 0.92
        assert found["mean seeds"] <= 7.2
        assert found["false"] == 0
    else:
        assert found["false"] <= 0.08
        patient = settled.settled(row, 100, rng, futility=False)
        assert found["mean seeds"] < patient["mean seeds"] - 1
