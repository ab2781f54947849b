"""The decoding step: the logits of a forward over the whole sequence, for any architecture, prompt length and row."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.cache_utils import DynamicLayer

from rftlab.cell import Cell
from rftlab.policy.decode import _AnyDecoder, _RoomyLayer, own_forward, prefill
from rftlab.policy.grown import Shared
from rftlab.policy.llama_shape import LlamaDecoder
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.rollout import completion_logprobs, sample

_SIZES: dict[str, Any] = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 1,
}  # fmt: skip
_WINDOW: dict[str, Any] = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}


def _rope(kind: str, **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 100.0, "factor": 4.0, **more}}


_LLAMA3 = _rope("llama3", low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
_LONG: dict[str, Any] = {"short_factor": [1.0, 1.5, 2.0, 2.5], "long_factor": [1.0, 3.0, 5.0, 7.0]}
WRITTEN_OUT: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**_SIZES),
    "llama, tied": lambda: LlamaConfig(**_SIZES, tie_word_embeddings=True),
    "one key head a query head": lambda: LlamaConfig(**_SIZES | {"num_key_value_heads": 4}),
    "biases, wide heads, gelu": lambda: LlamaConfig(
        **_SIZES, attention_bias=True, mlp_bias=True, head_dim=16, hidden_act="gelu", rms_norm_eps=1e-3
    ),
    "llama3 rope": lambda: LlamaConfig(**_SIZES, **_LLAMA3),
    "linear rope": lambda: LlamaConfig(**_SIZES, **_rope("linear")),
    "yarn": lambda: LlamaConfig(**_SIZES, **_rope("yarn", original_max_position_embeddings=16)),
    "dynamic rope, short enough": lambda: LlamaConfig(**_SIZES, **_rope("dynamic")),
    "mistral": lambda: MistralConfig(**_SIZES, sliding_window=None),
    "mistral, sliding": lambda: MistralConfig(**_SIZES, sliding_window=4),
    "qwen2": lambda: Qwen2Config(**_SIZES),
    "qwen2, sliding": lambda: Qwen2Config(**_SIZES, **_WINDOW),
    "qwen3": lambda: Qwen3Config(**_SIZES, head_dim=16, attention_bias=True, rms_norm_eps=1e-3),
    "qwen3, sliding": lambda: Qwen3Config(**_SIZES, head_dim=8, **_WINDOW),
    "smollm3": lambda: SmolLM3Config(**_SIZES, no_rope_layers=[1, 0, 1]),
    "smollm3, sliding": lambda: SmolLM3Config(**_SIZES, no_rope_layers=[1, 0, 1], **_WINDOW),
    "phi3": lambda: Phi3Config(**_SIZES),
    "phi3, sliding": lambda: Phi3Config(**_SIZES, sliding_window=5),
    "phi3, half a head turned": lambda: Phi3Config(
        **_SIZES, rope_parameters={"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5}
    ),
    "phi3, long rope, short enough": lambda: Phi3Config(
        **_SIZES, original_max_position_embeddings=32, **_rope("longrope", original_max_position_embeddings=32, **_LONG)
    ),
}
OWN_FORWARD: dict[str, Callable[[], PreTrainedConfig]] = {
    "gemma2": lambda: Gemma2Config(**_SIZES, head_dim=8, sliding_window=4),
    "mixtral": lambda: MixtralConfig(**_SIZES, num_local_experts=3, num_experts_per_tok=2, sliding_window=None),
    "gpt2": lambda: GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.3),
}


def build(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    for name, parameter in model.named_parameters():
        if "bias" in name or "norm" in name:
            torch.nn.init.normal_(parameter, mean=float("norm" in name and "bias" not in name), std=0.3)
    return model


@pytest.fixture(scope="module")
def as_policy() -> Callable[[Any], Policy]:
    """Turns a model of 40 tokens into a policy, with the shipped tokenizer, whose first ids pad and end."""
    tiny = load_policy(Cell(), meta=True)
    assert (tiny.tokenizer.pad_token_id, tiny.tokenizer.eos_token_id) == (0, 1)
    return lambda model: Policy(model, tiny.tokenizer, tiny.template, {})


def generated(model: Any, prompt: list[int], tokens: int) -> list[int]:
    ids = torch.tensor([prompt])
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, pad_token_id=0,
        eos_token_id=1,
    )  # fmt: skip
    return out[0, ids.shape[1] :].tolist()


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
def test_a_model_written_out_has_the_logits_of_its_forward(name: str) -> None:
    assert_decodes_like_forward(build(WRITTEN_OUT[name]()), LlamaDecoder)


@pytest.mark.parametrize("name", [name for name in WRITTEN_OUT if "sliding" not in name])
def test_prompts_that_are_read_together_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlamaDecoder, "_pays_to_share", lambda *_: True)
    assert_decodes_like_forward(build(WRITTEN_OUT[name]()), LlamaDecoder)


def test_prompts_are_read_together_where_a_large_model_is_asked_several_times() -> None:
    def shares(copies: list[int], **values: Any) -> bool:
        ids = torch.tensor([[3, 4], [5, 6]])
        model = build(MistralConfig(**_SIZES | {"vocab_size": 9000} | values))
        with torch.no_grad():
            _, decoder = prefill(model, ids, torch.ones_like(ids), torch.tensor(copies), 4)
        return isinstance(decoder._grown, Shared)

    assert shares([0, 0, 1, 1], sliding_window=None)
    assert shares([0, 0, 1, 1], sliding_window=6)
    assert not shares([0, 0, 1, 1], sliding_window=5)
    assert not shares([0, 0, 1], sliding_window=None)
    assert not shares([0, 0, 1, 1], sliding_window=None, vocab_size=40)


@pytest.mark.parametrize("name", OWN_FORWARD)
def test_other_architectures_decode_by_their_own_forward(name: str) -> None:
    assert_decodes_like_forward(build(OWN_FORWARD[name]()), _AnyDecoder)


_PROMPTS = [[5, 9, 23, 7, 31, 12], [8, 3], [14, 15, 16, 17], [8, 3]]


@pytest.mark.parametrize("name", [*WRITTEN_OUT, *OWN_FORWARD])
def test_greedy_tokens_are_those_of_generate(name: str, as_policy: Callable[[Any], Policy]) -> None:
    policy = as_policy(build((WRITTEN_OUT | OWN_FORWARD)[name]()))
    for rollout in sample(policy, _PROMPTS, max_new_tokens=14, greedy=True):
        assert rollout.completion_ids == generated(policy.model, rollout.prompt_ids, 14)


@pytest.mark.parametrize("name", [*WRITTEN_OUT, *OWN_FORWARD])
def test_sampled_tokens_have_the_log_probabilities_of_the_forward(
    name: str, as_policy: Callable[[Any], Policy]
) -> None:
    policy = as_policy(build((WRITTEN_OUT | OWN_FORWARD)[name]()))
    rollouts = sample(policy, _PROMPTS * 3, max_new_tokens=14, generator=torch.Generator().manual_seed(0))
    assert len({tuple(r.completion_ids) for r in rollouts}) > 6
    with torch.no_grad():
        expected = torch.cat(completion_logprobs(policy.model, rollouts, pad_id=0))
    torch.testing.assert_close(torch.tensor([x for r in rollouts for x in r.logprobs]), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", [*WRITTEN_OUT, "mixtral", "gpt2"])
def test_products_in_half_precision_are_those_of_autocast(name: str, as_policy: Callable[[Any], Policy]) -> None:
    """Rounding alone differs: each token's log-probability by 0.02 nats in the mean, as from one batch to another."""
    policy = replace(as_policy(build((WRITTEN_OUT | OWN_FORWARD)[name]())), computes_in=torch.bfloat16)
    rollouts = sample(policy, _PROMPTS * 3, max_new_tokens=14, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = torch.cat(completion_logprobs(policy.model, rollouts, pad_id=0))
    with torch.no_grad():
        single = torch.cat(completion_logprobs(policy.model, rollouts, pad_id=0))
    apart = torch.tensor([x for r in rollouts for x in r.logprobs]) - expected
    assert 0 < apart.abs().mean() < 0.1
    assert apart.abs().mean() < 2 * (single - expected).abs().mean()


@pytest.mark.parametrize(("name", "limit"), [("dynamic rope, short enough", 64), ("phi3, long rope, short enough", 32)])
def test_angles_that_change_with_the_length_are_left_to_the_forward(name: str, limit: int) -> None:
    model = build(WRITTEN_OUT[name]())
    assert own_forward(model, limit) is None
    assert f"above {limit} tokens" in str(own_forward(model, limit + 1))
    ids = torch.full((1, 6), 5)
    _, decoder = prefill(model, ids, torch.ones_like(ids), torch.tensor([0]), limit)
    assert type(decoder) is _AnyDecoder


def test_a_length_that_changes_dynamic_angles_decodes_as_generate_does(as_policy: Callable[[Any], Policy]) -> None:
    model = build(LlamaConfig(**_SIZES | {"max_position_embeddings": 32}, **_rope("dynamic")))
    (rollout,) = sample(as_policy(model), [_PROMPTS[0] * 4], max_new_tokens=40, greedy=True)
    assert len(rollout.prompt_ids) + len(rollout.completion_ids) > 32 + 4
    assert rollout.completion_ids == generated(model, rollout.prompt_ids, 40)


def test_what_decodes_by_its_own_forward_says_why() -> None:
    assert own_forward(build(OWN_FORWARD["gemma2"]()), 8) == "the architecture Gemma2 is none of those written out"
    replaced = build(WRITTEN_OUT["llama"]())
    replaced.model.layers[1].self_attn.__class__ = type("Odd", (type(replaced.model.layers[1].self_attn),), {})
    assert own_forward(replaced, 8) == "a layer's attention is not that of Llama"


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
    assert_decodes_like_forward(adapted, LlamaDecoder)


def test_half_precision_stays_within_its_rounding() -> None:
    """The forward itself is up to 0.44 away from single precision there, in logits of up to 6."""
    assert_decodes_like_forward(build(WRITTEN_OUT["llama"](), torch.bfloat16), LlamaDecoder, atol=0.5)


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
