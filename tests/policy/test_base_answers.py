"""The untrained base is asked once; what is read back is what would have been computed."""

import json
from pathlib import Path
from unittest import mock

import pytest
import torch

from rftlab.experiment import Experiment
from rftlab.policy import base_answers
from rftlab.policy.load import load_policy
from rftlab.record import SAMPLES

DECODING = {"max_new_tokens": 12, "temperature": 1.0, "top_p": 1.0}


@pytest.fixture
def policy(small_cell):
    return load_policy(small_cell(method="sft"))


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(base_answers.FOLDER, str(tmp_path / "shared"))
    return tmp_path / "shared"


def prompts(policy):
    return [policy.encode_prompt(f"Q: Ben has {n} cards and finds 3. How many?\nA:") for n in (4, 5)]


def ask(policy, seed=0, greedy=False, **more):
    return base_answers.sample_shared(policy, prompts(policy), seed=seed, greedy=greedy, **{**DECODING, **more})


def test_the_second_ask_reads_what_the_first_computed(policy, folder):
    first = [ask(policy), ask(policy, greedy=True)]
    with mock.patch.object(base_answers, "sample", side_effect=AssertionError("asked again")):
        assert [ask(policy), ask(policy, greedy=True)] == first
        with pytest.raises(AssertionError, match="asked again"):
            ask(policy, seed=1)
        with pytest.raises(AssertionError, match="asked again"):
            ask(policy, max_new_tokens=13)
    assert len(list(folder.iterdir())) == 2


def test_a_policy_that_has_learned_is_not_shared(policy, folder):
    assert policy.untrained
    with torch.no_grad():
        next(p for name, p in policy.model.named_parameters() if "lora_B" in name)[0, 0] = 0.1
    assert not policy.untrained
    ask(policy)
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["", "[", "[{}]", "[1, 2]", "[]"])
def test_a_damaged_file_is_computed_again(policy, folder, damage):
    first = ask(policy)
    (file,) = folder.iterdir()
    written = file.read_text()
    file.write_text(damage)
    assert ask(policy) == first
    assert file.read_text() == written


def test_answers_that_were_not_made_here_are_not_believed(policy, folder, monkeypatch, tmp_path):
    first = ask(policy)
    (file,) = folder.iterdir()
    written = file.read_text()
    poisoned = written.replace(json.dumps(first[0].completion_ids), json.dumps(first[1].completion_ids[::-1]), 1)
    assert poisoned != written
    file.write_text(poisoned)
    assert ask(policy) == first
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody else"))
    ask(policy)
    assert file.read_text() not in (written, poisoned)  # another user's signature: asked again, signed anew
    secret = tmp_path / "somebody else" / "rftlab" / "secret"
    assert secret.stat().st_mode & 0o077 == 0
    secret.chmod(0o644)
    with mock.patch.object(base_answers, "sample", return_value=[]) as asked:
        ask(policy)
    assert asked.called  # a secret that others can read signs nothing


def test_nothing_is_shared_where_no_folder_is_named_or_it_cannot_be_written(policy, monkeypatch, tmp_path):
    monkeypatch.delenv(base_answers.FOLDER, raising=False)
    first = ask(policy)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(base_answers.FOLDER, str(tmp_path / "file" / "below"))
    assert ask(policy) == first


def test_records_are_the_same_with_the_folder_and_without(small_cell, folder, tmp_path, monkeypatch):
    def run(name):
        experiment = Experiment(small_cell(method="sft"), out=tmp_path / name)
        experiment.train()
        experiment.evaluate()
        record = json.loads(experiment.save().read_text())
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in experiment.trace]
        return record["metrics"], (tmp_path / name / SAMPLES).read_text(), rows

    fresh = run("fresh")
    assert list(folder.iterdir())
    reading = run("reading")
    monkeypatch.delenv(base_answers.FOLDER)
    assert fresh == reading == run("alone")
