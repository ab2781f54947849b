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


def test_a_sound_grid_passes_and_each_task_is_loaded_for_all_cells_and_once_more_to_compare(cell, tmp_path):
    found = run([cell(seed=s, labels=n) for s in range(3) for n in (5, 16)])
    assert found["notes"][0] == "5, 16 labels + 4 for development"
    assert len(user_code.load(f"{tmp_path}/mine.py").LOADED) == 2


def test_a_task_that_is_another_one_at_every_load_is_refused(cell, tmp_path):
    (tmp_path / "mine.py").write_text(TASK.replace('f"say {i}"', 'f"say {i} {len(LOADED)}"'))
    with pytest.raises(
        RftlabError, match="loaded twice, has other examples the second time .first: a0. .mine.py, line"
    ):
        run([cell()])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([{"adapter.r": 8}, {"adapter.r": 16}], "adapter.r 8, 16 with adapter.kind full: r is LoRA's"),
        ([{"adapter.r": 8}], "adapter.r 8 with adapter.kind full"),
        ([{"adapter.dropout": 0.1}], "adapter.dropout 0.1 with adapter.kind full"),
        ([{"adapter.r": 8}, {"adapter.r": 16, "adapter.kind": "lora"}], ""),
    ],
)
def test_full_fine_tuning_has_nothing_of_lora_to_sweep(cell, values, says):
    cells = [cell(**{"adapter.kind": "full", **each}) for each in values]
    if says:
        with pytest.raises(RftlabError, match=says):
            run(cells)
    else:
        assert run(cells)["notes"]


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
        ({"labels": 0}, "give labels >= 1"),
        ({"labels": 1, "tuning.trials": 2}, "needs? labels >= 2"),
        ({"task_settings": {"leak": True}}, "are also in the training part"),
        ({"task_settings": {"nn": 3}}, "does not take these settings"),
        ({"task_settings": {"gold": ""}}, "no row with an answer and 20 without, .*; set labels to 0 and give prompts"),
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


def test_where_a_users_verifier_fails_on_a_wrong_answer_is_said(cell, tmp_path):
    (tmp_path / "v.py").write_text(
        "def digits(answer, example):\n    return float(int(answer) == int(example.answer))\n"
    )
    [note] = [each for each in run([cell(verifier=f"{tmp_path}/v.py:digits")])["notes"] if "given `?`" in each]
    assert note.startswith("verifier digits: given `?` to example a0, the verifier raised ValueError: invalid literal")
    assert note.endswith("(v.py, line 2); that is counted as an error of the verifier and scores 0")


def test_the_driver_learns_how_many_test_items_a_task_has(cell):
    assert run([cell()])["facts"] == {preflight.TEST_ITEMS: {"mine/make": 5}}


def test_methods_are_asked_only_when_a_cell_has_settings_or_the_method_is_the_users(cell, monkeypatch):
    asked = []
    monkeypatch.setattr(checks, "resolve", lambda entry: lambda looked: asked.append((entry.target, looked.cells)))
    plain, with_settings, own = cell(), cell(settings={"bta": 1}), cell(method="mine.py:Mine")
    run([plain])
    assert "rftlab.methods.preflight:check" not in dict(asked)
    run([plain, with_settings, own])
    assert dict(asked)["rftlab.methods.preflight:check"] == [with_settings, own]


READS = """
from pathlib import Path

HERE = Path(__file__).parent
LIMITS = (HERE / ("limits" + ".yaml")).read_text()

def score(completion, example):
    import importlib
    importlib.import_module("a" + "side")
    (HERE / "cache.txt").write_text("")
    (HERE / "cache.txt").read_text()
    (HERE / ("scratch" + ".txt")).write_text("")
    return float((HERE / "words.txt").read_text() == "few")
"""


def test_what_code_reads_and_no_digest_follows_is_named_before_the_run(cell, tmp_path):
    for name, text in {"limits.yaml": "", "aside.py": "", "words.txt": "few", "reads.py": READS}.items():
        (tmp_path / name).write_text(text)
    mixed = cell(verifier=f"{tmp_path}/reads.py:score")
    says = "name it in a text of the code, or edits to it will not be noticed"
    assert preflight.check([mixed]).notes[3:] == (
        f"reads.py reads limits.yaml, aside.py, which its digest does not follow: {says}",
        "reads.py writes and reads cache.txt: that is no part of a cell, edits to it will not be noticed",
    )
    assert len(preflight.check([cell()]).notes) == 2


METHOD = """
from rftlab.methods.base import Ladder, Settings

class Mine:
    Settings = Settings
    presets = {}
    ladder = Ladder(lora=(1e-3,), full=(1e-4,))
    card = "mine"
    def train(self, run): pass
"""


@pytest.mark.parametrize(
    ("change", "values", "says"),
    [
        (("    Settings = Settings\n", ""), {}, "needs Settings, a subclass"),
        (("Settings = Settings", "Settings = dict"), {}, "needs Settings, a subclass"),
        (("    presets = {}\n", ""), {}, "needs a Mapping presets"),
        (("ladder = Ladder(lora=(1e-3,), full=(1e-4,))", "ladder = [1e-3]"), {}, "needs a Ladder ladder"),
        (("lora=(1e-3,)", "lora=()"), {}, "its ladder holds what is no learning rate: lora=.."),
        (("lora=(1e-3,)", "lora=(-1e-3,)"), {}, "holds what is no learning rate"),
        (("lora=(1e-3,)", "lora=(float('nan'),)"), {}, "holds what is no learning rate"),
        (('    card = "mine"\n', ""), {}, "needs a str card"),
        (("def train(self, run): pass", "train = 3"), {}, "needs train"),
        (("class Mine:", "class Mine:\n    def __init__(self): 1 / 0\n"), {}, r"ZeroDivisionError: .*own.py, line \d+"),
        (("class Mine:", "class Other:"), {}, "has no 'Mine'; known: Ladder, Settings, Other"),
        (("", ""), {"tuning.trials": 2}, "tuning.trials is 2, but method .* has 1 learning rates"),
        (("", ""), {"settings": {"bta": 1}}, "has no setting 'bta'"),
        (("", ""), {"method": "grpo", "settings": {"bta": 1}}, "has no setting 'bta'; did you mean beta"),
        (("", ""), {"method": "grpo", "preset": "deepsek"}, "has no preset 'deepsek'; did you mean deepseek"),
        (("", ""), {"method": "grpo", "tuning.trials": 9}, "tuning.trials is 9, but .* has 4 learning rates"),
        (("", ""), {"method": "grpo", "tuning.trials": 3, "tuning.learning_rates": [0.1]}, "has 1 learning rates"),
        (("", ""), {"method": "grpo", "task_settings": {"nn": 2}}, "does not take these settings: .*did you mean n"),
        (("", ""), {"method": "grpo", "verifier": "regex", "verifier_settings": {"patern": 1}}, "did you mean pattern"),
    ],
)  # fmt: skip
def test_a_method_that_cannot_work_is_refused_before_the_run(cell, tmp_path, change, values, says):
    (tmp_path / "own.py").write_text(METHOD.replace(*change) if change[0] else METHOD)
    with pytest.raises(RftlabError, match=says) as caught:
        run([cell(**{"method": f"{tmp_path}/own.py:Mine", **values})])
    assert "\n" not in str(caught.value)


@pytest.fixture
def folded(tmp_path):
    """Makes a cell of thirty rows in five folds."""
    (tmp_path / "mine.jsonl").write_text("\n".join(f'{{"prompt": "say {i}", "answer": "{i}"}}' for i in range(30)))

    def make(**values) -> Cell:
        settings = {"path": str(tmp_path / "mine.jsonl"), "folds": 5}
        own = {"task": "file", "task_settings": settings, "cot": False, "labels": 10, "development": "from_labels"}
        return Cell.make({**own, **values})

    return make


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        (range(5), "mine: 1 whole repeat of 5 folds"),
        (range(3), "mine: 3 of 5 folds; no whole repeat: seeds 0 to 4 test every row once"),
    ],
)
def test_folds_and_how_much_of_them_is_run_are_said_before_a_run(folded, seeds, says):
    notes = run([folded(seed=seed, method=method) for seed in seeds for method in ("base", "sft")])["notes"]
    assert says in notes
    assert notes[1].startswith("30 rows in 5 folds: a seed is tested on one of them")
    assert [note for note in notes if "cap:" in note] == [note for note in notes if "from 30 gold" in note]


def test_a_fold_counts_once_for_an_arm(folded):
    cells = [folded(seed=0), folded(seed=0, seed_data=1)]
    with pytest.raises(RftlabError, match="seed 0, which is one of them, comes twice for one arm"):
        run(cells)
    run([folded(seed=0), folded(seed=0, method="grpo"), folded(seed=1, seed_data=0)])


def test_labels_beyond_a_fold_s_training_rows_are_an_error(folded):
    with pytest.raises(RftlabError, match="has 24 training examples, fewer than labels=25"):
        run([folded(labels=25)])


def test_a_tuning_stage_would_look_at_rows_that_are_tested_on(folded):
    with pytest.raises(RftlabError, match="every row is tested on: a tuning stage would choose learning rates"):
        run([folded(tuned_by="3 seeds, 100 items, at 10 labels, abc", learning_rates=[1e-3])])
    run([folded(**{"tuning.trials": 2})])
