"""Kernels forked from a warm process: the same results, separate lives, and a cold start where forking is not safe."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from stub_notebook import Quiet, cells

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import warm
from rftlab.execute.kernels import TRAINING_MODULES, KernelSettings, dispose, make_manager
from rftlab.execute.local import run_cells
from tests.common.measured import measured

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="warm kernels need Linux")
WARM = KernelSettings(kind="warm", modules=("numpy", "rftlab.record"))


@pytest.fixture(autouse=True)
def ending(cool_kernels, monkeypatch):
    """Here runs end what they forked from, as they do."""
    monkeypatch.setattr(warm, "close_all", cool_kernels)


@pytest.fixture
def zygote():
    yield warm.zygote_for(WARM.modules, WARM.environment())
    warm.close_all()


def run(wanted, results, stub, settings=WARM):
    listener = Quiet()
    outcomes = run_cells(wanted, results, listener, workers=2, settings=settings, notebooks={"sft": stub})
    return outcomes, listener.notes


def bodies(results) -> dict[str, str]:
    return {path.parent.name: measured(path) for path in results.glob("cells/*/record.json")}


def test_warm_and_cold_kernels_leave_the_same_records(stub, tmp_path):
    wanted = [Cell.make({"seed": 5, "task_settings": {"do": "look"}}), *cells(2, do="nothing")]
    for kind in ("warm", "cold"):
        outcomes, notes = run(wanted, tmp_path / kind, stub, replace(WARM, kind=kind))
        assert [outcome.status for outcome in outcomes] == ["done"] * 3
        assert notes == []
    assert bodies(tmp_path / "warm") == bodies(tmp_path / "cold")
    assert record.read(tmp_path / "warm" / "cells" / wanted[0].id).environment["cwd"] == str(stub.parent)


@pytest.mark.parametrize("what", ["die", "fail"])
def test_a_failing_warm_kernel_is_told_as_a_cold_one_is(stub, tmp_path, what):
    (outcome,), _ = run([Cell.make({"task_settings": {"do": what}})], tmp_path, stub)
    assert outcome.error.startswith({"die": "KernelDied", "fail": "RuntimeError: told to fail"}[what])


def test_a_crash_in_a_users_code_is_told_with_its_line(stub, tmp_path):
    (tmp_path / "crash.py").write_text("import ctypes\nctypes.string_at(0)\n")
    cell = Cell.make({"task_settings": {"do": "crash", "beside": str(tmp_path)}})
    (outcome,), _ = run([cell], tmp_path / "results", stub)
    assert outcome.error.startswith("KernelDied: ")
    assert outcome.error.endswith("(crash.py, line 2)")


def test_many_kernels_in_a_row_leak_nothing(zygote, tmp_path):
    process = psutil.Process(zygote._process.pid)
    (tmp_path / "k.json").write_text("{}")
    for turn in range(21):
        if turn == 1:
            before = (process.num_fds(), process.num_threads(), psutil.Process().num_fds())
        kernel = zygote.fork(["-f", str(tmp_path / "k.json")], cwd="/", env=dict(os.environ), log=os.devnull)
        kernel.kill()
        assert kernel.wait() == -9
        assert kernel.poll() == -9
    assert (process.num_fds(), process.num_threads(), psutil.Process().num_fds()) == before
    assert before[1] == 1


def test_a_kernel_that_outlives_its_driver_leaves_and_makes_no_folder_anew(zygote, tmp_path):
    swept = ["-f", str(tmp_path / "swept" / "k.json")]
    assert zygote.fork(swept, cwd="/", env=dict(os.environ), log=os.devnull).wait() == 1
    assert not list(tmp_path.iterdir())


def test_a_kernel_whose_driver_died_while_it_started_leaves(tmp_path):
    """Adopted by another process than that of number 1: here it was never the child of who it was told."""
    (tmp_path / "k.json").write_text("{}")
    command = [sys.executable, "-m", "rftlab.execute.kernel", "-f", tmp_path / "k.json"]
    told = {**os.environ, "JPY_PARENT_PID": str(os.getppid())}
    assert subprocess.run(command, env=told, capture_output=True, timeout=60).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["k.json"]


def test_a_zygote_that_was_killed_is_replaced(zygote):
    zygote.wait_until_ready()
    psutil.Process(zygote._process.pid).kill()
    deadline = time.monotonic() + 10
    while zygote.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(RftlabError, match="use --kernel cold"):
        zygote.fork([], cwd="/", env={}, log=os.devnull)
    fresh = warm.zygote_for(WARM.modules, WARM.environment())
    assert fresh is not zygote
    assert fresh.wait_until_ready() == []


def test_kernels_with_other_import_time_settings_do_not_share_a_zygote(zygote):
    assert warm.zygote_for(WARM.modules, WARM.environment()) is zygote
    assert warm.zygote_for(WARM.modules, replace(WARM, threads=2).environment()) is not zygote


def test_a_module_that_cannot_be_imported_is_left_to_the_notebook():
    assert warm.zygote_for(("no_such_module",), {**os.environ}).wait_until_ready() == ["no_such_module"]
    warm.close_all()


def test_modules_that_start_threads_make_a_run_go_on_cold(stub, tmp_path, monkeypatch):
    starts = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    (tmp_path / "threaded.py").write_text(f"import threading, time\n{starts}\n")
    settings = replace(WARM, modules=("threaded",))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (outcome,), notes = run(cells(1), tmp_path / "results", stub, settings)
    assert outcome.status == "done"
    assert len(notes) == 1
    assert "started 1 further threads" in notes[0]
    assert "cold kernels" in notes[0]


@pytest.mark.slow
def test_the_training_stack_leaves_a_process_fit_to_fork():
    zygote = warm.zygote_for(TRAINING_MODULES, KernelSettings().environment())
    try:
        assert zygote.wait_until_ready() == []
    finally:
        warm.close_all()


def test_each_kernel_draws_its_own_random_numbers(zygote):
    source = "import random, numpy; print(random.random(), numpy.random.random())"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    drawn = []
    for _ in range(2):
        manager = make_manager(WARM)
        try:
            NotebookClient(notebook, km=manager).execute(cleanup_kc=True, env=WARM.environment())
        finally:
            dispose(manager)
        drawn += notebook.cells[0].outputs[0].text.split()
    assert len(set(drawn)) == 4
