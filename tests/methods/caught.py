"""A method's first update, caught: what it drew, the gradient it stepped along, and the means to derive it by hand."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from rftlab.methods import actor_critic, attempts, trl_online
from rftlab.methods.actor_critic import Trajectory, collate
from rftlab.methods.base import TrainingRun, load_method
from rftlab.methods.critic import Critic
from rftlab.policy.rollout import Rollout
from rftlab.tasks.base import Example
from rftlab.verifiers.base import FunctionVerifier
from tests.toy_mdp import toy_policy, toy_run

TEMPERATURE, GROUP = 0.7, 3
LABELLED = tuple(
    Example(f"e{i}", prompt, answer, rationale=answer) for i, (prompt, answer) in enumerate([("a", "ca"), ("cb", "b")])
)
RFT = {"prompts_per_step": 2, "num_generations": GROUP, "per_device_train_batch_size": 2}
LOOSE = {"max_grad_norm": 1e9}


def graded(completion: str, example: Any) -> float:
    """A reward that nearly every completion has another one of."""
    return (completion.count("a") + 0.5 * completion.count("b") + 0.1 * len(completion)) / 5


class Caught:
    """What a method drew and the gradient of the first update of its policy, and its own derivation's means."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.start = deepcopy(run.policy.model)
        self.model = deepcopy(run.policy.model).double()
        self.weights = [p for p in self.model.parameters() if p.requires_grad]
        self.rollouts: list[Rollout] = []
        self.gradients: list[Tensor] = []

    @property
    def rewards(self) -> Tensor:
        texts = [self.run.policy.decode(r.completion_ids, cot=True) for r in self.rollouts]
        return torch.tensor([graded(text, None) for text in texts], dtype=torch.float64)

    def logits(self, prompt: list[int], completion: list[int], temperature: float = TEMPERATURE) -> Tensor:
        """(T, V) log-probabilities of every token before each of the completion's."""
        ids = torch.tensor([prompt + completion])
        return (self.model(input_ids=ids).logits[0, len(prompt) - 1 : -1] / temperature).log_softmax(-1)

    def logprobs(self, prompt: list[int], completion: list[int], temperature: float = TEMPERATURE) -> Tensor:
        """(T,) of the completion's tokens."""
        every = self.logits(prompt, completion, temperature)
        return every.gather(-1, torch.tensor(completion)[:, None])[:, 0]

    def of_rollouts(self) -> list[Tensor]:
        return [self.logprobs(r.prompt_ids, r.completion_ids) for r in self.rollouts]

    def of_labels(self) -> list[Tensor]:
        policy = self.run.policy
        prompts = [policy.encode_prompt(policy.prompt_text(e, cot=True)) for e in self.run.labels.train]
        labels = [policy.encode_completion(e, cot=True) for e in self.run.labels.train]
        return [self.logprobs(p, c, 1.0) for p, c in zip(prompts, labels, strict=True)]

    def trajectories(self) -> list[Trajectory]:
        rows = zip(self.rollouts, self.rewards.tolist(), strict=True)
        return [Trajectory(rollout, LABELLED[0], "", reward) for rollout, reward in rows]

    def critic(self, **arguments: Any) -> list[Tensor]:
        """(K, T, outputs) of each completion by the critic as it starts."""
        critic = Critic(self.start, seed=self.run.cell.seed_init, **arguments)
        return [critic(collate([t], self.run.policy))[:, 0].detach().double() for t in self.trajectories()]

    def check(self, loss: Tensor, largest_norm: float = 1e9) -> None:
        """The loss's gradient is the one the method stepped along."""
        expected = [
            torch.zeros_like(w) if g is None else g
            for w, g in zip(self.weights, torch.autograd.grad(loss, self.weights, allow_unused=True), strict=True)
        ]
        norm = float(torch.cat([g.flatten() for g in expected]).norm())
        scale = min(1.0, largest_norm / (norm + 1e-6))
        largest = max(float(g.abs().max()) for g in expected) * scale
        assert largest > 1e-4
        for ours, hand in zip(self.gradients, expected, strict=True):
            torch.testing.assert_close(ours.double(), hand * scale, atol=1e-4 * largest, rtol=1e-3)


def catching(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Caught]:
    """A function that trains for a step, and returns what was drawn and the gradient of the policy's first update."""

    def train(method: str, *, kind: str, steps: int = 1, policy: Any = None, **settings: Any) -> Caught:
        run = toy_run(
            method, 3, steps=steps, kind=kind, policy=policy or toy_policy(3, kind=kind), temperature=TEMPERATURE,
            examples=LABELLED, verifier=FunctionVerifier(graded), **settings,
        )  # fmt: skip
        caught = Caught(run)
        own = [p for p in run.policy.model.parameters() if p.requires_grad]
        stepped = torch.optim.AdamW.step

        def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
            held = {id(p) for group in self.param_groups for p in group["params"]}
            if not caught.gradients and {id(p) for p in own} <= held:
                caught.gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in own]
            return stepped(self, *args, **kwargs)

        for module in (trl_online, actor_critic, attempts):
            monkeypatch.setattr(module, "sample", _recording(module.sample, caught))
        monkeypatch.setattr(torch.optim.AdamW, "step", spy)
        torch.manual_seed(0)
        load_method(method).train(run)
        return caught

    return train


def _recording(sample: Any, caught: Caught) -> Any:
    def recorded(*args: Any, **kwargs: Any) -> list[Rollout]:
        rollouts = sample(*args, **kwargs)
        if not caught.gradients:
            caught.rollouts += rollouts
        return rollouts

    return recorded


def groups(x: Tensor) -> Tensor:
    return x.view(-1, GROUP)
