"""Soft actor-critic with discrete actions (Haarnoja et al. 2018, 1801.01290; Christodoulou 2019, 1910.07207) on tokens.

torchrl's DiscreteSACLoss encodes every next state anew and knows no reference policy; here one forward pass gives every
state of a completion. The bonus is the entropy (textbook SAC) or minus the KL to the reference policy (KL control, as
in Guo et al. 2021, 2106.07704), whose optimum pi*(y) prop. pi_ref(y) exp(R(y) / alpha) is known.

Legend: B completions, T completion tokens (padded), V vocabulary, K = 2 critics; pi policy, m base measure (pi_ref, or
1 for the entropy); alpha temperature of the bonus; Q soft value of a token, V(s) of a state; H entropy, Hbar its
target.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from rftlab.methods.actor_critic import (
    Batch,
    Replay,
    Sampler,
    as_drawn,
    collate,
    learning_rate,
    rollout_metrics,
    taken,
    token_logprobs,
    trained_weights,
    update,
)
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.core import at_last_token, categorical_kl, entropy, masked_mean, next_state, retrace
from rftlab.methods.critic import Critic, frozen_copy, polyak


class SACSettings(RateSettings):
    """Settings of `sac`, by the papers' names."""

    prompts_per_step: int = Field(8, ge=1, description="prompts per draw of rollouts")
    num_generations: int = Field(8, ge=1, description="completions per prompt")
    updates: int = Field(4, ge=1, description="updates per draw")
    batch_size: int = Field(64, ge=1, description="completions per update, from memory")
    memory: int = Field(4096, ge=1, description="completions kept")
    measure: Literal["reference", "uniform"] = Field("reference", description="bonus: -KL to the base, or the entropy")
    alpha: float = Field(0.05, gt=0, description="temperature of the bonus; where it starts if it is tuned")
    entropy_share: float | None = Field(
        None, gt=0, le=1, description="tune alpha towards this share of the base's entropy; None keeps alpha"
    )
    alpha_learning_rate: float = Field(1e-2, gt=0)
    lam: float = Field(1.0, ge=0, le=1, description="lambda of the Retrace targets; 0 is the papers' one-step target")
    tau: float = Field(0.05, gt=0, le=1, description="step of the target critics")
    critic_learning_rate: float = Field(1e-3, gt=0, description="of the critics' adapter and heads")
    max_grad_norm: float = Field(1.0, gt=0)


class SAC:
    """Discrete SAC with the verifier as reward and twin soft Q critics."""

    Settings: ClassVar[type[Settings]] = SACSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Christodoulou 2019, appendix A: batch 64, tau 0.005, one-step targets, target entropy 0.98 log|A|; the share
        # here is of the base's entropy, because 0.98 log V is out of reach for a language model.
        "discrete": {"measure": "uniform", "entropy_share": 0.98, "lam": 0.0, "tau": 0.005, "batch_size": 64},
    }
    ladder = Ladder(lora=(1e-3, 5e-4, 2e-4, 2e-3), full=(1e-4, 3e-5, 1e-5, 3e-4))
    card = (
        "Idea: learn the soft value of every token with twin critics from memory, and move the policy towards what\n"
        "they rank high, paying for each step away from the base (or, textbook SAC, being paid for entropy).\n"
        "Objective: max E[R - alpha KL(pi || pi_ref)], optimum pi*(y) prop. to pi_ref(y) exp(R(y) / alpha); with\n"
        "measure uniform max E[R + alpha H(pi)].\n"
        "Settings: alpha 0.05 fixed, or tuned to a share of the base's measured entropy (entropy_share; the paper's\n"
        "0.98 log V would be near-uniform babble), tau 0.05 (paper 0.005 at a million steps), Retrace targets\n"
        "(paper: one step, lam 0), two heads on one critic adapter (paper: two networks), 4 updates a draw, LoRA\n"
        "rate 1e-3.\n"
        "Costs: a draw samples and verifies 64 completions; each of its 4 updates is one forward and one backward\n"
        "pass of policy and critic and a forward pass of target and reference over 64 from memory. Memory: four\n"
        "adapters, and completions x tokens x vocabulary of policy, reference, two critics and two targets.\n"
        "When: completions are dear, and a known amount of KL to the base is wanted.\n"
        "What goes wrong: critics rank unseen tokens by chance and the policy believes them (train/loss far below\n"
        "minus train/reward, reward falls); measure uniform pays up to alpha log V for each token, hence for long\n"
        "completions (train/completion_tokens grows); alpha too high leaves the base as it is (kl/reference near\n"
        "0)."
    )

    def train(self, run: TrainingRun) -> None:
        """Draw, then learn from memory, until the budget is spent."""
        settings: SACSettings = run.settings
        learner = _Learner(run, settings)
        sampler = Sampler(run, prompts_per_step=settings.prompts_per_step, num_generations=settings.num_generations)
        memory = Replay(settings.memory, seed=run.cell.seed_sampling)
        run.monitor.steps_per_draw = settings.updates
        while not run.monitor.exhausted:
            trajectories = sampler.draw()
            memory.add(trajectories)
            # Deviation 1: while all rewards in memory are equal the critics learn and the policy stays: it would follow
            # their noise.
            learns = memory.informative
            metrics = rollout_metrics(trajectories) | {"train/skipped": float(not learns)}
            for _ in range(settings.updates):
                batch = collate(memory.draw(settings.batch_size), run.policy)
                shown = learner.learn(batch, critics_only=not learns)
                if run.monitor.step(metrics | shown):
                    return


class _Learner:
    """Policy, reference, twin critics and their targets, alpha, and one update of them all."""

    def __init__(self, run: TrainingRun, settings: SACSettings) -> None:
        self._run, self._settings, model = run, settings, run.policy.model
        vocabulary = int(model.get_output_embeddings().weight.shape[0])
        # Deviation 2: the twin critics are two heads on one adapter (paper: two networks).
        self._critic = Critic(model, outputs=vocabulary, heads=2, seed=run.cell.seed_init)
        self._target = frozen_copy(self._critic)
        self._reference = frozen_copy(model)
        self._log_alpha = torch.tensor(settings.alpha, device=run.policy.device).log().requires_grad_()
        self._entropy_target: float | None = None
        weights = trained_weights(model), trained_weights(self._critic)
        self._actor_optimizer = torch.optim.AdamW(weights[0], lr=run.learning_rate, weight_decay=0.0)
        self._critic_optimizer = torch.optim.AdamW(weights[1], lr=settings.critic_learning_rate, weight_decay=0.0)
        self._alpha_optimizer = torch.optim.Adam([self._log_alpha], lr=settings.alpha_learning_rate)

    def learn(self, batch: Batch, *, critics_only: bool = False) -> dict[str, float]:
        """One update of critics, targets and, unless ``critics_only``, policy and alpha; what the trace shows of it."""
        settings, mask = self._settings, batch.mask
        temperature = self._run.cell.decoding.temperature
        with torch.set_grad_enabled(not critics_only):
            logprobs_B_T_V = token_logprobs(self._run.policy.model, batch, temperature)
        with torch.no_grad():
            reference_B_T_V = token_logprobs(self._reference, batch, temperature)
        # Deviation 3: the bonus is minus the KL to the policy at the start unless `measure` is uniform (paper: the
        # entropy), because the entropy of a vocabulary pays for babble.
        measure_B_T_V = reference_B_T_V if settings.measure == "reference" else torch.zeros_like(reference_B_T_V)
        alpha = float(self._log_alpha.detach().exp())
        q_K_B_T_V = self._critic(batch)
        with torch.no_grad():
            target_B_T = soft_target(
                self._target(batch).amin(0),
                as_drawn(self._run, logprobs_B_T_V),
                measure_B_T_V,
                batch,
                alpha=alpha,
                lam=settings.lam,
            )
        q_loss = critic_loss(q_K_B_T_V, target_B_T, batch)
        # The critics are detached: the policy climbs their values and does not change them.
        pi_loss = actor_loss(q_K_B_T_V.detach().amin(0), logprobs_B_T_V, measure_B_T_V, mask, alpha=alpha)
        q_loss.backward()
        update(self._critic_optimizer, settings.max_grad_norm)
        rate = norm = 0.0
        if not critics_only:
            pi_loss.backward()
            rate = learning_rate(self._run)
            norm = update(self._actor_optimizer, settings.max_grad_norm, rate=rate)
        polyak(self._target, self._critic, settings.tau)
        now = logprobs_B_T_V.detach()
        h = float(masked_mean(entropy(now), mask))
        if not critics_only:
            self._tune_alpha(h, float(masked_mean(entropy(reference_B_T_V), mask)))
        return {
            "train/loss": float(pi_loss.detach()),
            "train/value_loss": float(q_loss.detach()),
            "train/alpha": alpha,
            "train/entropy": h,
            "kl/reference": float(masked_mean(categorical_kl(now, reference_B_T_V), mask)),
            "train/grad_norm": norm,
            "train/learning_rate": rate,
        }

    def _tune_alpha(self, h: float, reference_entropy: float) -> None:
        """One step on log alpha (H - Hbar); Hbar is a share of the base's entropy on the first batch."""
        if self._settings.entropy_share is None:
            return
        if self._entropy_target is None:
            # Deviation 4: the entropy aimed at is a share of the base's own; the paper's 0.98 log |A| is out of reach
            # for a language model.
            self._entropy_target = self._settings.entropy_share * reference_entropy
        (self._log_alpha * (h - self._entropy_target)).backward()
        update(self._alpha_optimizer, 1.0)


def soft_value(q: Tensor, logprobs: Tensor, measure: Tensor, *, alpha: float) -> Tensor:
    """V(s) = sum_a pi(a) [Q(s, a) - alpha log(pi(a) / m(a))], (..., V) -> (...).

    Source: Christodoulou 2019 (1910.07207), equation 10; m = 1 is SAC, m = pi_ref is KL control.
    """
    # A policy cut to its nucleus has tokens of probability 0: they add nothing, and not 0 times infinity.
    bonus = (logprobs - measure).clamp(min=-1e4)
    return (logprobs.exp() * (q - alpha * bonus)).sum(-1)


def soft_target(q: Tensor, logprobs: Tensor, measure: Tensor, batch: Batch, *, alpha: float, lam: float) -> Tensor:
    """(B, T) targets for Q of the tokens taken: r + V(s'), corrected by Retrace along the completion where lam > 0.

    Args:
        q: (B, T, V), the smaller of the target critics.
        logprobs: (B, T, V) log pi, of the policy as it samples: nothing is cut where it sampled the batch itself.
        measure: (B, T, V) log m.
        batch: tokens, their log-probabilities when sampled, and rewards.
        alpha: temperature of the bonus.
        lam: 0 is the one-step target r + V(s').
    Source: 1910.07207, equations 3 and 10; differs: Retrace (1606.02647) carries a terminal reward back along the whole
        completion in one update, where one-step targets need T of them.
    """
    rho_B_T = ((taken(logprobs, batch) - batch.logprobs) * batch.mask).exp()
    value_B_T = soft_value(q, logprobs, measure, alpha=alpha)
    rewards_B_T = at_last_token(batch.rewards, batch.mask)
    # Deviation 5: gamma is 1 (paper 0.99), because the reward comes with the last token.
    if lam == 0:
        return (rewards_B_T + next_state(value_B_T, batch.mask)) * batch.mask
    # Deviation 6: Retrace carries the reward back along the whole completion in one update (paper: one-step targets,
    # `lam` 0).
    return retrace(rewards_B_T, taken(q, batch), value_B_T, rho_B_T, batch.mask, lam=lam)


def critic_loss(q: Tensor, target: Tensor, batch: Batch) -> Tensor:
    """Mean over tokens of sum_k .5 (Q_k(s, y) - target)^2; ``q`` is (K, B, T, V), ``target`` (B, T).

    Source: 1910.07207, equation 3.
    """
    error_K_B_T = torch.stack([taken(q_k, batch) for q_k in q]) - target
    return masked_mean(0.5 * error_K_B_T.pow(2).sum(0), batch.mask)


def actor_loss(q: Tensor, logprobs: Tensor, measure: Tensor, mask: Tensor, *, alpha: float) -> Tensor:
    """Mean over tokens of sum_a pi(a) [alpha log(pi(a) / m(a)) - Q(s, a)]: minus the soft value, exact over V.

    Source: 1910.07207, equation 12.
    """
    return -masked_mean(soft_value(q, logprobs, measure, alpha=alpha), mask)
