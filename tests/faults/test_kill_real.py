"""kill -9 of `rftlab run` and of a kernel over the real notebooks: the final records are those of a run left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.common.measured import measured

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kill -9")]
GRID = """
name: killed
defaults: {task: arithmetic/word, cot: true, labels: 10}
method: [base, sft, grpo]
seed: [0, 1]
budget: {unit: steps, amount: 10}
evaluation:
  {test_items: 20, train_items: 5, ood_items: 5, sampled_items: 4, samples: 2, along_the_way: 2, along_items: 8}
"""


TUNED = """
name: tuned
defaults: {task: arithmetic/word, labels: 10}
evaluation: {test_items: 20, ood_items: 0, sampled_items: 0, along_the_way: 0}
method: sft
budget.amount: 10
tuning: {seeds: 2, items: 8, growth: 1}
"""


def start(grid: Path, results: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "rftlab", "run", str(grid), "--results", str(results), "--workers", "2", *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def records(results: Path) -> dict[str, dict[str, Any]]:
    """Cell to record, without what is measured in seconds and in bytes of the process."""
    read = {path.parent.name: json.loads(measured(path)) for path in results.glob("cells/*/record.json")}
    for record in read.values():
        for name in ("seconds", "tuning_seconds", "evaluation_seconds", "along_seconds", "peak_memory_bytes"):
            record["cost"].pop(name)
    return read


def kernels(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kernels of a run: the leaves among its descendants that have a kernel's threads."""
    below = psutil.Process(process.pid).children(recursive=True)
    return [child for child in below if child.num_threads() > 3 and not child.children()]


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[bytes], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def wait_for_a_checkpoint(checkpoints: Path, process: subprocess.Popen[bytes]) -> None:
    def last() -> int:
        return max((path.stat().st_mtime_ns for path in checkpoints.glob("*.pt")), default=0)

    before = last()
    wait_until(lambda: last() > before, process, seconds=600)


def test_killed_runs_end_as_one_left_in_peace(tmp_path: Path) -> None:
    grid = tmp_path / "killed.yaml"
    grid.write_text(GRID)
    peace, killed = tmp_path / "peace", tmp_path / "killed"
    assert start(grid, peace).wait(timeout=400) == 0

    run = start(grid, killed)
    wait_until(lambda: len(records(killed)) >= 3, run)
    below = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert len(records(killed)) < 6
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive

    run = start(grid, killed)
    wait_until(lambda: kernels(run), run)
    kernels(run)[-1].kill()
    assert run.wait(timeout=400) == 1
    assert len(records(killed)) == 5

    assert start(grid, killed).wait(timeout=400) == 0
    assert records(killed) == records(peace)
    for name in records(peace):
        both = (folder / "cells" / name / "samples.jsonl" for folder in (killed, peace))
        assert len({path.read_text() for path in both}) == 1
    assert not list(killed.glob("cells/.*"))
    assert not list(killed.glob("failed/*"))


def test_a_tuning_stage_that_is_killed_goes_on_and_chooses_what_one_left_in_peace_chooses(tmp_path: Path) -> None:
    grid = tmp_path / "tuned.yaml"
    grid.write_text(TUNED)
    peace, killed = tmp_path / "peace", tmp_path / "killed"
    assert start(grid, peace).wait(timeout=400) == 0

    run = start(grid, killed)
    wait_until(lambda: records(killed), run)
    run.send_signal(signal.SIGKILL)
    run.wait()
    begun = json.loads((killed / "tuning.json").read_text())
    assert begun["arms"][0]["learning_rates"] is None

    assert start(grid, killed).wait(timeout=400) == 0
    assert records(killed) == records(peace)
    both = [json.loads((results / "tuning.json").read_text()) for results in (killed, peace)]
    for body in both:
        for cost in (body["cost"], *(arm["cost"] for arm in body["arms"])):
            del cost["seconds"], cost["evaluation_seconds"]
    assert both[0] == both[1]
    assert both[0]["arms"][0]["learning_rates"] is not None


LONG = """
name: long
defaults: {task: arithmetic/word, cot: true, labels: 10}
method: [grpo, sft+grpo]
budget: {unit: steps, amount: 40}
evaluation:
  {test_items: 20, train_items: 5, ood_items: 5, sampled_items: 4, samples: 2, along_the_way: 4, along_items: 8}
"""


def test_a_long_cell_that_is_killed_goes_on_within_its_training(tmp_path: Path) -> None:
    grid = tmp_path / "long.yaml"
    grid.write_text(LONG)
    peace, killed = tmp_path / "peace", tmp_path / "killed"
    assert start(grid, peace).wait(timeout=400) == 0
    checkpoints = killed / "shared" / "checkpoints"
    for _ in range(2):
        run = start(grid, killed, "--checkpoint", "0")
        wait_until(lambda: checkpoints.is_dir() and len(list(checkpoints.glob("*.pt"))) == 2, run)
        time.sleep(2)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert start(grid, killed, "--checkpoint", "0").wait(timeout=400) == 0
    went_on = records(killed)
    steps = [record["environment"].pop("resumed_at_step") for record in went_on.values()]
    assert all(0 < step <= 40 for step in steps)
    assert went_on == records(peace)
    for name in went_on:
        both = (folder / "cells" / name / "samples.jsonl" for folder in (killed, peace))
        assert len({path.read_text() for path in both}) == 1
    assert not list(checkpoints.iterdir())


REAL = """
name: real
defaults: {task: gym/chain_sum, model: smollm2, answer_format: lenient, cot: false, labels: 10, method: grpo}
task_settings: {train: 40, test: 20, config: {min_terms: 2, max_terms: 3, min_digits: 1, max_digits: 1}}
settings: {prompts_per_step: 8, num_generations: 4, per_device_train_batch_size: 32}
learning_rates: [0.0003]
budget: {unit: steps, amount: 6}
decoding: {max_new_tokens_direct: 48}
evaluation:
  {test_items: 8, train_items: 4, ood_items: 0, sampled_items: 2, samples: 2, along_the_way: 1, along_items: 4}
"""


@pytest.mark.skipif(not Path("models/SmolLM2-135M-Instruct").is_dir(), reason="needs rftlab fetch smollm2")
@pytest.mark.timeout(1800)
def test_a_cell_of_a_real_model_that_is_killed_twice_goes_on_within_its_training(tmp_path: Path) -> None:
    grid = tmp_path / "real.yaml"
    grid.write_text(REAL)
    peace, killed = tmp_path / "peace", tmp_path / "killed"
    assert start(grid, peace).wait(timeout=800) == 0
    checkpoints = killed / "shared" / "checkpoints"
    for _ in range(2):
        run = start(grid, killed, "--checkpoint", "0")
        wait_for_a_checkpoint(checkpoints, run)
        wait_for_a_checkpoint(checkpoints, run)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert start(grid, killed, "--checkpoint", "0").wait(timeout=800) == 0
    (went_on,) = records(killed).values()
    assert 4 <= went_on["environment"].pop("resumed_at_step") < 6
    assert [went_on] == list(records(peace).values())
    assert not list(checkpoints.iterdir())
