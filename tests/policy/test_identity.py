"""Two models that may answer differently are never taken for one; a copy of a model is."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from rftlab.cell import Cell
from rftlab.files.paths import data_dir
from rftlab.policy import base_answers, identity
from rftlab.policy.identity import PARTS, model_identity
from rftlab.policy.load import load_policy

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def _edit(name: str, **values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def _scale(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: w * 1.01 for name, w in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def _pickled(factor: float) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        torch.save({name: w * factor for name, w in weights.items()}, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()

    return change


def _another_token(folder: Path) -> None:
    values = json.loads((folder / "tokenizer.json").read_text())
    values["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(values))


CHANGES = {
    "weights": ("weights", _scale),
    "pickled weights": ("weights", _pickled(1.0)),
    "other pickled weights": ("weights", _pickled(1.01)),
    "GGUF weights": ("weights", lambda folder: (folder / "m.gguf").write_bytes(b"x")),
    "config": ("config", _edit("config.json", rms_norm_eps=1e-3)),
    "generation config": ("generation_config", _edit("generation_config.json", eos_token_id=[1, 5])),
    "tokenizer": ("tokenizer", _another_token),
    "tokenizer's settings": ("tokenizer", _edit("tokenizer_config.json", add_prefix_space=True)),
    "chat template": ("chat_template", _edit("tokenizer_config.json", chat_template=TEMPLATE)),
    "chat template's file": ("chat_template", lambda folder: (folder / "chat_template.jinja").write_text(TEMPLATE)),
}


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str, change: Callable[[Path], object] = lambda _: None) -> Path:
        shutil.copytree(data_dir() / "tiny_base", tmp_path / name)
        change(tmp_path / name)
        return tmp_path / name

    return make


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_any_file_that_decides_is_another_model_and_says_which(
    what: str, copy: Callable[..., Path]
) -> None:
    part, change = CHANGES[what]
    before, after = model_identity(str(copy("a"))), model_identity(str(copy("b", change)))
    assert list(before) == list(PARTS)
    assert all(len(digits) == 12 for digits in before.values())
    assert {name for name in before if before[name] != after[name]} == {part}


def test_a_copy_is_the_same_model_whatever_else_lies_beside_it(copy: Callable[..., Path]) -> None:
    def unrelated(folder: Path) -> None:
        (folder / "README.md").write_text("mine")
        _edit("config.json", transformers_version="9", _name_or_path="elsewhere")(folder)

    assert model_identity(str(copy("a"))) == model_identity(str(copy("b", unrelated)))


def test_two_models_never_share_what_they_said(
    small_cell: Callable[..., Cell], copy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(base_answers.FOLDER, str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    changes = [("copy", lambda _: None), *((what, change) for what, (_, change) in CHANGES.items())]
    hashes = set()
    for what, change in changes:
        policy = load_policy(small_cell(method="sft", model=str(copy(what, change))))
        hashes.add(policy.base_hash)
        with mock.patch.object(base_answers, "sample", return_value=[]) as asked:
            base_answers.sample_shared(policy, [[5, 6, 7]], seed=0, max_new_tokens=4, temperature=1.0, top_p=1.0)
        assert asked.called, what
    assert len(hashes) == len(changes)
    assert load_policy(small_cell()).base_hash == load_policy(small_cell(model=str(tmp_path / "copy"))).base_hash


def test_shards_below_a_folder_count(copy: Callable[..., Path]) -> None:
    def shard(content: bytes) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            (folder / "parts").mkdir()
            (folder / "parts" / "1.safetensors").write_bytes(content)
            index = {"weight_map": {"a": "parts/1.safetensors"}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))

        return change

    assert (
        model_identity(str(copy("a", shard(b"1"))))["weights"] != model_identity(str(copy("b", shard(b"2"))))["weights"]
    )


def test_a_hub_model_is_known_by_the_files_of_its_snapshot(
    copy: Callable[..., Path], small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "c" * 40
    repository = tmp_path / "hub" / "models--org--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(data_dir() / "tiny_base", repository / "snapshots" / commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert load_policy(small_cell(model="org/name")).identity == model_identity(str(copy("local")))
    assert model_identity("org/other", "c2") != model_identity("org/other", "c3")


def test_a_file_is_hashed_once_a_process_and_again_when_it_changed(copy: Callable[..., Path]) -> None:
    folder = copy("a")
    first = model_identity(str(folder))
    with mock.patch.object(identity.hashlib, "file_digest", side_effect=AssertionError("hashed again")):
        began = time.perf_counter()
        assert model_identity(str(folder)) == first
        assert time.perf_counter() - began < 1
    _scale(folder)
    assert model_identity(str(folder))["weights"] != first["weights"]
