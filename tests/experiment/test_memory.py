"""Memory that runs out is told in one sentence, with three settings that would help."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.experiment.memory import OutOfMemory

FAR_TOO_MUCH = 1 << 50


def allocate(*_: Any, **__: Any) -> None:
    torch.empty(FAR_TOO_MUCH, dtype=torch.uint8)


def on_gpu(*_: Any, **__: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")


@pytest.mark.parametrize("runs_out", [allocate, on_gpu])
def test_training_that_runs_out(
    runs_out: Callable[..., None], small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = Experiment(small_cell(method="grpo", **{"decoding.max_new_tokens": 30}), out=tmp_path)
    monkeypatch.setattr("trl.GRPOTrainer.train", runs_out)
    with pytest.raises(OutOfMemory) as caught:
        experiment.train()
    said = str(caught.value)
    assert said.startswith("out of memory while training word grpo n=8")
    assert ", asking for " in said
    assert "settings.per_device_train_batch_size (it is 64)" in said
    assert "decoding.max_new_tokens (it is 30)" in said
    assert "gradient_checkpointing: true" in said
    assert "\n" not in said


def test_evaluating_that_runs_out_and_errors_of_another_kind(
    small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = Experiment(small_cell(method="base", labels=0), out=tmp_path)
    experiment.train()
    monkeypatch.setattr("rftlab.experiment.evaluate", allocate)
    with pytest.raises(OutOfMemory, match="while evaluating word base.*evaluation.samples"):
        experiment.evaluate()

    def other(*_: Any, **__: Any) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("rftlab.experiment.evaluate", other)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        experiment.evaluate()
