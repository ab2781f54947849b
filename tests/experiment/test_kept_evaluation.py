"""A kept policy evaluated again: as its record says on its own task, and beside its base on any other."""

import json
import shutil
from dataclasses import replace

import pytest

from rftlab import record
from rftlab.cli import main
from rftlab.digests import with_digests
from rftlab.errors import RftlabError
from rftlab.execute.results import write_grid
from rftlab.experiment import Experiment
from rftlab.experiment.kept_evaluation import evaluate_kept
from rftlab.grid import Grid
from rftlab.policy import weights
from rftlab.tasks.base import load_task
from rftlab.tasks.of_cell import draw_labels


def test_on_its_own_task_every_metric_is_the_records(kept_cell):
    found = evaluate_kept(kept_cell("sft"))
    recorded, base = record.read(kept_cell("sft")), record.read(kept_cell("base"))
    assert recorded is not None
    assert base is not None
    assert found.metrics["policy"] == {name: recorded.metrics[name] for name in found.metrics["policy"]}
    assert found.metrics["base"]["accuracy"] == base.metrics["accuracy"]
    assert found.metrics["base"]["sampled_accuracy"] == base.metrics["sampled_accuracy"]
    low, high = found.intervals["policy"]
    assert low <= recorded.metrics["accuracy"] <= high
    assert found.notes == ("Every metric equals the record's.",)


def test_what_differs_from_the_record_is_said_with_what_changed(kept_cell, tmp_path):
    shutil.copytree(kept_cell("sft"), tmp_path / "cell")
    found = record.read(tmp_path / "cell")
    assert found is not None
    metrics = {**found.metrics, "accuracy": found.metrics["accuracy"] + 0.125}
    replace(found, metrics=metrics, environment={**found.environment, "platform": "another machine"}).seal(
        tmp_path / "cell"
    )
    (note,) = evaluate_kept(tmp_path / "cell").notes
    assert note.startswith("Not what the record says: accuracy was ")
    assert "other platform" in note


def test_another_task_is_asked_with_the_cells_decoding(kept_cell, tmp_path, capsys):
    folder = kept_cell("sft")
    arguments = [
        "evaluate",
        str(folder),
        "--task",
        "arithmetic/chain",
        "--items",
        "6",
        "--out",
        str(tmp_path / "o.json"),
    ]
    assert main(arguments) == 0
    written = json.loads((tmp_path / "o.json").read_text())
    assert (written["task"], written["test_items"]) == ("arithmetic/chain", 6)
    assert written["digest"] == weights.digest(folder)
    assert set(written["metrics"]) == {"policy", "base"}
    assert written["metrics"]["policy"]["train_accuracy"] is None
    assert written["notes"] == []
    said = capsys.readouterr().out
    assert "6 test items" in said
    assert "%" in said


def test_a_prompt_longer_than_the_context_is_refused_before_anything_is_sampled(
    kept_cell, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("rftlab.evaluate.sample_shared", lambda *args, **kwargs: pytest.fail("sampled"))
    short = [{"prompt": f"{number} + 1 =", "answer": "2"} for number in range(8)]
    long = {"prompt": "1 + " * 600, "answer": "2"}
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in short))
    test = tmp_path / "test.jsonl"
    test.write_text("".join(json.dumps({**row, "prompt": row["prompt"] + " 1"}) + "\n" for row in [*short, long]))
    settings = json.dumps({"path": str(data), "test_path": str(test)})
    asked = ["evaluate", str(kept_cell("sft")), "--task", "file", "--task-settings", settings]
    assert main([*asked, "--items", "9"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rftlab: the prompt of example 000008-")
    assert "more than the 512 of model 'tiny-base'" in said


def test_items_that_were_among_the_labels_are_said(kept_cell, tmp_path):
    cell = weights.cell_of(kept_cell("sft"))
    labels = draw_labels(cell, load_task(cell.task, cell.task_settings))
    rows = [*labels.train[:3], *labels.development[:2]]
    lines = [{"prompt": e.prompt, "answer": e.answer, "split": "test"} for e in rows]
    lines += [{"prompt": f"other {number}", "answer": "1", "split": "train"} for number in range(4)]
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines[:5]))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[5:]))
    settings = {"path": str(tmp_path / "train.jsonl"), "test_path": str(data)}
    trained, chosen = evaluate_kept(kept_cell("sft"), "file", settings).notes
    assert trained.startswith(f"CONTAMINATED: 3 of its 5 items are among the {len(labels.train)} examples")
    assert f"cell {cell.id} was trained on" in trained
    assert "2 of its 5" in chosen
    assert "was chosen by" in chosen


def test_a_project_that_was_moved_is_evaluated_once_its_grid_was_run_there(tmp_path, small_cell):
    def grid(project):
        settings = {"path": str(project / "data.jsonl"), "verifier": "exact"}
        cell = small_cell(method="sft", task="file", task_settings=settings, cot=False, seed=4)
        return Grid("mine", (with_digests(cell),))

    project = tmp_path / "project"
    project.mkdir()
    rows = [{"prompt": f"{n} + 1 = ?", "answer": str(n + 1)} for n in range(40)]
    (project / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (cell,) = grid(project).cells
    experiment = Experiment(cell, out=project / "results" / "cells" / cell.id)
    experiment.train()
    experiment.evaluate()
    experiment.save()
    project.rename(tmp_path / "moved")
    results = tmp_path / "moved" / "results"
    with pytest.raises(RftlabError, match="data.jsonl.* run its grid there once"):
        evaluate_kept(cell.id, results=results)
    write_grid(results, grid(tmp_path / "moved"))
    assert evaluate_kept(cell.id, results=results).notes == ("Every metric equals the record's.",)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "arithmetic/wrod"], "did you mean arithmetic/word"),
        (["--task-settings", "{"], "--task-settings is JSON text"),
        (["--task-settings", "[]"], "--task-settings is a JSON object"),
        (["--task", "none.jsonl"], "none.jsonl"),
        (["--verifier", "exakt"], "did you mean exact"),
    ],
)
def test_what_cannot_be_evaluated_is_a_sentence(kept_cell, arguments, says, capsys):
    assert main(["evaluate", str(kept_cell("sft")), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_a_sentence(kept_cell, tmp_path):
    found = evaluate_kept(kept_cell("sft"), "arithmetic/chain", items=1)
    with pytest.raises(RftlabError, match="cannot write"):
        found.write(tmp_path / "no" / "such" / "folder.json")
