"""Products of rounded factors with unrounded sums: in the forward pass, in gradients, in gradients of gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rftlab.cell import Cell
from rftlab.methods.actor_critic import Trajectory, collate
from rftlab.methods.critic import Critic
from rftlab.policy import rounded
from rftlab.policy.load import load_policy
from rftlab.policy.rollout import Rollout
from rftlab.policy.rounded import RoundedLinear, rounded_product
from rftlab.tasks.base import Example

pytestmark = pytest.mark.skipif(
    not (rounded.AVAILABLE and torch.ops.mkldnn._is_mkldnn_bf16_supported()), reason="needs a processor with bf16"
)
SHAPE = (3, 7, 64)


@pytest.fixture
def factors() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(SHAPE, generator=generator), torch.randn(500, 64, generator=generator)
    return x.requires_grad_(), weight.requires_grad_()


def _rounded(x: Tensor) -> Tensor:
    return x.detach().bfloat16().double()


def test_factors_are_rounded_and_sums_are_not(factors: tuple[Tensor, Tensor]) -> None:
    x, weight = factors
    found = rounded_product(x, weight)
    torch.testing.assert_close(found.double(), _rounded(x) @ _rounded(weight).T, rtol=0, atol=1e-4)
    assert (found != found.bfloat16()).float().mean() > 0.9
    assert (found - x @ weight.T).abs().max() > 1e-2


def test_so_are_gradients(factors: tuple[Tensor, Tensor]) -> None:
    x, weight = factors
    upstream = torch.randn(*SHAPE[:2], 500, generator=torch.Generator().manual_seed(1))
    of_x, of_weight = torch.autograd.grad(rounded_product(x, weight), (x, weight), upstream)
    g = _rounded(upstream)
    torch.testing.assert_close(of_x.double(), g @ _rounded(weight), rtol=0, atol=1e-3)
    torch.testing.assert_close(of_weight.double(), g.flatten(0, 1).T @ _rounded(x).flatten(0, 1), rtol=0, atol=1e-3)


def test_a_gradient_can_be_differentiated_again(factors: tuple[Tensor, Tensor]) -> None:
    """sum((x W')^2): its Hessian times v is 2 v W' W, as TRPO's Fisher products need it."""
    x, weight = factors
    v = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    (slope,) = torch.autograd.grad(rounded_product(x, weight).square().sum(), x, create_graph=True)
    (found,) = torch.autograd.grad((slope * v).sum(), x)
    expected = 2 * v @ weight.T @ weight
    assert torch.nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.9999


class _Seen(TorchDispatchMode):
    """Number format of the factors of every product with a head's weights."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self.formats: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        is_product = function in (torch.ops.aten.mm.default, torch.ops.aten.linear.default)
        if is_product and any(self._vocabulary in arg.shape for arg in args[:2]):
            single = args[0].dtype == args[1].dtype == torch.float32
            made = torch.backends.mkldnn.matmul.fp32_precision if single else str(args[0].dtype)
            # Of a slice oneDNN's bf16 mode is thirty times as slow.
            self.formats.append(made if args[0].is_contiguous() else f"{made} of a slice")
        return function(*args, **(kwargs or {}))


def test_the_head_says_the_same_with_and_without_a_gradient_which_it_rounds_too(
    small_cell: Callable[..., Cell],
) -> None:
    model = load_policy(small_cell(precision="bf16")).model
    assert type(model.get_output_embeddings()) is RoundedLinear
    ids = torch.randint(5, 100, (2, 12), generator=torch.Generator().manual_seed(0))
    before = torch.backends.mkldnn.matmul.fp32_precision
    seen = _Seen(model.get_output_embeddings().out_features)
    with torch.no_grad():
        said = model(input_ids=ids, logits_to_keep=5).logits
    with seen:
        again = model(input_ids=ids, logits_to_keep=5).logits
        again.logsumexp(-1).sum().backward()
    assert torch.equal(said, again)
    assert seen.formats == ["bf16", "bf16"]
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_a_critic_on_the_bases_output_matrix_computes_as_the_policy_does(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell(precision="bf16"))
    vocabulary = policy.model.get_output_embeddings().out_features
    critic = Critic(policy.model, outputs=vocabulary, tied_above=0)
    rollouts = [Rollout([5, 6, 7], [8, 9], [-1.0, -2.0], truncated=True)] * 2
    batch = collate([Trajectory(r, Example("a", "b", "c"), "", 0.0) for r in rollouts], policy)
    with _Seen(vocabulary) as seen:
        critic(batch).sum().backward()
    assert seen.formats == ["bf16", "bf16"]


def test_in_single_precision_the_head_is_as_it_was(small_cell: Callable[..., Cell]) -> None:
    assert type(load_policy(small_cell()).model.get_output_embeddings()) is torch.nn.Linear
