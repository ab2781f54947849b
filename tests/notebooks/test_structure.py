"""Notebooks stay thin, stripped, and in step with the Cell they set the parameters of."""

import ast
import re
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from rftlab.cell import FOLLOWS, Cell, parameter_names
from rftlab.errors import RftlabError
from rftlab.execute.notebook import check_parameters
from rftlab.execute.one_cell import parameters_of
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


def test_every_notebook_begins_with_the_same_cell_that_installs_what_is_missing() -> None:
    installing = {path.name: nbformat.read(path, as_version=4).cells[1].source for path in NOTEBOOKS}
    assert len(set(installing.values())) == 1, installing
    code = TransformerManager().transform_cell(next(iter(installing.values())))
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert "source" not in namespace, "rftlab is here, and nothing is installed"


@pytest.mark.parametrize(("beside", "source"), [(True, ".."), (False, "rftlab")])
def test_what_is_missing_comes_from_the_clone_around_the_notebook_or_by_its_name(
    beside: bool, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    if beside:
        (tmp_path / "rftlab").mkdir()
        (tmp_path / "rftlab" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code = nbformat.read(NOTEBOOKS[0], as_version=4).cells[1].source
    lines = [line for line in code.splitlines() if "%pip" not in line]
    namespace: dict[str, Any] = {}
    exec("\n".join(lines), namespace)
    assert namespace["source"] == source


@pytest.mark.parametrize("name", EXECUTED_BY_GRIDS)
def test_the_parameters_cell_holds_the_eight_that_matter_alone(name: str) -> None:
    found = papermill.inspect_notebook(str(notebooks_dir() / name))
    assert list(found) == ["task", "model", "method", "labels", "cot", "seed", "steps", "learning_rate"]
    types = {name: type(value).__name__ for name, value in Cell().to_parameters().items()}
    for parameter, facts in found.items():
        assert facts["help"], parameter
        if parameter in types:
            assert facts["inferred_type_name"] == types[parameter], parameter


WRONG = {"str": (7, [1]), "int": ("x", 1.5, True), "float": ("x", True), "bool": ("x", 3)}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_what_is_given_wrongly_is_said_before_anything_is_imported_that_takes_time(path: Path) -> None:
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    at = next(n for n, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", []))
    declared, checking = code[at].source, code[at + 1].source.splitlines()
    checked = next(n for n, line in enumerate(checking) if "check_parameters(" in line or ".from_parameters(" in line)
    before = "\n".join(checking[: checked + 1])
    imported = {line for line in checking[:checked] if line}
    assert imported <= {"import rftlab", "from pathlib import Path", "from rftlab.files.paths import data_dir"}
    kinds = {node.target.id: node.annotation.id for node in ast.parse(declared).body}  # type: ignore[attr-defined]
    wrong = [(name, value) for name, kind in kinds.items() for value in WRONG[kind]]
    for name, value in [*wrong, ("sede", 1)]:
        given = f"# Parameters\n{name} = {value!r}\n"
        namespace: dict[str, Any] = {"In": ["", declared, given, code[at + 1].source]}
        exec(f"{declared}\n{given}", namespace)
        with pytest.raises(RftlabError, match=name):
            exec(before, namespace)


METHODS = pytest.mark.parametrize(("name", "method"), [("10_sft.ipynb", "sft"), ("20_rft.ipynb", "grpo")])


def edited(name: str, **changed: str) -> dict[str, Any]:
    """What the notebook's parameters cell defines after a person has changed the value of some lines, or added some."""
    notebook = nbformat.read(notebooks_dir() / name, as_version=4)
    source = next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    for parameter, literal in changed.items():
        source, times = re.subn(rf"(?m)^({parameter}: \w+ = ).*?(  #.*)$", rf"\g<1>{literal}\g<2>", source)
        source += "" if times else f"\n{parameter} = {literal}"
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
    changed = {parameter: repr(other.to_parameters()[parameter])}
    cell = Cell.from_parameters(edited(name, **changed, **({"steps": "0"} if parameter == "budget_unit" else {})))
    assert cell == Cell.make({"method": method, dotted: other.flat()[dotted]})


@METHODS
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"labels": 7, "seed": 3, "cot": False, "budget.amount": 12, "learning_rates": [0.01]},
        {"seed": 3, "seed_data": 5, "cot": False, "cot_eval": True},
        {"budget.unit": "tokens", "budget.amount": 40},
        {"budget.amount": 2.5, "decoding.temperature": 0.5, "settings": {"beta": 0.1}},
        {"method": "sft+grpo", "learning_rates": [0.01, 0.02], "evaluation.retention": ""},
    ],
)
def test_what_an_executor_says_to_the_notebook_gives_its_cell(name: str, method: str, values: dict[str, Any]) -> None:
    cell = Cell.make({"method": method, **values})
    said = parameters_of(cell, notebooks_dir() / name, "there", ["tensorboard"])
    check_parameters(notebooks_dir() / name, said)
    assert Cell.from_parameters({**edited(name), **said}) == cell
    assert len(said) <= 14, "only what differs from the defaults is said beside the eight"
    assert (said["out"], said["report_to"]) == ("there", "tensorboard")
