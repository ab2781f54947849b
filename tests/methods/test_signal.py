"""Nothing is learnt from a draw whose rewards are all equal, and the trace says so."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rftlab.methods.base import load_method
from rftlab.methods.trl_online import OnlineTrainer
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.test_budget import FEW
from tests.toy_mdp import toy_policy, toy_run

ONLINE: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("grpo", "rloo", "ppo", "trpo", "acer", "sac"), FEW), "ddpg": {**FEW, "warmup_updates": 0},
}  # fmt: skip


class _Scored:
    def __init__(self, rewards: list[float], advantages: list[float]) -> None:
        self.num_generations, self._advantages = 3, advantages
        self._rewards_B = torch.tensor(rewards)
        self._metrics = {"train": {"frac_reward_zero_std": [0.0]}}
        self.run, self.accelerator = toy_run("grpo", 0), SimpleNamespace(gather=lambda x: x)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        return {"advantages": torch.tensor(self._advantages)}


class SimpleTrainer(OnlineTrainer, _Scored):
    """A trainer that has scored two groups of three."""


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


@pytest.mark.parametrize(
    ("method", "settings"),
    [("grpo", {}), ("grpo", {"loss_type": "dr_grpo", "scale_rewards": "none"}), ("rloo", {}), ("rloo", {"beta": 0.05}),
     ("hpt", {}), ("ppo", {})],
)  # fmt: skip
@pytest.mark.parametrize("always", [0.1, 0.7, 1 / 3])
def test_equal_rewards_whose_mean_is_rounded_move_no_weight_either(
    method: str, settings: dict[str, Any], always: float
) -> None:
    policy = toy_policy(0)
    before = weights(policy)
    equal = FunctionVerifier(lambda completion, example: always)
    run = toy_run(method, 0, steps=2, policy=policy, verifier=equal, prompts_per_step=2, num_generations=6, **settings)
    load_method(method).train(run)
    assert torch.equal(weights(policy), before)
    assert [row["train/skipped"] for row in run.monitor.trace] == [1.0] * 2
    assert [row.get("train/zero_std_groups", 1.0) for row in run.monitor.trace] == [1.0] * 2
    assert run.monitor.cost.groups_alike == run.monitor.cost.groups > 0


def test_a_kl_inside_the_reward_still_pulls_where_the_verifier_scores_alike() -> None:
    first = iter([1.0, 0.0, 0.0, 0.0] * 2)
    judged = FunctionVerifier(lambda completion, example: next(first, 0.1))
    run = toy_run("rloo", 0, steps=2, verifier=judged, **FEW, beta=0.05, warmup_ratio=0.0)
    load_method("rloo").train(run)
    assert [row["train/skipped"] for row in run.monitor.trace] == [0.0, 0.0]


def test_only_the_group_without_a_difference_is_left_out() -> None:
    trainer = SimpleTrainer(rewards=[0.1, 0.1, 0.1, 0.0, 1.0, 0.0], advantages=[1e-8, 1e-8, 1e-8, -0.3, 0.7, -0.3])
    output = trainer._generate_and_score_completions([{"index": 0}] * 6)
    assert output["advantages"].tolist() == pytest.approx([0.0, 0.0, 0.0, -0.3, 0.7, -0.3])
    assert trainer._metrics["train"]["frac_reward_zero_std"] == [0.5]


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
