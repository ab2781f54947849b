"""Completions that share a prompt are scored with one pass over it, as they were sampled, gradients included.

TRL scores rows of prompt and completion, as wide as the longest of both: of a group of 16 every prompt goes through the
policy 16 times, and short completions are mostly padding. Here each distinct prompt goes through once, its keys and
values are shared out to its completions, and these go through in a few parts, each as wide as its own longest. The
result is the same up to rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import Cache
from transformers.cache_utils import DynamicLayer
from transformers.modeling_layers import GradientCheckpointingLayer

from rftlab.policy.decode import own_forward

# Parts of completions of like length; with few rows a further pass costs more than the padding that it spares.
_PARTS, _LEAST_ROWS = 2, 16
# By which transformers lets a layer whose activations are computed again (gradient checkpointing) see a cache: those
# below are none the worse for it. A private name.
_SEES_CACHE = "_can_checkpoint_with_cache"


class SharedPrompts:
    """For `GRPOTrainer` and `RLOOTrainer`: what they score tokens by."""

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **more: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        asked_more = any(value is not None and value is not False for value in more.values())
        before_B = attention_mask[:, : -logits_to_keep - 1].any(1)
        if asked_more or not bool(before_B.all()) or not can_share(model, input_ids.shape[1]):
            scored: Any = super()._get_per_token_logps_and_entropies(  # type: ignore[misc]
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **more
            )
            return scored
        rows = batch_size or len(input_ids)
        logps, entropies = [], []
        for ids_B_S, mask_B_S in zip(input_ids.split(rows), attention_mask.split(rows), strict=True):
            with self.accelerator.autocast():  # type: ignore[attr-defined]
                logps_B_T, entropies_B_T = score(model, ids_B_S, mask_B_S, logits_to_keep)
            logps.append(logps_B_T)
            entropies.append(entropies_B_T)
        return torch.cat(logps), torch.cat(entropies) if compute_entropy else None, None


def can_share(model: Any, length: int) -> bool:
    """Whether a model goes on from keys and values, with gradients, as if it had been given whole rows.

    Not of an architecture that this is not tested with, nor under dropout, which would be drawn once for a whole group.

    Args:
        model: a causal language model, or a PeftModel around one; that of several processes too.
        length: tokens of a row.
    """
    alone = model.module if isinstance(model, DistributedDataParallel) else model
    if own_forward(alone, length) is not None:
        return False
    return not model.training or not any(
        (getattr(module, "gradient_checkpointing", False) and not hasattr(GradientCheckpointingLayer, _SEES_CACHE))
        or (isinstance(module, nn.Dropout) and module.p > 0)
        for module in model.modules()
    )


def score(model: Any, ids_B_S: Tensor, mask_B_S: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (B, T) of completion tokens in nats; 0 at padding.

    Args:
        model: with TRL's fused head (`add_fused_lm_head`), which says both; one that `can_share`.
        ids_B_S: prompts of at least two tokens, padded on the left, and completions, padded on the right.
        mask_B_S: 1 for a token, 0 for padding.
        kept: T, tokens of the longest completion.
    """
    with _caches_seen(model):
        return _score(model, ids_B_S, mask_B_S, kept)


@contextmanager
def _caches_seen(model: nn.Module) -> Iterator[None]:
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    for layer in layers:
        setattr(layer, _SEES_CACHE, True)
    try:
        yield
    finally:
        for layer in layers:
            delattr(layer, _SEES_CACHE)


def _score(model: Any, ids_B_S: Tensor, mask_B_S: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    head = ids_B_S.shape[1] - kept - 1  # a prompt's last token goes with the completions: it decides their first
    seen_B_2H = torch.cat([mask_B_S[:, :head], ids_B_S[:, :head]], 1)
    seen_P_2H, copy_B = seen_B_2H.unique(dim=0, return_inverse=True)
    prompts = Cache(layer_class_to_replicate=_OfPrompts)
    model(
        input_ids=seen_P_2H[:, head:], attention_mask=seen_P_2H[:, :head], past_key_values=prompts, use_cache=True,
        logits_to_keep=1,
    )  # fmt: skip
    length_B = mask_B_S[:, -kept:].sum(1)
    order_B = length_B.argsort(stable=True)
    logps, entropies = [], []
    for part in order_B.tensor_split(_PARTS) if len(order_B) >= _LEAST_ROWS else (order_B,):
        width = 1 + max(1, int(length_B[part].max()))
        ids, mask = ids_B_S[part, head : head + width], mask_B_S[part, : head + width]
        labels = ids.masked_fill(mask[:, head:] == 0, -100)
        scored = model(
            input_ids=ids, attention_mask=mask, past_key_values=_behind(prompts, copy_B[part]), labels=labels,
            fused_lm_head=True,
        )  # fmt: skip
        filled = (0, kept - width + 1)
        logps.append(nn.functional.pad(scored.log_probs, filled))
        entropies.append(nn.functional.pad(scored.entropy, filled))
    back_B = order_B.argsort()
    return torch.cat(logps)[back_B], torch.cat(entropies)[back_B]


class _OfPrompts(DynamicLayer):
    """Keys and values of all of each prompt, as they were first computed; computing them again changes nothing."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        keys, values = key_states.contiguous(), value_states.contiguous()
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            self.keys, self.values = keys, values
        return keys, values


class _OfSequences(DynamicLayer):
    """Keys and values of each sequence's prompt, behind which those of its completion are seen, and not kept."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        kept: Any = self.keys, self.values
        return torch.cat([kept[0], key_states], -2), torch.cat([kept[1], value_states], -2)


def _behind(prompts: Cache, copy_B: Tensor) -> Cache:
    """What completions go on from: keys and values of each sequence's prompt."""
    layers: Any = prompts.layers
    return Cache([_OfSequences(e.keys.index_select(0, copy_B), e.values.index_select(0, copy_B)) for e in layers])
