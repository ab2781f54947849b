"""A training that is cut off goes on from its checkpoint, and ends as one that was left alone: bit for bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.methods.checkpoints import Checkpoints
from rftlab.methods.monitor import Monitor
from rftlab.policy.weights import CHECKPOINT_S
from rftlab.registry import METHODS

MakeCell = Callable[..., Cell]
RFT = {"prompts_per_step": 2, "num_generations": 4}
STAGES = [{"method": "sft", "share": 0.5}, {"method": "grpo", "share": 0.5, "settings": {**RFT, "beta": 0.1}}]
# One cell a method that goes on, each with something awkward: several updates a draw, a reference, several epochs.
CELLS: dict[str, dict[str, Any]] = {
    "sft": {"settings": {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 2}},
    "grpo": {"settings": {**RFT, "num_iterations": 2, "beta": 0.1}},
    "rloo": {"settings": {**RFT, "beta": 0.1}},
    "dpo": {"settings": {"per_device_train_batch_size": 2}},
    "kto": {"settings": {"per_device_train_batch_size": 4, "generations": 16}},
    "sft+grpo": {"settings": {"stages": STAGES}},
    "grpo-format": {"settings": RFT, "adapter.kind": "full"},
    "distill": {"settings": {**RFT, "per_device_train_batch_size": 4}},
}
# Checkpoints are about training: what is asked beside it is next to nothing.
ITEMS = {
    "test_items": 4, "train_items": 1, "ood_items": 0, "sampled_items": 0, "samples": 1, "along_items": 4,
    "retention_items": 1,
}  # fmt: skip
TIMES = ("seconds", "tuning_seconds", "evaluation_seconds", "along_seconds", "peak_memory_bytes", "restored_seconds")


@pytest.fixture
def teacher(kept_cell: Callable[[str], Path]) -> dict[str, str]:
    """Settings that name a teacher, whose own training has ended before there are checkpoints."""
    return {"teacher": str(kept_cell("sft"))}


class Cut(BaseException):
    """What a test ends a training with, as kill -9 would: nothing is tidied up."""


@pytest.fixture
def grid_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in a kernel of a grid that writes a checkpoint after every step; the folder its cells share."""
    monkeypatch.setenv("RFTLAB_SHARED", str(tmp_path))
    monkeypatch.setenv(CHECKPOINT_S, "0")
    return tmp_path


def ended(cell: Cell, out: Path) -> dict[str, Any]:
    """All that is measured in a cell that is trained to its end."""
    experiment = Experiment(cell, out=out)
    trace = experiment.train().drop(columns="seconds").to_dict("records")
    metrics = dict(experiment.evaluate())
    record = experiment.record()
    cost = {name: value for name, value in record.cost.items() if name not in TIMES}
    weights = {n: p.detach().clone() for n, p in experiment.policy.model.named_parameters() if p.requires_grad}
    said = {"metrics": metrics, "cost": cost, "warnings": record.warnings, "tuning": rates(experiment)}
    return {"trace": str(trace), "weights": weights, "resumed": record.environment.get("resumed_at_step"), **said}


def rates(experiment: Experiment) -> list[tuple[float, float | None]]:
    return [(trial["learning_rate"], trial["validation_accuracy"]) for trial in experiment.tuning]


def cut_at(cell: Cell, step: int, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until this step is counted and its checkpoint written, then no further."""
    stepped = Monitor.step

    def cut(self: Monitor, *arguments: Any, **more: Any) -> bool:
        if self.cost.optimizer_steps >= step and self.trace and self.trace[0]["kind"] == "eval":
            raise Cut
        return stepped(self, *arguments, **more)

    experiment = Experiment(cell, out=out)
    with monkeypatch.context() as patched:
        patched.setattr(Monitor, "step", cut)
        with pytest.raises(Cut):
            experiment.train()


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    weights, others = a.pop("weights"), b.pop("weights")
    assert {**a, "resumed": None} == {**b, "resumed": None}
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_every_method_that_says_so_goes_on() -> None:
    assert {name for name, entry in METHODS.items() if entry.resumes} == CELLS.keys()


@pytest.mark.parametrize("method", CELLS)
def test_a_training_cut_off_twice_ends_as_one_left_alone(
    method: str,
    small_cell: MakeCell,
    teacher: dict[str, str],
    grid_kernel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {**CELLS[method]["settings"], **(teacher if METHODS[method].teacher else {})}
    values = {**CELLS[method], "settings": settings, "budget.amount": 6.0}
    cell = small_cell(method=method, evaluation=ITEMS, **values)
    with monkeypatch.context() as patched:
        patched.delenv(CHECKPOINT_S)
        alone = ended(cell, tmp_path / "alone")
    cut_at(cell, 2, tmp_path / "out", monkeypatch)
    assert len(list((grid_kernel / "checkpoints").iterdir())) == 1
    cut_at(cell, 5, tmp_path / "out", monkeypatch)
    again = ended(cell, tmp_path / "out")
    assert again["resumed"] == (4 if CELLS[method]["settings"].get("num_iterations") else 5)
    same(again, alone)


@pytest.mark.parametrize("steps", [(3,), pytest.param((1, 2, 4, 5, 6, 7), marks=pytest.mark.slow)])
def test_a_sequence_goes_on_from_any_step(
    steps: tuple[int, ...], small_cell: MakeCell, grid_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To its plateau, with marks and trials: all that a monitor goes by is there again."""
    budget = {"unit": "steps", "amount": 8, "until": "plateau", "patience": 3}
    cell = small_cell(
        method="sft+grpo",
        labels=12,
        evaluation={**ITEMS, "along_the_way": 4, "marks": [2e7, 1e8]},
        **{"settings": {"stages": STAGES}, "budget": budget, "tuning.trials": 2},
    )
    with monkeypatch.context() as patched:
        patched.delenv(CHECKPOINT_S)
        alone = ended(cell, tmp_path / "alone")
    assert "mark/accuracy" in alone["trace"]
    assert "restored_step" in alone["trace"]
    assert len(alone["tuning"]) == 2
    for step in steps:
        cut_at(cell, step, tmp_path / "out", monkeypatch)
        again = ended(cell, tmp_path / "out")
        assert again["resumed"] == step
        same(again, dict(alone))
        next((grid_kernel / "checkpoints").iterdir()).unlink()


def test_a_stage_goes_on_from_the_policy_that_the_one_before_was_ended_with(
    small_cell: MakeCell, grid_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is the best one, where a plateau ended it, and not the last: the reference of the next is made of it."""
    stages = [{**STAGES[0], "learning_rate": 0.05}, STAGES[1]]
    cell = small_cell(
        method="sft+grpo",
        labels=12,
        evaluation={**ITEMS, "along_items": 8, "along_the_way": 8},
        settings={"stages": stages},
        budget={"unit": "steps", "amount": 8, "until": "plateau", "patience": 3},
    )
    with monkeypatch.context() as patched:
        patched.delenv(CHECKPOINT_S)
        alone = ended(cell, tmp_path / "alone")
    assert "'restored_step': 2.0" in alone["trace"]
    cut_at(cell, 6, tmp_path / "out", monkeypatch)
    same(ended(cell, tmp_path / "out"), alone)


def test_a_stage_that_found_nothing_left_to_spend_is_left_out_again(
    small_cell: MakeCell, grid_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = [
        {"method": "sft", "share": 0.1},
        {"method": "rloo", "share": 0.1, "settings": RFT},
        {"method": "grpo", "share": 0.8, "settings": RFT},
    ]
    cell = small_cell(
        method="sft+grpo", evaluation=ITEMS, settings={"stages": stages}, budget={"unit": "tokens", "amount": 2400}
    )
    with monkeypatch.context() as patched:
        patched.delenv(CHECKPOINT_S)
        alone = ended(cell, tmp_path / "alone")
    assert any("stage 2 of sft+grpo, rloo, took no step" in said for said in alone["warnings"])
    cut_at(cell, 2, tmp_path / "out", monkeypatch)
    same(ended(cell, tmp_path / "out"), alone)


def test_what_was_cut_off_after_its_last_step_does_not_train_again(
    small_cell: MakeCell, grid_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = small_cell(method="sft")
    trained = Experiment(cell, out=tmp_path / "a")
    trained.train()
    metrics = dict(trained.evaluate())

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("it trains")

    monkeypatch.setattr("trl.SFTTrainer.train", never)
    again = ended(cell, tmp_path / "a")
    assert again["resumed"] == 2
    assert again["metrics"] == metrics


def test_a_checkpoint_of_other_versions_or_a_damaged_one_is_not_gone_on_from(
    small_cell: MakeCell, grid_kernel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = small_cell(method="sft", evaluation=ITEMS)
    alone = ended(cell, tmp_path / "a")
    (path,) = (grid_kernel / "checkpoints").iterdir()
    saved = torch.load(path, weights_only=True)
    assert json.loads(saved["made_by"])["computes"] == "float32 on cpu"
    torch.save({**saved, "made_by": "{}"}, path)
    same(ended(cell, tmp_path / "a"), dict(alone))
    assert "begins again, not from the checkpoint that is there: it was written by another version" in said(capsys)
    whole = path.read_bytes()
    for content in (b"", b"null", whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert Checkpoints(path, every_s=0, made_by={}).refused.startswith("it cannot be read"), content
    again = ended(cell, tmp_path / "a")
    assert again["resumed"] is None
    same(again, dict(alone))
    assert "begins again, not from the checkpoint that is there: it cannot be read" in said(capsys)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    path, ran = tmp_path / "c.pt", tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    torch.save({"format": 1, "made_by": "{}", "told": Hostile()}, path)
    assert "cannot be read" in Checkpoints(path, every_s=0, made_by={}).refused
    assert not ran.exists()


def test_a_checkpoint_that_cannot_be_written_costs_nothing_but_itself(
    small_cell: MakeCell, grid_kernel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (grid_kernel / "checkpoints").write_text("a file where the folder would be")
    assert ended(small_cell(method="sft"), tmp_path / "a")["resumed"] is None
    assert "no checkpoint could be written" in said(capsys)


def test_other_methods_and_cells_run_by_hand_write_none(
    small_cell: MakeCell, grid_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Experiment(small_cell(method="hpt", settings=RFT), out=tmp_path / "a").train()
    monkeypatch.delenv("RFTLAB_SHARED")
    Experiment(small_cell(method="sft"), out=tmp_path / "b").train()
    assert not (grid_kernel / "checkpoints").exists()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())
