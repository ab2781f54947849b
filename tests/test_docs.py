"""The examples in docs/ run as they stand."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rftlab.cell import Cell
from rftlab.experiment import Experiment

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the Python block of a page into a file of its own."""

    def write(page: str) -> Path:
        (block,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
        path = tmp_path / "mine.py"
        path.write_text(block)
        return path

    return write


def test_the_task_of_the_docs_runs(example: Callable, small_cell: Callable[..., Cell]) -> None:
    path = example("adding_a_task.md")
    experiment = Experiment(small_cell(task=f"{path}:load"))
    assert experiment.examples(3)["reward"].tolist() == [1.0, 1.0, 1.0]
    assert experiment.train()["step"].max() == 2


def test_the_method_of_the_docs_learns(example: Callable, small_cell: Callable[..., Cell]) -> None:
    path = example("adding_a_method.md")
    cell = small_cell(method=f"{path}:Reinforce", labels=4, **{"budget.amount": 30.0})
    rewards = Experiment(cell).train()["train/reward"].dropna().tolist()
    assert sum(rewards[-8:]) > sum(rewards[:8])
