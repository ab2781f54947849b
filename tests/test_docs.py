"""The examples in docs/ run as they stand."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rftlab import cli
from rftlab.cell import Cell
from rftlab.execute.results import write_grid
from rftlab.experiment import Experiment
from rftlab.experiment.method_checks import CHECKS, findings, learns
from rftlab.experiment.method_subject import Subject
from rftlab.grid import Grid
from rftlab.grid.keys import KEYS
from rftlab.user_code import installed
from tests.execute.stub_notebook import write_stub
from tests.synthetic import write_cell

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


def test_the_method_of_the_docs_passes_the_suite(example: Callable) -> None:
    path = example("adding_a_method.md")
    found = findings(Subject(f"{path}:Reinforce"), [check for check in CHECKS if check is not learns])
    assert [each for each in found if each.verdict != "passed"] == []


@pytest.mark.parametrize("cot", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_method_of_the_docs_learns(cot: bool, example: Callable, small_cell: Callable[..., Cell]) -> None:
    path = example("adding_a_method.md")
    worked_out = {"decoding.max_new_tokens": 0, "decoding.max_new_tokens_direct": 0}
    cell = small_cell(
        method=f"{path}:Reinforce", labels=4, cot=cot, cot_eval=cot, **worked_out, **{"budget.amount": 30.0}
    )
    rewards = Experiment(cell).train()["train/reward"].dropna().tolist()
    assert sum(rewards[-8:]) > sum(rewards[:8])


PAGES = (
    "grid_file.md",
    "results_folder.md",
    "analysis.md",
    "operating_systems.md",
    "again.md",
    "verifiers.md",
    "trackers.md",
)
STUDY = """
name: {}
defaults: {{task: arithmetic/word, seed: {}}}
include:
  - {{method: base}}
  - {{method: [sft, grpo], labels: [10, 100]}}
"""


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up studies: results/demo, and two of other seeds."""
    folder = tmp_path_factory.mktemp("docs")
    for name, seeds in (("demo", [0, 1, 2]), ("monday", [0, 1]), ("tuesday", [2, 3])):
        path = folder / f"{name}.yaml"
        path.write_text(STUDY.format(name, seeds))
        grid = Grid.load(path)
        for cell in grid.cells:
            write_cell(folder / "results" / name, cell.model_dump(), items=12)
        write_grid(folder / "results" / name, grid)
    return folder


class Reader:
    """Does what a page says, block by block, in the working folder."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def yaml(self, block: str) -> None:
        """Write the grid under the name that its first line gives; it has to be one."""
        path = Path(block.partition("\n")[0].removeprefix("# "))
        path.write_text(block)
        assert Grid.load(path).cells

    def toml(self, block: str) -> None:
        """Part of a package's description: its entry points are in groups that are read."""
        assert {*tomllib.loads(block)["project"]["entry-points"]} <= {*installed.GROUPS.values()}

    def python(self, block: str) -> None:
        """Run it; under the name that its first line gives, if any, it is also a file."""
        if named := re.match(r"# (\w+\.py)\n", block):
            Path(named[1]).write_text(block)
        exec(block, self.names)

    def sh(self, block: str) -> None:
        for line in filter(None, block.splitlines()):
            if "CELL" in line:  # stands for a cell's id
                line = line.replace("CELL", min(os.listdir("results/mine/cells"))[:5])
            words = shlex.split(line, comments=True)
            if words[0] != "rftlab":
                subprocess.run(words, check=True)
                continue
            assert _exit_code(words[1:]) == 0, line


def _exit_code(words: list[str]) -> object:
    try:
        return cli.main(words)
    except SystemExit as left:  # --version
        return left.code


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_it_stands(
    page: str, studies: Path, stubbed: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(studies)
    if page != "analysis.md":
        stubbed()
    blocks = re.findall(r"```(\w+)\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    assert blocks
    reader = Reader()
    for language, block in blocks:
        getattr(reader, language)(block)


@pytest.fixture
def stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have grids run by a notebook that trains nothing, in kernels of their own, and write no page."""

    def stub() -> None:
        write_stub(tmp_path / "10_sft.ipynb")
        monkeypatch.setattr("rftlab.files.paths.notebooks_dir", lambda: tmp_path)
        monkeypatch.setattr("rftlab.study.default_kernel", lambda: "cold")
        nothing = types.SimpleNamespace(files=[], remarks=[], answer="")
        page = types.SimpleNamespace(publish=lambda *_: nothing, happened=lambda *_: [])
        monkeypatch.setitem(sys.modules, "rftlab.report", page)

    return stub


def test_the_page_on_grids_explains_every_key_beside_the_parameters() -> None:
    text = (DOCS / "grid_file.md").read_text()
    assert [key for key in KEYS if f"{key}:" not in text] == []


def test_the_page_on_results_names_every_file_that_a_study_leaves(studies: Path) -> None:
    text = (DOCS / "results_folder.md").read_text()
    left = {path.name for path in (studies / "results" / "monday").rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith(".") and name not in text} == set()
    record = json.loads(next((studies / "results").rglob("record.json")).read_text())
    assert [key for key in record if f"`{key}`" not in text] == []
