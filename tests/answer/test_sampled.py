"""What sampled answers are worth: draws of one item are no further items."""

import json
from pathlib import Path

import numpy as np
import pytest

from rftlab.answer.outcomes import outcomes, seed_table
from rftlab.stats import pass_at_k, suggestion, table_difference

ITEMS, DRAWS, SEEDS = 20, 16, 6


def write_samples(results: Path, cell: str, right: np.ndarray) -> str:
    """Sampled rows of a cell, right or wrong by item and draw."""
    folder = results / "cells" / cell
    folder.mkdir(parents=True)
    rows = [
        {"part": "sampled", "item": f"item {i}", "draw": draw, "reward": float(right[i, draw])}
        for i, draw in np.ndindex(right.shape)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return cell


def test_draws_of_an_item_are_averaged(tmp_path: Path) -> None:
    right = np.array([[1, 1, 0, 0], [1, 0, 0, 0]])
    found = outcomes(tmp_path, write_samples(tmp_path, "a", right), "sampled_accuracy")
    assert found.to_dict() == {"item 0": 0.5, "item 1": 0.25}


def test_an_interval_of_sampled_answers_holds_the_truth_for_new_items(tmp_path: Path) -> None:
    """Two arms alike on average, each good at items of its own, as items of a language model are."""
    rng = np.random.default_rng(0)
    held, studies = 0, 40
    for study in range(studies):
        tables = []
        for arm in "ab":
            chance = rng.beta(0.5, 0.5, (ITEMS, 1))
            cells = [
                write_samples(tmp_path, f"{study}{arm}{seed}", rng.random((ITEMS, DRAWS)) < chance)
                for seed in range(SEEDS)
            ]
            tables.append(seed_table((str(n), outcomes(tmp_path, c, "sampled_accuracy")) for n, c in enumerate(cells)))
        found = table_difference(tables[0] - tables[1])
        held += found.low < 0 < found.high
    assert held / studies >= 0.9  # with a column a draw it is .55
    assert (found.seeds, found.items) == (SEEDS, ITEMS)


def test_what_one_seed_suggests_rests_on_its_items_too(tmp_path: Path) -> None:
    right = np.zeros((2, 8, DRAWS))
    right[0, 0] = 1  # one item of eight, all 16 times
    both = [
        outcomes(tmp_path, write_samples(tmp_path, str(n), each), "sampled_accuracy") for n, each in enumerate(right)
    ]
    found = table_difference(seed_table([("0", both[0])]) - seed_table([("0", both[1])]))
    assert found.p == 1  # McNemar's exact test of one item; of 16 draws it would be .00003
    assert suggestion(found, 0.05) == "open"


def test_pass_at_k_is_of_all_draws_of_items_sampled_often_enough(tmp_path: Path) -> None:
    right = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]])
    cell = write_samples(tmp_path, "a", right)
    assert outcomes(tmp_path, cell, "pass_at_2").tolist() == pytest.approx(pass_at_k([1, 0, 3], 4, 2).tolist())
    assert outcomes(tmp_path, cell, "pass_at_4").empty
