"""The fused LM head on labelled positions only: the same log-probabilities and gradients, from fewer positions."""

import contextlib
from collections.abc import Callable

import pytest
import torch
import trl.trainer.utils
from transformers import AutoModelForCausalLM
from trl.kernels import ChunkedLogProbFunction
from trl.trainer.utils import add_fused_lm_head

from rftlab.cell import Cell
from rftlab.files.paths import data_dir
from rftlab.methods.trl_bridge import _RoundedHead, head_of, head_on_labels_only
from rftlab.policy.load import load_policy

PROMPT, LENGTH, ROWS = 7, 12, 4


@pytest.fixture
def scored(monkeypatch):
    """How many positions the head was asked to score, call by call."""
    head, counts = trl.trainer.utils._ChunkedLogProbFunction, []

    class Counting:
        @staticmethod
        def apply(hidden, *args):
            counts.append(len(hidden))
            return head.apply(hidden, *args)

    monkeypatch.setattr(trl.trainer.utils, "_ChunkedLogProbFunction", Counting)
    return counts


def _forward_and_backward(context, labels):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(data_dir() / "tiny_base", dtype=torch.float32)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    ids = torch.randint(0, model.config.vocab_size, labels.shape)
    with context:
        out = model(input_ids=ids, labels=torch.where(labels >= 0, ids, -100), fused_lm_head=True)
        out.loss.backward()
    return out.log_probs, out.entropy, model.get_input_embeddings().weight.grad


def test_same_log_probs_and_gradients_from_labelled_positions_only(scored):
    labels = torch.zeros(ROWS, LENGTH, dtype=torch.long)
    labels[:, :PROMPT] = -100
    labels[0, -2:] = -100
    everywhere = _forward_and_backward(contextlib.nullcontext(), labels)
    labelled = _forward_and_backward(head_on_labels_only(), labels)
    assert scored == [ROWS * (LENGTH - 1), ROWS * (LENGTH - PROMPT) - 2]
    for ours, theirs in zip(labelled, everywhere, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_no_label_at_all_is_a_zero_loss_with_a_gradient(scored):
    log_probs, _, gradient = _forward_and_backward(head_on_labels_only(), torch.full((2, 5), -100))
    assert scored == [0]
    assert not log_probs.any()
    assert not gradient.any()


def test_is_undone_and_a_trl_without_the_question_is_left_alone(monkeypatch):
    asked = trl.trainer.utils._use_triton
    with head_on_labels_only():
        assert trl.trainer.utils._use_triton(torch.device("cpu"))
    assert trl.trainer.utils._use_triton is asked
    monkeypatch.delattr(trl.trainer.utils, "_use_triton")
    with head_on_labels_only():
        assert not hasattr(trl.trainer.utils, "_use_triton")


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="needs a processor with bf16")
def test_in_half_precision_factors_are_rounded_and_log_probs_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden_N_H, weight_V_H = (torch.randn(*shape, generator=generator) for shape in ((20, 64), (1000, 64)))
    targets_N = torch.randint(0, 1000, (20,), generator=generator)
    hidden_N_H.requires_grad_()
    found, exact = (
        head.apply(hidden_N_H, weight_V_H, None, targets_N, 1.0, 256, None, 1.0, ())[0]
        for head in (_RoundedHead, ChunkedLogProbFunction)
    )
    rounded_N_V = hidden_N_H.bfloat16().double() @ weight_V_H.bfloat16().double().T
    expected_N = rounded_N_V.log_softmax(-1).gather(-1, targets_N[:, None])[:, 0].float()
    torch.testing.assert_close(found, expected_N, rtol=0, atol=1e-4)
    assert (found - exact).abs().max() > 1e-3
    ours, theirs = (torch.autograd.grad(each.sum(), hidden_N_H)[0] for each in (found, exact))
    assert not torch.equal(ours, theirs)
    assert torch.nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.999


@pytest.mark.parametrize(("precision", "patched"), [("bf16", True), ("fp32", False)])
def test_the_fused_head_computes_as_the_policy_does(
    precision: str, patched: bool, small_cell: Callable[..., Cell]
) -> None:
    with head_of(load_policy(small_cell(precision=precision))):
        assert (trl.trainer.utils._ChunkedLogProbFunction is _RoundedHead) == patched
    assert trl.trainer.utils._ChunkedLogProbFunction is ChunkedLogProbFunction
