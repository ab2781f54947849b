"""What docs/your_data.md and the README show of one's own data works as it stands there."""

import json
import re
from pathlib import Path

import pytest

from rftlab import preflight
from rftlab.experiment import Experiment
from rftlab.grid import Grid
from rftlab.tasks.base import load_task
from rftlab.tasks.folds import rows, task_of
from rftlab.tasks.shapes import SHAPES, recognised

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "your_data.md").read_text()
ROWS = dict(re.findall(r"`([a-z-]+)`:.*?```json\n(.*?)\n```", PAGE, flags=re.DOTALL))


def test_the_page_shows_a_row_of_every_shape():
    assert ROWS.keys() == SHAPES.keys()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_of_the_page_is_recognised_and_read(shape, tmp_path):
    row = json.loads(ROWS[shape])
    assert recognised(row) == [shape]
    other = json.dumps(row).replace("6", "8").replace("42", "56")
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(row)}\n{other}\n")
    task = load_task("file", {"path": str(tmp_path / "rows.jsonl"), "test_share": 0.5})
    assert {example.answer for example in task.train + task.test} == {"42", "56"}
    assert task.notes == (f"rows.jsonl: read as {SHAPES[shape].summary}",)


def test_the_page_s_grid_of_small_data_tests_every_row_once(tmp_path):
    (block,) = re.findall(r"```yaml\n(# small.yaml.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "small.yaml").write_text(block)
    (tmp_path / "small.csv").write_text("\n".join(["question,answer", *(f"{i} plus {i}?,{2 * i}" for i in range(60))]))
    cells = Grid.load(tmp_path / "small.yaml").cells
    tested = {cell.seed: task_of(cell).test for cell in cells}
    assert sorted(row.id for test in tested.values() for row in test) == sorted(
        row.id for row in rows(task_of(cells[0]))
    )
    assert "small: 1 whole repeat of 5 folds" in preflight.check(cells).notes


def test_the_grid_of_the_page_passes_all_checks_and_is_called_by_its_file(tmp_path):
    (block,) = re.findall(r"```yaml\n(# tickets.yaml.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "tickets.yaml").write_text(block)
    lines = [f"Case {i};It is {i},5 late;{('billing', 'login', 'other')[i % 3]}" for i in range(60)]
    (tmp_path / "tickets.csv").write_text("\r\n".join(["Subject;Body;Label", *lines, ";;"]), encoding="utf-8-sig")
    cells = Grid.load(tmp_path / "tickets.yaml").cells
    assert {cell.label.split()[0] for cell in cells} == {"tickets"}
    assert "3 classes: billing, login, other" in preflight.check(cells).notes


def test_the_readme_s_ten_lines_run_with_a_verifier_beside_them(tmp_path, monkeypatch):
    (block,) = re.findall(r"```yaml\n(# mine.yaml.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(block)
    for name, first in (("train", 0), ("test", 500)):
        rows = [
            {"question": f"{i} + 1 =", "answer": f"{i} + 1 = {i + 1}.\n#### {i + 1}"} for i in range(first, first + 160)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    as_it_stands = Grid.load(tmp_path / "mine.yaml").cells
    assert len(as_it_stands) == 21
    assert load_task("file", as_it_stands[0].task_settings).train[0].answer.isdigit()
    # No hub in a test, and a verifier of one's own, relative to the grid file, as the comment there offers.
    (tmp_path / "checks.py").write_text(
        "def score(completion, example):\n    return float(example.answer in completion)\n"
    )
    sizes = "test_items: 4, train_items: 2, sampled_items: 2, samples: 2, along_items: 4, along_the_way: 1"
    small = f"evaluation: {{{sizes}}}\nbudget.amount: 2\n"
    block = block.replace("HuggingFaceTB/SmolLM2-135M-Instruct", "tiny-base").replace(
        "verifier: math", "verifier: checks.py:score"
    )
    (tmp_path / "mine.yaml").write_text(block + small)
    monkeypatch.chdir("/")
    cells = Grid.load(tmp_path / "mine.yaml").cells
    preflight.check(cells)
    sft = next(cell for cell in cells if cell.method == "sft")
    experiment = Experiment(type(sft).from_parameters(sft.to_parameters()))
    assert experiment.train()["step"].max() == 2
    assert experiment.examples(2)["reward"].tolist() == [1.0, 1.0]
