"""Settings described as memory change nothing but rounding: a step in one pass and in several is the same update."""

from typing import Any

import pytest
import torch

from rftlab.methods.base import load_method
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import graded
from tests.methods.test_cost import TRAINED
from tests.toy_mdp import toy_policy, toy_run

DRAW = {"prompts_per_step": 2, "num_generations": 6}
# `per_device_train_batch_size` is their batch; grpo-format has no signal on the toy.
BATCH = {"sft", "dpo", "kto", "rejection_sft", "distill-offline", "sft-matched-rollouts"}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{method: (method, {}) for method in TRAINED if method not in {*BATCH, "grpo-format"}},
    "sdpo": ("sdpo", {"success_reward_threshold": 0.2}),
    **{loss: ("grpo", {"loss_type": loss}) for loss in ("dapo", "bnpo", "dr_grpo", "sapo")},
    "bnpo, minibatches": ("grpo", {"loss_type": "bnpo", "minibatches": 3}),
    "dapo, minibatches": ("grpo", {"loss_type": "dapo", "minibatches": 3, "mask_truncated_completions": True}),
    "cispo": ("grpo", {"loss_type": "cispo", "epsilon_high": 5.0, "num_iterations": 2}),
    "chord, phi": ("chord", {"token_weight": "phi", "sft_batch_size": 5}),
    "hpt, beta": ("hpt", {"beta": 0.1, "gamma": 0.4, "num_iterations": 2}),
    "rloo, beta": ("rloo", {"beta": 0.1, "normalize_advantages": True, "num_iterations": 2}),
}  # fmt: skip


def holds_memory(method: str) -> bool:
    return "per_device_train_batch_size" in load_method(method).Settings.model_fields


def updates(monkeypatch: pytest.MonkeyPatch, method: str, **settings: Any) -> list[torch.Tensor]:
    """The gradient of every update of the policy, and its weights after them."""
    policy = toy_policy(1)
    run = toy_run(method, 1, steps=2, policy=policy, verifier=FunctionVerifier(graded), rate=1e-3, **settings)
    own = [p for p in policy.model.parameters() if p.requires_grad]
    found: list[torch.Tensor] = []
    stepped = torch.optim.AdamW.step

    def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
        if {id(p) for p in own} <= {id(p) for group in self.param_groups for p in group["params"]}:
            found.append(
                torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in own])
            )
        return stepped(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    torch.manual_seed(0)
    load_method(method).train(run)
    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    return found or [torch.cat([p.detach().flatten() for p in own])]


# What the other cases of the same loss, or of the same term, prove too; for `make test-all`.
FOR_ALL = {"bnpo", "dr_grpo", "sapo", "dapo", "hpt, beta", "rloo, beta"}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow) if case in FOR_ALL else case
        for case, (method, _) in CASES.items()
        if holds_memory(method)
    ],
)
def test_passes_change_no_update(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, settings = CASES[case]
    settings = {**DRAW, **({"pair_generations": 16} if method == "rlhf" else {}), **settings}
    whole = updates(monkeypatch, method, per_device_train_batch_size=12, **settings)
    parts = updates(monkeypatch, method, per_device_train_batch_size=3, **settings)
    assert len(whole) == len(parts)
    # Later updates follow from weights that differ by rounding, which Adam magnifies where a gradient is nearly 0.
    for one, several in zip(whole[:1], parts[:1], strict=True):
        assert float(one.norm()) > 0
        assert float((one - several).norm()) < 1e-4 * float(one.norm())
    for one, several in zip(whole, parts, strict=True):
        assert float((one - several).norm()) < 0.02 * float(one.norm())


def test_sft_in_accumulated_batches_is_sft_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = ({"per_device_train_batch_size": 2}, {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2})
    whole, parts = (updates(monkeypatch, "sft", **shape) for shape in shapes)
    for one, several in zip(whole, parts, strict=True):
        assert float((one - several).norm()) < 0.02 * float(one.norm())
