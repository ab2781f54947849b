"""The products of linear layers while a model samples: weights laid out once, an adapter folded into them.

Sampling asks each weight a few dozen rows at a time, many times over, and changes none: what a training pass may do for
every product is done once here.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from rftlab.policy.rounded import AVAILABLE, RoundedLinear, rounded_factors

# Weights from which on preparing them for oneDNN pays: below, its call costs more than the product gains.
PACK_FROM = 2**18

Product = Callable[[Tensor], Tensor]


@contextlib.contextmanager
def prepared(model: Any, computes_in: torch.dtype | None = None) -> Iterator[None]:
    """Linear layers that, for the time being, compute their product by another function; weights stay as they are.

    Subtracting an adapter from folded weights would leave rounding behind. Weights in half precision get no adapter
    folded in: the sum would be rounded, and what is sampled from would no longer be what is trained.

    Args:
        model: causal language model, with LoRA layers or without.
        computes_in: bfloat16 where the trainer's products are computed in it by autocast, though weights are in single
            precision: adapters are folded in before rounding, and logits are not rounded. None: as the weights are.
    """
    half = computes_in == torch.bfloat16
    head = model.get_output_embeddings()
    device = next(model.parameters()).device.type
    swapped: list[Any] = []
    try:
        with torch.no_grad():
            for layer, weight, bias in _linear_layers(model):
                rounded = half and weight.dtype == torch.float32
                make = _unrounded if rounded and layer is head else _in_half if rounded else linear_function
                layer.forward = make(weight, bias)
                swapped.append(layer)
        with torch.autocast(device, torch.bfloat16) if half else contextlib.nullcontext():
            yield
    finally:
        for layer in swapped:
            del layer.forward


def _linear_layers(module: Any) -> Iterator[tuple[Any, Tensor, Tensor | None]]:
    """Linear layers whose product can be taken over, with weight (an adapter folded in) and bias."""
    for child in module.children():
        base: Any = child.get_base_layer() if isinstance(child, LoraLinear) else child
        if type(base) not in (nn.Linear, RoundedLinear):
            yield from _linear_layers(child)
        elif "forward" in vars(child):
            continue
        elif child is base or child.merged or child.disable_adapters or base.weight.dtype != torch.float32:
            yield base, base.weight, base.bias
        elif not child.lora_variant:
            active = [name for name in child.active_adapters if name in child.lora_A]
            yield child, base.weight + sum(child.get_delta_weight(name) for name in active), base.bias


def linear_function(weight: Tensor, bias: Tensor | None) -> Product:
    """The function of x (..., K) to x W' + b (..., N), for a weight (N, K) that stays as it is and is asked often.

    On a CPU large weights are laid out once as oneDNN wants them, as torch.compile's freezing does; with few rows that
    is 1.5 to 5 times as fast as `torch.nn.functional.linear`, which lays them out for every product.
    """
    if weight.numel() < PACK_FROM or not _can_pack(weight):
        return functools.partial(nn.functional.linear, weight=weight, bias=bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight)
    product = torch.ops.mkldnn._linear_pointwise.default
    return lambda x: product(x, packed, bias, "none", [], "")


def _can_pack(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    return weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def _in_half(weight: Tensor, bias: Tensor | None) -> Product:
    product = linear_function(weight.bfloat16(), None if bias is None else bias.bfloat16())
    return lambda x: product(x.bfloat16())


def _unrounded(weight: Tensor, bias: Tensor | None) -> Product:
    """A product of factors rounded to bfloat16 whose sum is kept in single precision, where the device has one."""
    if weight.device.type != "cpu" or not AVAILABLE:
        return _in_half(weight, bias)
    product = linear_function(weight, bias)

    def call(x: Tensor) -> Tensor:
        with rounded_factors(), torch.autocast("cpu", enabled=False):
            return product(x.float())

    return call
