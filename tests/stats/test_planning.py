"""How many seeds would show a difference: against the power that simulated studies really have."""

from math import inf, isnan

import numpy as np
import pandas as pd
import pytest

from rftlab.stats import MOST_SEEDS, Spread, items_forbid, seeds_to_show, table_difference

EFFECT = 0.05


def made(
    rng: np.random.Generator, seeds: int, items: int, *, by_seed: float, by_item: float, rest: float
) -> pd.DataFrame:
    """A table of differences whose true mean is the effect."""
    return pd.DataFrame(
        EFFECT
        + rng.normal(0, by_seed, (seeds, 1))
        + rng.normal(0, by_item, (1, items))
        + rng.normal(0, rest, (seeds, items))
    )


def test_the_seeds_that_are_said_show_the_effect_about_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    world = {"by_seed": 0.06, "by_item": 0.1, "rest": 0.3}
    # With the seeds' spread known there is no pilot's luck in the plan, and the upper limit is the spread itself.
    known = Spread(0.06**2 + 0.3**2 / 400, 1e9)
    seeds = int(seeds_to_show(made(rng, 8, 400, **world), EFFECT, spread=known))
    shown = [table_difference(made(rng, seeds, 400, **world), pooled=known).low > 0 for _ in range(300)]
    assert 0.7 <= np.mean(shown) <= 0.9


def test_a_smaller_effect_and_a_stricter_family_ask_for_more_seeds() -> None:
    table = made(np.random.default_rng(1), 4, 500, by_seed=0.03, by_item=0.05, rest=0.2)
    plain = seeds_to_show(table, EFFECT)
    assert plain < MOST_SEEDS
    assert seeds_to_show(table, EFFECT / 1.5) > plain
    assert seeds_to_show(table, EFFECT, confidence=lambda _: 0.997) > plain


def test_a_confidence_that_falls_with_more_seeds_is_searched_to_an_end() -> None:
    table = made(np.random.default_rng(1), 4, 500, by_seed=0.03, by_item=0.05, rest=0.2)
    few, more = (seeds_to_show(table, EFFECT, confidence=lambda _, level=level: level) for level in (0.95, 0.995))
    assert few < more < MOST_SEEDS
    # A last look's confidence does so too, by its smallest digits.
    assert seeds_to_show(table, EFFECT, confidence=lambda seeds: 0.995 if seeds == few else 0.95) == more


def test_where_the_items_are_too_few_no_seeds_do_and_more_items_do() -> None:
    table = made(np.random.default_rng(2), 4, 60, by_seed=0.001, by_item=0.4, rest=0.01)
    assert seeds_to_show(table, EFFECT) == inf
    assert items_forbid(table, EFFECT)
    assert seeds_to_show(table, EFFECT, items=4000) < MOST_SEEDS
    assert not items_forbid(table, EFFECT, items=4000)


def test_where_a_few_more_than_planned_would_do_the_items_do_not_forbid_it() -> None:
    table = made(np.random.default_rng(3), 6, 500, by_seed=0.25, by_item=0.05, rest=0.1)
    assert seeds_to_show(table, EFFECT) == inf
    assert not items_forbid(table, EFFECT)


def test_seeds_with_items_of_their_own_are_planned_by_their_means() -> None:
    values = made(np.random.default_rng(4), 4, 25, by_seed=0.02, by_item=0.0, rest=0.1).to_numpy()
    apart = np.full((4, 100), np.nan)
    for seed, own in enumerate(values):
        apart[seed, 25 * seed : 25 * (seed + 1)] = own
    expected = seeds_to_show(pd.DataFrame(values.mean(axis=1)), EFFECT)
    assert seeds_to_show(pd.DataFrame(apart), EFFECT) == expected < MOST_SEEDS


@pytest.mark.parametrize("shape", [(1, 50), (3, 1)])
def test_one_seed_or_one_value_for_all_plans_nothing(shape: tuple[int, int]) -> None:
    table = pd.DataFrame(np.full(shape, EFFECT))
    assert isnan(seeds_to_show(table, EFFECT))
    assert not items_forbid(table, EFFECT)
