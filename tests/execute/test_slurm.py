"""The Slurm executor through submitit's local one: the local records, and a job that is killed is submitted again."""

import threading
import time
from pathlib import Path

import psutil
import pytest
from stub_notebook import Quiet, cells

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import on_slurm
from rftlab.execute.cluster import Resources
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.local import run_cells
from tests.common.measured import measured

submitit = pytest.importorskip("submitit")
COLD = KernelSettings(kind="cold")


def run(wanted, results, stub, **options):
    listener = Quiet()
    resources = Resources(address="local", options=options)
    outcomes = on_slurm.run_cells(
        wanted, results, listener, settings=COLD, notebooks={"sft": stub}, resources=resources
    )  # fmt: skip
    return outcomes, listener


def bodies(results: Path) -> dict[str, str]:
    names = ("record.json", "trace.jsonl", "samples.jsonl", "error.txt")
    return {f"{path.parent.name}/{path.name}": measured(path) for n in names for path in results.rglob(f"*/{n}")}


def test_jobs_leave_the_records_of_a_local_run(stub, tmp_path):
    wanted = [*cells(3, do="nothing"), Cell.make({"task_settings": {"do": "fail"}})]
    run_cells(wanted, tmp_path / "local", Quiet(), workers=2, settings=COLD, notebooks={"sft": stub})
    outcomes, listener = run(wanted, tmp_path / "jobs", stub, cells_per_job="2")
    assert {outcome.cell.id: outcome.status for outcome in outcomes} == {
        cell.id: "failed" if cell == wanted[-1] else "done" for cell in wanted
    }
    assert bodies(tmp_path / "jobs") == bodies(tmp_path / "local")
    assert listener.begun == wanted
    assert not (tmp_path / "jobs" / ".shared").exists()


def test_a_job_that_is_killed_is_submitted_again(stub, tmp_path):
    (cell,) = cells(1, do="sleep", seconds=2)

    def kill_once_it_works() -> None:
        while not list((tmp_path / "cells").glob(".*.running")):
            time.sleep(0.05)
        for process in psutil.process_iter(["cmdline"]):
            command = " ".join(process.info["cmdline"] or ())
            if "submitit" in command and str(tmp_path) in command:
                process.kill()

    threading.Thread(target=kill_once_it_works, daemon=True).start()
    outcomes, listener = run([cell], tmp_path, stub)
    assert [outcome.status for outcome in outcomes] == ["done"]
    assert len(listener.notes) == 1
    assert "was lost" in listener.notes[0]
    assert not list((tmp_path / "cells").glob(".*"))
    assert not (tmp_path / "slurm").exists()


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        (Resources(), "no sbatch here"),
        (Resources(address="local", gpus=0.5), "whole GPUs"),
        (Resources(address="local", gather=True), "folder that the nodes share"),
        (Resources(address="local", options={"cells_per_job": "0"}), "at least 1"),
        (Resources(address="local", options={"colour": "red"}), "colour"),
        (Resources(address="nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(resources, says, stub, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RftlabError, match=says):
        on_slurm.run_cells(cells(1), tmp_path / "r", Quiet(), notebooks={"sft": stub}, resources=resources)
    assert not (tmp_path / "r" / "cells").exists()
