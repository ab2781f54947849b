"""A task of one's own file is called by the file's name wherever results are read, and by its parameters in a grid."""

import pytest

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
