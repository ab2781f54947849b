"""Tokens counted where they enter a model, at its input embedding.

Every forward pass goes through there, that of a trainer, of a sampler, of a reference policy, of a critic, of a method
of the user's own. Copies of the policy carry the count along.
"""

from collections.abc import Callable
from typing import Any

import torch

from rftlab.policy.load import Policy


def count_fed(policy: Policy, count: Callable[[int, bool], None]) -> Any:
    """Have it called with (tokens, whether a gradient is taken) for all that is fed; a handle, to `remove` that."""

    # A function, not a method: a copy of the policy then reports to `count`, and not to a copy of whose that is.
    def fed(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        count(inputs[0].numel(), torch.is_grad_enabled())

    return policy.model.get_input_embeddings().register_forward_pre_hook(fed)
