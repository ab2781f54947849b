"""Trackers: what they are given, that they change nothing, and how one that is missing, unknown or broken is named."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rftlab import record as records
from rftlab import trackers
from rftlab.cell import Cell
from rftlab.cli import main
from rftlab.digests import with_digests
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.execute.kernels import default_kernel, kernel_settings
from rftlab.execute.one_cell import CellRun, ready
from rftlab.experiment import Experiment, reports
from rftlab.grid import Grid
from tests.execute.stub_notebook import write_stub
from tests.experiment.test_experiment import run, without_times

FEW = {"prompts_per_step": 2, "num_generations": 4}
HALVES = [{"method": "sft", "share": 0.5}, {"method": "grpo", "share": 0.5, "settings": FEW}]
SETTINGS: dict[str, dict[str, Any]] = {"ppo": FEW, "sft+grpo": {"stages": HALVES}}


class Heard:
    """A tracker that remembers."""

    opened: list["Heard"]

    def __init__(self, cell: Cell, folder: Path) -> None:
        self.cell, self.folder, self.rows, self.closed = cell, folder, [], False
        self.opened.append(self)

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self.rows.append((step, metrics))
        random.random()  # as a library might

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Heard]:
    """What trackers hear, whichever are asked for; none has to be installed."""
    Heard.opened = []
    monkeypatch.setattr(reports, "_KINDS", dict.fromkeys(trackers.TRACKERS, Heard))
    monkeypatch.setattr(trackers, "require", lambda names: None)
    return Heard.opened


def finish(experiment: Experiment) -> dict[str, Any]:
    experiment.train()
    experiment.evaluate()
    return json.loads(experiment.save().read_text())


@pytest.mark.parametrize("method", SETTINGS)
def test_all_methods_report_their_trace_and_their_record_which_stays_the_same(
    method: str, heard: list[Heard], small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cell = small_cell(method=method, settings=SETTINGS[method])
    plain = run(cell, tmp_path / "a")
    reported = finish(Experiment(cell, tmp_path / "b", report_to=["tensorboard"]))
    assert without_times(plain) == without_times(reported)
    assert (tmp_path / "a" / records.SAMPLES).read_bytes() == (tmp_path / "b" / records.SAMPLES).read_bytes()
    (tracker,) = heard
    assert tracker.closed
    assert tracker.folder == tmp_path / "b" / "tensorboard"
    trace = [json.loads(line) for line in (tmp_path / "b" / records.TRACE).read_text().splitlines()]
    *rows, (last, final) = tracker.rows
    assert [step for step, _ in rows] == [row["step"] for row in trace]
    for row, (_, metrics) in zip(trace, rows, strict=True):
        assert {name: row[name] for name in row if "/" in name} == {name: metrics[name] for name in row if "/" in name}
        assert metrics["cost/flops"] == row["flops"]
    assert last == 2
    assert final["final/accuracy"] == reported["metrics"]["accuracy"]
    assert final["final/cost/flops"] == reported["cost"]["flops"]
    steps = [metrics for row, (_, metrics) in zip(trace, rows, strict=True) if row["kind"] == "train"]
    assert ("train/epoch" in steps[-1]) == (method != "ppo")  # TRL logs it beside what the trace has


def test_a_second_training_reports_anew_and_trials_of_rates_do_not(
    heard: list[Heard], small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = Experiment(small_cell(method="sft", **{"tuning.trials": 2}), report_to="tensorboard,trackio")
    experiment.train()
    experiment.train()
    assert len(heard) == 4
    assert [step for step, _ in heard[0].rows] == [step for step, _ in heard[2].rows] == [0, 1, 2, 2]
    assert heard[0].folder == tmp_path / "results" / "interactive" / "tensorboard" / experiment.cell.id


def test_a_tracker_that_breaks_is_left_out_with_a_warning_and_training_goes_on(
    heard: list[Heard], small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Heard):
        def log(self, step: int, metrics: dict[str, float]) -> None:
            if step:
                raise OSError(28, "No space left on device")

    monkeypatch.setitem(reports._KINDS, "trackio", Broken)
    experiment = Experiment(small_cell(method="sft"), tmp_path, report_to=["trackio", "tensorboard"])
    with pytest.warns(RftlabWarning, match="trackio was reported to no longer: OSError") as said:
        assert finish(experiment)["metrics"]["accuracy"] is not None
    assert len(said) == 1
    assert len(heard[1].rows) == 5


def test_numbers_that_are_none_are_left_out(heard: list[Heard]) -> None:
    report = reports.Reports(["trackio"], Cell(), Path())
    report(3, {"a": 1, "b": float("nan"), "c": None, "d": "text", "e": True, "f": float("inf")})
    assert heard[0].rows == [(3, {"a": 1.0})]


GRID = "method: [base, sft]\nlabels: 5\nseed: [0, 1]\n"


def test_trackers_are_in_no_id_and_off_by_default(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GRID)
    (tmp_path / "b.yaml").write_text(f"report_to: [trackio, tensorboard, trackio]\n{GRID}")
    without, with_them = Grid.load(tmp_path / "a.yaml"), Grid.load(tmp_path / "b.yaml")
    assert without.report_to == ()
    assert with_them.report_to == ("trackio", "tensorboard")
    assert [cell.id for cell in without.cells] == [cell.id for cell in with_them.cells]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("[tensorbord]", "line 1: report_to: unknown tracker 'tensorbord'; did you mean tensorboard?"),
        ("wandb", "line 1: report_to: unknown tracker 'wandb'; known: tensorboard, trackio"),
        ("3", "line 1: report_to is a list of trackers (tensorboard, trackio), not 3"),
        ("{a: b}", "line 1: report_to is a list of trackers"),
    ],
)
def test_what_is_no_tracker_is_named_with_its_line(
    written: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "g.yaml").write_text(f"report_to: {written}\n{GRID}")
    assert main(["run", str(tmp_path / "g.yaml")]) == 2
    assert problem in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_extra_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, small_cell: Callable[..., Cell]
) -> None:
    (tmp_path / "g.yaml").write_text(f"report_to: trackio\n{GRID}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    for command in (["run", "g.yaml"], ["run", "g.yaml", "--dry-run"]):
        assert main(command) == 2
        assert (
            "report_to: trackio is not installed; run: pip install 'rftlab[trackio]', or leave it out of report_to"
            in capsys.readouterr().err
        )
    assert not (tmp_path / "results").exists()
    with pytest.raises(RftlabError, match=r"pip install 'rftlab\[tensorboard\]'"):
        Experiment(small_cell(), report_to="tensorboard")


def test_the_command_line_goes_before_the_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "g.yaml").write_text(f"report_to: trackio\n{GRID}")
    monkeypatch.setattr(trackers, "require", lambda names: print("asked for", names))
    for words, names in (([], ("trackio",)), (["--report-to", "none"], ()), (["--report-to", "tensorboard"], ...)):
        assert main(["run", str(tmp_path / "g.yaml"), "--dry-run", *words]) == 0
        assert f"asked for {('tensorboard',) if names is ... else names}" in capsys.readouterr().out


def test_an_own_notebook_has_to_take_trackers_only_where_some_are_asked_for(tmp_path: Path) -> None:
    mine = {"sft": write_stub(tmp_path / "mine.ipynb")}
    assert ready([Cell()], mine) == [Cell()]
    with pytest.raises(RftlabError, match=r"mine.ipynb has no parameter report_to; add it to the cell tagged"):
        ready([Cell()], mine, ("trackio",))


def test_tensorboard_has_the_run_of_a_notebook_in_the_folder_of_its_cell_and_no_number_differs(
    small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    cell = with_digests(small_cell(method="sft"))
    settings = replace(kernel_settings(default_kernel(), 2), report_to=("tensorboard",))
    folder = CellRun(cell, tmp_path / "on", settings).run().folder
    assert folder.name == cell.id
    found, plain = json.loads((folder / records.RECORD).read_text()), run(cell, tmp_path / "off")
    assert all(found[part] == plain[part] for part in ("id", "metrics", "contract"))
    assert (folder / records.SAMPLES).read_bytes() == (tmp_path / "off" / records.SAMPLES).read_bytes()
    assert found["files"].keys() - {"kernel.log"} == {records.NOTEBOOK, records.SAMPLES, records.TRACE}
    (place,) = (folder / "tensorboard").iterdir()
    assert place.name == "word-sft-n=8-cot-seed-0"
    events = EventAccumulator(str(place))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]
    assert [event.step for event in events.Scalars("eval/accuracy")] == [0, 2]
    (final,) = events.Scalars("final/accuracy")
    assert final.value == pytest.approx(found["metrics"]["accuracy"])


def test_trackio_writes_on_this_machine_alone(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="trackio is not installed")
    code = """
import socket
from pathlib import Path
def refuse(*_, **__): print("went out"); raise OSError("no network")
socket.getaddrinfo = socket.create_connection = refuse
from rftlab.cell import Cell
from rftlab.experiment.reports import Reports
report = Reports(["trackio"], Cell(), Path())
for step in range(3): report(step, {"train/loss": 1.0 / (step + 1)})
report.close()
from trackio.sqlite_storage import SQLiteStorage
rows = SQLiteStorage.get_logs("rftlab-word", Cell().label + " " + Cell().id)
print([(row["step"], round(row["train/loss"], 2)) for row in rows])
"""
    asked = {**os.environ, "TRACKIO_DIR": str(tmp_path), "HF_TOKEN": "hf_" + "x" * 34, "HF_HUB_OFFLINE": "0"}
    found = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["[(0, 1.0), (1, 0.5), (2, 0.33)]"]
    assert (tmp_path / "rftlab-word.db").is_file()
