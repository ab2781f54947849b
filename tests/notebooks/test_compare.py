"""The compare notebook, executed as the report executes it."""

import html
import re
import warnings

import nbformat
import pytest

from rftlab import report, study
from rftlab.files.paths import notebooks_dir
from tests import synthetic


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "with {braces}"
    synthetic.write_grid(folder, labels=(10, 300), items=10, seeds=(0, 1, 2))
    return folder


@pytest.fixture(scope="module")
def executed(results):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        report.write_report(results)
    return nbformat.read(results / "report/report.ipynb", as_version=4)


def test_every_code_cell_ran_and_none_failed(executed):
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_five_figures_and_the_view_are_shown_as_pictures_without_a_browser(executed):
    pictures = [
        o
        for cell in executed.cells
        if cell.cell_type == "code"
        for o in cell.outputs
        if "image/png" in o.get("data", {})
    ]
    assert len(pictures) == 6


def test_it_names_no_folder_of_the_machine_and_finds_its_results_from_where_it_lies(executed, results):
    assert str(results) not in (results / "report/report.ipynb").read_text()
    assert executed.metadata.papermill.parameters.results == ".."
    assert any('\nresults = ".."\n' in cell.source for cell in executed.cells)


def test_the_verdicts_stand_there_in_words(executed):
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = "".join(output.data.get("text/plain", "") for output in outputs if "data" in output)
    assert "GRPO against SFT: " in shown


def words(text: str) -> str:
    """A text as a reader sees it: no markup, white space levelled."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_terminal_page_and_notebook_say_the_same_words(executed, results, capsys):
    study.report(results)
    terminal = capsys.readouterr().out.strip().splitlines()[-4:-1]
    page = words((results / "report/report.html").read_text()).replace(" Next: ", " ")
    outputs = [o.get("data", {}).get("text/html", "") for cell in executed.cells for o in cell.get("outputs", ())]
    (notebook,) = (words(text) for text in outputs if "<p><b>" in text)
    assert terminal == str(report.card(results)).splitlines()
    assert notebook == words(" ".join(terminal))
    assert words(" ".join(terminal)) in page
    decided = [text for text in report.verdicts(results) if " against " in text]
    assert len(decided) == 4
    for text in decided:
        for each in re.findall(r"(\w+) against (\w+): ([a-z ]+) \((\S+ \[[^]]*\])", text):
            assert "{2} {0} against {1} {3}".format(*each).replace("against base", "against untrained base") in page


def test_the_committed_notebook_is_stripped_and_thin():
    notebook = nbformat.read(notebooks_dir() / "30_compare.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert max(len(cell.source.splitlines()) for cell in code) <= 8
    assert [cell.metadata.get("tags") for cell in code if cell.metadata.get("tags")] == [["parameters"]]
    assert notebook.cells[0].source.startswith("# ")
