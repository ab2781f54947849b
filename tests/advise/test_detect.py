"""Which differences can be shown: in line with the power that `stats.planning` has, and with the shipped study."""

import re
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rftlab import cli, stats
from rftlab.advise import detect
from rftlab.answer import comparisons
from rftlab.answer.folder import results_of
from rftlab.answer.more_seeds import Undecided, need
from rftlab.grid import Grid
from rftlab.grid.plan import Plan
from rftlab.stats import Components, table_difference
from tests.shipped import ARCHIVE
from tests.synthetic import write_grid

NAMED = {"sft", "grpo", "sft+grpo"}


def grid(tmp_path: Path, *, seeds: int = 3, items: int = 200, more: str = "") -> Grid:
    path = tmp_path / f"g{seeds}_{items}_{len(more)}.yaml"
    path.write_text(
        f"defaults: {{seed: {[*range(seeds)]}, evaluation.test_items: {items}}}\n{more}"
        "include:\n  - {method: base}\n  - {method: [sft, grpo], labels: [10, 100]}\n"
    )
    return Grid.load(path)


def test_more_seeds_more_items_and_fewer_looks_show_smaller_differences(tmp_path):
    def smallest(**values) -> float:
        return detect.of_grid(grid(tmp_path, **values)).smallest

    assert inf > smallest(seeds=3) > smallest(seeds=5) > smallest(seeds=10)
    assert smallest(seeds=5, items=500) < smallest(seeds=5)
    assert smallest(seeds=5, more="max_seeds: 5\n") < smallest(seeds=5)
    assert smallest(seeds=5, more="max_seeds: 5\nnamed: [sft, grpo]\n") < smallest(seeds=5, more="max_seeds: 5\n")
    assert smallest(seeds=1) == inf


def test_the_sentences_name_seeds_items_family_look_and_what_would_do(tmp_path):
    found = detect.of_grid(grid(tmp_path, seeds=3)).sentences
    assert re.match(
        r"3 seeds and 200 items can show \d+ points in a family of 6 comparisons, at look 1 of 8; "
        r"for 5 points \d+ seeds",
        found[0],
    )
    assert "as four of five pairs of the shipped reference study" in found[1]
    assert re.match(r"  declared as all there will be \(max_seeds: 3\), they can show [\d.]+ points", found[3])
    assert re.match(r"  against the untrained base, from which they differ on more items, \d+ points", found[2])
    assert not [line for line in detect.of_grid(grid(tmp_path, seeds=2, items=2)).sentences if "declared" in line]
    declared = detect.of_grid(grid(tmp_path, seeds=3, more="max_seeds: 3\n")).sentences
    assert len(declared) == 3
    ten = detect.of_grid(grid(tmp_path, seeds=3, more="max_seeds: 3\n"), 0.10).sentences[0]
    assert "for 5 points" not in ten


def test_no_more_items_are_spoken_of_than_the_task_has(tmp_path):
    found = detect.of_grid(grid(tmp_path, seeds=3), there={"arithmetic/word": 60}).sentences
    assert re.match(r"3 seeds and 60 items can show \d+ points .*; for 5 points (\d+|more than \d+) seeds$", found[0])
    many = detect.of_grid(grid(tmp_path, seeds=3), there={"arithmetic/word": 5000}).sentences
    assert many == detect.of_grid(grid(tmp_path, seeds=3)).sentences


def test_where_every_seed_chooses_its_rate_less_can_be_shown_and_it_is_said(tmp_path):
    path = tmp_path / "alone.yaml"
    path.write_text(grid(tmp_path).path.read_text().replace("defaults: {", "defaults: {tuning.trials: 3, "))
    alone = detect.of_grid(Grid.load(path))
    assert alone.smallest > detect.of_grid(grid(tmp_path)).smallest
    assert "seed SD 7.6 points, as in earlier studies where every seed chose its own rate" in alone.sentences[1]


def test_one_arm_alone_shows_nothing(tmp_path):
    (tmp_path / "g.yaml").write_text("method: sft\nlabels: 10\nseed: [0, 1, 2]\n")
    assert "one arm alone" in str(detect.of_grid(Grid.load(tmp_path / "g.yaml")))


def test_the_difference_that_is_said_is_shown_as_often_as_promised():
    rng = np.random.default_rng(0)
    parts = Components(2, 200, 0.03**2, 0.05**2, 0.25**2, 1.0)
    effect = parts.detectable(6, items=200)
    tables = (
        effect + rng.normal(0, 0.03, (6, 1)) + rng.normal(0, 0.05, (1, 200)) + rng.normal(0, 0.25, (6, 200))
        for _ in range(300)
    )
    assert 0.7 <= np.mean([table_difference(pd.DataFrame(table)).low > 0 for table in tables]) <= 0.95
    assert parts.power(effect, 6, 200, 0.95) == pytest.approx(0.8, abs=1e-6)


def test_a_study_is_asked_by_its_own_records(tmp_path, capsys):
    write_grid(tmp_path / "r", seeds=(0, 1, 2), labels=(10, 50), cots=(True,))
    assert cli.main(["plan", str(tmp_path / "r"), "--detect", "5"]) == 0
    head, *pairs = capsys.readouterr().out.splitlines()
    assert "what each pair can show by its own records" in head
    assert [line.partition(", seed SD")[0].partition(": ")[2] for line in pairs] == [
        "sft and base", "grpo and base", "grpo and sft",
    ] or len(pairs) == 3  # fmt: skip
    assert all("3 seeds and 40 items can show" in line for line in pairs)


def test_a_study_of_one_seed_is_told_to_run_more(tmp_path, capsys):
    write_grid(tmp_path / "r", seeds=(0,), labels=(10,), cots=(True,))
    assert cli.main(["plan", str(tmp_path / "r"), "--detect", "5"]) == 2
    assert "run more seeds, or ask rftlab plan of the grid" in capsys.readouterr().err


@pytest.mark.slow
def test_the_spread_that_is_planned_with_is_that_of_the_shipped_study():
    arms = comparisons.arms(results_of(ARCHIVE), "accuracy", ("base", "sft", "grpo", "sft+grpo"))
    pairs = [
        pair
        for pair in comparisons.pairs(arms)
        if pair.table.size and pair.axis == "method" and pair.place.prompt == "chain-of-thought"
        if {*NAMED, "base"}.issuperset(pair.methods)
    ]
    trained = [pair for pair in pairs if NAMED.issuperset(pair.methods)]
    lifted = [pair for pair in pairs if pair not in trained]
    word, hard = ("word",), ("band", "rare")
    for of, tasks, said in (
        (trained, word, detect.STEADY), (trained, hard, detect.UNSTEADY), (lifted, word, detect.AGAINST),
    ):  # fmt: skip
        own = [pair for pair in of if pair.place.task.rpartition("/")[2] in tasks]
        assert spread_of(own) == pytest.approx(said, abs=5e-5)


def spread_of(pairs: list[comparisons.Pair]) -> tuple[float, float, float]:
    """Standard deviations as `detect.STEADY` has them."""
    parts = [(pair, found) for pair in pairs if (found := Components.of(pair.table, None)) is not None]
    by_seed = sorted(
        max(0.0, stats.table_spread(pair.table).variance - found.rest / found.items) ** 0.5 for pair, found in parts
    )
    by_item, rest = (np.mean([getattr(found, name) for _, found in parts]) ** 0.5 for name in ("by_item", "rest"))
    return by_seed[-(-4 * len(by_seed) // 5) - 1], float(by_item), float(rest)


@pytest.mark.parametrize("seed", range(4))
def test_the_card_and_the_plan_name_the_same_number_of_seeds(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(rng.normal(0, 0.05, (4, 1)), 0.3, (4, 500)))
    spread = stats.seed_spread(table.to_numpy())
    needed = need(Undecided("a and b", table, spread), Plan(max_seeds=4), 9)
    assert needed.as_it_is == detect._needed(Components.of(table, spread), Plan().smallest_effect, 500, 9)
