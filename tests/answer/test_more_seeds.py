"""What is said of the seeds and items that an undecided comparison would take holds for each that it is said of."""

import numpy as np
import pandas as pd
import pytest

from rftlab import stats
from rftlab.answer.more_seeds import Undecided, what_would_show
from rftlab.grid.plan import Plan


def made(name: str, by_seed: float, by_item: float, items: int = 100) -> Undecided:
    rng = np.random.default_rng(0)
    table = rng.normal(0, by_seed, (6, 1)) + rng.normal(0, by_item, (1, items)) + rng.normal(0, 0.05, (6, items))
    return Undecided(name, pd.DataFrame(table), stats.seed_spread(table))


def test_one_comparison_out_of_reach_does_not_speak_for_all() -> None:
    said = what_would_show([made("a minus b", 0.3, 0.1), made("a minus c", 0.06, 0.1)], Plan(max_seeds=50), 1)
    first, second = said.split("; ", 1)
    assert first == (
        "for a minus b, a difference of 5 points would take more than 100 seeds to show, even with 400 items "
        "(evaluation.test_items)"
    )
    assert second.startswith("for a minus c, ")
    assert "more seeds would probably show" in second


@pytest.mark.parametrize(
    ("by_item", "said"),
    [
        (0.02, "would take more than 100 seeds to show, even with 400 items"),
        (0.4, "100 items cannot show a difference of 5 points, whatever the seeds; 400 of them"),
    ],
)
def test_whatever_the_seeds_is_said_only_where_items_alone_forbid_it(by_item: float, said: str) -> None:
    found = what_would_show([made("a minus b", 0.3 if by_item < 0.1 else 0.01, by_item)], Plan(max_seeds=50), 1)
    assert said in found
    assert ("whatever the seeds" in found) == (by_item > 0.1)
