"""What the studio reads of a results folder: the layout of its cells, their states, and a cell in full."""

import json
import os
import shutil
import time
from pathlib import Path

import psutil
import pytest

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import requests
from rftlab.execute.results import write_grid
from rftlab.execute.trace_so_far import TraceSoFar
from rftlab.grid import Grid
from rftlab.interactive.studio.cells import Folder, State, layout
from rftlab.interactive.studio.detail import SAMPLES, detail
from tests import synthetic

STUDY = """
defaults: {task: arithmetic/word, seed: [0, 1]}
include:
  - {method: base}
  - {method: [sft, grpo], labels: [10, 100]}
  - {method: grpo, labels: 100, cot: false, budget.amount: [30, 60]}
"""


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return Grid.load(path)


@pytest.fixture
def results(tmp_path: Path, grid: Grid) -> Path:
    """The study's folder, the list of its cells in it."""
    folder = tmp_path / "results" / "study"
    folder.mkdir(parents=True)
    write_grid(folder, grid)
    return folder


def fail(results: Path, cell: Cell, error: str = "RuntimeError: no") -> None:
    folder = results / "failed" / cell.id
    folder.mkdir(parents=True)
    (folder / "error.txt").write_text(error + "\n")


def run_on(results: Path, cell: Cell, **changes: object) -> None:
    """Leave what a run of this process would that works on a cell."""
    running = {"id": cell.id, "label": cell.label, "seconds": 3.0, "phase": "train", "step": 15.0, "total": 60.0,
               "at_most": False, "measure": "reward 0.5", "warning": "", **changes}  # fmt: skip
    progress = {"name": "study", "ended": 1, "cells": 14, "failed": 0, "seconds_left": 9.0, "running": [running]}
    me = psutil.Process()
    (results / "progress.json").write_text(
        json.dumps({"progress": progress, "pid": os.getpid(), "since": me.create_time()})
    )


def test_rows_are_what_is_swept_and_columns_label_budgets(grid):
    found = layout(grid.cells)
    assert found.rows == (
        "untrained base, chain-of-thought", "SFT, chain-of-thought", "GRPO, chain-of-thought",
        "GRPO, direct, budget.amount=30", "GRPO, direct, budget.amount=60",
    )  # fmt: skip
    assert found.columns == ("no labels", "10", "100")
    places = {(spot.row, spot.column, spot.seed) for spot in found.spots}
    assert len(places) == len(found.spots) == len(grid.cells) == 14
    assert (0, 0, 1) in places
    assert (2, 2, 0) in places


def test_before_a_run_the_cells_are_those_of_the_grid_file(tmp_path, grid):
    folder = Folder(tmp_path / "results" / "study", tmp_path / "study.yaml")
    look = folder.look()
    assert look.progress is None
    assert look.told == "14 cells: 14 waiting"
    (tmp_path / "study.yaml").write_text("metod: sft\n")
    with pytest.raises(RftlabError, match="study.yaml line 1"):
        folder.look()
    assert Folder(tmp_path / "none").look().told == "no cells yet"


def test_states_are_read_from_files_and_again_as_they_change(results, grid):
    done, running, failed, skipped, waiting, damaged = grid.cells[:6]
    folder = Folder(results)
    assert folder.look().count("waiting") == 14
    measured = synthetic.write_cell(results, done.model_dump(), items=10)
    run_on(results, running)
    fail(results, failed)
    requests.ask_to_skip(results, skipped.id)
    synthetic.write_cell(results, damaged.model_dump(), items=10)
    broken = results / "cells" / damaged.id / record.RECORD
    broken.write_text(broken.read_text().replace('"accuracy"', '"acuracy"'))
    states = folder.look().states
    assert states[done.id] == State("done", measured.metrics["accuracy"], "greedy accuracy")
    assert states[running.id] == State("running", 0.25, "train  15/60  reward 0.5")
    assert states[failed.id] == State("failed", said="RuntimeError: no")
    assert states[skipped.id].kind == "skipped"
    assert states[waiting.id].kind == "waiting"
    assert states[damaged.id].kind == "damaged"
    assert "digest" in states[damaged.id].said
    requests.ask_to_skip(results, running.id)
    assert states[running.id].said in folder.look().states[running.id].said.removeprefix("ending, as was asked; ")
    requests.ask_to_retry(results, failed.id)
    assert folder.look().states[failed.id] == State("waiting", said="asked for again")
    (results / "progress.json").unlink()
    again = folder.look()
    assert again.states[running.id].kind == "skipped"
    assert again.told == "14 cells: 9 waiting, 1 done, 2 skipped, 1 damaged".replace("9", "10")


def test_cells_that_no_grid_names_are_shown_too(tmp_path):
    found = synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), items=5)
    look = Folder(tmp_path).look()
    assert set(look.states) == {each.id for each in found}
    assert look.told == "6 cells: 6 done"


def test_a_cell_in_full(results, grid):
    done, failed, waiting = grid.cells[3:6]
    hostile = "<img src=x onerror=alert(1)>"
    synthetic.write_cell(results, done.model_dump(), items=SAMPLES + 5)
    path = results / "cells" / done.id / record.SAMPLES
    path.write_text(path.read_text().replace('"completion": "A"', f'"completion": "{hostile}"'))
    found = detail(done, results, State("done"))
    assert (
        "greedy accuracy",
        f"{100 * record.read(results / 'cells' / done.id).metrics['accuracy']:.1f} %",
    ) in found.facts
    assert found.curve.startswith(b"\x89PNG")
    assert len(found.samples) == SAMPLES
    assert found.samples[0].completion == hostile
    assert found.log.startswith("tiny base: no evidence")
    fail(results, failed, "KernelDied: it ended")
    error = {"output_type": "error", "traceback": ["\x1b[31mRuntimeError\x1b[0m: no"]}
    notebook = {"cells": [{"outputs": []}, {"outputs": [error]}]}
    (results / "failed" / failed.id / "notebook.ipynb").write_text(json.dumps(notebook))
    assert detail(failed, results, State("failed")).log == "KernelDied: it ended\n\nRuntimeError: no"
    said = State("failed", said="KernelDied: it ended")
    assert detail(failed, results, said).log == "RuntimeError: no"
    assert detail(waiting, results, State("waiting", said="asked for again")).log == "asked for again"


def test_one_that_loads_or_evaluates_has_no_share_of_steps(results, grid):
    for phase in ("loading the base", "evaluate"):
        run_on(results, grid.cells[0], phase=phase, step=1.0, total=2.0)
        assert Folder(results).look().states[grid.cells[0].id].share is None


def test_a_cell_that_runs_shows_its_curve_as_far_as_it_has_come_and_one_that_failed_too(results, grid):
    cell = grid.cells[3]
    staging = results / "cells" / f".{cell.id}.abcdefgh.running"
    staging.mkdir(parents=True)
    state = State("running", 0.25, "train  15/60")
    assert detail(cell, results, state).curve == b""
    trace = TraceSoFar(staging)
    trace.hear({"trace": [{"step": 0, "eval/accuracy": 0.1}, {"step": 1, "train/loss": 2.0}]})
    first = detail(cell, results, state)
    assert first.curve.startswith(b"\x89PNG")
    assert first.log == ""
    assert detail(cell, results, state).curve is first.curve
    trace.hear({"trace": [{"step": 9, "eval/accuracy": 0.8}]})
    assert detail(cell, results, state).curve != first.curve
    fail(results, cell)
    shutil.move(staging / "trace_so_far.json", results / "failed" / cell.id)
    assert detail(cell, results, State("failed")).curve.startswith(b"\x89PNG")
    (results / "failed" / cell.id / "trace_so_far.json").write_text('[{"step": 1')
    assert detail(cell, results, State("failed")).curve == b""


@pytest.mark.slow
def test_a_second_look_at_450_cells_is_quick(tmp_path):
    cells = [
        Cell.make({"method": method, "labels": labels, "seed": seed, "cot": cot})
        for method in ("sft", "grpo", "sft+grpo") for labels in (10, 30, 100, 300, 1000) for seed in range(15)
        for cot in (False, True)
    ]  # fmt: skip
    write_grid(tmp_path, Grid("large", tuple(cells)))
    for cell in cells:
        synthetic.write_cell(tmp_path, cell.model_dump(), items=4)
    folder = Folder(tmp_path)
    assert folder.look().count("done") == 450
    began = time.perf_counter()
    assert folder.look().count("done") == 450
    assert time.perf_counter() - began < 1.0  # 0.02 s on two cores; it would be more than ten times that to read them
