"""A checkpoint is loaded whole or refused in a sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.files.paths import data_dir
from rftlab.policy.load import load_policy
from rftlab.policy.reward_model_scorer import RewardModelScorer
from tests.common.tiny_reward_model import save

WEIGHTS = "model.safetensors"


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return apply


def _config(**values: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return apply


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["RFTLAB_TEST_MARK"],)


def _code(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"model.norm.weight": _Runs()}, folder / "pytorch_model.bin")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "one tensor lacks": (_weights(lambda w: w.pop("model.layers.1.mlp.up_proj.weight")), r"lacks the tensor model.lay"),
    "embedding lacks": (_weights(lambda w: w.pop("model.embed_tokens.weight")), "lacks 2 tensors"),
    "foreign tensor": (_weights(lambda w: w.update(odd=torch.zeros(2))), "holds the tensor odd that its config.json"),
    "more layers": (_config(num_hidden_layers=4), r"lacks 9 tensors \(model.layers.3"),
    "fewer layers": (_config(num_hidden_layers=2), r"holds 9 tensors \(model.layers.2"),
    "another architecture": (_config(model_type="gpt2", architectures=["GPT2LMHeadModel"]), "lacks 41 tensors"),
    "its biased cousin": (_config(model_type="qwen2", architectures=["Qwen2ForCausalLM"]), "lacks 9 tensors"),
    "untied head": (_config(tie_word_embeddings=False), "lacks the tensor lm_head.weight"),
    "another vocabulary": (_config(vocab_size=50), "cannot be loaded"),
    "another width": (_config(hidden_size=64), "cannot be loaded"),
    "cut off": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-9]), "cannot be loaded"),
    "a pickle that runs code": (_code, "hold more than tensors"),
    "an adapter": (lambda f: (f / "adapter_config.json").write_text("{}"), "is an adapter, not a model"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_checkpoint_that_is_not_whole_is_refused(
    what: str, small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, says = BROKEN[what]
    monkeypatch.setenv("RFTLAB_TEST_MARK", str(tmp_path / "ran"))
    folder = tmp_path / "model"
    shutil.copytree(data_dir() / "tiny_base", folder)
    change(folder)
    with pytest.raises(RftlabError, match=says) as caught:
        load_policy(small_cell(model=str(folder)))
    assert str(caught.value).count("\n") == 0
    assert not (tmp_path / "ran").exists()


def test_pickled_tensors_are_the_weights(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(data_dir() / "tiny_base", folder)
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    cells = small_cell(**{"adapter.kind": "full"}), small_cell(model=str(folder), **{"adapter.kind": "full"})
    plain, pickled = (load_policy(cell).model.state_dict() for cell in cells)
    assert all(torch.equal(plain[name], pickled[name]) for name in plain)


def test_a_judge_without_its_head_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "judge")
    RewardModelScorer(str(folder))
    _weights(lambda w: w.pop("score.weight"))(folder)
    with pytest.raises(RftlabError, match=r"reward model .* lacks the tensor score.weight"):
        RewardModelScorer(str(folder))
