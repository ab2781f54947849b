"""Notebooks stay thin, stripped, and in step with the Cell they set the parameters of."""

import re
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from rftlab.cell import FOLLOWS, Cell, parameter_names
from rftlab.files.paths import notebooks_dir
from tests.test_cell import another_value

NOTEBOOKS = sorted(notebooks_dir().glob("*.ipynb"))
EXECUTED_BY_GRIDS = ["10_sft.ipynb", "20_rft.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_thin_and_stripped(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.cells[0].source.startswith("# "), "a notebook begins with its title"
    for cell in code:
        assert cell.execution_count is None, "committed notebooks carry no execution counts"
        assert cell.outputs == [], "committed notebooks carry no outputs"
        if "parameters" not in cell.metadata.get("tags", []):
            lines = cell.source.splitlines()
            assert len(lines) <= 10, f"too long for a notebook: {lines[0]}"
            assert not any(line.startswith(("def ", "class ")) for line in lines), "logic belongs to the package"
    assert any("parameters" in cell.metadata.get("tags", []) for cell in code)
    assert sum(cell.cell_type == "markdown" for cell in notebook.cells) >= len(code) - 2


@pytest.mark.parametrize("name", EXECUTED_BY_GRIDS)
def test_parameters_are_those_of_a_cell(name: str) -> None:
    found = papermill.inspect_notebook(str(notebooks_dir() / name))
    assert set(found) == {*parameter_names(), "out", "report_to"}
    types = {name: type(value).__name__ for name, value in Cell().to_parameters().items()}
    for parameter, facts in found.items():
        if parameter in types:
            assert facts["inferred_type_name"] == types[parameter], parameter
            assert facts["help"], parameter


METHODS = pytest.mark.parametrize(("name", "method"), [("10_sft.ipynb", "sft"), ("20_rft.ipynb", "grpo")])


def edited(name: str, **changed: str) -> dict[str, Any]:
    """What the notebook's parameters cell defines after a person has changed the value of some lines."""
    notebook = nbformat.read(notebooks_dir() / name, as_version=4)
    source = next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    for parameter, literal in changed.items():
        source, times = re.subn(rf"(?m)^({parameter}: \w+ = ).*?(  #.*)$", rf"\g<1>{literal}\g<2>", source)
        assert times == 1, parameter
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    return namespace


@METHODS
def test_defaults_are_those_of_a_cell(name: str, method: str) -> None:
    assert Cell.from_parameters(edited(name)) == Cell.make({"method": method})


@METHODS
@pytest.mark.parametrize("parameter", sorted(set(FOLLOWS.values())))
def test_what_is_equal_unless_given_follows_an_edit_of_its_leader(name: str, method: str, parameter: str) -> None:
    other = Cell.make({parameter: 7 if parameter == "seed" else not Cell().flat()[parameter]})
    cell = Cell.from_parameters(edited(name, **{parameter: repr(other.flat()[parameter])}))
    assert cell == Cell.make({"method": method, parameter: other.flat()[parameter]})
    assert all(cell.flat()[f] == other.flat()[parameter] for f, leader in FOLLOWS.items() if leader == parameter)


@METHODS
@pytest.mark.parametrize(
    "parameter", sorted(set(parameter_names()) - {"adapter_kind", "adapter_target_modules", "method"})
)
def test_a_parameter_edited_in_the_notebook_gives_the_cell_a_grid_would(name: str, method: str, parameter: str) -> None:
    dotted = parameter_names()[parameter]
    other = Cell.make({dotted: another_value(dotted)})
    cell = Cell.from_parameters(edited(name, **{parameter: repr(other.to_parameters()[parameter])}))
    assert cell == Cell.make({"method": method, dotted: other.flat()[dotted]})
