"""Every scenario notebook executed on the tiny base, with its grid made small."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from ruamel.yaml import YAML

import rftlab
from rftlab import record as records
from rftlab.files.paths import data_dir, notebooks_dir, packaged_grids
from rftlab.grid import Grid

SMALL = {
    "test_items": 6, "train_items": 4, "ood_items": 0, "sampled_items": 0, "retention": "", "along_the_way": 1,
    "along_items": 4,
}  # fmt: skip


@pytest.fixture
def small_grid(tmp_path: Path) -> Callable[[str], str]:
    """The packaged grid with one seed, eight labels, two steps and few items; its tasks, methods and prompts stay."""

    def write(name: str) -> str:
        yaml = YAML(typ="safe")
        values: dict[str, Any] = yaml.load(packaged_grids()[name].read_text())
        decides = values["defaults"]["evaluation"].get("decides", "accuracy")
        values["defaults"] |= {"evaluation": {**SMALL, "decides": decides}}
        values |= {"labels": [8], "seed": [0], "budget": {"unit": "steps", "amount": 2}}
        file = tmp_path / f"{name}.yaml"
        with file.open("w") as out:
            yaml.dump({key: value for key, value in values.items() if key not in ("max_seeds", "overrides")}, out)
        return str(file)

    return write


def executed(notebook: str, tmp_path: Path, **parameters: object) -> str:
    """All outputs of the notebook as text, after it has run without an error."""
    out = tmp_path / notebook
    papermill.execute_notebook(str(notebooks_dir() / notebook), str(out), parameters, progress_bar=False)
    cells = nbformat.read(out, as_version=4).cells
    found = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output["text"] for output in found if output.get("name") == "stderr"]
    return str(found)


@pytest.mark.parametrize(
    ("notebook", "name"),
    [
        ("63_qa.ipynb", "scenario_qa"),
        pytest.param("60_code.ipynb", "scenario_code", marks=pytest.mark.slow),
        pytest.param("61_math.ipynb", "scenario_math", marks=pytest.mark.slow),
        pytest.param("62_medical.ipynb", "scenario_medical", marks=pytest.mark.slow),
    ],
)
def test_a_scenario_ends_with_the_answer_of_its_grid(
    notebook: str, name: str, small_grid: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = small_grid(name)
    cells = Grid.load(file).cells
    shown = executed(notebook, tmp_path, grid=file)
    assert f"{len(cells)} of {len(cells)} cells" in shown
    assert "Right of these 3: untrained base" in shown
    assert "Tiny base: no evidence about large models" in shown, "the card"
    assert len(list(records.cells_dir(tmp_path / "results" / name).iterdir())) == len(cells)


@pytest.mark.slow
def test_the_creative_page_offers_pairs_and_ends_with_win_rates_and_the_answer(
    small_grid: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = executed("64_creative.ipynb", tmp_path, grid=small_grid("win_rate"), pairs=2)
    assert "4 of 4 cells" in shown
    assert "Right of these 3: untrained base" in shown
    assert "preference-model, seed 0: " in shown
    assert all(f">{first}</td>" in shown for first in ("sft", "dpo", "rlhf"))
    assert "Tiny base: no evidence about large models" in shown, "the card"


@pytest.mark.slow
def test_the_page_for_data_of_ones_own_checks_them_and_ends_with_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid, yaml = tmp_path / "own_data.yaml", YAML()
    rftlab.new(data_dir() / "samples" / "word_problems.csv", grid, model="tiny-base")
    values = yaml.load(grid.read_text())
    values |= {"labels": [8], "seed": [0], "budget": {"unit": "steps", "amount": 2}, "evaluation": SMALL}
    with grid.open("w") as out:
        yaml.dump(values, out)
    shown = executed("65_own_data.ipynb", tmp_path)
    assert "3 of 3 cells" in shown
    assert "passed" in shown, "the check"
    assert "Right of these 3: untrained base" in shown
    assert "Tiny base: no evidence about large models" in shown, "the card"
