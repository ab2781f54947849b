"""Packaged grids by name, and copies of the notebooks, in a folder that holds nothing else."""

import pytest

from rftlab import cli
from rftlab.errors import RftlabError
from rftlab.files import paths
from rftlab.grid import Grid


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_packaged_grid_is_found_by_its_name_beside_a_folder_called_so(empty):
    (empty / "demo").mkdir()
    assert Grid.load("demo").path == paths.notebooks_dir() / "grids" / "demo.yaml"


def test_a_file_of_that_name_goes_first(empty):
    (empty / "demo").write_text("name: own\nmethod: base\n")
    assert Grid.load("demo").name == "own"


def test_a_misspelt_name_is_one_sentence():
    with pytest.raises(RftlabError, match=r"^there is no grid 'dmo'; give .* name; did you mean demo\?$"):
        Grid.load("dmo")
    with pytest.raises(RftlabError, match="cannot read the grid demo.yaml"):
        Grid.load("demo.yaml")


def test_notebooks_and_grids_are_copied_and_never_over_others(empty, capsys):
    assert cli.main(["notebooks", "mine"]) == 0
    copies = {file.relative_to(empty / "mine") for file in (empty / "mine").rglob("*.*")}
    assert {file.name for file in copies} == {
        *(file.name for file in paths.notebooks_dir().glob("*.ipynb")),
        *(f"{name}.yaml" for name in paths.packaged_grids()),
    }
    assert Grid.load("mine/grids/demo.yaml").cells == Grid.load("demo").cells
    before = (empty / "mine" / "10_sft.ipynb").read_bytes()
    assert cli.main(["notebooks", "mine"]) == 2
    assert "is there already; name another folder" in capsys.readouterr().err
    assert (empty / "mine" / "10_sft.ipynb").read_bytes() == before
