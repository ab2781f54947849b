"""What the monitor counts and says of a run."""

import pytest

from rftlab.verifiers.base import FunctionVerifier
from tests.toy_mdp import toy_run, train_toy

FEW = {"prompts_per_step": 2, "num_generations": 4}
# RFT methods, with settings under which a step is one draw of eight completions.
COMPARING = {
    "grpo": FEW, "rloo": FEW, "chord": FEW, "hpt": FEW, "ppo": FEW, "trpo": FEW, "acer": FEW, "sac": FEW, "ddpg": FEW,
    "interleaved": {**FEW, "sft_steps": 1, "grpo_steps": 1},
}  # fmt: skip


def test_rewarded_completions_and_groups_all_alike_are_counted() -> None:
    monitor = toy_run("grpo", 0, steps=1).monitor
    monitor.verified([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.4, 0.0], group=3)
    monitor.verified([0.0, 1.0])
    cost = monitor.cost
    assert (cost.verifier_calls, cost.completions_rewarded, cost.groups, cost.groups_alike) == (11, 5, 3, 2)


@pytest.mark.parametrize("method", [*COMPARING, "rejection_sft", "dpo"])
def test_completions_sampled_and_cut_are_counted(method: str) -> None:
    run = train_toy(method, 0, steps=2, **COMPARING.get(method, {}))
    cost = run.monitor.cost
    assert cost.completions == cost.verifier_calls > 0
    assert 0 < cost.completions_cut < cost.completions
    name = "train/truncation_rate"
    if name in run.monitor.trace[0] and method not in ("interleaved", "rejection_sft"):  # draws of unlike sizes
        rates = [row[name] for row in run.monitor.trace if name in row]
        assert cost.completions_cut / cost.completions == pytest.approx(sum(rates) / len(rates))


@pytest.mark.parametrize("method", ["ppo", "trpo", "acer"])
def test_a_completion_alone_is_no_group_of_equal_rewards(method: str) -> None:
    cost = train_toy(method, 0, prompts_per_step=16, num_generations=1).monitor.cost
    assert cost.verifier_calls == 16
    assert cost.groups == cost.groups_alike == 0


@pytest.mark.parametrize("method", COMPARING)
def test_a_verifier_that_rewards_nothing_is_seen_in_every_group(method: str) -> None:
    cost = train_toy(
        method, 0, steps=2, verifier=FunctionVerifier(lambda completion, example: 0.0), **COMPARING[method]
    ).monitor.cost
    assert cost.verifier_calls > 0
    assert cost.completions_rewarded == 0
    assert cost.groups == cost.groups_alike == cost.verifier_calls / 4
