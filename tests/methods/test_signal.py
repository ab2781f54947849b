"""Nothing is learnt from a draw whose rewards are all equal, and the trace says so."""

from typing import Any

import pytest
import torch

from rftlab.methods.base import load_method
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.test_budget import FEW
from tests.toy_mdp import toy_policy, toy_run

ONLINE: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("grpo", "rloo", "ppo", "trpo", "acer", "sac"), FEW), "ddpg": {**FEW, "warmup_updates": 0},
}  # fmt: skip


def weights(policy: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in policy.model.parameters()])


@pytest.mark.parametrize(("method", "always"), [*((method, 0.0) for method in ONLINE), ("ppo", 1.0), ("grpo", 1.0)])
def test_equal_rewards_move_no_weight_of_the_policy(method: str, always: float) -> None:
    policy = toy_policy(0)
    before = weights(policy)
    equal = FunctionVerifier(lambda completion, example: always)
    run = toy_run(method, 0, steps=6, policy=policy, verifier=equal, **ONLINE[method])
    load_method(method).train(run)
    assert torch.equal(weights(policy), before)
    assert [row["train/skipped"] for row in run.monitor.trace] == [1.0] * 6
    assert run.monitor.cost.flops > 0


@pytest.mark.parametrize("method", ["grpo", "rloo", "ppo", "trpo"])
def test_a_draw_without_signal_leaves_the_policy_where_the_last_one_took_it(method: str) -> None:
    """Adam's momentum would move it on."""
    calls = []

    def at_first(completion: str, example: Any) -> float:
        calls.append(completion)
        return len(calls) % 2 if len(calls) <= 8 else 0.0

    updates = {"num_ppo_epochs": 1, "num_mini_batches": 1} if method == "ppo" else {}
    policies = [toy_policy(0), toy_policy(0)]
    for policy, steps in zip(policies, (1, 4), strict=True):
        calls.clear()
        run = toy_run(method, 0, steps=steps, policy=policy, verifier=FunctionVerifier(at_first), **FEW, **updates,
                      warmup_ratio=0.0)  # fmt: skip
        load_method(method).train(run)
        assert [row["train/skipped"] for row in run.monitor.trace] == [0.0, 1.0, 1.0, 1.0][:steps]
    assert torch.equal(*map(weights, policies))
    assert not torch.equal(weights(policies[0]), weights(toy_policy(0)))


@pytest.mark.parametrize("method", ["sac", "acer", "ddpg"])
def test_memory_that_holds_a_difference_is_learnt_from(method: str) -> None:
    run = toy_run(
        method, 0, steps=12, verifier=FunctionVerifier(lambda text, example: float("a" in text)), **ONLINE[method]
    )
    load_method(method).train(run)
    assert run.monitor.trace[-1]["train/skipped"] == 0.0
