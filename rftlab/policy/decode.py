"""The model's next-token step while sampling, after the prompts are in the cache.

transformers' forward finds out anew for every token what a decoding loop knows beforehand: which mask, which rotary
angles, where the cache ends. With few rows that costs as much as the arithmetic. `llama_shape` has the step written out
for Llama and its kin; any other architecture decodes by its own forward.
"""

from typing import Any, Protocol

import torch
from peft import PeftModel
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from rftlab.policy.llama_shape import LlamaDecoder, misfit


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
    length = ids_P_S.shape[1] + room
    written_out = own_forward(model, length) is None
    # With the configuration a layer that slides would keep its window only.
    cache = DynamicCache() if written_out else DynamicCache(config=model.config)
    if not written_out:
        cache.layers = [_RoomyLayer(length) if type(e) is DynamicLayer else e for e in cache.layers]
    positions = (mask_P_S.cumsum(-1) - 1).clamp(min=0)
    logits_P_1_V = model(
        input_ids=ids_P_S, attention_mask=mask_P_S, position_ids=positions, past_key_values=cache, use_cache=True,
        logits_to_keep=1,
    ).logits  # fmt: skip
    decoder: Decoder
    if written_out:
        decoder = LlamaDecoder(_base(model), cache, mask_P_S, copy_B, room)
    else:
        decoder = _AnyDecoder(model, cache, mask_P_S, copy_B)
    return logits_P_1_V[:, -1][copy_B], decoder


def own_forward(model: Any, length: int) -> str | None:
    """Why sequences of so many tokens decode by the model's own forward; None where the step is written out."""
    return misfit(_base(model), length)


def _base(model: Any) -> Any:
    return model.get_base_model() if isinstance(model, PeftModel) else model


class _AnyDecoder:
    """The model's own forward, with a cache written in place where its layers allow."""

    def __init__(self, model: Any, cache: DynamicCache, mask_P_S: Tensor, copy_B: Tensor) -> None:
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
