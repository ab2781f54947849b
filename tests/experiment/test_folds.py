"""Cells of one study whose seeds are folds: contracts, caps, and what a policy of another fold has seen."""

import json
from pathlib import Path

import pytest

from rftlab.contract import NA, ONE_SPLIT
from rftlab.experiment import Experiment
from rftlab.policy.seen import inherited
from rftlab.record import Record
from rftlab.tasks.folds import task_of
from rftlab.tasks.of_cell import draw_labels


@pytest.fixture
def folded(small_cell, tmp_path):
    """Makes a cell of forty sums in five folds; the longest answers are in few of them."""
    path = tmp_path / "sums.jsonl"
    rows = [{"prompt": f"What is {i} and {i}?", "answer": f"{2 * i}{'0' * (i if i > 35 else 0)}"} for i in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)))

    def make(**values):
        own = {"task": "file", "task_settings": {"path": str(path), "folds": 5, "verifier": "numeric"}}
        caps = {"decoding.max_new_tokens": 0, "decoding.max_new_tokens_direct": 0}
        return small_cell(**{**own, **caps, "cot": False, "development": "from_labels", "labels": 10, **values})

    return make


def record_of(cell) -> Record:
    experiment = Experiment(cell)
    experiment.train()
    experiment.evaluate()
    return experiment.record()


def test_at_one_seed_methods_have_the_same_fold_and_over_seeds_all_but_the_fold_is_the_same(folded):
    base, sft = record_of(folded(method="base", labels=0)), record_of(folded(method="sft"))
    other = record_of(folded(method="base", labels=0, seed=1))
    mine, theirs, later = (each.contract["match"] for each in (base, sft, other))
    assert {name for name in mine if mine[name] != theirs[name] and NA not in (mine[name], theirs[name])} == set()
    over_seeds = {name for name in mine if mine[name] != later[name]}
    assert over_seeds == {"seed", "fold"}
    assert sft.contract["match"]["folds"] == {"folds": 5, "rows": 40}
    assert sft.cost["pool_rows"] == 32


def test_a_cell_without_folds_says_so_and_counts_what_its_labels_were_drawn_from(small_cell):
    found = record_of(small_cell(method="base", labels=0))
    assert found.contract["match"]["folds"] == ONE_SPLIT
    experiment = Experiment(small_cell(method="sft"))
    assert experiment._pool_rows() == len(experiment.task.train) - len(experiment.labels.development)


def test_what_a_policy_of_another_fold_was_trained_on_is_said(folded, tmp_path: Path):
    kept = Experiment(folded(method="sft", labels=32, **{"budget.amount": 1.0}), out=tmp_path / "kept")
    kept.train()
    kept.evaluate()
    folder = str(kept.save().parent)
    for seed, seen in ((0, False), (1, True)):
        cell = folded(method="sft", start_from=folder, seed=seed)
        task = task_of(cell)
        told = [text for text in inherited(cell, task, draw_labels(cell, task)) if "held-out items" in text]
        assert bool(told) == seen
