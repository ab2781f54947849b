"""The decoding step: the logits of a forward over the whole sequence, for any architecture, prompt length and row."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)
from transformers.cache_utils import DynamicLayer

from rftlab.policy.decode import _AnyDecoder, _LlamaDecoder, _RoomyLayer, prefill

_SIZES: dict[str, Any] = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3,
}  # fmt: skip
_LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 100.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip
WRITTEN_OUT: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**_SIZES),
    "one key head a query head": lambda: LlamaConfig(**_SIZES | {"num_key_value_heads": 4}),
    "biases, wide heads, gelu": lambda: LlamaConfig(
        **_SIZES, attention_bias=True, mlp_bias=True, head_dim=16, hidden_act="gelu", rms_norm_eps=1e-3
    ),
    "llama3 rope": lambda: LlamaConfig(**_SIZES, rope_parameters=_LLAMA3),
    "qwen2": lambda: Qwen2Config(**_SIZES),
}
OWN_FORWARD: dict[str, Callable[[], PreTrainedConfig]] = {
    "dynamic rope": lambda: LlamaConfig(
        **_SIZES, rope_parameters={"rope_type": "dynamic", "rope_theta": 100.0, "factor": 4.0}
    ),
    "sliding window": lambda: Qwen2Config(**_SIZES, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "mistral": lambda: MistralConfig(**_SIZES, sliding_window=None),
    "qwen3": lambda: Qwen3Config(**_SIZES, head_dim=8),
    "gpt2": lambda: GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.3),
}


def build(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    for name, parameter in model.named_parameters():
        if "bias" in name or "norm" in name:
            torch.nn.init.normal_(parameter, mean=float("norm" in name and "bias" not in name), std=0.3)
    return model


@torch.no_grad()
def assert_decodes_like_forward(model: Any, decoder_type: type, *, atol: float = 1e-4) -> None:
    """Three prompts of different lengths, five sequences, twelve tokens, two of them dropped on the way."""
    torch.manual_seed(1)
    prompts = [torch.randint(2, 40, (n,)) for n in (7, 2, 5)]
    ids_P_S = torch.stack([torch.nn.functional.pad(p, (7 - len(p), 0)) for p in prompts])
    mask_P_S = torch.stack([torch.nn.functional.pad(torch.ones_like(p), (7 - len(p), 0)) for p in prompts])
    copy_B = torch.tensor([0, 1, 1, 2, 0])
    logits_B_V, decoder = prefill(model, ids_P_S, mask_P_S, copy_B, 12)
    assert type(decoder) is decoder_type
    sequences, position_B = [prompts[i] for i in copy_B], mask_P_S.sum(-1)[copy_B]
    for step in range(12):
        expected = torch.stack([model(input_ids=s[None]).logits[0, -1] for s in sequences])
        torch.testing.assert_close(logits_B_V, expected, atol=atol, rtol=0)
        if step in (4, 9):
            keep = torch.tensor([0, 2, 3] if step == 4 else [1, 2])
            decoder.keep(keep)
            sequences, position_B = [sequences[i] for i in keep], position_B[keep]
        token_B = torch.randint(2, 40, (len(sequences),))
        sequences = [torch.cat([s, t[None]]) for s, t in zip(sequences, token_B, strict=True)]
        logits_B_V = decoder(token_B, position_B)
        position_B = position_B + 1


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_a_llama_written_out_has_the_logits_of_its_forward(name: str) -> None:
    assert_decodes_like_forward(build(WRITTEN_OUT[name]()), _LlamaDecoder)


@pytest.mark.parametrize("name", OWN_FORWARD)
def test_other_architectures_decode_by_their_own_forward(name: str) -> None:
    assert_decodes_like_forward(build(OWN_FORWARD[name]()), _AnyDecoder)


def test_lora_adapters_take_part_where_they_are_not_folded() -> None:
    model = build(WRITTEN_OUT["qwen2"]())
    adapted: Any = get_peft_model(model, LoraConfig(target_modules="all-linear", r=4, task_type="CAUSAL_LM")).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    ids, mask = torch.tensor([[3, 4, 5]]), torch.ones(1, 3, dtype=torch.long)
    with torch.no_grad():
        adapted_logits = prefill(adapted, ids, mask, torch.tensor([0]), 1)[1](torch.tensor([6]), torch.tensor([3]))
        with adapted.disable_adapter():
            base_logits = prefill(adapted, ids, mask, torch.tensor([0]), 1)[1](torch.tensor([6]), torch.tensor([3]))
    assert (adapted_logits - base_logits).abs().max() > 0.1
    assert_decodes_like_forward(adapted, _LlamaDecoder)


def test_half_precision_stays_within_its_rounding() -> None:
    """The forward itself is up to 0.44 away from single precision there, in logits of up to 6."""
    assert_decodes_like_forward(build(WRITTEN_OUT["llama"](), torch.bfloat16), _LlamaDecoder, atol=0.5)


def test_cache_layer_holds_what_transformers_own_holds_and_writes_in_place() -> None:
    ours, theirs, places = _RoomyLayer(capacity=9), DynamicLayer(), set()
    for new in (4, 1, 1, 1, 5):
        states = torch.rand(3, 2, new, 8), torch.rand(3, 2, new, 8)
        for mine, own in zip(ours.update(*states), theirs.update(*states), strict=True):
            assert torch.equal(mine, own)
        places.add(ours.keys.data_ptr())
    # One place after the prefill, one for the buffer, and one for the tokens it was too small for.
    assert len(places) == 3
    for layer in (ours, theirs):
        layer.batch_select_indices(torch.tensor([2, 0]))
    states = torch.rand(2, 2, 1, 8), torch.rand(2, 2, 1, 8)
    for mine, own in zip(ours.update(*states), theirs.update(*states), strict=True):
        assert torch.equal(mine, own)
