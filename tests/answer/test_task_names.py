"""A task of one's own file is called by the file's name wherever results are read, and by its parameters in a grid."""

import pytest

import rftlab
from rftlab.answer.card import answer
from rftlab.answer.decisions import decide
from rftlab.answer.ledger import ledger
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from tests import synthetic


@pytest.mark.parametrize(
    ("task", "settings", "name", "short"),
    [
        ("file", {"path": "/data/tickets.csv"}, "tickets", "tickets"),
        ("file", {"path": "my.tickets.jsonl.gz"}, "my.tickets", "my.tickets"),
        ("file", {"dataset": "openai/gsm8k"}, "openai/gsm8k", "gsm8k"),
        ("file", {}, "file", "file"),
        ("/home/me/games/nim.py:load", {}, "nim", "nim"),
        ("games/nim.py:hard", {}, "nim/hard", "hard"),
        ("my_package.games:load", {}, "games", "games"),
        ("arithmetic/word", {"path": "x.csv"}, "arithmetic/word", "word"),
    ],
)
def test_a_cell_says_what_its_task_is_called(task, settings, name, short):
    cell = Cell.make({"task": task, "task_settings": settings})
    assert cell.task_name == name
    assert cell.label.startswith(f"{short} ")


def test_two_files_of_one_study_are_two_tasks_in_tables_verdicts_and_claims(tmp_path):
    for name in ("tickets", "questions"):
        settings = {"path": f"/data/{name}.csv"}
        synthetic.write_grid(
            tmp_path, tasks=("file",), task_settings=settings, labels=(10, 50), cots=(True,), seeds=(0, 1, 2)
        )
    study = read_results(tmp_path)
    made = decide(study)
    assert set(study.cells["task"]) == {"tickets", "questions"}
    assert set(study.cells["variant"]) == {""}
    reasons = str(answer(study, made))
    assert "tickets: " in reasons
    assert "questions: " in reasons
    blocks = [row.include for row in ledger(study, made).rows if row.panel and row.panel.task == "tickets"]
    assert blocks
    for block in blocks:
        assert block.count("task: ") == block.count("task: file") == block.count("/data/tickets.csv")


def test_a_task_of_one_s_own_code_is_named_without_its_folders_and_told_from_another_of_that_name(tmp_path):
    digests = {"/a/nim.py:load": "a" * 12, "/b/nim.py:load": "b" * 12}
    for task in digests:
        cell = Cell.make({"task": task, "method": "base", "labels": 0, "digests": {"task": digests[task]}})
        synthetic.write_cell(tmp_path / "both", cell.model_dump(), items=4)
        synthetic.write_cell(tmp_path / cell.digests["task"], cell.model_dump(), items=4)
    assert set(rftlab.load(tmp_path / ("a" * 12))["task"]) == {"nim"}
    assert set(rftlab.load(tmp_path / "both")["task"]) == {"a/nim.py:load", "b/nim.py:load"}
