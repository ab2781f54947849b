"""Products while sampling: the same numbers from prepared layers, and the layers given back as they were."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rftlab.cell import Cell
from rftlab.policy.load import load_policy
from rftlab.policy.products import linear_function, prepared


def test_merging_for_sampling_changes_neither_outputs_nor_weights(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell())
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(0))
        before = {name: p.clone() for name, p in policy.model.named_parameters()}
        ids = torch.tensor([policy.encode_prompt("Q: 3 + 4?\nA:")])
        expected = policy.model(input_ids=ids).logits
        with policy.as_base() as base:
            untrained = base(input_ids=ids).logits
        with policy.merged():
            merged = policy.model(input_ids=ids).logits
        after = policy.model(input_ids=ids).logits
    torch.testing.assert_close(merged, expected, atol=1e-4, rtol=1e-4)
    assert (expected - untrained).abs().max() > 0.05
    assert torch.equal(after, expected)
    assert all(torch.equal(before[name], p) for name, p in policy.model.named_parameters())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (600, 512)])
def test_a_prepared_product_is_that_of_the_layer(shape: tuple[int, int], bias: bool) -> None:
    layer = torch.nn.Linear(*shape, bias=bias).requires_grad_(False)
    prepared = linear_function(layer.weight, layer.bias)
    for rows in ((1,), (7, 1), (2, 3, 5)):
        x = torch.randn(*rows, shape[0], generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(prepared(x), layer(x), atol=1e-4, rtol=1e-4)


def test_merging_takes_over_large_layers_and_gives_them_back(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell())
    policy.model.add_module("large", torch.nn.Linear(600, 512))
    with policy.merged():
        taken_over = [module for module in policy.model.modules() if "forward" in vars(module)]
        assert policy.model.large in taken_over
        assert any(hasattr(module, "lora_A") for module in taken_over)
    assert not any("forward" in vars(module) for module in policy.model.modules())


@pytest.fixture
def adapted(small_cell: Callable[..., Cell]) -> Any:
    """The small model with an adapter that says something, and a head large enough to be laid out."""
    model = load_policy(small_cell()).model
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(0))
    return model


@torch.no_grad()
def test_in_half_precision_an_adapter_is_folded_in_before_rounding(adapted: Any) -> None:
    layer = adapted.get_base_model().model.layers[0].mlp.up_proj
    x = torch.randn(5, layer.in_features, generator=torch.Generator().manual_seed(1))
    folded = layer.get_base_layer().weight + layer.get_delta_weight("default")
    exact = x.bfloat16().double() @ folded.bfloat16().double().T
    with prepared(adapted, torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-3)
    unfolded = x.bfloat16().double() @ layer.get_base_layer().weight.bfloat16().double().T
    assert (found.double() - unfolded).abs().max() > 0.05


@torch.no_grad()
def test_in_half_precision_logits_are_not_rounded(adapted: Any) -> None:
    head = adapted.get_output_embeddings()
    x = 3 * torch.randn(5, head.in_features, generator=torch.Generator().manual_seed(1))
    before = torch.backends.mkldnn.matmul.fp32_precision
    with prepared(adapted, torch.bfloat16):
        logits = head(x)
    assert logits.dtype == torch.float32
    assert (logits != logits.bfloat16()).float().mean() > 0.9
    torch.testing.assert_close(logits, head(x), rtol=0, atol=0.2)
    assert torch.backends.mkldnn.matmul.fp32_precision == before


@torch.no_grad()
def test_weights_in_half_precision_keep_their_adapter_beside_them(adapted: Any) -> None:
    base = adapted.get_base_model().to(torch.bfloat16)
    layer = base.model.layers[0].mlp.up_proj
    x = torch.randn(5, layer.in_features, generator=torch.Generator().manual_seed(1)).bfloat16()
    expected = layer(x)
    with prepared(adapted):
        assert "forward" in vars(layer.get_base_layer())
        assert "forward" not in vars(layer)
        torch.testing.assert_close(layer(x), expected)
