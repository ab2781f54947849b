"""A base in 4 or 8 bits: refused where it cannot be, close to the base where it can, and trained through all layers."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.policy import quantization
from rftlab.policy.hub import TINY_BASE, locate
from rftlab.policy.kept import load_kept
from rftlab.policy.load import load_policy
from rftlab.policy.rollout import completion_logprobs, sample
from rftlab.preflight import checks

MakeCell = Callable[..., Cell]
needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="needs bitsandbytes (the extra of that name)"
)
BITS = ("4bit", "8bit")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a random Llama with the tiny base's tokenizer, whose layers 64 divides, as it does those in use."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = AutoTokenizer.from_pretrained(locate(TINY_BASE))
    config = AutoConfig.from_pretrained(locate(TINY_BASE))
    config.update({"hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 2, "num_key_value_heads": 2})
    config.head_dim = 64
    set_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


PROMPTS = [[5, 6, 7], [8, 9, 10, 11]]


def test_without_bitsandbytes_it_is_refused_before_anything_runs(
    small_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization.importlib.util, "find_spec", lambda name: None)
    cell = small_cell(quantization="4bit")
    request = {"cells": [cell.model_dump(mode="json")], "limit": 60.0}
    with pytest.raises(RftlabError, match="quantization is 4bit, which takes bitsandbytes: pip") as said:
        checks.run(request)
    assert (said.value.about, said.value.value) == ("quantization", "4bit")
    checks.run(request | {"here": False})
    with pytest.raises(RftlabError, match="quantization is 4bit, which takes bitsandbytes"):
        load_policy(cell)


def test_weights_that_are_trained_are_not_quantised(small_cell: MakeCell) -> None:
    with pytest.raises(RftlabError, match="quantization is 8bit, and adapter.kind is full: .* give adapter.kind: lora"):
        load_policy(small_cell(quantization="8bit", **{"adapter.kind": "full"}))


@needs_bitsandbytes
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_four_bits_are_refused_where_blocks_end_within_rows(small_cell: MakeCell) -> None:
    cell = small_cell(quantization="4bit")
    request = {"cells": [cell.model_dump(mode="json")], "limit": 60.0}
    for loading in (lambda: load_policy(cell), lambda: checks.run(request)):
        with pytest.raises(RftlabError, match=r"layers whose inputs 64 divides, and model 'tiny-base' has some of 96"):
            loading()
    checks.run(request | {"here": False})


@needs_bitsandbytes
@pytest.mark.parametrize(("bits", "apart"), [("4bit", 0.12), ("8bit", 0.02)])
def test_its_layers_compute_nearly_what_they_did_and_count_as_many_weights(
    bits: str, apart: float, small_cell: MakeCell, model: str
) -> None:
    plain, packed = (load_policy(small_cell(model=model, quantization=each)) for each in ("none", bits))
    x = torch.randn(64, plain.model.config.hidden_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact, close = (each.model.get_base_model().model.layers[0].mlp.up_proj(x) for each in (plain, packed))
    assert 0 < float((close - exact).norm() / exact.norm()) < apart
    assert (packed.parameters, packed.trained_parameters) == (plain.parameters, plain.trained_parameters)
    assert f"linear layers in {bits[0]} bits" in packed.number_format
    assert packed.number_format != plain.number_format


@needs_bitsandbytes
@pytest.mark.parametrize("bits", BITS)
def test_gradients_reach_the_first_layer_after_it_has_sampled(bits: str, small_cell: MakeCell, model: str) -> None:
    policy = load_policy(small_cell(model=model, quantization=bits))
    drawn = sample(policy, PROMPTS * 4, max_new_tokens=8, generator=torch.Generator().manual_seed(0))
    policy.model.train()
    torch.cat(completion_logprobs(policy.model, drawn, pad_id=0)).sum().backward()
    norms = [float(p.grad.norm()) for name, p in policy.model.named_parameters() if "lora_B" in name]
    assert min(norms) > 0


@needs_bitsandbytes
@pytest.mark.parametrize("bits", BITS)
def test_what_samples_is_what_is_trained(bits: str, small_cell: MakeCell, model: str) -> None:
    policy = load_policy(small_cell(model=model, quantization=bits))
    drawn = sample(policy, PROMPTS * 4, max_new_tokens=8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        trained = completion_logprobs(policy.model, drawn, pad_id=0)
    apart = torch.cat([(row - torch.tensor(each.logprobs)).abs() for row, each in zip(trained, drawn, strict=True)])
    assert float(apart.mean()) < 0.05, "the distance above which ratios correct"


@needs_bitsandbytes
@pytest.mark.slow
@pytest.mark.parametrize(("method", "bits"), [("sft", "8bit"), ("grpo", "4bit")])
def test_a_cell_trains_keeps_its_adapter_and_says_what_it_ran_on(
    method: str, bits: str, small_cell: MakeCell, model: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"prompts_per_step": 2, "num_generations": 4} if method == "grpo" else {}
    cell = small_cell(method=method, model=model, quantization=bits, settings=settings)
    experiment = Experiment(cell, out=tmp_path / "cell")
    experiment.train()
    experiment.evaluate()
    experiment.save()
    record = experiment.record()
    assert record.cost["optimizer_steps"] == 2
    assert f"linear layers in {bits[0]} bits" in record.contract["match"]["precision"]
    kept = load_kept(tmp_path / "cell")
    drawn, again = (sample(each, PROMPTS, max_new_tokens=8, greedy=True) for each in (experiment.policy, kept))
    assert [row.completion_ids for row in drawn] == [row.completion_ids for row in again]
