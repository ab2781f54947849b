"""The studio's desk, board, answer and page, without a browser: what buttons do to files, what is sent to the page."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rftlab.advise.design import is_ours
from rftlab.errors import RftlabError
from rftlab.execute import requests
from rftlab.execute.results import write_grid
from rftlab.files.paths import packaged_grids
from rftlab.grid import Grid
from rftlab.interactive.background import Run
from rftlab.interactive.studio import Studio
from rftlab.interactive.studio import board as board_module
from rftlab.interactive.studio.answered import so_far
from rftlab.interactive.studio.board import Board
from rftlab.interactive.studio.cells import Folder
from rftlab.interactive.studio.desk import Desk
from rftlab.interactive.studio.detail import Detail, Sample
from tests import synthetic

WRITTEN = "task: arithmetic/word\nmethod: [base, sft, grpo]\nlabels: [10, 100]\nseed: [0, 1, 2]\n"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A grid by hand, and its results folder with the list of its cells."""
    path = tmp_path / "mine.yaml"
    path.write_text(WRITTEN)
    results = tmp_path / "results" / "mine"
    results.mkdir(parents=True)
    write_grid(results, Grid.load(path))
    return path


def measure(study: Path, seeds: tuple[int, ...]) -> Path:
    results = study.parent / "results" / "mine"
    for cell in Grid.load(study).cells:
        if cell.seed in seeds:
            synthetic.write_cell(results, cell.model_dump(), items=20)
    return results


def test_the_answer_is_marked_so_far_between_looks_and_named_at_one(study):
    results = measure(study, ())
    folder = Folder(results)
    assert so_far(results, folder.look(), folder.cells).heading == "No answer yet"
    measure(study, (0, 1))
    assert so_far(results, folder.look(), folder.cells).heading.startswith("So far: 10 of 15 cells; no declared look")
    measure(study, (2,))
    said = so_far(results, folder.look(), folder.cells)
    assert said.heading == "The answer, look 1 of 8"
    assert said.final
    study.write_text(WRITTEN.replace("2]", "2, 3]"))
    write_grid(results, Grid.load(study))
    said = so_far(results, folder.look(), folder.cells)
    assert said.heading == "The answer at look 1 of 8 (3 seeds of every arm)"
    assert not said.final
    assert "GRPO" in said.lines[0]


def test_a_study_by_hand_is_run_and_widened_but_never_overwritten(study, monkeypatch):
    desk, begun = Desk(study), []
    monkeypatch.setattr(desk.run, "start", lambda *more: begun.append(more))
    with pytest.raises(RftlabError, match="was written by hand; give another name"):
        desk.write("method: sft\n")
    assert desk.write(WRITTEN).startswith("written to mine.yaml")
    assert desk.add_seeds() == "seed 3 added to mine.yaml"
    assert desk.add_labels([30]) == "budget 30 added to mine.yaml"
    assert study.read_text() == WRITTEN.replace("2]", "2, 3]").replace("100]", "100, 30]")
    desk.start(until_decided=True)
    failed = Grid.load(study).cells[0].id
    desk.act("skip", failed)
    assert requests.skipped(desk.results) == {failed}
    desk.act("retry", failed)
    assert requests.retried(desk.results) == {failed}
    assert requests.skipped(desk.results) == frozenset()
    assert begun == [("--until", "decided"), ()]


@pytest.mark.parametrize(("name", "says"), [("g.txt", "ends in .yaml"), ("none/g.yaml", "there is no folder")])
def test_a_place_that_is_none_for_a_grid_is_named(tmp_path, name, says):
    with pytest.raises(RftlabError, match=says):
        Desk(tmp_path / name).write("method: sft\n")
    assert not list(tmp_path.iterdir())


def test_the_grid_of_a_folder_that_a_terminal_filled_is_found_or_asked_for(study, tmp_path):
    results = tmp_path / "results" / "mine"
    assert Desk.of_results(results).grid == study
    study.write_text(WRITTEN + "# changed since\n")
    lost = Desk.of_results(results)
    assert lost.grid is None
    with pytest.raises(RftlabError, match="the grid of .*mine is not known, so there is nothing to run; name its file"):
        lost.start()
    lost.stop()
    assert requests.is_stopping(results)
    demo = tmp_path / "results" / "demo"
    demo.mkdir()
    (demo / "grid.yaml").write_text(packaged_grids()["demo"].read_text())
    assert Desk.of_results(demo).grid == packaged_grids()["demo"].resolve()


def test_a_run_that_somebody_else_began_is_found_and_stopped_through_a_file(study):
    run = Run(study)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        mark = {"pid": process.pid, "since": psutil.Process(process.pid).create_time()}
        (study.parent / ".mine.run").write_text(json.dumps(mark))
        assert run.going
        with pytest.raises(RftlabError, match="working in .* already"):
            run.start()
        run.stop()
        assert requests.is_stopping(run.results)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not run.going
    (study.parent / ".mine.run").write_text(json.dumps({"pid": os.getpid(), "since": 0.0}))
    assert not run.going


def test_why_the_last_run_ended_is_said_on_the_page_too(study):
    study.with_suffix(".log").write_text("mine: 15 cells\nrftlab: task 'x' has 3 training examples\n")
    studio = Studio(study)
    try:
        said, wrong = studio._counts.value.split("</div>")[:2]
        assert said.endswith("no run goes on; the last one said:")
        assert "task &#x27;x&#x27; has 3 training examples" in wrong
        assert "role='alert'" in wrong
        study.with_suffix(".log").write_text("rftlab: interrupted; run the same command again to go on\n")
        studio.refresh()
        assert "the last one was interrupted; run the same" in studio._counts.value
        assert "alert" not in studio._counts.value
        study.with_suffix(".log").write_text("rftlab: a warning\nmine: 15 cells\n")
        studio.refresh()
        assert studio._counts.value.endswith("no run goes on</div>")
    finally:
        studio.close()


def test_what_was_said_of_a_run_goes_when_it_has_ended_and_what_it_does_meanwhile_is_said(study):
    studio = Studio(study)
    try:
        run_of_a_shell(studio.desk.run, "sleep 60")
        studio.refresh()
        assert "a run is being prepared" in studio._counts.value
        studio.buttons["Stop"].click()
        assert "stopping" in studio._said.value
        deadline = time.monotonic() + 20
        while studio.desk.going and time.monotonic() < deadline:
            assert "the run is ending" in studio._counts.value or not studio.desk.going
            time.sleep(0.05)
        studio.refresh()
        assert studio._said.value == ""
        assert "no run goes on" in studio._counts.value
    finally:
        studio.close()


def run_of_a_shell(run: Run, line: str) -> None:
    """Let a line of a shell be the run that was started here."""
    run._process = subprocess.Popen(["/bin/sh", "-c", f"exec {line}"])


def test_the_line_is_about_a_grid_by_hand_whatever_the_form_says(study):
    studio = Studio(study)
    try:
        assert "15 cells; reckoning" in studio._line.value
        studio.form.labels.value = "10, 20, 30"
        assert "15 cells; reckoning" in studio._line.value
    finally:
        studio.close()


def test_a_budget_that_is_there_is_not_added_again(study):
    desk = Desk(study)
    with pytest.raises(RftlabError, match="mine.yaml has budget 10 already"):
        desk.add_labels((10,))
    assert study.read_text() == WRITTEN


def test_while_only_the_base_is_done_the_next_step_is_what_waits(study):
    results = study.parent / "results" / "mine"
    for cell in Grid.load(study).cells[:3]:
        assert cell.method == "base"
        synthetic.write_cell(results, cell.model_dump(), items=20)
    folder = Folder(results)
    said = so_far(results, folder.look(), folder.cells)
    assert "Nothing has been trained yet." in said.lines
    assert "Run the cells that are left: they train." in said.lines


def test_the_page_gets_data_alone_and_says_what_is_wanted_of_a_cell(study):
    results, heard = measure(study, (0,)), []
    folder, board = Folder(results), Board(lambda *said: heard.append(said))
    look = folder.look()
    board.show(look)
    done = Grid.load(study).cells[0].id
    assert board.places["columns"] == ["no labels", "10", "100"]
    assert board.states[done][0] == "done"
    assert len(board.states) == look.count("done") == 5
    for message in (
        {"do": "skip", "cell": done},
        {"do": "format", "cell": done},
        {"do": "skip", "cell": "../x"},
        3,
        {},
    ):
        board.hear(message)
    assert heard == [("skip", done)]
    hostile = Sample("<script>", "</pre><img onerror=x>", "", "5", 0.0)
    board.show_detail(done, "word", Detail((("a", "1"),), b"\x89PNG", (hostile,), "log"))
    assert board.shown["samples"] == [list(hostile)]
    assert json.loads(json.dumps(board.shown))["curve"] == "iVBORw=="
    board.show_detail("", "", None)
    assert board.shown == {"id": ""}


def test_nothing_that_is_shown_becomes_markup():
    source = Path(board_module.__file__).with_name("board.js").read_text()
    assert "textContent" in source
    assert not [word for word in ("innerHTML", "insertAdjacentHTML", "outerHTML", "document.write") if word in source]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Studio("studio.yaml")
    yield made
    made.close()


def test_fields_that_cannot_be_read_say_so_and_nothing_is_written(studio, tmp_path):
    studio.form.labels.value = "ten"
    studio.form.seeds.value = "0"
    assert "label budgets are" in studio.form._wrong["labels"].value
    assert "seeds is" in studio.form._wrong["seeds"].value
    studio.buttons["Write the grid"].click()
    assert "a field cannot be read" in studio._said.value
    studio.form.labels.value, studio.form.seeds.value = "10, 5000", "2"
    assert "more than the 1000" in studio.form._wrong["labels"].value
    studio.form.task.value = "arithmetik/word"
    assert "unknown task" in studio.form._wrong["task"].value
    studio.form.task.value = "arithmetic/word"
    for model, says in (("", "a study needs a model"), ("/no/dir", "neither a directory nor a hub id"),
                        ("<b>" * 200, "File name too long"), (".", "has no config.json")):  # fmt: skip
        studio.form.model.value = model
        assert says in studio.form._wrong["model"].value
        studio.buttons["Write the grid"].click()
        assert "a field cannot be read" in studio._said.value
    assert not list(tmp_path.iterdir())
    studio.form.model.value = "tiny-base"
    assert studio.form._wrong["model"].value == ""


def test_the_form_writes_its_grid_and_a_studio_opened_again_shows_it(studio, tmp_path):
    studio.form.labels.value, studio.form.seeds.value, studio.form.prompts.value = "8, 20", "2", "both"
    studio.form.methods["rloo"].value = True
    studio.buttons["Write the grid"].click()
    text = (tmp_path / "studio.yaml").read_text()
    assert is_ours(text)
    studio.form.labels.value = "8"
    studio.buttons["Run"].click()
    assert "the form differs from studio.yaml; write the grid first" in studio._said.value
    again = Studio("studio.yaml")
    try:
        assert again.form.design == studio.form.design.__class__(
            ("base", "sft", "grpo", "rloo"), (8, 20), "both", 2, 60.0, False
        )
        assert f"{len(Grid.load(tmp_path / 'studio.yaml').cells)} cells" in again._counts.value
        assert again.buttons["Stop"].disabled
        assert studio._ended.is_set()
    finally:
        again.close()


def test_a_cell_that_is_chosen_is_shown_and_again_when_its_state_changes(study):
    studio = Studio(study)
    try:
        cell = Grid.load(study).cells[0]
        studio.board.selected = cell.id
        assert studio.board.shown["id"] == cell.id
        assert studio.board.shown["samples"] == []
        measure(study, (0,))
        deadline = time.monotonic() + 20
        while not studio.board.shown["samples"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(studio.board.shown["samples"]) == 20
        while "So far: 5 of 15" not in studio._answer.value and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "So far: 5 of 15 cells" in studio._answer.value
        studio.board.selected = ""
        assert studio.board.shown == {"id": ""}
    finally:
        studio.close()


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(RftlabError, match="name a grid, or a results folder"):
        Studio("")
    with pytest.raises(RftlabError, match="there is no folder"):
        Studio("", tmp_path / "none")
