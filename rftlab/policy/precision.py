"""In which number format a policy computes: decided from what a device can do, never from a timing.

In bf16 weights that are trained stay in single precision, and so do log-probabilities; products are made of rounded
factors, those of the model's body by autocast. On a CPU the base's weights stay in single precision too: an adapter is
folded into them before they are rounded for sampling, and rounding them beforehand makes training no faster.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from rftlab.parts import AUTO
from rftlab.policy.rounded import RoundedLinear
from rftlab.record.machine import AUTO_PRECISION, FP32, auto_precision

# Parameters below which auto is fp32: so small a model gains nothing, and its records stay as they were.
SMALL = 50_000_000
# Backward passes of bf16 attention take 1.4 to 2 times those of fp32 on a CPU with AMX (docs/decisions.md), where
# forward passes take the same.
_ATTENTION = "sdpa_fp32"


def wants_half(precision: str, device: str) -> bool:
    """Whether a base of any size is to compute in bf16, were it not too small.

    Args:
        precision: of a cell. With "auto" the grid's decision holds (`rftlab.execute.results`), else this machine's.
        device: type of the device.
    """
    if precision == AUTO:
        precision = os.environ.get(AUTO_PRECISION) or auto_precision(on_cpu=device == "cpu")
    return precision != FP32


def number_format(kind: str, device: str, *, bf16: bool) -> torch.dtype:
    """Number format of the base's weights: bf16 on an accelerator where they stay as they are, else fp32.

    Weights that are trained are fp32 everywhere, as an adapter's are: bf16 has 8 bits, so that an update of 1e-5 is
    rounded away on every weight above 0.004.

    Args:
        kind: of the adapter; with "full" the base's own weights are trained.
        device: type of the device.
        bf16: whether it computes in bf16.
    """
    return torch.bfloat16 if bf16 and kind != "full" and device != "cpu" else torch.float32


def compute_in_half(model: Any, device: str) -> None:
    """Let a model whose weights are in single precision make its products in bf16, whoever calls it.

    Hooks do so, and no wrapped `forward`: trainers leave out the outermost calls, and a copy of the model has them too.
    Logits are sums of rounded factors, and are not rounded themselves; their layer is told so by its class, since
    gradients are products as well, which no context of the forward pass reaches.

    Args:
        model: causal language model of transformers, without an adapter; changed in place.
        device: type of its device.
    """
    _around(model.base_model, lambda: torch.autocast(device, torch.bfloat16))
    if device != "cpu":
        return
    head = model.get_output_embeddings()
    if type(head) is nn.Linear:  # another kind stays exact
        head.__class__ = RoundedLinear
    if model.config.get_text_config()._attn_implementation == "sdpa":
        model.set_attn_implementation(_ATTENTION)


def _around(module: nn.Module, context: Callable[[], AbstractContextManager[None] | torch.autocast]) -> None:
    """Let every call of a module stand inside such a context."""
    entered: list[AbstractContextManager[None] | torch.autocast] = []

    def enter(module: nn.Module, args: Any) -> None:
        entered.append(context())
        entered[-1].__enter__()

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        entered.pop().__exit__(None, None, None)

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave, always_call=True)


def _attention_in_single_precision(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any
) -> tuple[Tensor, None]:
    """As transformers' attention of that signature."""
    with torch.autocast(query.device.type, enabled=False):
        mixed: tuple[Tensor, None] = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(), *args, **kwargs
        )
    return mixed


AttentionInterface.register(_ATTENTION, _attention_in_single_precision)
AttentionMaskInterface.register(_ATTENTION, sdpa_mask)
