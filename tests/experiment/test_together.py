"""A cell of several processes: what one would have made of it, and what is left where one of them dies."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.experiment.checkpointing import checkpoints_of
from rftlab.methods.monitor import Monitor
from rftlab.policy.weights import CHECKPOINT_S

MakeCell = Callable[..., Cell]
TIMES = ("seconds", "tuning_seconds", "evaluation_seconds", "along_seconds", "peak_memory_bytes", "restored_seconds")
# A task that can be loaded as long as the test lets it.
TASK = """
import os
from rftlab.tasks.base import load_task
def load():
    if os.environ.get("ROWS") == "gone":
        raise FileNotFoundError("no rows")
    return load_task("arithmetic/word", {})
"""
RFT = {"prompts_per_step": 2, "num_generations": 4}


def ended(cell: Cell, out: Path) -> dict[str, Any]:
    experiment = Experiment(cell, out=out)
    trace = experiment.train().drop(columns="seconds")
    experiment.evaluate()
    record = experiment.record()
    cost = {name: value for name, value in record.cost.items() if name not in TIMES}
    return {"trace": trace, "cost": cost, "metrics": record.metrics, "shown": record.contract["shown"]}


def others() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
def no_orphans() -> Iterator[None]:
    """What is started in a test has ended with it."""
    before = others()
    yield
    deadline = time.monotonic() + 10
    while others() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not others() - before


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans")
def test_sft_of_two_processes_is_that_of_one(small_cell: MakeCell, tmp_path: Path) -> None:
    plain = {"method": "sft", "labels": 7, "budget.amount": 5.0, "settings": {"per_device_train_batch_size": 4}}
    one = ended(small_cell(**plain), tmp_path / "one")
    two = ended(small_cell(**plain, processes=2), tmp_path / "two")
    for name in ("train/loss", "eval/accuracy", "train/learning_rate"):
        assert two["trace"][name].tolist() == pytest.approx(one["trace"][name].tolist(), rel=1e-4, nan_ok=True), name
    assert two["cost"] == one["cost"]
    assert two["metrics"]["accuracy"] == one["metrics"]["accuracy"]
    assert (one["shown"]["processes"], two["shown"]["processes"]) == (1, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans")
def test_grpo_of_two_processes_repeats_and_trials_and_marks_are_of_all(small_cell: MakeCell, tmp_path: Path) -> None:
    cell = small_cell(
        method="grpo", processes=2, settings=RFT,
        **{"tuning.trials": 2, "evaluation.marks": [1e6], "budget.until": "plateau", "budget.amount": 4.0,
           "budget.patience": 1, "evaluation.along_the_way": 2},
    )  # fmt: skip
    first, again = (ended(cell, tmp_path / name) for name in ("first", "again"))
    assert str(first["trace"]) == str(again["trace"])
    assert first["cost"] == again["cost"]
    assert first["cost"]["completions"] >= 8 * first["cost"]["optimizer_steps"]


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans")
def test_a_process_that_dies_ends_the_cell_with_a_sentence(
    small_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, stepped = others(), Monitor.step

    def step(self: Monitor, *arguments: Any, **more: Any) -> bool:
        if self.cost.optimizer_steps == 1:
            for pid in others() - before:
                if "rftlab.user_code.child" in psutil.Process(pid).cmdline():
                    os.kill(pid, signal.SIGKILL)
        return stepped(self, *arguments, **more)

    monkeypatch.setattr(Monitor, "step", step)
    cell = small_cell(method="grpo", processes=2, settings=RFT, **{"budget.amount": 50.0})
    with pytest.raises(RftlabError, match=r"^process 2 of 2 that train word grpo n=8 .*: .*signal 9") as caught:
        Experiment(cell, out=tmp_path).train()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans")
def test_a_process_that_cannot_start_says_why(
    small_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tmp_path / "mine.py"
    task.write_text(TASK)
    experiment = Experiment(small_cell(task=f"{task}:load", processes=2), out=tmp_path / "out")
    monkeypatch.setenv("ROWS", "gone")
    with pytest.raises(
        RftlabError, match=r"^process 2 of 2 that train mine sft n=8 .*FileNotFoundError.*mine.py, line"
    ):
        experiment.train()


def test_a_cell_of_several_processes_writes_no_checkpoints(
    small_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RFTLAB_SHARED", str(tmp_path))
    monkeypatch.setenv(CHECKPOINT_S, "0")
    found = [checkpoints_of(small_cell(processes=count), None, lambda: None) for count in (1, 2)]  # type: ignore[arg-type]
    assert [each is None for each in found] == [False, True]
