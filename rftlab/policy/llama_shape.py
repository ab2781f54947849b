"""The decoding step of Llama and of the architectures built as it is, written out over the model's own layers.

They differ in what a layer is called (Phi-3 has one product for query, key and value), in norms of query and key
(Qwen3), in layers without rotary positions (SmolLM3), in sliding windows and in biases. What is not known to compute as
written here is not of this shape: `misfit` says why.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache
from transformers.models.llama import modeling_llama as llama
from transformers.models.mistral import modeling_mistral as mistral
from transformers.models.phi3 import modeling_phi3 as phi3
from transformers.models.qwen2 import modeling_qwen2 as qwen2
from transformers.models.qwen3 import modeling_qwen3 as qwen3
from transformers.models.smollm3 import modeling_smollm3 as smollm3

from rftlab.policy.grown import Copied, Grown, Prompts, Shared
from rftlab.policy.products import PACK_FROM


def _no_windows(config: Any) -> list[int | None]:
    return [None] * config.num_hidden_layers


def _one_window(config: Any) -> list[int | None]:
    return [config.sliding_window] * config.num_hidden_layers


def _windows_by_layer(config: Any) -> list[int | None]:
    return [config.sliding_window if kind == "sliding_attention" else None for kind in config.layer_types]


# Attention of each architecture, and which of its layers look back over a window only.
_ARCHITECTURES: Mapping[type, tuple[type, Callable[[Any], list[int | None]]]] = {
    llama.LlamaForCausalLM: (llama.LlamaAttention, _no_windows),
    mistral.MistralForCausalLM: (mistral.MistralAttention, _one_window),
    phi3.Phi3ForCausalLM: (phi3.Phi3Attention, _one_window),
    qwen2.Qwen2ForCausalLM: (qwen2.Qwen2Attention, _windows_by_layer),
    qwen3.Qwen3ForCausalLM: (qwen3.Qwen3Attention, _windows_by_layer),
    smollm3.SmolLM3ForCausalLM: (smollm3.SmolLM3Attention, _windows_by_layer),
}
# Rotary angles that depend on the position alone, whatever the sequence's length.
_FIXED_ROPE = {"default", "linear", "llama3", "yarn"}


def misfit(base: Any, length: int) -> str | None:
    """Why sequences of so many tokens of this model are not decoded by `LlamaDecoder`; None where they are.

    Args:
        base: causal language model, without an adapter around it.
        length: tokens of prompt and completion.
    """
    name = type(base).__name__.removesuffix("ForCausalLM")
    attention, _ = _ARCHITECTURES.get(type(base), (None, None))
    if attention is None:
        return f"the architecture {name} is none of those written out"
    if any(type(layer.self_attn) is not attention for layer in base.model.layers):
        return f"a layer's attention is not that of {name}"
    most = _fixed_up_to(base)
    if most is not None and length > most:
        return f"the rotary angles ({base.model.rotary_emb.rope_type}) change with a length above {most} tokens"
    return None


def _fixed_up_to(base: Any) -> int | None:
    """Tokens up to which rotary angles depend on the position alone; None for any number."""
    rotary = base.model.rotary_emb
    if rotary.rope_type in _FIXED_ROPE:
        return None
    if rotary.rope_type == "longrope":
        return int(base.config.rope_parameters["original_max_position_embeddings"])
    return int(rotary.original_max_seq_len) if rotary.rope_type == "dynamic" else 0


class _Layer(NamedTuple):
    """A layer's parts, K groups of G query heads of size D.

    Attributes:
        module: the decoder layer.
        groups: K.
        window: tokens it looks back over, itself included; None for all.
        turned: whether queries and keys are turned by their position.
        scale_HK_D: weights of the norms of query and key heads; None without.
        eps: of those norms.
    """

    module: Any
    groups: int
    window: int | None
    turned: bool
    scale_HK_D: Tensor | None
    eps: float

    def project(self, h_B_E: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys (B, H + K, D) side by side, and values (B, K, D), before any rotation."""
        attention, rows, groups, size = self.module.self_attn, len(h_B_E), self.groups, self.module.self_attn.head_dim
        if hasattr(attention, "qkv_proj"):
            qkv_B_HKK_D = attention.qkv_proj(h_B_E).view(rows, -1, size)
            qk_B_HK_D, v_B_K_D = qkv_B_HKK_D[:, :-groups], qkv_B_HKK_D[:, -groups:]
        else:
            qk_B_HK_D = torch.cat([attention.q_proj(h_B_E), attention.k_proj(h_B_E)], -1).view(rows, -1, size)
            v_B_K_D = attention.v_proj(h_B_E).view(rows, groups, size)
        if self.scale_HK_D is not None:
            qk_B_HK_D = functional.rms_norm(qk_B_HK_D, (size,), None, self.eps) * self.scale_HK_D
        return qk_B_HK_D, v_B_K_D


def _layers(base: Any, groups: int) -> list[_Layer]:
    windows, found = _ARCHITECTURES[type(base)][1](base.config), []
    for module, window in zip(base.model.layers, windows, strict=True):
        attention, scale_HK_D, eps = module.self_attn, None, 0.0
        if hasattr(attention, "q_norm"):
            heads, eps = base.config.num_attention_heads, attention.q_norm.variance_epsilon
            scales = attention.q_norm.weight.expand(heads, -1), attention.k_norm.weight.expand(groups, -1)
            scale_HK_D = torch.cat(scales)
        found.append(_Layer(module, groups, window, bool(getattr(attention, "use_rope", True)), scale_HK_D, eps))
    return found


class LlamaDecoder:
    """The step over K groups of G query heads, keys and values written in place.

    Args:
        base: model of this shape, in eval mode, gradients off.
        cache: keys and values of P prompts, all their tokens.
        mask_P_S: 1 for a token of a prompt, 0 for padding on its left.
        copy_B: index in 0 .. P-1 of each sequence's prompt.
        room: tokens a sequence may grow by.
    """

    def __init__(self, base: Any, cache: DynamicCache, mask_P_S: Tensor, copy_B: Tensor, room: int) -> None:
        self._base, kind = base, mask_P_S.device.type
        filled: Any = cache.layers
        # Under autocast attention would round what it is given anew for every token: here each is rounded once.
        self._dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else filled[0].values.dtype
        states = [(layer.keys.to(self._dtype), layer.values.to(self._dtype)) for layer in filled]
        self._layers = _layers(base, states[0][0].shape[1])
        length = mask_P_S.shape[1] + room
        prompts = Prompts(states, mask_P_S, copy_B, room)
        self._grown: Grown = Shared(prompts) if self._pays_to_share(prompts, length) else Copied(prompts)
        positions = torch.arange(length, device=mask_P_S.device)[None]
        cos_1_C_R, sin_1_C_R = base.model.rotary_emb(base.model.embed_tokens.weight, positions)
        self._cos_C_R, self._sin_C_R = cos_1_C_R[0], sin_1_C_R[0]

    def _pays_to_share(self, prompts: Prompts, length: int) -> bool:
        """Whether sequences read their prompts together: not where a model is so small that calls are what costs."""
        return (
            prompts.mask_P_S.device.type == "cpu"
            and self._base.lm_head.weight.numel() >= PACK_FROM
            and len(prompts.copy_B) >= 2 * len(prompts.mask_P_S)
            and all(layer.window is None or layer.window >= length for layer in self._layers)
        )

    def __call__(self, token_B: Tensor, position_B: Tensor) -> Tensor:
        """Logits (B, V) after each sequence's next token."""
        cos_B_1_R, sin_B_1_R = self._cos_C_R[position_B][:, None], self._sin_C_R[position_B][:, None]
        x_B_E = self._base.model.embed_tokens(token_B)
        for number, layer in enumerate(self._layers):
            attention = layer.module.self_attn
            h_B_E = _rms_norm(x_B_E, layer.module.input_layernorm).to(self._dtype)
            qk_B_HK_D, v_B_K_D = layer.project(h_B_E)
            if layer.turned:
                qk_B_HK_D = _turned(qk_B_HK_D, cos_B_1_R, sin_B_1_R)
            groups = v_B_K_D.shape[1]
            mixed_B_K_G_D = self._grown.attend(
                number, qk_B_HK_D[:, :-groups].unflatten(1, (groups, -1)), qk_B_HK_D[:, -groups:], v_B_K_D,
                window=layer.window, scale=attention.scaling,
            )  # fmt: skip
            x_B_E = x_B_E + attention.o_proj(mixed_B_K_G_D.reshape(len(token_B), -1))
            h_B_E = _rms_norm(x_B_E, layer.module.post_attention_layernorm).to(self._dtype)
            x_B_E = x_B_E + layer.module.mlp(h_B_E)
        self._grown.advance()
        logits_B_V: Tensor = self._base.lm_head(_rms_norm(x_B_E, self._base.model.norm))
        return logits_B_V

    def keep(self, rows: Tensor) -> None:
        """Drop all sequences but these."""
        self._grown.keep(rows)


def _turned(x_B_N_D: Tensor, cos_B_1_R: Tensor, sin_B_1_R: Tensor) -> Tensor:
    """Heads turned by their position in their first R numbers, Phi-3's case where R is less than D."""
    turning = cos_B_1_R.shape[-1]
    if turning == x_B_N_D.shape[-1]:
        return x_B_N_D * cos_B_1_R + llama.rotate_half(x_B_N_D) * sin_B_1_R
    x_B_N_R, rest = x_B_N_D[..., :turning], x_B_N_D[..., turning:]
    return torch.cat([x_B_N_R * cos_B_1_R + llama.rotate_half(x_B_N_R) * sin_B_1_R, rest], -1)


def _rms_norm(x_B_E: Tensor, norm: Any) -> Tensor:
    return functional.rms_norm(x_B_E, norm.weight.shape, norm.weight, norm.variance_epsilon)
