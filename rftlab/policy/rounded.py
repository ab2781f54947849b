"""Products on a CPU of factors rounded to bfloat16 whose sums stay in single precision, forward and backward.

Logits of 20 rounded to bfloat16 are multiples of 1/8: the best two are often equal then, and greedy decoding takes
whichever stands first. oneDNN can leave sums as they are; autocast cannot.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_MATMUL: Any = getattr(torch.backends.mkldnn, "matmul", None)  # from torch 2.9 on
AVAILABLE = _MATMUL is not None
"""Whether this torch can: elsewhere `rounded_factors` changes nothing."""


@contextlib.contextmanager
def rounded_factors() -> Iterator[None]:
    """While it lasts, products of matrices in single precision on a CPU are of factors rounded to bfloat16.

    Sums stay in single precision. Attention in single precision takes more than twice as long meanwhile.
    """
    if not AVAILABLE:
        yield
        return
    before = _MATMUL.fp32_precision
    _MATMUL.fp32_precision = "bf16"
    try:
        yield
    finally:
        _MATMUL.fp32_precision = before


def rounded_product(x: Tensor, weight: Tensor) -> Tensor:
    """Product x W' (..., N) of x (..., K) and W (N, K), by rounded factors, and so are its gradients, of any order."""
    product: Tensor = _Product.apply(x, weight)  # type: ignore[no-untyped-call]
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        with rounded_factors(), torch.autocast("cpu", enabled=False):
            # A slice of a row's tokens would leave the fast path.
            return nn.functional.linear(x.contiguous(), weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (gradient,), (x, weight) = gradients, ctx.saved_tensors
        # The backward pass stands in no context of the forward pass: left to autograd, its products would be exact, and
        # as slow.
        of_x = rounded_product(gradient, weight.T) if ctx.needs_input_grad[0] else None
        flat = gradient.flatten(0, -2).T, x.flatten(0, -2).T
        return of_x, rounded_product(*flat) if ctx.needs_input_grad[1] else None


class RoundedLinear(nn.Linear):
    """A linear layer of such products."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., N) of (..., K), in single precision."""
        product = rounded_product(input.float(), self.weight)
        return product if self.bias is None else product + self.bias
