"""The local executor on a notebook that trains nothing: what counts as success, what is kept, what is left behind."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from stub_notebook import QUICK, Quiet, cells, write_stub

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import folders, one_cell
from rftlab.execute.kernels import KernelSettings, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.execute.notebook import NotebookRun
from rftlab.execute.results import read_grid, results_lock
from rftlab.execute.trace_so_far import read_trace
from rftlab.execute.vigil import Vigil
from rftlab.files.staging import staged
from rftlab.grid import Grid, is_done

COLD = KernelSettings(kind="cold")


def run(wanted, results, stub, *, workers=2, settings=QUICK, **more):
    listener = Quiet()
    outcomes = run_cells(wanted, results, listener, workers=workers, settings=settings, notebooks={"sft": stub}, **more)
    return {outcome.cell.id: outcome for outcome in outcomes}, listener


def doing(what, **values) -> Cell:
    return Cell.make({"task_settings": {"do": what, **values}})


def test_only_a_notebook_that_ran_through_and_left_its_record_counts(stub, tmp_path):
    wanted = {what: doing(what) for what in ("look", "fail", "exit", "die", "forget", "wrong")}
    grid = Grid("g", tuple(wanted.values()))
    outcomes, listener = run(list(wanted.values()), tmp_path, stub, grid=grid)
    by_name = {what: outcomes[cell.id] for what, cell in wanted.items()}

    good = by_name.pop("look")
    assert (good.status, good.folder) == ("done", tmp_path / "cells" / good.cell.id)
    assert sorted(path.name for path in good.folder.iterdir() if path.name != "kernel.log") == [
        "notebook.ipynb", "record.json", "samples.jsonl", "trace.jsonl"]  # fmt: skip
    seen = record.read(good.folder).environment
    assert seen["executable"] == sys.executable
    assert seen["cwd"] == str(stub.parent)
    assert (seen["OMP_NUM_THREADS"], seen["PYTHONHASHSEED"]) == ("1", "0")
    assert seen["MPLBACKEND"] == "module://matplotlib_inline.backend_inline"

    assert {what: outcome.error.partition(":")[0] for what, outcome in by_name.items()} == {
        "fail": "RuntimeError", "exit": "NoRecord", "die": "KernelDied", "forget": "NoRecord", "wrong": "WrongRecord"
    }  # fmt: skip
    assert by_name["fail"].error == "RuntimeError: told to fail"
    for outcome in by_name.values():
        assert (outcome.status, outcome.folder) == ("failed", tmp_path / "failed" / outcome.cell.id)
        assert one_cell.read_cell(outcome.folder / one_cell.CELL) == outcome.cell
        assert one_cell.read_failure(outcome.cell, tmp_path).error == outcome.error
        assert not is_done(outcome.cell, tmp_path)
    assert [path.name for path in (tmp_path / "cells").iterdir()] == [good.cell.id]
    assert read_grid(tmp_path) == replace(grid, path=None)
    assert len(listener.outcomes) == len(listener.begun) == len(wanted)


@pytest.mark.parametrize("keep_going", [False, True])
def test_three_failures_alike_in_a_row_stop_the_grid_unless_told_to_keep_going(stub, tmp_path, keep_going):
    wanted = cells(6, do="fail")
    outcomes, listener = run(wanted, tmp_path, stub, workers=1, settings=replace(QUICK, keep_going=keep_going))
    failed = [outcome for outcome in outcomes.values() if outcome.status == "failed"]
    assert len(failed) == len(list((tmp_path / "failed").iterdir())) == (6 if keep_going else 3)
    said = [text for text in listener.notes if "failed alike" in text]
    assert said == [] if keep_going else "so no further one is begun; mend it" in said[0]


@pytest.mark.parametrize("what", ["fail", "die"])
def test_a_failed_notebook_shows_the_failure_where_it_happened(stub, tmp_path, what):
    outcomes, _ = run([doing(what)], tmp_path, stub)
    (outcome,) = outcomes.values()
    notebook = nbformat.read(outcome.folder / "notebook.ipynb", as_version=4)
    failing = next(cell for cell in notebook.cells if "about to" in cell.source)
    kinds = [output.output_type for output in failing.outputs]
    assert kinds[-1] == "error"
    assert failing.outputs[-1].evalue.startswith({"fail": "told to fail", "die": "KernelDied"}[what])
    assert [row["step"] for row in read_trace(outcome.folder / "trace_so_far.json")] == [0, 1, 2]


@pytest.mark.parametrize("what", ["nothing", "fail"])
def test_what_is_kept_of_a_cell_names_no_folder_of_the_machine(stub, tmp_path, what):
    outcomes, _ = run([doing(what)], tmp_path, stub)
    (outcome,) = outcomes.values()
    files = [path for path in outcome.folder.iterdir() if path.name != "record.json"]
    assert [path.name for path in files if str(tmp_path) in path.read_text()] == []
    executed = nbformat.read(outcome.folder / "notebook.ipynb", as_version=4)
    nbformat.validate(executed)
    injected = next(cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", []))
    assert '\nout = ""' in injected.source
    about = executed.metadata.papermill
    assert (about.input_path, about.output_path, about.parameters.out) == (stub.name, "notebook.ipynb", "")


def test_a_notebook_that_a_full_disk_cut_short_hides_no_other_error(stub, tmp_path):
    run = NotebookRun(stub, tmp_path / "notebook.ipynb", {}, QUICK)
    run.target.write_text('{"cells": [')
    run._tell_paths()
    assert run.target.read_text() == '{"cells": ['


def test_progress_is_heard_and_kept_out_of_the_notebook(stub, tmp_path):
    outcomes, listener = run([doing("nothing")], tmp_path, stub)
    (outcome,) = outcomes.values()
    assert [progress["step"] for _, progress in listener.progress] == [0, 1, 2]
    assert {progress["reward"] for _, progress in listener.progress} == {0.5}
    assert "rftlab.progress+json" not in (outcome.folder / "notebook.ipynb").read_text()
    assert not (outcome.folder / "trace_so_far.json").exists()


def test_a_cell_that_failed_is_run_again_and_its_failure_forgotten(stub, tmp_path):
    cell = doing("nothing")
    (tmp_path / "failed" / cell.id).mkdir(parents=True)
    (tmp_path / "cells" / cell.id).mkdir(parents=True)
    (tmp_path / "cells" / cell.id / record.RECORD).write_text('{"half')
    outcomes, listener = run([cell], tmp_path, stub)
    assert outcomes[cell.id].status == "done"
    assert is_done(cell, tmp_path)
    assert (tmp_path / "aside" / cell.id / record.RECORD).read_text() == '{"half'
    (said,) = listener.notes
    assert "set aside" in said
    checked = record.read(tmp_path / "cells" / cell.id).files
    assert {"notebook.ipynb", "samples.jsonl", "trace.jsonl"} <= set(checked)
    assert not (tmp_path / "failed" / cell.id).exists()
    before = (tmp_path / "cells" / cell.id / record.RECORD).stat().st_mtime_ns
    again, _ = run([cell], tmp_path, stub)
    assert (again[cell.id].status, again[cell.id].seconds) == ("done", 0.0)
    assert (tmp_path / "cells" / cell.id / record.RECORD).stat().st_mtime_ns == before


def test_a_cell_that_takes_too_long_fails_in_words(stub, tmp_path):
    outcomes, _ = run(cells(1, do="sleep", seconds=60), tmp_path, stub, settings=replace(QUICK, cell_timeout=1))
    (outcome,) = outcomes.values()
    assert outcome.error.startswith("CellTimeout: the notebook cell `")
    assert "took longer than 1 s; give it more time" in outcome.error
    assert "took longer than 1 s" in (outcome.folder / "notebook.ipynb").read_text()


def test_a_kernel_that_hangs_is_ended(stub, tmp_path):
    outcomes, _ = run(cells(1, do="sleep", seconds=60), tmp_path, stub, settings=replace(QUICK, silent_timeout=1.5))
    (outcome,) = outcomes.values()
    assert outcome.error.startswith("KernelHung: for 2 s")
    assert outcome.seconds < 20


def test_what_computes_in_silence_or_says_something_does_not_hang():
    code = {"computes": "while True: pass", "sleeps": "import time; time.sleep(60)"}
    processes = {name: subprocess.Popen([sys.executable, "-c", text]) for name, text in code.items()}
    processes["says"] = subprocess.Popen([sys.executable, "-c", code["sleeps"]])
    ended = []
    with contextlib.ExitStack() as watching:
        vigils = {}
        for name, process in processes.items():
            vigils[name] = Vigil(lambda pid=process.pid: pid, lambda name=name: ended.append(name), lambda: 2.0)
            watching.enter_context(vigils[name].kept())
        for _ in range(10):
            time.sleep(0.5)
            vigils["says"].heard()
    for process in processes.values():
        process.kill()
        process.wait()
    assert ended == ["sleeps"]


def test_a_kernel_that_dies_before_it_answers_is_noticed_at_once(stub, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'rftlab.execute.kernel' in sys.orig_argv:\n    os._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcomes, _ = run([doing("nothing")], tmp_path, stub, settings=COLD)
    (outcome,) = outcomes.values()
    assert outcome.error.startswith("KernelDied: the kernel ended before it answered")
    assert outcome.seconds < 20


@pytest.mark.parametrize(("extra", "says"), [("more: int = 3", "set: more"), ("", "lables; did you mean labels")])
def test_parameters_that_differ_from_the_cells_are_refused_before_anything_is_written(tmp_path, extra, says):
    notebook = write_stub(tmp_path / f"other{len(extra)}.ipynb", extra=extra)
    if not extra:
        notebook.write_text(notebook.read_text().replace("labels: int", "lables: int"))
    with pytest.raises(RftlabError, match=says):
        run([doing("nothing")], tmp_path / "results", notebook)
    assert not (tmp_path / "results").exists()


def test_two_drivers_do_not_work_in_one_folder(stub, tmp_path):
    with results_lock(tmp_path), pytest.raises(RftlabError, match="another run is working"):
        run([doing("nothing")], tmp_path, stub)
    run([doing("nothing")], tmp_path, stub)


def test_leftovers_of_dead_runs_are_swept_and_those_of_living_ones_are_not(tmp_path):
    dead = tmp_path / "cells" / ".abc.x.running"
    (dead / "inner").mkdir(parents=True)
    with staged(tmp_path / "cells" / "def") as alive:
        folders.sweep(tmp_path)
        assert alive.is_dir()
        assert not dead.exists()
    assert not alive.exists()


def test_threads_share_the_cores(monkeypatch):
    monkeypatch.setattr("rftlab.execute.kernels.cores", lambda: 8)
    assert [kernel_settings("cold", workers).threads for workers in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]


def test_a_clock_that_is_set_while_a_kernel_starts_is_no_time_that_has_passed(stub, tmp_path, monkeypatch):
    now, looks = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: now() + 86400 * next(looks))
    (outcome,) = run([doing("nothing")], tmp_path, stub)[0].values()
    assert outcome.status == "done"
    assert next(looks) >= 2


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kind", ["cold", "warm"])
def test_an_interrupt_ends_the_kernels_and_leaves_nothing_half_written(stub, tmp_path, kind):
    driver = Path(__file__).with_name("stub_notebook.py")
    process = subprocess.Popen([sys.executable, driver, stub, tmp_path, "3", "60", kind], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "cells").glob(".*.running"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert not list((tmp_path / "cells").iterdir())
    assert not (tmp_path / "failed").exists()
    assert str(tmp_path) not in commands()


def commands() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_run_cell_is_one_cell_from_json_to_a_folder(stub, tmp_path):
    cell = doing("nothing")
    (tmp_path / "cell.json").write_text(json.dumps({"task_settings": {"do": "nothing"}}))
    assert one_cell.read_cell(tmp_path / "cell.json") == cell
    outcome = one_cell.CellRun(cell, tmp_path, COLD, {"sft": stub}).run()
    assert outcome.folder == tmp_path / "cells" / cell.id
    with pytest.raises(RftlabError, match="cannot read the cell"):
        one_cell.read_cell(tmp_path / "none.json")


def test_a_cell_stopped_before_its_kernel_starts_leaves_nothing(stub, tmp_path):
    run_ = one_cell.CellRun(doing("nothing"), tmp_path, QUICK, {"sft": stub})
    threading.Thread(target=run_.stop).start()
    time.sleep(0.1)
    assert run_.run().status == "stopped"
    assert not list((tmp_path / "cells").iterdir())
