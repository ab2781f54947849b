"""Trust region policy optimisation (Schulman et al. 2015, 1502.05477) over the trained weights of a language model.

No kept library has TRPO for language models. Each step solves max_theta E[rho A] subject to a mean KL(pi_old ||
pi_theta) over token states of at most delta: a conjugate gradient on Fisher-vector products gives the direction, the
constraint its length, and a backtracking line search on the measured surrogate and KL makes it safe. There is no
learning rate to speak of: `learning_rate` is delta, in nats per token.

Legend: B completions, T completion tokens (padded), V vocabulary, n trained weights; rho = pi_theta / pi_old;
A advantage; g gradient of the surrogate (n,); F Fisher matrix (n, n), never formed; delta trust region in nats.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from rftlab.methods.actor_critic import (
    Batch,
    Sampler,
    collate,
    informative,
    learning_rate,
    rollout_metrics,
    taken,
    token_logprobs,
    trained_weights,
)
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.core import assign, categorical_kl, conjugate_gradient, flatten, surrogate
from rftlab.methods.critic import Critic
from rftlab.methods.ppo import PPOSettings, estimate, fit_critic


class TRPOSettings(RateSettings):
    """Settings of `trpo`, named as in sb3-contrib where it has them."""

    prompts_per_step: int = Field(8, ge=1, description="prompts per draw of rollouts")
    num_generations: int = Field(8, ge=1, description="completions per prompt")
    per_device_train_batch_size: int = Field(32, ge=1, description="completions per forward and backward pass")
    cg_max_steps: int = Field(10, ge=1, description="conjugate gradient iterations, one Fisher product each")
    cg_damping: float = Field(0.1, ge=0, description="added to the Fisher's diagonal; LoRA's is singular at the start")
    fisher_share: float = Field(0.25, gt=0, le=1, description="share of the completions the Fisher is estimated on")
    line_search_shrinking_factor: float = Field(0.8, gt=0, lt=1)
    line_search_max_iter: int = Field(10, ge=1)
    lam: float = Field(0.95, ge=0, le=1, description="lambda of the advantage estimates; gamma is 1")
    n_critic_updates: int = Field(4, ge=1, description="critic updates per step")
    critic_learning_rate: float = Field(1e-3, gt=0)
    max_grad_norm: float = Field(1.0, gt=0, description="of the critic's gradient")


class LineSearch(NamedTuple):
    """How the line search ended: surrogate gain and KL(old || new) of the step taken, its scale, 0 if none was."""

    gain: float
    kl: float
    scale: float


class TRPO:
    """TRPO: natural gradient by conjugate gradient, KL constraint, backtracking line search."""

    Settings: ClassVar[type[Settings]] = TRPOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Section 6 and appendices C, E: "we computed the Fisher-vector product ... on a subset of the data", 10 %;
        # ten conjugate gradient iterations (k = 10 in appendix C.1).
        "paper": {"cg_max_steps": 10, "cg_damping": 0.1, "fisher_share": 0.1},
    }
    ladder = Ladder(lora=(0.01, 0.003, 0.03, 0.001), full=(0.01, 0.003, 0.03, 0.001))
    card = (
        "Idea: of the steps that change the policy's distributions by at most delta, whatever that means for the\n"
        "weights, take the one that improves the surrogate most. Every step is checked before it is kept.\n"
        "Objective: max E[rho A] subject to the mean over token states of KL(pi_old || pi_theta) <= delta.\n"
        "Settings: delta 0.01 nats per token (the ladder's rate; paper 0.01), 10 conjugate gradient steps, damping\n"
        "0.1, Fisher on 25 % of the completions (paper 10 % of far larger batches), backtracking by 0.8 up to 10\n"
        "times; critic as in ppo. A step costs about 13 gradient passes.\n"
        "Costs: a step samples and verifies 64 completions, makes a forward pass of policy and critic and one\n"
        "gradient pass over them, 11 Fisher products (forward and two backward passes) over a quarter, 4 critic\n"
        "updates, and a forward pass for the start and each try of the line search. Memory: the old policy's whole\n"
        "distributions of the draw, and attention written out.\n"
        "When: every update counts and a collapse would be expensive; few, large batches.\n"
        "What goes wrong: train/line_search_scale 0 step after step (delta too large for the noise in A, or too\n"
        "little damping); kl/old far below delta (damping dominates); memory (eager attention)."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, score and take one trust region step at a time until the budget is spent."""
        settings: TRPOSettings = run.settings
        policy = run.policy
        shared = PPOSettings(
            per_device_train_batch_size=settings.per_device_train_batch_size,
            lam=settings.lam,
            max_grad_norm=settings.max_grad_norm,
        )
        critic = Critic(policy.model, seed=run.cell.seed_init)
        optimizer = torch.optim.AdamW(trained_weights(critic), lr=settings.critic_learning_rate, weight_decay=0.0)
        sampler = Sampler(run, prompts_per_step=settings.prompts_per_step, num_generations=settings.num_generations)
        pick = torch.Generator().manual_seed(run.cell.seed_sampling)
        while not run.monitor.exhausted:
            trajectories = sampler.draw()
            batch = collate(trajectories, policy)
            # Deviation 1: advantages are by GAE with a critic, whitened, as in `ppo`; the paper has Monte Carlo
            # returns.
            known, metrics = estimate(run, shared, batch, batch.rewards, critic, None)
            share = max(1, round(settings.fisher_share * len(batch)))
            fisher_batch = batch.rows(torch.randperm(len(batch), generator=pick)[:share])
            search, learns = LineSearch(0.0, 0.0, 0.0), informative(batch.rewards)
            # Deviation 2: a draw whose rewards are all equal makes no step.
            if learns:
                with eager_attention(policy.model):
                    search = TrustRegion(run, batch, known.advantages, fisher_batch).step(delta=learning_rate(run))
            metrics["train/value_loss"] = fit_critic(shared, batch, known, critic, optimizer, settings.n_critic_updates)
            metrics |= rollout_metrics(trajectories) | {
                "train/skipped": float(not learns),
                "train/loss": -search.gain,
                "kl/old": search.kl,
                "train/line_search_scale": search.scale,
            }
            if run.monitor.step(metrics):
                return


class TrustRegion:
    """One constrained step from the policy as it is (pi_old).

    Args:
        run: policy, settings, monitor.
        batch: completions drawn from pi_old.
        advantages: (B, T).
        fisher_batch: the completions the Fisher is estimated on.
    """

    def __init__(self, run: TrainingRun, batch: Batch, advantages: Tensor, fisher_batch: Batch) -> None:
        self.run, self.settings = run, run.settings
        # Deviation 3: the trust region is one of the trained weights, by default an adapter's, and its KL a mean per
        # token, not per completion.
        self.weights = trained_weights(run.policy.model)
        self.batch, self.advantages, self.fisher_batch = batch, advantages, fisher_batch
        with torch.no_grad():
            self.old = [self._logprobs(part) for part in self._parts(batch)]

    def step(self, *, delta: float) -> LineSearch:
        """Move the policy within the trust region, or leave it where it is if no tried step improves the surrogate."""
        settings, start = self.settings, flatten(p.detach() for p in self.weights).clone()
        g = self.gradient()
        if not g.any():
            return LineSearch(0.0, 0.0, 0.0)
        x = conjugate_gradient(self.fisher_product, g, iterations=settings.cg_max_steps)
        curvature = x @ self.fisher_product(x)
        full_step = (2 * delta / curvature).sqrt() * x
        before, _ = self.measure()
        scale = 1.0
        for _ in range(settings.line_search_max_iter):
            assign(self.weights, start + scale * full_step)
            after, kl = self.measure()
            if kl <= delta and after > before:
                return LineSearch(after - before, kl, scale)
            scale *= settings.line_search_shrinking_factor
        assign(self.weights, start)
        return LineSearch(0.0, 0.0, 0.0)

    def gradient(self) -> Tensor:
        """Gradient g (n,) of the mean surrogate per token, at pi_old."""
        total = torch.zeros_like(flatten(self.weights))
        for part, old_B_T_V, advantages_B_T in self._with_old():
            logprobs_B_T = taken(self._logprobs(part), part)
            gain = (surrogate(logprobs_B_T, taken(old_B_T_V, part), advantages_B_T) * part.mask).sum()
            total += _flat_gradient(gain / self.batch.mask.sum(), self.weights)
        return total

    def fisher_product(self, v: Tensor) -> Tensor:
        """(F + damping I) v (n,): the gradient of (gradient of mean KL . v), at pi_old, by double backward.

        Source: appendix C.1. KL(pi_old || pi_theta) has zero gradient at pi_old and the Fisher as its Hessian.
        """
        # Deviation 4: the Fisher is damped, as in the authors' code: an adapter whose B is 0 has a singular one.
        total = self.settings.cg_damping * v
        tokens = self.fisher_batch.mask.sum()
        for part in self._parts(self.fisher_batch):
            logprobs_B_T_V = self._logprobs(part)
            # KL(old || new) with old detached: the other direction, or no detach, has another Hessian.
            kl = (categorical_kl(logprobs_B_T_V.detach(), logprobs_B_T_V) * part.mask).sum() / tokens
            slope = _flat_gradient(kl, self.weights, create_graph=True)
            total = total + _flat_gradient(slope @ v, self.weights)
        self.run.monitor.differentiated_again(self.fisher_batch.ids.numel())
        return total

    @torch.no_grad()
    def measure(self) -> tuple[float, float]:
        """Mean surrogate and mean KL(pi_old || pi_theta) per token, over the whole batch, as the policy is now."""
        gain = kl = 0.0
        for part, old_B_T_V, advantages_B_T in self._with_old():
            logprobs_B_T_V = self._logprobs(part)
            ratio_B_T = surrogate(taken(logprobs_B_T_V, part), taken(old_B_T_V, part), advantages_B_T)
            gain += float((ratio_B_T * part.mask).sum())
            kl += float((categorical_kl(old_B_T_V, logprobs_B_T_V) * part.mask).sum())
        tokens = float(self.batch.mask.sum())
        return gain / tokens, kl / tokens

    def _logprobs(self, part: Batch) -> Tensor:
        return token_logprobs(self.run.policy.model, part, self.run.cell.decoding.temperature)

    def _parts(self, batch: Batch) -> Iterator[Batch]:
        return batch.split(self.settings.per_device_train_batch_size)

    def _with_old(self) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        pieces = self.advantages.split(self.settings.per_device_train_batch_size)
        return zip(self._parts(self.batch), self.old, pieces, strict=True)


def _flat_gradient(scalar: Tensor, weights: list[nn.Parameter], *, create_graph: bool = False) -> Tensor:
    gradients = torch.autograd.grad(scalar, weights, create_graph=create_graph, allow_unused=True)
    return flatten(torch.zeros_like(w) if g is None else g for g, w in zip(gradients, weights, strict=True))


@contextmanager
def eager_attention(model: Any) -> Iterator[None]:
    """Attention written out, while inside: the fused kernels have no double backward on the CPU."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    before = base.config._attn_implementation
    base.set_attn_implementation("eager")
    try:
        yield
    finally:
        base.set_attn_implementation(before)
