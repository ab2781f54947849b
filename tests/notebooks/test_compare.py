"""The compare notebook, executed as the report executes it."""

import warnings

import nbformat
import pytest

from rftlab import report
from rftlab.files.paths import notebooks_dir
from tests import synthetic


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    results = tmp_path_factory.mktemp("results") / "with {braces}"
    synthetic.write_grid(results, labels=(10, 300), items=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        report.write_report(results)
    return nbformat.read(results / "report/report.ipynb", as_version=4)


def test_every_code_cell_ran_and_none_failed(executed):
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_five_figures_are_shown_as_pictures_without_a_browser(executed):
    pictures = [
        o
        for cell in executed.cells
        if cell.cell_type == "code"
        for o in cell.outputs
        if "image/png" in o.get("data", {})
    ]
    assert len(pictures) == 5


def test_the_verdicts_are_printed(executed):
    printed = "".join(
        o.text for cell in executed.cells if cell.cell_type == "code" for o in cell.outputs if "text" in o
    )
    assert "GRPO vs SFT" in printed
    assert report.TINY_NOTE in printed


def test_the_committed_notebook_is_stripped_and_thin():
    notebook = nbformat.read(notebooks_dir() / "30_compare.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert max(len(cell.source.splitlines()) for cell in code) <= 8
    assert [cell.metadata.get("tags") for cell in code if cell.metadata.get("tags")] == [["parameters"]]
    assert notebook.cells[0].source.startswith("# ")
