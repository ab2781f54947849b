"""Folds: each seed is tested on another part of the same rows, and trained on none of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.folds import Folds
from rftlab.tasks.base import Example, Task, load_task, normalise_prompt
from rftlab.tasks.folds import at, deal, rows, task_of
from rftlab.tasks.of_cell import draw_labels


def examples(prompts):
    return tuple(Example(f"{i:03d}", prompt, "a") for i, prompt in enumerate(prompts))


@pytest.fixture
def file(tmp_path):
    """Thirty rows, three of them the same prompt in other clothes."""
    path = tmp_path / "mine.jsonl"
    said = [f"How much is {i} and one?" for i in range(27)] + ["Same  thing?", "same thing?", "SAME THING?"]
    path.write_text("\n".join(json.dumps({"prompt": text, "answer": "7"}) for text in said))
    return str(path)


@given(
    st.lists(st.sampled_from([f"p{i}" for i in range(30)]), min_size=12, max_size=60),
    st.integers(2, 6), st.integers(0, 40), st.integers(0, 3),
)  # fmt: skip
def test_k_seeds_test_every_row_once_and_equal_prompts_stay_together(prompts, count, repeat, split_seed):
    found = examples(prompts)
    folds = Folds(count, len(found), split_seed)
    if len(set(prompts)) < count:
        with pytest.raises(RftlabError, match="different prompts"):
            deal(found, folds, 0)
        return
    dealt = [deal(found, folds, repeat * count + part) for part in range(count)]
    assert sorted(e.id for _, test in dealt for e in test) == [e.id for e in found]
    for train, test in dealt:
        assert {e.prompt for e in train}.isdisjoint(e.prompt for e in test)
        assert len(train) + len(test) == len(found)
        assert train
        assert test


def test_a_seed_decides_the_fold_alone_and_the_next_repeat_deals_anew():
    found, folds = examples([f"p{i}" for i in range(40)]), Folds(5, 40)
    tests = [{e.id for e in deal(found, folds, seed)[1]} for seed in range(10)]
    assert [len(test) for test in tests] == [8] * 10
    assert deal(found, folds, 3) == deal(tuple(reversed(found))[::-1], folds, 3)
    assert not any(test in tests[:5] for test in tests[5:])
    other = Folds(5, 40, split_seed=1)
    assert {e.id for e in deal(found, other, 0)[1]} != tests[0]


def test_a_file_in_folds_is_another_task_for_every_seed_and_the_same_for_every_method(file):
    settings = {"path": file, "folds": 5}
    tasks = {}
    for method in ("base", "sft", "grpo"):
        for seed in range(5):
            cell = Cell.make({"task": "file", "task_settings": settings, "method": method, "labels": 8, "seed": seed})
            tasks[method, seed] = task_of(cell)
    assert all(tasks["base", seed].test == tasks["sft", seed].test == tasks["grpo", seed].test for seed in range(5))
    assert len({tasks["sft", seed].fingerprint for seed in range(5)}) == 5
    assert sorted(e.id for seed in range(5) for e in tasks["sft", seed].test) == [e.id for e in rows(tasks["sft", 0])]
    assert all(rows(task) == rows(tasks["sft", 0]) for task in tasks.values())
    same = [e for e in tasks["sft", 0].train + tasks["sft", 0].test if normalise_prompt(e.prompt) == "same thing?"]
    assert len(same) == 3
    assert tasks["sft", 0].notes[-1].startswith("30 rows in 5 folds")


def test_no_label_or_development_item_of_a_seed_is_among_its_test_items(file):
    for seed in range(10):
        for development in ("apart", "from_labels"):
            cell = Cell.make(
                {"task": "file", "task_settings": {"path": file, "folds": 3}, "labels": 12, "seed": seed,
                 "development": development, "evaluation.along_items": 3}
            )  # fmt: skip
            task = task_of(cell)
            labels = draw_labels(cell, task)
            drawn = {normalise_prompt(e.prompt) for e in labels.train + labels.development}
            assert drawn.isdisjoint(normalise_prompt(e.prompt) for e in task.test)


def test_a_task_without_folds_is_the_same_for_every_seed(file):
    task = load_task("file", {"path": file})
    assert task.folds is None
    assert at(task, 7) is task
    assert rows(task) == task.train


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"folds": 1}, "folds is 1; give a whole number from 2 on"),
        ({"folds": "5"}, "folds is '5'"),
        ({"folds": True}, "folds is True"),
        ({"folds": 29}, "29 folds cannot be made of 28 different prompts"),
        ({"folds": 5, "test_share": 0.2}, "leave out one of the two"),
        ({"folds": 5, "test_share": 0.3}, "leave out one of the two"),
    ],
)
def test_folds_that_cannot_be_are_named(file, settings, says):
    with pytest.raises(RftlabError) as raised:
        load_task("file", {"path": file, **settings})
    assert says in str(raised.value)


def test_a_test_part_of_its_own_and_folds_exclude_each_other(file):
    with pytest.raises(RftlabError, match="leave out one of the two"):
        load_task("file", {"path": file, "test_path": file, "folds": 5})


def test_rows_of_one_id_are_refused_since_they_may_meet_in_another_seed():
    twice = (Example("1", "a", "x"), Example("2", "b", "x")), (Example("1", "c", "x"),)
    with pytest.raises(RftlabError, match="several examples have the id 1"):
        Task("mine", "", *twice, folds=Folds(2, 3))


@pytest.mark.parametrize(
    ("seeds", "run", "lacking"),
    [
        (range(5), "1 whole repeat of 5 folds", ""),
        (range(10), "2 whole repeats of 5 folds", ""),
        (range(3), "3 of 5 folds", "no whole repeat: seeds 0 to 4 test every row once"),
        (range(7), "1 whole repeat of 5 folds and 2 folds of another", ""),
        ((0, 5, 10), "3 folds of 3 repeats", "no whole repeat: seeds 0 to 4 test every row once"),
        ((4, 5, 6, 7), "4 folds of 2 repeats", "no whole repeat: seeds 5 to 9 test every row once"),
        ((*range(5), 6, 11), "1 whole repeat of 5 folds and 2 folds of others", ""),
    ],
)
def test_how_much_of_the_folds_was_run_is_said(seeds, run, lacking):
    folds = Folds(5, 100)
    assert (folds.repeats(seeds), folds.lacking(seeds)) == (run, lacking)
    assert Folds.read(folds.written) == folds
    assert Folds.read("one split") is None
