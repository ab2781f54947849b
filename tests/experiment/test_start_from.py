"""start_from: a cell goes on from a kept policy, its parent is part of what it is, and the base stays the base."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from rftlab import preflight, record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.evaluate import kl_to_base
from rftlab.experiment import Experiment
from rftlab.grid import Grid
from rftlab.policy import weights
from rftlab.policy.kept import load_kept
from rftlab.policy.load import load_policy
from rftlab.policy.seen import inherited
from rftlab.tasks.base import Example, load_task
from rftlab.tasks.of_cell import draw_labels
from tests.conftest import SMALL


def parameters(policy) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in policy.model.named_parameters()}


@pytest.mark.parametrize("name", ["sft", "full"])
def test_training_goes_on_from_the_kept_policy(kept_cell, small_cell, name, tmp_path):
    parent = kept_cell(name)
    adapter = {"adapter.kind": "full"} if name == "full" else {}
    cell = small_cell(method="sft", seed=5, start_from=str(parent), **adapter)
    experiment = Experiment(cell, out=tmp_path / "child")
    started, kept = parameters(experiment.policy), parameters(load_kept(parent))
    assert all(torch.equal(started[each], kept[each]) for each in kept)
    assert not experiment.policy.untrained
    experiment.train()
    trained = parameters(experiment.policy)
    assert any(not torch.equal(trained[each], kept[each]) for each in kept)
    experiment.evaluate()
    experiment.save()
    found = record.read(tmp_path / "child")
    assert found is not None
    assert found.contract["match"]["start_from"] == f"{parent.name} {weights.digest(parent)}"
    manifest = weights.read_manifest(tmp_path / "child")
    assert manifest.parent == weights.digest(parent) == experiment.cell.digests["start_from"]
    again = parameters(load_kept(tmp_path / "child"))
    assert all(torch.equal(again[each], trained[each]) for each in again)


def test_the_distance_is_still_that_to_the_base(kept_cell, small_cell):
    policy = load_policy(small_cell(start_from=str(kept_cell("sft"))))
    with policy.as_base() as base:
        ids = torch.tensor([policy.encode_prompt("Q: 3 + 4?\nA:")])
        as_base = base(input_ids=ids).logits
    fresh = load_policy(small_cell())
    assert torch.equal(as_base, fresh.model(input_ids=ids).logits)
    from rftlab.policy.rollout import sample

    rollouts = sample(policy, ids.tolist() * 4, max_new_tokens=16, generator=torch.Generator().manual_seed(0))
    assert kl_to_base(policy, rollouts) != 0.0


def test_a_parent_is_known_by_its_content_and_not_by_its_place(kept_cell, tmp_path, monkeypatch):
    for place in ("a", "b"):
        shutil.copytree(kept_cell("sft"), tmp_path / place / "results" / "g" / "cells" / kept_cell("sft").name)
    (tmp_path / "a" / "by_path.yaml").write_text(f"start_from: results/g/cells/{kept_cell('sft').name}\n")
    (tmp_path / "b" / "by_id.yaml").write_text(f"start_from: {kept_cell('sft').name[:6]}\n")
    monkeypatch.chdir(tmp_path)
    by_path, by_id = (Grid.load(path).cells[0] for path in ("a/by_path.yaml", "b/by_id.yaml"))
    assert by_path.start_from != by_id.start_from
    assert by_path.digests == by_id.digests
    assert by_path.digests["start_from"] == weights.digest(kept_cell("sft"))
    assert by_path.id == by_id.id != Cell.make({}).id
    (tmp_path / "b" / "other.yaml").write_text(f"start_from: {kept_cell('grpo')}\n")
    assert Grid.load("b/other.yaml").cells[0].id != by_id.id
    monkeypatch.chdir(tmp_path / "b")
    assert Experiment(Cell.make({**SMALL, "start_from": by_id.start_from[-12:]})).cell.start_from == by_id.start_from


def test_the_untrained_arms_of_a_grid_stay_the_base(kept_cell, tmp_path, small_cell):
    path = tmp_path / "g.yaml"
    path.write_text(f"start_from: {kept_cell('sft')}\nlabels: 8\nmethod: [base, base-few-shot, grpo]\n")
    assert [bool(cell.start_from) for cell in Grid.load(path).cells] == [False, False, True]
    with pytest.raises(RftlabError, match="untrained base; leave start_from empty"):
        Experiment(small_cell(method="base", labels=0, start_from=str(kept_cell("sft"))))


def test_what_the_parent_was_trained_on_is_said_of_held_out_and_development_items(kept_cell, small_cell, tmp_path):
    parent = weights.cell_of(kept_cell("sft"))
    trained = draw_labels(parent, load_task(parent.task, parent.task_settings)).train
    items = {"train": [*trained[:3], *(Example(f"o{n}", f"other {n}", "1") for n in range(9))], "test": trained[3:5]}
    for part, examples in items.items():
        rows = [{"prompt": e.prompt, "answer": e.answer} for e in examples]
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"path": str(tmp_path / "train.jsonl"), "test_path": str(tmp_path / "test.jsonl")}
    child = small_cell(method="sft", task="file", task_settings=settings, cot=False, cot_eval=False, labels=2,
                       start_from=str(kept_cell("sft")), **{"evaluation.along_items": 10})  # fmt: skip
    task = load_task("file", settings)
    said = inherited(child, task, draw_labels(child, task))
    assert said[0].startswith("CONTAMINATED: 2 of its 2 held-out items are among the")
    assert "of its 10 development items are among the" in said[1]
    assert all(f"that cell {parent.id} was trained on" in text for text in said)
    assert preflight.check([child]).notes[-2:] == tuple(f"{child.label}: {text}" for text in said)
    experiment = Experiment(child)
    experiment.train()
    experiment.evaluate()
    assert set(said) <= set(experiment.record().warnings)


def test_a_child_on_the_parents_task_and_seed_has_nothing_said(kept_cell, small_cell):
    child = small_cell(method="sft", start_from=str(kept_cell("sft")))
    task = load_task(child.task, child.task_settings)
    assert inherited(child, task, draw_labels(child, task)) == []
    assert "cannot be told" in inherited(child, task, draw_labels(child, task), missing_task)[0]


def missing_task(cell):
    raise RftlabError("its data is gone")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"start_from": "no/such/cell"}, "line 1: there is no folder no/such/cell"),
        ({"start_from": "base"}, "untrained base"),
        ({"start_from": "pruned"}, "keeps no policy"),
        ({"start_from": "sft", "adapter.r": 8}, "has adapter.r 16, this one has 8"),
        ({"start_from": "sft", "adapter.alpha": 16}, "has adapter.alpha 32, this one has 16"),
        ({"start_from": "sft", "adapter.target_modules": "q_proj"}, "has adapter.target_modules 'all-linear'"),
        ({"start_from": "sft", "adapter.kind": "full"}, "has adapter.kind 'lora', this one has 'full'"),
        ({"start_from": "full"}, "has adapter.kind 'full', this one has 'lora'"),
        ({"start_from": "sft", "model": "other"}, "trained on another base than .*: tiny-base, with other .*weights"),
    ],
)
def test_what_cannot_be_gone_on_from_is_a_sentence_before_anything_runs(kept_cell, tmp_path, values, says):
    start = values["start_from"]
    if start == "pruned":
        shutil.copytree(kept_cell("sft"), tmp_path / "cell", ignore=shutil.ignore_patterns("policy"))
        start = str(tmp_path / "cell")
    elif "/" not in start:
        start = str(kept_cell(start))
    if values.get("model") == "other":
        values = {**values, "model": str(other_base(tmp_path / "model"))}
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in {**values, "start_from": start}.items()]
    (tmp_path / "g.yaml").write_text("".join(lines))
    with pytest.raises(RftlabError, match=says):
        preflight.check(Grid.load(tmp_path / "g.yaml").cells)


def other_base(folder: Path) -> Path:
    policy = load_policy(Cell.make({"adapter.kind": "full"}))
    with torch.no_grad():
        next(policy.model.parameters())[0, 0] += 1
    policy.model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)
    return folder
