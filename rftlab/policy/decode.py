"""The model's next-token step while sampling, after the prompts are in the cache.

transformers' forward finds out anew for every token what a decoding loop knows beforehand: which mask, which rotary
angles, where the cache ends. With few rows that costs as much as the arithmetic. For a Llama the step is written out
here, over the model's own layers; any other architecture decodes by its own forward.
"""

from typing import Any, Protocol

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.models.llama import modeling_llama as llama
from transformers.models.qwen2 import modeling_qwen2 as qwen2

_ATTENTION: dict[type, type] = {
    llama.LlamaForCausalLM: llama.LlamaAttention,
    qwen2.Qwen2ForCausalLM: qwen2.Qwen2Attention,
}
# Rotary angles that depend on the position alone; others change with the length of the sequence.
_FIXED_ROPE = {"default", "linear", "llama3"}


class Decoder(Protocol):
    """Keys and values of B sequences, and the step that adds a token to each."""

    def __call__(self, token_B: Tensor, position_B: Tensor) -> Tensor:
        """Logits (B, V) after each sequence's next token, which stands at ``position_B`` (0 = its first)."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Drop all sequences but these."""
        ...


def prefill(model: Any, ids_P_S: Tensor, mask_P_S: Tensor, copy_B: Tensor, room: int) -> tuple[Tensor, Decoder]:
    """Logits (B, V) after the prompts, and the decoder that goes on from there.

    Args:
        model: causal language model, or a PeftModel around one; in eval mode, gradients off.
        ids_P_S: distinct prompts, padded on the left.
        mask_P_S: 1 for a token, 0 for padding.
        copy_B: index in 0 .. P-1 of each sequence's prompt.
        room: tokens a sequence may grow by; a decoder never takes more.
    """
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    written_out = _is_plain_llama(base)
    cache = DynamicCache(config=model.config)
    if not written_out:
        capacity = ids_P_S.shape[1] + room
        cache.layers = [_RoomyLayer(capacity) if type(e) is DynamicLayer else e for e in cache.layers]
    positions = (mask_P_S.cumsum(-1) - 1).clamp(min=0)
    logits_P_1_V = model(
        input_ids=ids_P_S, attention_mask=mask_P_S, position_ids=positions, past_key_values=cache, use_cache=True,
        logits_to_keep=1,
    ).logits  # fmt: skip
    decoder = _LlamaDecoder if written_out else _AnyDecoder
    return logits_P_1_V[:, -1][copy_B], decoder(base if written_out else model, cache, mask_P_S, copy_B, room)


def _is_plain_llama(base: Any) -> bool:
    """Whether `_LlamaDecoder` computes what the model's forward does; Qwen2 is a Llama with biases."""
    attention = _ATTENTION.get(type(base))
    return (
        attention is not None
        and base.model.rotary_emb.rope_type in _FIXED_ROPE
        and all(kind == "full_attention" for kind in getattr(base.config, "layer_types", None) or [])
        and all(type(layer.self_attn) is attention for layer in base.model.layers)
    )


class _LlamaDecoder:
    """Attention over keys and values written in place, for K groups of G query heads, C tokens at most."""

    def __init__(self, base: Any, cache: DynamicCache, mask_P_S: Tensor, copy_B: Tensor, room: int) -> None:
        self._base, self._length = base, mask_P_S.shape[1]
        capacity = self._length + room
        self._buffers: list[tuple[Tensor, Tensor]] = []
        layers: Any = cache.layers
        for layer in layers:
            filled = layer.keys, layer.values
            buffers = [states.new_empty(len(copy_B), states.shape[1], capacity, states.shape[3]) for states in filled]
            for buffer_B_K_C_D, states_P_K_S_D in zip(buffers, filled, strict=True):
                buffer_B_K_C_D[:, :, : self._length] = states_P_K_S_D[copy_B]
            self._buffers.append((buffers[0], buffers[1]))
        dtype, device = self._buffers[0][0].dtype, mask_P_S.device
        bias_P_1_1_C = torch.zeros(len(mask_P_S), 1, 1, capacity, dtype=dtype, device=device)
        bias_P_1_1_C[:, 0, 0, : self._length].masked_fill_(mask_P_S == 0, -torch.inf)
        self._bias_B_1_1_C = bias_P_1_1_C[copy_B]
        positions = torch.arange(capacity, device=device)[None]
        cos_1_C_D, sin_1_C_D = base.model.rotary_emb(self._bias_B_1_1_C, positions)
        self._cos_C_D, self._sin_C_D = cos_1_C_D[0], sin_1_C_D[0]

    def __call__(self, token_B: Tensor, position_B: Tensor) -> Tensor:
        """Logits (B, V) after each sequence's next token."""
        now, rows = self._length, len(token_B)
        self._length += 1
        bias_B_1_1_S = self._bias_B_1_1_C[..., : self._length]
        cos_B_1_D, sin_B_1_D = self._cos_C_D[position_B][:, None], self._sin_C_D[position_B][:, None]
        x_B_E = self._base.model.embed_tokens(token_B)
        for layer, (keys_B_K_C_D, values_B_K_C_D) in zip(self._base.model.layers, self._buffers, strict=True):
            attention, groups, size = layer.self_attn, keys_B_K_C_D.shape[1], keys_B_K_C_D.shape[3]
            h_B_E = _rms_norm(x_B_E, layer.input_layernorm)
            qk_B_HK_D = torch.cat([attention.q_proj(h_B_E), attention.k_proj(h_B_E)], -1).view(rows, -1, size)
            qk_B_HK_D = qk_B_HK_D * cos_B_1_D + llama.rotate_half(qk_B_HK_D) * sin_B_1_D
            keys_B_K_C_D[:, :, now] = qk_B_HK_D[:, -groups:]
            values_B_K_C_D[:, :, now] = attention.v_proj(h_B_E).view(rows, groups, size)
            mixed_B_K_G_D = functional.scaled_dot_product_attention(
                qk_B_HK_D[:, :-groups].unflatten(1, (groups, -1)),
                keys_B_K_C_D[:, :, : self._length],
                values_B_K_C_D[:, :, : self._length],
                attn_mask=bias_B_1_1_S,
                scale=attention.scaling,
            )
            x_B_E = x_B_E + attention.o_proj(mixed_B_K_G_D.reshape(rows, -1))
            x_B_E = x_B_E + layer.mlp(_rms_norm(x_B_E, layer.post_attention_layernorm))
        return self._base.lm_head(_rms_norm(x_B_E, self._base.model.norm))

    def keep(self, rows: Tensor) -> None:
        """Drop all sequences but these."""
        self._bias_B_1_1_C = self._bias_B_1_1_C[rows]
        for i, (keys_B_K_C_D, values_B_K_C_D) in enumerate(self._buffers):
            self._buffers[i] = keys_B_K_C_D[rows], values_B_K_C_D[rows]


def _rms_norm(x_B_E: Tensor, norm: Any) -> Tensor:
    return functional.rms_norm(x_B_E, norm.weight.shape, norm.weight, norm.variance_epsilon)


class _AnyDecoder:
    """The model's own forward, with a cache written in place where its layers allow."""

    def __init__(self, model: Any, cache: DynamicCache, mask_P_S: Tensor, copy_B: Tensor, room: int) -> None:
        self._model, self._cache, self._mask_B_S = model, cache, mask_P_S
        self.keep(copy_B)

    def __call__(self, token_B: Tensor, position_B: Tensor) -> Tensor:
        """Logits (B, V) after each sequence's next token."""
        self._mask_B_S = torch.cat([self._mask_B_S, self._mask_B_S.new_ones(len(token_B), 1)], -1)
        out = self._model(
            input_ids=token_B[:, None], attention_mask=self._mask_B_S, position_ids=position_B[:, None],
            past_key_values=self._cache, use_cache=True,
        )  # fmt: skip
        logits_B_V: Tensor = out.logits[:, -1]
        return logits_B_V

    def keep(self, rows: Tensor) -> None:
        """Drop all sequences but these."""
        self._cache.batch_select_indices(rows)
        self._mask_B_S = self._mask_B_S[rows]


class _RoomyLayer(DynamicLayer):
    """A cache layer that writes the next token into spare room; DynamicLayer copies all it holds for every token."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity
        self._buffers: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append (B, heads, new, size) keys and values; all so far, as views."""
        if not self.is_initialized:
            return super().update(key_states, value_states, *args, **kwargs)
        held = self.get_seq_length()
        length = held + key_states.shape[-2]
        if not self._buffers or length > self._buffers[0].shape[-2]:
            self._buffers = []
            filled: Any = (self.keys, self.values)
            for states in filled:
                buffer = states.new_empty(*states.shape[:2], max(self._capacity, length), states.shape[-1])
                buffer[:, :, :held] = states
                self._buffers.append(buffer)
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, held:length] = states
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows only."""
        super().batch_select_indices(indices)
        self._buffers = []
