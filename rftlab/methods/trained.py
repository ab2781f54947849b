"""The weights that are trained of a model, by name: which they are, copies of them, and putting such back."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def trained(model: Any) -> dict[str, nn.Parameter]:
    """Name -> parameter."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def copied(model: Any) -> dict[str, Tensor]:
    """Name -> a copy of it as it is now, on the CPU."""
    return {name: p.detach().to("cpu", copy=True) for name, p in trained(model).items()}


@torch.no_grad()
def put(model: Any, weights: Mapping[str, Tensor]) -> None:
    """Give each that is trained the value of its name, wherever that lies."""
    for name, parameter in trained(model).items():
        parameter.copy_(weights[name])
