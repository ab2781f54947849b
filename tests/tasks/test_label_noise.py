"""Wrong labels: how many, which, nested, whose they are, and who is misled."""

from dataclasses import replace

import pytest

from rftlab.answer.folder import read_cells
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.tasks.base import Example, Task, load_task
from rftlab.tasks.label_noise import told
from rftlab.tasks.of_cell import draw_labels
from rftlab.verifiers.base import make_verifier
from tests import synthetic

ROWS = tuple(
    Example(f"e{i:03d}", f"Prompt {i}", str(i) if i % 2 else f"word {i}", rationale=f"Steps to {i}.")
    for i in range(400)
)
TASK = Task("toy", "A card.", ROWS, tuple(Example(f"t{i}", f"Test {i}", str(i)) for i in range(5)))
RIGHT = {row.id: row for row in ROWS}


def drawn(noise, labels=200, task=TASK, **values):
    return draw_labels(Cell.make({"label_noise": noise, "labels": labels, "seed": 3, **values}), task)


def wrong(labels):
    return {e.id for e in labels.train if e != RIGHT[e.id]}


def test_about_that_share_is_wrong_and_nested_in_budgets_and_in_shares():
    some, more = wrong(drawn(0.1)), wrong(drawn(0.3))
    assert 8 <= len(some) <= 35
    assert 40 <= len(more) <= 80
    assert some < more
    fewer = drawn(0.3, labels=50)
    assert wrong(fewer) == more & {e.id for e in fewer.train}
    assert wrong(drawn(0.3, seed=4)) != more
    assert len(wrong(drawn(1.0))) == 200


def test_a_wrong_label_is_another_row_s_of_the_same_kind_and_nothing_else_changes():
    labels, clean = drawn(1.0), drawn(0.0)
    whose = {(row.answer, row.rationale): row for row in ROWS}
    for label, before in zip(labels.train, clean.train, strict=True):
        assert label == replace(before, answer=label.answer, rationale=label.rationale)
        assert label.answer != before.answer
        other = whose[label.answer, label.rationale]
        assert other.answer.startswith("word") == before.answer.startswith("word")


def test_what_is_held_out_for_development_is_right():
    for development in ("apart", "from_labels"):
        labels = drawn(1.0, development=development, **{"evaluation.along_items": 20})
        assert len(labels.development) == 20
        assert all(e == RIGHT[e.id] for e in labels.development)


def test_one_answer_for_all_rows_has_no_wrong_one():
    task = replace(TASK, train=tuple(replace(row, answer="yes") for row in ROWS))
    with pytest.raises(RftlabError, match="all 400 rows have 'yes'"):
        drawn(0.5, task=task)


def test_the_untrained_base_has_no_labels_to_be_wrong():
    assert drawn(0.5, method="base") == drawn(0.0, method="base")


def test_a_verifier_of_gold_answers_is_misled_and_one_that_needs_none_is_not():
    task = load_task("arithmetic/word", {"train": 60, "test": 5})
    [label] = drawn(1.0, labels=1, task=task).train
    right = next(row.answer for row in task.train if row.id == label.id)
    texts = [f"<answer>{answer}</answer>" for answer in (right, label.answer)]
    assert [score.reward for score in make_verifier("exact").score(texts, [label] * 2)] == [0, 1]
    assert [score.reward for score in make_verifier("story").score(texts, [label] * 2)] == [1, 0]


def test_a_grid_that_sweeps_it_has_the_base_once_and_a_variant_for_each_share(tmp_path):
    (tmp_path / "g.yaml").write_text("method: [base, sft, grpo]\nlabels: 10\nlabel_noise: [0.0, 0.3]\n")
    cells = Grid.load(tmp_path / "g.yaml").cells
    swept = [(method, noise) for method in ("sft", "grpo") for noise in (0.0, 0.3)]
    assert [(cell.method, cell.label_noise) for cell in cells] == [("base", 0.0), *swept]
    for cell in cells:
        synthetic.write_cell(tmp_path / "results", cell.model_dump(), items=10)
    read = read_cells(tmp_path / "results")
    read = read[read["method"] != "base"]
    assert set(zip(read["arm"], read["variant"], strict=True)) == {
        (method, f"label_noise={noise}") for method, noise in swept
    }


def test_the_record_says_how_many():
    labels = drawn(0.3)
    assert told(labels.train, ROWS, 0.3) == [
        f"{len(wrong(labels))} of 200 labels trained on are wrong on purpose (label_noise 0.3)"
    ]
    assert told(labels.train, ROWS, 0.0) == []
