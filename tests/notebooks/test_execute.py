"""Every notebook is executed for real on the tiny base, by the executor and by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
import pytest

from rftlab import record as records
from rftlab.cell import Cell
from rftlab.digests import with_digests
from rftlab.execute.kernels import default_kernel, kernel_settings
from rftlab.execute.one_cell import CellRun
from rftlab.files.paths import notebooks_dir
from rftlab.progress import MIME


def outputs(notebook: nbformat.NotebookNode, mime: str) -> list[str]:
    return [
        str(output["data"][mime])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if mime in output.get("data", {})
    ]


def on_stderr(notebook: nbformat.NotebookNode) -> list[str]:
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["text"] for output in found if output.get("name") == "stderr"]


@pytest.mark.parametrize(
    ("method", "settings"), [("base", {}), ("sft", {}), ("grpo", {"prompts_per_step": 2, "num_generations": 4})]
)
def test_method_notebook_keeps_its_curve_its_samples_and_its_record(
    method: str, settings: dict, small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cell = with_digests(small_cell(method=method, settings=settings, labels=0 if method == "base" else 8))
    outcome = CellRun(cell, tmp_path, kernel_settings(default_kernel(), 2)).run()
    assert outcome.status == "done", outcome
    folder = records.cells_dir(tmp_path) / cell.id
    assert records.read(folder).id == cell.id
    assert {path.name for path in folder.iterdir()} >= {"notebook.ipynb", "record.json", "trace.jsonl", "samples.jsonl"}
    executed = nbformat.read(folder / records.NOTEBOOK, as_version=4)
    assert len(outputs(executed, "image/png")) == 1, "the executed notebook shows its training curve, once"
    pages = outputs(executed, "text/html")
    assert any("reward" in html for html in pages), "and completions with their rewards"
    assert any("Right of these 5: base" in html for html in pages), "and the same items before and after"
    assert not any("Completions of" in html for html in pages), "but not what streamed while it trained"
    assert not any("nan" in html.lower().split(">") for html in pages)
    assert not on_stderr(executed)
    assert not outputs(executed, MIME), "progress messages are kept out of the saved notebook"
    row = json.loads((folder / records.SAMPLES).read_text().splitlines()[0])
    assert {"part", "item", "completion", "reward", "extracted", "format_ok", "length"} <= set(row)


def run(name: str, tmp_path: Path, **parameters: object) -> nbformat.NotebookNode:
    papermill.execute_notebook(
        str(notebooks_dir() / name), str(tmp_path / name), parameters=parameters, progress_bar=False, log_output=False
    )
    executed = nbformat.read(tmp_path / name, as_version=4)
    assert not on_stderr(executed)
    return executed


def test_start_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    executed = run("00_start_here.ipynb", tmp_path, steps=2, labels=8, seeds=1)
    assert len(outputs(executed, "image/png")) == 1
    assert len(list(records.cells_dir(tmp_path / "results" / "start_here").iterdir())) == 3
    pages = outputs(executed, "text/html")
    assert any("3 of 3 cells" in page for page in pages)
    assert any("Right of these 2: untrained base" in page for page in pages)


def test_advisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    executed = run("40_advisor.ipynb", tmp_path, facts='{"reasoning": true}')
    assert len(outputs(executed, "image/png")) == 1
    assert "tuning: {seeds: 2" in str(executed.cells)


def test_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    executed = run("05_studio.ipynb", tmp_path, grid=str(tmp_path / "mine.yaml"))
    assert f"rftlab run {tmp_path / 'mine.yaml'}" in str(executed.cells[-1])
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("name", ["10_sft.ipynb", pytest.param("20_rft.ipynb", marks=pytest.mark.slow)])
def test_a_method_notebook_runs_by_hand(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    executed = run(name, tmp_path, steps=2, evaluation_test_items=8, evaluation_sampled_items=2)
    (made,) = (tmp_path / "results" / "interactive" / "cells").iterdir()
    assert records.read(made) is not None
    under = {cell.source.splitlines()[-1]: str(cell.outputs) for cell in executed.cells if cell.cell_type == "code"}
    assert "evaluate 7/7" in under["experiment.evaluate()"], "each long cell has its own progress"
    assert "train 2/2" in under["trace = experiment.train()"]
    assert "Completions of the last" in under["trace = experiment.train()"], "and what streams while it trains"
    assert "this run" in under["rftlab.runs(experiment)"]


def test_a_mistake_is_one_line_under_the_cell(tmp_path: Path) -> None:
    with pytest.raises(papermill.PapermillExecutionError):
        run("10_sft.ipynb", tmp_path, model="nobody/nowhere")
    cells = nbformat.read(tmp_path / "10_sft.ipynb", as_version=4).cells
    (error,) = [o for cell in cells for o in cell.get("outputs", []) if o.output_type == "error"]
    (line,) = error["traceback"]
    assert line.startswith("RftlabError: model 'nobody/nowhere': ")
