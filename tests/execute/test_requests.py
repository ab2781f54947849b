"""Files that ask a run to stop, to leave out a cell, to run one again: heeded by a real driver, whoever started it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_notebook import QUICK, Quiet, cells

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import requests
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.local import run_cells
from rftlab.grid import is_done


class Driven(threading.Thread):
    """A driver in a thread of its own, with what it heard and how its cells ended."""

    def __init__(self, wanted: list[Cell], results: Path, stub: Path, workers: int = 1) -> None:
        super().__init__(daemon=True)
        self.heard, self.outcomes, self._rest = Quiet(), {}, (wanted, results, stub, workers)
        self.raised: BaseException | None = None
        self.start()

    def run(self) -> None:
        wanted, results, stub, workers = self._rest
        try:
            ended = run_cells(wanted, results, self.heard, workers=workers, settings=QUICK, notebooks={"sft": stub})
            self.outcomes = {outcome.cell.id: outcome.status for outcome in ended}
        except BaseException as error:
            self.raised = error


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cell_that_waits_or_runs_is_skipped_and_the_others_go_on(stub, tmp_path):
    wanted = [*cells(1, do="sleep", seconds=60), *cells(3, do="nothing")]
    running, waiting, other, last = wanted
    requests.ask_to_skip(tmp_path, waiting.id)
    run = Driven(wanted, tmp_path, stub)
    wait_for(lambda: run.heard.progress)
    requests.ask_to_skip(tmp_path, running.id)
    run.join(60)
    assert run.outcomes == {running.id: "skipped", waiting.id: "skipped", other.id: "done", last.id: "done"}
    assert [outcome.status for outcome in run.heard.outcomes] == ["skipped", "skipped", "done", "done"]
    assert waiting not in run.heard.begun
    assert sorted(path.name for path in (tmp_path / "cells").iterdir()) == sorted([other.id, last.id])
    assert not (tmp_path / "failed").exists()
    assert [text.partition(" asks")[0] for text in requests.told(tmp_path, wanted)] == [
        f"left out, as requests/skip-{each.id}" for each in (running, waiting)
    ]


def test_a_cell_that_failed_or_was_skipped_is_run_again_in_the_same_run(stub, tmp_path):
    fails, skipped, long = *cells(1, do="fail"), *cells(1, do="nothing"), *cells(1, do="sleep", seconds=60)
    requests.ask_to_skip(tmp_path, skipped.id)
    run = Driven([fails, skipped, long], tmp_path, stub, workers=2)
    wait_for(lambda: len(run.heard.outcomes) == 2)
    requests.ask_to_retry(tmp_path, skipped.id)
    requests.ask_to_retry(tmp_path, fails.id)
    wait_for(lambda: len(run.heard.outcomes) == 4)
    assert not requests.retried(tmp_path)
    assert not requests.skipped(tmp_path)
    requests.ask_to_skip(tmp_path, long.id)
    run.join(60)
    assert run.outcomes == {fails.id: "failed", skipped.id: "done", long.id: "skipped"}
    assert run.heard.begun.count(fails) == 2


def test_a_request_to_retry_stays_while_its_cell_waits_and_runs_it_once(stub, tmp_path):
    fails, *long = *cells(1, do="fail"), *cells(2, do="sleep", seconds=60)
    run = Driven([fails, *long], tmp_path, stub)
    wait_for(lambda: len(run.heard.begun) == 2)
    requests.ask_to_retry(tmp_path, fails.id)
    time.sleep(1)
    assert requests.retried(tmp_path) == {fails.id}
    for cell in long:
        requests.ask_to_skip(tmp_path, cell.id)
    run.join(60)
    assert run.heard.begun.count(fails) == 2
    assert not requests.retried(tmp_path)


@pytest.mark.slow
def test_a_request_to_retry_what_runs_or_waits_does_not_run_it_twice(stub, tmp_path):
    wanted = cells(2, do="sleep", seconds=0.5)
    for cell in wanted:
        requests.ask_to_retry(tmp_path, cell.id)
    run = Driven(wanted, tmp_path, stub)
    run.join(60)
    assert set(run.outcomes.values()) == {"done"}
    assert len(run.heard.begun) == 2
    assert not requests.retried(tmp_path)


def test_a_request_to_stop_ends_a_run_in_a_thread(stub, tmp_path):
    done, *left = [*cells(1, do="nothing"), *cells(3, do="sleep", seconds=60)]
    run = Driven([done, *left], tmp_path, stub)
    wait_for(lambda: len(run.heard.begun) == 2 and run.heard.progress[-1][0] != done)
    requests.ask_to_stop(tmp_path)
    run.join(60)
    assert isinstance(run.raised, Interrupted)
    assert [path.name for path in (tmp_path / "cells").iterdir()] == [done.id]
    assert not requests.is_stopping(tmp_path)


@pytest.mark.slow
def test_a_request_to_stop_ends_a_run_of_another_process_as_ctrl_c_does(stub, tmp_path):
    driver = Path(__file__).with_name("stub_notebook.py")
    process = subprocess.Popen([sys.executable, driver, stub, tmp_path, "3", "60", "cold"], start_new_session=True)
    wait_for(lambda: [*(tmp_path / "cells").glob(".*.running")])
    requests.ask_to_stop(tmp_path)
    assert process.wait(timeout=30) == 130
    assert not list((tmp_path / "cells").iterdir())


def test_a_request_to_stop_that_was_meant_for_an_earlier_run_is_removed(stub, tmp_path):
    requests.ask_to_stop(tmp_path)
    os.utime(tmp_path / "requests" / "stop", (1e9, 1e9))
    wanted = cells(1, do="nothing")
    run = Driven(wanted, tmp_path, stub)
    run.join(60)
    assert is_done(wanted[0], tmp_path)
    assert not requests.is_stopping(tmp_path)


def test_what_is_no_request_is_left_alone_and_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "notes.txt").write_text("mine")
    assert requests.skipped(tmp_path) == requests.retried(tmp_path) == frozenset()
    assert requests.skipped(tmp_path / "none") == frozenset()
    with pytest.raises(RftlabError, match="cannot write .*stop: Not a directory"):
        requests.ask_to_stop(tmp_path / "requests" / "notes.txt")
