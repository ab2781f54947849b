"""Notebooks stay thin, stripped, and in step with the Cell they set the parameters of."""

from pathlib import Path

import nbformat
import papermill
import pytest

from rftlab.cell import Cell, parameter_names
from rftlab.paths import notebooks_dir

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
    assert set(found) == {*parameter_names(), "out"}
    types = {name: type(value).__name__ for name, value in Cell().to_parameters().items()}
    for parameter, facts in found.items():
        if parameter in types:
            assert facts["inferred_type_name"] == types[parameter], parameter
            assert facts["help"], parameter


@pytest.mark.parametrize(("name", "method"), [("10_sft.ipynb", "sft"), ("20_rft.ipynb", "grpo")])
def test_defaults_are_those_of_a_cell(name: str, method: str) -> None:
    notebook = nbformat.read(notebooks_dir() / name, as_version=4)
    source = next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    namespace: dict = {}
    exec(source, namespace)
    assert Cell.from_parameters(namespace) == Cell.make({"method": method})
