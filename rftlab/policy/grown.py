"""Keys and values of sequences that grow by a token at a time, and attention over them.

Legend: P prompts of S tokens, B sequences grown from them, C tokens at most, K groups of G query heads of size D.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Prompts(NamedTuple):
    """What sequences grow from.

    Attributes:
        states: keys and values of each layer, (P, K, S, D) both, in the number format of attention.
        mask_P_S: 1 for a token, 0 for padding on its left.
        copy_B: index in 0 .. P-1 of each sequence's prompt.
        room: tokens a sequence may grow by.
    """

    states: Sequence[tuple[Tensor, Tensor]]
    mask_P_S: Tensor
    copy_B: Tensor
    room: int

    def bias(self) -> Tensor:
        """(P, 1, 1, S) to be added to scores: 0 for a token, minus infinity for padding."""
        dtype = self.states[0][0].dtype
        return torch.zeros_like(self.mask_P_S, dtype=dtype).masked_fill_(self.mask_P_S == 0, -torch.inf)[:, None, None]


class Grown(Protocol):
    """Keys and values of B sequences."""

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, *, window: int | None, scale: float) -> Tensor:
        """Attention (B, K, G, D) of each sequence's next token over all before it and itself.

        Args:
            layer: number of the layer.
            q: (B, K, G, D).
            k: (B, K, D).
            v: (B, K, D).
            window: tokens that the layer looks back over, the next one included; None for all.
            scale: of the scores.
        """
        ...

    def advance(self) -> None:
        """Make room for the next token, once all layers have attended."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Drop all sequences but these."""
        ...


class Copied:
    """Each sequence has a copy of its prompt, and whatever it grows by behind that."""

    def __init__(self, prompts: Prompts) -> None:
        self._length = prompts.mask_P_S.shape[1]
        self._buffers: list[list[Tensor]] = []
        for states in prompts.states:
            buffers = []
            for states_P_K_S_D in states:
                groups, size = states_P_K_S_D.shape[1], states_P_K_S_D.shape[3]
                buffer_B_K_C_D = states_P_K_S_D.new_empty(
                    len(prompts.copy_B), groups, self._length + prompts.room, size
                )
                buffer_B_K_C_D[:, :, : self._length] = states_P_K_S_D[prompts.copy_B]
                buffers.append(buffer_B_K_C_D)
            self._buffers.append(buffers)
        self._bias_B_1_1_C = functional.pad(prompts.bias(), (0, prompts.room))[prompts.copy_B]

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, *, window: int | None, scale: float) -> Tensor:
        """As in `Grown`."""
        keys_B_K_C_D, values_B_K_C_D = self._buffers[layer]
        keys_B_K_C_D[:, :, self._length] = k
        values_B_K_C_D[:, :, self._length] = v
        length = self._length + 1
        seen = slice(max(0, length - window) if window else 0, length)
        return functional.scaled_dot_product_attention(
            q.to(keys_B_K_C_D.dtype),
            keys_B_K_C_D[:, :, seen],
            values_B_K_C_D[:, :, seen],
            attn_mask=self._bias_B_1_1_C[..., seen],
            scale=scale,
        )

    def advance(self) -> None:
        """As in `Grown`."""
        self._length += 1

    def keep(self, rows: Tensor) -> None:
        """As in `Grown`."""
        self._bias_B_1_1_C = self._bias_B_1_1_C[rows]
        self._buffers = [[buffer_B_K_C_D[rows] for buffer_B_K_C_D in buffers] for buffers in self._buffers]


class Shared:
    """Sequences of one prompt read its keys and values together, from one place, and each its own besides.

    Two attentions, one over the prompt for all its sequences' queries side by side and one over what each has grown by,
    are put together by their sums of exponentials. For the CPU, and layers that see all that is before them.
    """

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = [(keys, values) for keys, values in prompts.states]
        self._bias_P_1_1_S, self._prompt_B, self._grown = prompts.bias(), prompts.copy_B, 0
        self._own: list[tuple[Tensor, Tensor]] = []
        for keys, _ in prompts.states:
            shape = (len(self._prompt_B), keys.shape[1], prompts.room, keys.shape[3])
            self._own.append((keys.new_empty(shape), keys.new_empty(shape)))
        self._place()

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, *, window: int | None, scale: float) -> Tensor:
        """As in `Grown`; ``window`` is longer than any sequence."""
        keys_B_K_R_D, values_B_K_R_D = self._own[layer]
        keys_B_K_R_D[:, :, self._grown] = k
        values_B_K_R_D[:, :, self._grown] = v
        q_B_K_G_D = q.to(keys_B_K_R_D.dtype)
        _, groups, heads, size = q.shape
        own_B_K_G_D, own_B_K_G = _attention(
            q_B_K_G_D, keys_B_K_R_D[:, :, : self._grown + 1], values_B_K_R_D[:, :, : self._grown + 1], None, scale
        )
        keys_P_K_S_D, values_P_K_S_D = self._prompts[layer]
        slots = q_B_K_G_D.new_zeros(len(keys_P_K_S_D) * self._most, groups, heads, size)
        slots[self._slot_B] = q_B_K_G_D
        q_P_K_MG_D = slots.unflatten(0, (-1, self._most)).transpose(1, 2).flatten(2, 3)
        of_prompt, sum_of_prompt = _attention(q_P_K_MG_D, keys_P_K_S_D, values_P_K_S_D, self._bias_P_1_1_S, scale)
        back = (self._most, heads)
        prompt_B_K_G_D = of_prompt.unflatten(2, back).transpose(1, 2).flatten(0, 1)[self._slot_B]
        prompt_B_K_G = sum_of_prompt.unflatten(2, back).transpose(1, 2).flatten(0, 1)[self._slot_B]
        share_B_K_G_1 = torch.sigmoid(prompt_B_K_G - own_B_K_G)[..., None]
        return torch.lerp(own_B_K_G_D.float(), prompt_B_K_G_D.float(), share_B_K_G_1).to(keys_B_K_R_D.dtype)

    def advance(self) -> None:
        """As in `Grown`."""
        self._grown += 1

    def keep(self, rows: Tensor) -> None:
        """As in `Grown`."""
        left, self._prompt_B = self._prompt_B[rows].unique(return_inverse=True)
        self._own = [(keys[rows], values[rows]) for keys, values in self._own]
        if len(left) < len(self._bias_P_1_1_S):
            self._prompts = [(keys[left], values[left]) for keys, values in self._prompts]
            self._bias_P_1_1_S = self._bias_P_1_1_S[left]
        self._place()

    def _place(self) -> None:
        """Give each sequence a slot among those of its prompt; every prompt has as many as the one asked most often."""
        counts_P = self._prompt_B.bincount(minlength=len(self._bias_P_1_1_S))
        order_B = self._prompt_B.argsort(stable=True)
        first_P = counts_P.cumsum(0) - counts_P
        self._most = int(counts_P.max())
        ranks = torch.arange(len(order_B), device=order_B.device) - first_P[self._prompt_B[order_B]]
        self._slot_B = torch.empty_like(order_B)
        self._slot_B[order_B] = self._prompt_B[order_B] * self._most + ranks


def _attention(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Attention (N, K, Q, D) and the logarithm of the sum of its exponentials (N, K, Q)."""
    mixed, log_sum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, keys, values, 0.0, False, attn_mask=bias, scale=scale
    )
    return mixed, log_sum
