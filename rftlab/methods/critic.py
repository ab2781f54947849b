"""Critics, and the copies of a policy that actor-critic methods keep: target, reference, old and average networks.

Each is a `shared_copy` of the policy: it shares the frozen base's weights and owns its adapter, so that it costs an
adapter's memory, and no adapter is ever switched (PEFT's `set_adapter` silently freezes the one it leaves). With full
fine-tuning nothing is frozen and each such copy is a whole model.

Legend: B completions, T completion tokens (padded), S prompt and completion (padded), V vocabulary, H hidden size,
K heads.
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from rftlab.methods.actor_critic import Batch, positions
from rftlab.policy.rounded import RoundedLinear, rounded_product


class Critic(nn.Module):
    """Values of token states: own adapter and head on the policy's frozen base.

    Args:
        model: the policy's model; its adapter is copied as the critic's start.
        outputs: 1 for a state value, V for one Q value per token.
        heads: K independent heads on one body (twins).
        seed: of the heads' initial weights.
        tied_above: with ``outputs`` = V and V x H above this, Q(s, .) = W_lm_head (M h) with the base's frozen output
            matrix and a trained H x H matrix M instead of a trained V x H one.
    """

    def __init__(
        self, model: Any, *, outputs: int = 1, heads: int = 1, seed: int = 0, tied_above: int = 4_000_000
    ) -> None:
        super().__init__()
        self.body = shared_copy(model)
        base = self.body.get_base_model() if hasattr(self.body, "get_base_model") else self.body
        hidden, device = int(base.config.hidden_size), next(base.parameters()).device
        self.tied = outputs > 1 and outputs * hidden > tied_above
        generator = torch.Generator().manual_seed(seed)
        self.heads = nn.ModuleList()
        for _ in range(heads):
            head = nn.Linear(hidden, hidden if self.tied else outputs)
            with torch.no_grad():
                head.weight.copy_(0.1 * torch.randn(head.weight.shape, generator=generator) / math.sqrt(hidden))
                head.bias.zero_()
            self.heads.append(head)
        self.heads.to(device)
        self.eval()

    def forward(self, batch: Batch) -> Tensor:
        """(K, B, T, outputs) in fp32: of the state before each completion token."""
        base = self.body.get_base_model() if hasattr(self.body, "get_base_model") else self.body
        hidden_B_S_H = base.base_model(
            input_ids=batch.ids, attention_mask=batch.attention, position_ids=positions(batch), use_cache=False
        ).last_hidden_state
        hidden_B_T_H = hidden_B_S_H[:, -batch.tokens.shape[1] - 1 : -1].float()
        values = torch.stack([head(hidden_B_T_H) for head in self.heads])
        if not self.tied:
            return values
        head = base.get_output_embeddings()
        matrix_V_H = head.weight.detach().float()
        return rounded_product(values, matrix_V_H) if isinstance(head, RoundedLinear) else values @ matrix_V_H.T

    def value(self, batch: Batch) -> Tensor:
        """(B, T) state values of the first head, 0 off the mask."""
        return self(batch)[0, ..., 0] * batch.mask


def shared_copy(model: Any) -> Any:
    """A copy with its own trained weights that shares every frozen one."""
    frozen = {id(p): p for p in model.parameters() if not p.requires_grad}
    clone = copy.deepcopy(model, frozen)
    # TRL's trainers leave a patched `forward` on the instance they trained; its copy would still run the original.
    for module in clone.modules():
        vars(module).pop("forward", None)
    return clone


def frozen_copy(model: Any) -> Any:
    """A `shared_copy` that is not trained: a reference, old, target or average policy, or a target critic."""
    return shared_copy(model).requires_grad_(False).eval()


@torch.no_grad()
def polyak(target: nn.Module, online: nn.Module, tau: float) -> None:
    """Move target <- (1 - tau) target + tau online, in place; shared weights are left alone."""
    for old, new in zip(target.parameters(), online.parameters(), strict=True):
        if old is not new:
            old.lerp_(new.to(old.dtype), tau)
