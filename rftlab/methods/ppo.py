"""Proximal policy optimisation (Schulman et al. 2017, 1707.06347) on the token MDP, with a learned critic.

TRL removed its PPO in 1.13, so it is written here. The verifier is the reward; `rlhf` runs the same loop on a reward
model's scores. A completion's score comes with its last token; an optional KL penalty to the policy that training
started from is part of every token's reward (Ziegler et al. 2019, 1909.08593, section 2).

Legend: B completions, T completion tokens (padded); rho = pi / pi_old; A advantage; V value; R verifier reward;
beta = kl_coef.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from rftlab.methods.actor_critic import (
    Batch,
    Sampler,
    Trajectory,
    collate,
    informative,
    learning_rate,
    rollout_metrics,
    taken_and_entropy,
    trained_weights,
    update,
)
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.core import at_last_token, gae, k1, masked_mean, surrogate, value_loss, whiten
from rftlab.methods.critic import Critic, frozen_copy
from rftlab.methods.mismatch import weighted

# (B,) scores of trajectories, in place of the verifier's rewards.
Scorer = Callable[[Sequence[Trajectory]], Tensor]


class PPOSettings(RateSettings):
    """Settings of `ppo`, by the names TRL's PPO had."""

    prompts_per_step: int = Field(8, ge=1, description="prompts per draw of rollouts")
    num_generations: int = Field(8, ge=1, description="completions per prompt")
    num_ppo_epochs: int = Field(2, ge=1, description="passes over each draw")
    num_mini_batches: int = Field(2, ge=1, description="updates per pass")
    per_device_train_batch_size: int = Field(32, ge=1, description="completions per forward and backward pass")
    cliprange: float = Field(0.2, gt=0, description="eps of the ratio's clip")
    cliprange_value: float = Field(0.2, gt=0, description="eps_v of the value's clip")
    lam: float = Field(0.95, ge=0, le=1, description="lambda of the advantage estimates; gamma is 1")
    kl_coef: float = Field(0.05, ge=0, description="beta: KL penalty in the reward, to the policy at the start")
    entropy_coef: float = Field(0.0, ge=0, description="weight of the entropy bonus")
    critic_learning_rate: float = Field(1e-3, gt=0, description="of the critic's adapter and head")
    max_grad_norm: float = Field(1.0, gt=0)


class PPO:
    """PPO with the verifier as reward and a critic on its own adapter."""

    Settings: ClassVar[type[Settings]] = PPOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Ouyang et al. 2022 (2203.02155), appendix C.4: "we use a batch size of 512 and a minibatch size of 64 ...
        # The KL reward coefficient beta is 0.02 ... PPO clip ratio of 0.2 ... no discount is applied when estimating
        # the generalized advantage". One pass over each batch; lambda 0.95 is Ziegler et al. 2019's.
        "instructgpt": {
            "prompts_per_step": 512,
            "num_generations": 1,
            "num_ppo_epochs": 1,
            "num_mini_batches": 8,
            "kl_coef": 0.02,
            "cliprange": 0.2,
            "lam": 0.95,
        },
    }
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(5e-5, 2e-5, 1e-4, 1e-5))
    card = (
        "Idea: raise tokens that did better than a learned critic expected, never far from the policy that sampled.\n"
        "The critic gives every token its own advantage, which a group's mean (GRPO) cannot.\n"
        "Objective: E[min(rho A, clip(rho, 1-eps, 1+eps) A)], r_t = -beta log(pi_old / pi_ref) + [t = T] R, A by GAE.\n"
        "Settings: eps 0.2, eps_v 0.2, gamma 1, lambda 0.95, as InstructGPT; 64 completions a draw, 2 passes of 2\n"
        "updates (paper 512, 1 pass of 8); beta 0.05, as TRL had (paper 0.02: preset instructgpt; 0 is common with a\n"
        "verifier, and fell into the trap of the toy problem more often);\n"
        "LoRA rate 5e-4, critic 1e-3 (paper 9e-6 for all weights of both).\n"
        "Costs: a draw samples and verifies 64 completions and makes one forward pass each of policy, critic and\n"
        "(beta > 0) reference over them; each of its 4 updates is one forward and one backward pass of policy and\n"
        "critic over half of them. Memory: a second adapter with its moments (the critic's), a third without (the\n"
        "reference's).\n"
        "When: long completions where some steps matter more than others, or as the last stage of RLHF.\n"
        "What goes wrong: the critic lags (train/explained_variance near or below 0: REINFORCE with more noise); too\n"
        "high a rate (train/clip_fraction above 0.3); a trap found early (train/entropy near 0 while reward stalls)."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, score and update until the budget is spent."""
        optimise(run, run.settings)


def optimise(
    run: TrainingRun,
    settings: PPOSettings,
    scorer: Scorer | None = None,
    *,
    sampler: Sampler | None = None,
    first: Sequence[Trajectory] = (),
) -> None:
    """The PPO loop.

    A draw whose scores are all equal says nothing of what is better: the critic learns from it, the policy does not.

    Args:
        run: policy, verifier, monitor.
        settings: PPO's.
        scorer: replaces the verifier's rewards by its own scores.
        sampler: draws the rollouts; None makes one.
        first: completions already drawn from the policy as it is; trained on before any other.
    """
    policy = run.policy
    # Deviation 1: the critic has an adapter, a head and an optimiser of its own; the paper's Atari networks share their
    # body, and InstructGPT's critic begins as the reward model.
    critic = Critic(policy.model, seed=run.cell.seed_init)
    reference = frozen_copy(policy.model) if settings.kl_coef else None
    actor_optimizer = torch.optim.AdamW(trained_weights(policy.model), lr=run.learning_rate, weight_decay=0.0)
    critic_optimizer = torch.optim.AdamW(trained_weights(critic), lr=settings.critic_learning_rate, weight_decay=0.0)
    sampler = sampler or Sampler(
        run, prompts_per_step=settings.prompts_per_step, num_generations=settings.num_generations
    )
    shuffle = torch.Generator().manual_seed(run.cell.seed_sampling)
    run.monitor.steps_per_draw = settings.num_ppo_epochs * settings.num_mini_batches
    while not run.monitor.exhausted:
        trajectories, first = list(first) or sampler.draw(), ()
        batch = collate(trajectories, policy)
        scores_B = scorer(trajectories) if scorer else batch.rewards
        estimates, metrics = estimate(run, settings, batch, scores_B, critic, reference)
        metrics |= rollout_metrics(trajectories)
        if scorer:
            metrics |= {"train/score": float(scores_B.mean()), "train/score_agreement": _correlation(scores_B, batch)}
        learns = informative(scores_B)
        metrics["train/skipped"] = float(not learns)
        for index in _minibatches(len(batch), settings, shuffle):
            minibatch, known = batch.rows(index), estimates.rows(index)
            losses = critic_backward(settings, minibatch, known, critic)
            update(critic_optimizer, settings.max_grad_norm)
            # Deviation 2: a draw whose scores are all equal moves the critic alone: whitening would make advantages of
            # its noise.
            if learns:
                losses |= backward(run, settings, minibatch, known)
                rate = metrics["train/learning_rate"] = learning_rate(run)
                metrics["train/grad_norm"] = update(actor_optimizer, settings.max_grad_norm, rate=rate)
            if run.monitor.step(metrics | losses):
                return


@dataclass(frozen=True, slots=True)
class Estimates:
    """What is known of a draw before it is trained on, all (B, T): A, returns, V and log pi when it was drawn."""

    advantages: Tensor
    returns: Tensor
    values: Tensor
    logprobs: Tensor

    def rows(self, index: Tensor) -> "Estimates":
        """These rows only."""
        return Estimates(self.advantages[index], self.returns[index], self.values[index], self.logprobs[index])


@torch.no_grad()
def estimate(
    run: TrainingRun, settings: PPOSettings, batch: Batch, scores: Tensor, critic: Critic, reference: Any
) -> tuple[Estimates, dict[str, float]]:
    """Advantages and returns of a draw, and what the trace shows of it.

    Args:
        run: its policy is pi_old: log-probabilities are computed anew, because decoding rounds differently.
        settings: beta and lambda.
        batch: the draw.
        scores: (B,) rewards of whole completions.
        critic: gives V.
        reference: model of pi_ref; None where beta is 0.
    """
    temperature = run.cell.decoding.temperature
    # The same temperature as in sampling, or the ratio is not 1 before the first update.
    old, values, entropies, ref = [], [], [], []
    for part in batch.split(settings.per_device_train_batch_size):
        logprobs_B_T, entropy_B_T = taken_and_entropy(run.policy.model, part, temperature)
        old.append(logprobs_B_T)
        entropies.append(entropy_B_T)
        values.append(critic.value(part))
        if reference is not None:
            ref.append(taken_and_entropy(reference, part, temperature)[0])
    old_B_T, values_B_T, mask_B_T = torch.cat(old), torch.cat(values), batch.mask
    rewards_B_T = at_last_token(scores.to(mask_B_T), mask_B_T)
    metrics = {"train/entropy": float(masked_mean(torch.cat(entropies), mask_B_T))}
    if reference is not None:
        kl_B_T = k1(old_B_T, torch.cat(ref))
        # Deviation 3: the KL penalty in the reward has a constant weight (Ziegler et al. 2019: adapted towards a target
        # KL); the paper has none.
        rewards_B_T = rewards_B_T - settings.kl_coef * kl_B_T
        metrics["kl/reference"] = float(masked_mean(kl_B_T, mask_B_T))
    advantages_B_T, returns_B_T = gae(rewards_B_T, values_B_T, mask_B_T, lam=settings.lam)
    metrics["train/explained_variance"] = explained_variance(values_B_T, returns_B_T, mask_B_T)
    # Deviation 4: advantages are whitened over the whole draw, as in Ziegler et al. 2019's code, with Bessel's
    # correction; the paper does not.
    advantages_B_T = whiten(advantages_B_T, mask_B_T)
    if run.cell.decoding.top_p == 1:
        advantages_B_T = weighted(advantages_B_T, batch.logprobs, old_B_T, mask_B_T, run.monitor)
    return Estimates(advantages_B_T, returns_B_T, values_B_T, old_B_T), metrics


def backward(run: TrainingRun, settings: PPOSettings, batch: Batch, known: Estimates) -> dict[str, float]:
    """Gradient of one minibatch, left on the policy's weights; means per token of what the trace shows."""
    tokens = batch.mask.sum()
    totals = {"train/loss": 0.0, "train/clip_fraction": 0.0, "kl/old": 0.0}
    for index in torch.arange(len(batch)).split(settings.per_device_train_batch_size):
        part, before, mask_B_T = batch.rows(index), known.rows(index), batch.mask[index]
        logprobs_B_T, entropy_B_T = taken_and_entropy(run.policy.model, part, run.cell.decoding.temperature)
        objective_B_T = surrogate(logprobs_B_T, before.logprobs, before.advantages, eps=settings.cliprange)
        loss = -((objective_B_T + settings.entropy_coef * entropy_B_T) * mask_B_T).sum() / tokens
        loss.backward()
        log_ratio_B_T = (logprobs_B_T - before.logprobs).detach()
        clipped_B_T = ((log_ratio_B_T.exp() - 1).abs() > settings.cliprange) * mask_B_T
        totals["train/loss"] += float(loss.detach())
        totals["train/clip_fraction"] += float(clipped_B_T.sum() / tokens)
        totals["kl/old"] += float(((log_ratio_B_T.exp() - 1 - log_ratio_B_T) * mask_B_T).sum() / tokens)
    return totals


def critic_backward(settings: PPOSettings, batch: Batch, known: Estimates, critic: Critic) -> dict[str, float]:
    """Gradient of one minibatch, left on the critic's weights; its loss per token."""
    total = 0.0
    for index in torch.arange(len(batch)).split(settings.per_device_train_batch_size):
        part, before = batch.rows(index), known.rows(index)
        # Deviation 5: the value's change is clipped too, as in OpenAI's code; the paper has the plain squared error.
        loss_B_T = value_loss(
            critic.value(part), before.returns, old_values=before.values, eps=settings.cliprange_value
        )
        loss = (loss_B_T * part.mask).sum() / batch.mask.sum()
        loss.backward()
        total += float(loss.detach())
    return {"train/value_loss": total}


def fit_critic(
    settings: PPOSettings, batch: Batch, known: Estimates, critic: Critic, optimizer: Any, updates: int
) -> float:
    """Regress the critic on the returns, ``updates`` times on the whole batch; the first update's loss per token."""
    losses = []
    for _ in range(updates):
        total = 0.0
        for index in torch.arange(len(batch)).split(settings.per_device_train_batch_size):
            part = batch.rows(index)
            loss = (value_loss(critic.value(part), known.returns[index]) * part.mask).sum() / batch.mask.sum()
            loss.backward()
            total += float(loss.detach())
        losses.append(total)
        update(optimizer, settings.max_grad_norm)
    return losses[0]


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float:
    """1 - Var(returns - values) / Var(returns) over tokens: 1 is a perfect critic; 0 for equal returns."""
    chosen = mask > 0
    spread = returns[chosen].var(unbiased=False)
    return float(1 - (returns - values)[chosen].var(unbiased=False) / spread) if spread > 1e-12 else 0.0


def _correlation(scores: Tensor, batch: Batch) -> float:
    """Pearson correlation of scores and verifier rewards in a draw; 0 where either does not vary."""
    return float(torch.corrcoef(torch.stack([scores.float(), batch.rewards]))[0, 1].nan_to_num(0.0))


def _minibatches(n: int, settings: PPOSettings, shuffle: torch.Generator) -> Iterator[Tensor]:
    for _ in range(settings.num_ppo_epochs):
        order = torch.randperm(n, generator=shuffle)
        yield from (piece for piece in order.chunk(settings.num_mini_batches) if len(piece))
