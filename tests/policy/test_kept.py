"""A kept policy: what is loaded again scores exactly what the record says; what is damaged or another is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from rftlab import record
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.files.paths import data_dir
from rftlab.policy import weights
from rftlab.policy.kept import base_name, load_kept
from rftlab.policy.load import load_policy


def samples(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / record.SAMPLES).read_text().splitlines()]


@pytest.mark.parametrize("name", ["sft", "grpo", "full"])
def test_what_is_loaded_again_scores_exactly_what_the_record_says(kept_cell, name):
    folder = kept_cell(name)
    experiment = Experiment(weights.cell_of(folder), kept=folder)
    experiment.evaluate()
    found = record.read(folder)
    assert found is not None
    outcome = json.loads(json.dumps({"metrics": experiment._outcome.metrics, "samples": experiment._outcome.samples}))
    measured = {name: found.metrics[name] for name in outcome["metrics"]}
    assert outcome == {"metrics": measured, "samples": samples(folder)}


def test_the_kept_weights_are_not_those_of_the_base(kept_cell):
    for name in ("sft", "grpo"):
        assert not load_kept(kept_cell(name)).untrained
    full, base = load_kept(kept_cell("full")), load_policy(weights.cell_of(kept_cell("full")))
    assert any(not torch.equal(a, b) for a, b in zip(full.model.parameters(), base.model.parameters(), strict=True))
    assert full.identity == base.identity


def test_an_untrained_arm_keeps_nothing(kept_cell):
    folder = kept_cell("base")
    assert not weights.has_policy(folder)
    with pytest.raises(RftlabError, match="untrained base"):
        load_kept(folder)


def test_a_run_may_keep_nothing_and_says_how_it_keeps(small_cell, tmp_path, monkeypatch):
    experiment = Experiment(small_cell(method="sft"))
    experiment.train()
    experiment.evaluate()
    for keep in ("none", "best", "all"):
        monkeypatch.setenv(weights.KEEP, keep)
        experiment.folder = tmp_path / keep
        experiment.save()
    assert not (tmp_path / "none" / weights.POLICY).exists()
    assert [weights.read_manifest(tmp_path / keep).keep for keep in ("best", "all")] == ["best", "all"]
    assert weights.digest(tmp_path / "best") == weights.digest(tmp_path / "all")
    with pytest.raises(RftlabError, match="keeps no policy; to have its policy: rftlab run GRID.yaml --rerun"):
        weights.digest(tmp_path / "none")


@pytest.mark.parametrize("name", ["sft", "full"])
def test_no_file_of_a_policy_names_a_folder_of_the_machine(kept_cell, name):
    folder = kept_cell(name) / weights.POLICY
    for path in folder.iterdir():
        content = path.read_bytes()
        assert str(data_dir()).encode() not in content, path.name
        assert str(folder.parents[2]).encode() not in content, path.name
    if name == "sft":
        assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny-base"


def test_a_base_is_named_so_that_the_name_holds_elsewhere(tmp_path):
    (tmp_path / "my-model").mkdir()
    assert base_name(str(tmp_path / "my-model")) == "my-model"
    assert [base_name(name) for name in ("tiny-base", "org/name")] == ["tiny-base", "org/name"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda policy: (policy / "adapter_model.safetensors").unlink(), "is missing"),
        (lambda policy: flip(policy / "adapter_model.safetensors"), "is not the file that was saved"),
        (lambda policy: (policy / weights.MANIFEST).write_text("{}"), "cannot be read"),
        (lambda policy: shutil.rmtree(policy), "keeps no policy"),
        (lambda policy: change(policy, identity={"weights": "other"}), "another base"),
    ],
)
def test_a_policy_that_is_not_what_was_saved_is_refused(kept_cell, tmp_path, damage, says):
    folder = tmp_path / "cell"
    shutil.copytree(kept_cell("sft"), folder)
    load_kept(folder)
    damage(folder / weights.POLICY)
    with pytest.raises(RftlabError, match=says):
        load_kept(folder)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change(policy: Path, **values) -> None:
    path = policy / weights.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_cell_is_found_by_folder_policy_or_the_beginning_of_its_id(kept_cell, tmp_path, monkeypatch):
    folder = kept_cell("sft")
    assert weights.find_cell(str(folder)) == weights.find_cell(str(folder / weights.POLICY)) == folder
    assert weights.find_cell(folder.name[:4], folder.parents[1]) == folder
    home = tmp_path / "results" / "study" / "cells"
    shutil.copytree(folder, home / folder.name)
    (home / f"{folder.name[:11]}{'0' if folder.name[11] != '0' else '1'}").mkdir()
    monkeypatch.chdir(tmp_path)
    assert weights.find_cell(folder.name[:4]) == home / folder.name
    shutil.copytree(home, tmp_path / "results" / "other" / "cells")
    for cell, says in [
        (folder.name[:4], "the beginning of several"),
        ("abcdef012345", r"no finished cell abcdef012345 in results/\*"),
        ("no/such", "there is no folder"),
        ("x" * 5000, "there is no folder"),
        (str(tmp_path), "holds no record"),
    ]:
        with pytest.raises(RftlabError, match=says):
            weights.find_cell(cell)


def test_a_kept_policy_is_not_recorded_again(kept_cell):
    experiment = Experiment(weights.cell_of(kept_cell("sft")), kept=kept_cell("sft"))
    experiment.evaluate()
    with pytest.raises(RftlabError, match="recorded by another cell"):
        experiment.save()
