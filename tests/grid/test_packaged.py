"""Packaged grids by name, and copies of notebooks and documentation, in a folder that holds nothing else."""

import shutil

import pytest

from rftlab import cli, registry
from rftlab.cell import Cell
from rftlab.digests import settled
from rftlab.errors import RftlabError
from rftlab.files import paths
from rftlab.grid import Grid
from rftlab.policy.hub import locate


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_packaged_grid_is_found_by_its_name_beside_a_folder_called_so(empty):
    (empty / "demo").mkdir()
    assert Grid.load("demo").path == paths.notebooks_dir() / "grids" / "demo.yaml"


def test_a_packaged_grid_s_name_is_no_task_s():
    assert not {*paths.packaged_grids()} & {*registry.names(registry.TASKS), *registry.TASKS}


def test_a_packaged_grid_is_checked_by_its_name(empty, capsys):
    assert cli.main(["check", "smollm2_gsm8k"]) == 1
    out = capsys.readouterr().out
    assert "gsm8k with verifier math\n  ok  gold answers: all 10 score 1" in out
    assert "grid smollm2_gsm8k\nFAIL  before a run: model" in out
    assert f"`rftlab fetch smollm2`, run in {empty}, gets it" in out


def test_a_fetched_model_has_a_name_in_grids_and_by_hand(empty):
    folder = empty / "models" / "SmolLM2-135M-Instruct"
    shutil.copytree(paths.data_dir() / "tiny_base", folder)
    (empty / "sub").mkdir()
    (empty / "sub" / "g.yaml").write_text("{model: smollm2, method: base}")
    (cell,) = Grid.load("sub/g.yaml").cells
    assert cell.model == str(folder)
    assert settled(Cell.make({"method": "base", "labels": 0, "model": "smollm2"})).digests == cell.digests
    assert locate("smollm2") == str(folder)


def test_a_file_of_that_name_goes_first(empty):
    (empty / "demo").write_text("name: own\nmethod: base\n")
    assert Grid.load("demo").name == "own"


def test_a_misspelt_name_is_one_sentence():
    with pytest.raises(RftlabError, match=r"^there is no grid 'dmo'; give .* name; did you mean demo\?$"):
        Grid.load("dmo")
    with pytest.raises(RftlabError, match="cannot read the grid demo.yaml"):
        Grid.load("demo.yaml")


def test_notebooks_grids_and_docs_are_copied_and_never_over_others(empty, capsys):
    assert cli.main(["notebooks", "mine"]) == 0
    copies = {file.relative_to(empty / "mine") for file in (empty / "mine").rglob("*.*")}
    assert {file.name for file in copies} == {
        *(file.name for file in paths.notebooks_dir().glob("*.ipynb")),
        *(f"{name}.yaml" for name in paths.packaged_grids()),
        *(page.name for page in (paths.notebooks_dir().parent / "docs").glob("*.md")),
    }
    assert Grid.load("mine/grids/demo.yaml").cells == Grid.load("demo").cells
    before = (empty / "mine" / "10_sft.ipynb").read_bytes()
    assert cli.main(["notebooks", "mine"]) == 2
    assert "is there already; name another folder" in capsys.readouterr().err
    assert (empty / "mine" / "10_sft.ipynb").read_bytes() == before
