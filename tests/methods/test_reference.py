"""The reference of a KL is the policy a stage starts from; prompts taught by SFT have none."""

from typing import Any

import pytest
import torch

from rftlab.methods.base import load_method
from rftlab.verifiers.base import FunctionVerifier
from tests.methods.caught import graded
from tests.methods.test_budget import FEW
from tests.toy_mdp import toy_policy, toy_run


@pytest.mark.parametrize("kind", ["lora", "full"])
@pytest.mark.parametrize(
    ("method", "settings"),
    [("grpo", {"beta": 0.1}), ("rloo", {"beta": 0.1}), ("ppo", {"kl_coef": 0.1}), ("dpo", {})],
)
def test_a_later_stage_is_pulled_to_the_policy_it_starts_from(method: str, settings: dict[str, Any], kind: str) -> None:
    stages = [
        {"method": "sft", "share": 0.5, "learning_rate": 3e-3 if kind == "lora" else 3e-4},
        {"method": method, "share": 0.5, "settings": {**({} if method == "dpo" else FEW), **settings}},
    ]
    policy = toy_policy(0, kind=kind)
    verifier = FunctionVerifier(graded)
    run = toy_run("sft+grpo", 0, steps=12, kind=kind, policy=policy, stages=stages, verifier=verifier)
    load_method("sft+grpo").train(run)
    later = [row for row in run.monitor.trace if "train/token_accuracy" not in row]
    pulled = "train/reward_margin" if method == "dpo" else "kl/reference"
    assert later[0][pulled] == pytest.approx(0, abs=1e-5)
    assert abs(later[-1][pulled]) > 1e-5


def test_taught_prompts_have_no_kl() -> None:
    """With every prompt taught, a pull of any strength changes nothing."""
    trained = []
    for beta in (0.0, 50.0):
        policy = toy_policy(0)
        never = FunctionVerifier(lambda completion, example: 0.0)
        run = toy_run("hpt", 0, steps=6, policy=policy, verifier=never, beta=beta, num_iterations=3, **FEW)
        load_method("hpt").train(run)
        trained.append(torch.cat([p.detach().flatten() for p in policy.model.parameters()]))
    assert not torch.equal(trained[0], torch.cat([p.flatten() for p in toy_policy(0).model.parameters()]))
    torch.testing.assert_close(trained[0], trained[1])
