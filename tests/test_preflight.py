"""What stops a grid before anything is run or written."""

import os

import pytest

from rftlab import preflight, user_code
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.preflight import checks

TASK = """
from rftlab.tasks.base import Example, Task

LOADED = []

def make(n=20, leak=False, gold="{i}", rationale=None, verifier="exact"):
    LOADED.append(1)
    train = [Example(f"a{i}", f"say {i}", gold.format(i=i), rationale) for i in range(n)]
    test = [Example(f"b{i}", f"say {i + (0 if leak else 1000)}", str(i)) for i in range(5)]
    return Task("mine", "card", tuple(train), tuple(test), verifier=verifier)
"""


@pytest.fixture
def cell(tmp_path):
    (tmp_path / "mine.py").write_text(TASK)

    def make(**values) -> Cell:
        base = {"task": f"{tmp_path}/mine.py:make", "method": "grpo", "labels": 10, "evaluation.along_items": 4}
        return Cell.make({**base, **values})

    return make


def run(cells):
    """The checks in this process, which is faster than in a child of its own."""
    return checks.run({"cells": [cell.model_dump(mode="json") for cell in cells], "limit": 60.0})


def test_a_sound_grid_passes_and_each_task_is_loaded_once(cell, tmp_path):
    found = run([cell(seed=s, labels=n) for s in range(3) for n in (5, 16)])
    assert found["notes"] == ["5 labels + 4 for development", "16 labels + 4 for development"]
    assert len(user_code.load(f"{tmp_path}/mine.py").LOADED) == 1


def test_the_driver_imports_nothing_of_the_users_and_gets_the_childs_sentence(cell, tmp_path):
    (tmp_path / "mine.py").write_text(
        f"open({str(tmp_path / 'pids')!r}, 'a').write(f'{{__import__(\"os\").getpid()}} ')\n{TASK}"
    )
    preflight.check([cell()])
    with pytest.raises(
        RftlabError, match=r"^task 'mine' has 20 training examples, fewer than labels=21 and 4 development items"
    ):
        preflight.check([cell(labels=21)])
    pids = (tmp_path / "pids").read_text().split()
    assert len(set(pids)) == 2
    assert str(os.getpid()) not in pids


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"labels": 21}, "has 20 training examples, fewer than labels=21 and 4 development items"),
        ({"labels": 17}, "lower labels to 16"),
        ({"method": "base", "labels": 0, "evaluation.along_items": 21}, "fewer than labels=0 and 21 development"),
        ({"labels": 1, "development": "from_labels"}, "leaves none to train on"),
        ({"labels": 0}, "needs labels >= 1"),
        ({"labels": 1, "tuning.trials": 2}, "needs? labels >= 2"),
        ({"task_settings": {"leak": True}}, "are also in the training part"),
        ({"task_settings": {"nn": 3}}, "does not take these settings"),
        ({"task_settings": {"gold": ""}}, "the reward 0, not 1"),
        ({"verifier_settings": {"strictness": 3}}, "does not take these settings"),
        ({"method": "sft"}, "trains on rationales, but example a.* has none"),
        ({"method": "sft+grpo"}, "trains on rationales"),
        ({"model": "/nowhere/at/all"}, "nowhere"),
        ({"model": "nonsense"}, "nonsense"),
    ],
)
def test_a_problem_is_one_sentence(cell, values, says):
    with pytest.raises(RftlabError, match=says) as caught:
        run([cell(**values)])
    assert "\n" not in str(caught.value)


def test_rationales_are_needed_only_to_imitate_them(cell):
    run([cell(method="sft", cot=False), cell(method="grpo"), cell(method="base", labels=0)])
    run([cell(method="sft", task_settings={"rationale": "because"})])


def test_a_model_folder_needs_a_config(cell, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RftlabError, match=r"config\.json"):
        run([cell(model=str(tmp_path / "empty"))])


def test_a_users_verifier_that_rejects_gold_is_named_with_its_reason(cell, tmp_path):
    (tmp_path / "v.py").write_text("def f(completion, example): raise KeyError('x')\n")
    with pytest.raises(RftlabError, match="raised KeyError"):
        run([cell(verifier=f"{tmp_path}/v.py:f")])


def test_methods_are_asked_only_when_a_cell_has_settings_or_the_method_is_the_users(cell, monkeypatch):
    asked = []
    monkeypatch.setattr(checks, "resolve", lambda entry: lambda looked: asked.append((entry.target, looked.cells)))
    plain, with_settings, own = cell(), cell(settings={"bta": 1}), cell(method="mine.py:Mine")
    run([plain])
    assert "rftlab.methods.preflight:check" not in dict(asked)
    run([plain, with_settings, own])
    assert dict(asked)["rftlab.methods.preflight:check"] == [with_settings, own]
