"""Cells of a notebook are run again, in another order, or interrupted: saved is one whole run of one cell."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rftlab import record as records
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from tests.experiment.test_experiment import without_times

GRPO = {"method": "grpo", "settings": {"prompts_per_step": 2, "num_generations": 4}}


def weights(experiment: Experiment) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in experiment.policy.model.named_parameters()}


def recorded(experiment: Experiment) -> dict:
    experiment.evaluate()
    return without_times(json.loads(json.dumps(experiment.record().__dict__, default=list)))


def steps(experiment: Experiment) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in experiment.trace]


@pytest.mark.parametrize(
    "values",
    [
        {"method": "sft", "tuning.trials": 2, "adapter.dropout": 0.1},
        pytest.param({"method": "sft", "adapter.kind": "full"}, marks=pytest.mark.slow),
        GRPO,
        {"method": "ppo"},
        {"method": "base-few-shot", "cot": False},
    ],
    ids=lambda v: "-".join(map(str, v.values())),
)
def test_training_again_starts_again_and_ends_equal(values: dict, small_cell: Callable[..., Cell]) -> None:
    experiment = Experiment(small_cell(**values))
    experiment.train()
    first, trace, record = weights(experiment), steps(experiment), recorded(experiment)
    experiment.completions(2)
    torch.rand(7)
    experiment.train()
    again = weights(experiment)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert steps(experiment) == trace
    assert recorded(experiment) == record
    assert record["cost"]["optimizer_steps"] == (0 if values["method"] == "base-few-shot" else 2)


def test_evaluating_twice_gives_the_same(small_cell: Callable[..., Cell]) -> None:
    experiment = Experiment(small_cell(**GRPO))
    experiment.train()
    first = experiment.evaluate()
    assert experiment.evaluate().equals(first)


def test_what_has_not_been_trained_is_not_evaluated_and_the_base_needs_no_training(
    small_cell: Callable[..., Cell],
) -> None:
    with pytest.raises(RftlabError, match=r"sft has not been trained yet; call train\(\) first"):
        Experiment(small_cell(method="sft")).evaluate()
    assert Experiment(small_cell(method="base", labels=0)).evaluate()["accuracy"] >= 0


def test_an_interrupted_training_is_neither_evaluated_nor_saved_and_starts_again(
    small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = small_cell(method="sft")
    whole = Experiment(cell)
    whole.train()
    experiment = Experiment(cell, out=tmp_path)
    experiment.train()
    experiment.evaluate()
    with monkeypatch.context() as patch:
        # What a person does to the kernel, after the first of two steps.
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(experiment, "_show", interrupt)
        with pytest.raises(KeyboardInterrupt):
            experiment.train()
    with pytest.raises(RftlabError, match="was interrupted while it trained; call train"):
        experiment.evaluate()
    with pytest.raises(RftlabError, match="nothing to record"):
        experiment.save()
    assert list(tmp_path.iterdir()) == []
    assert not experiment.policy.model.training
    assert len(experiment.completions(2)) == 2
    experiment.train()
    assert all(torch.equal(a, weights(experiment)[name]) for name, a in weights(whole).items())


def test_training_drops_what_was_evaluated_before(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    experiment = Experiment(small_cell(method="sft"), out=tmp_path)
    with pytest.raises(RftlabError, match="evaluate"):
        experiment.save()
    experiment.train()
    experiment.evaluate()
    experiment.train()
    with pytest.raises(RftlabError, match="evaluate"):
        experiment.save()
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_saved_under_its_own_id_whatever_the_notebook_calls_its_cell_by_now(
    small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cell = small_cell(method="base", labels=0)
    experiment = Experiment(cell)
    experiment.evaluate()
    own = experiment.cell.id
    monkeypatch.chdir("/")
    with pytest.raises(RftlabError):
        cell = Cell.make({"seed": -1})
    for _ in range(2):
        assert experiment.save() == tmp_path / "results/interactive/cells" / own / records.RECORD
    (made,) = (tmp_path / "results/interactive/cells").iterdir()
    assert records.read(made).id == made.name == own


def test_a_record_of_another_cell_is_not_written_over(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    for seed in (0, 1):
        experiment = Experiment(small_cell(method="base", labels=0, seed=seed), out=tmp_path)
        experiment.evaluate()
        if not seed:
            experiment.save()
    with pytest.raises(RftlabError, match="holds the record of cell"):
        experiment.save()


def test_a_cell_that_cannot_be_written_leaves_nothing_half_written(
    small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = Experiment(small_cell(method="base", labels=0))
    experiment.evaluate()
    experiment.trace = [{"step": object()}]
    with pytest.raises(TypeError):
        experiment.save()
    assert list(experiment.folder.parent.iterdir()) == []
