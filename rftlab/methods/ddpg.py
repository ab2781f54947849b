"""Deep deterministic policy gradient (Lillicrap et al. 2016, 1509.02971) over tokens: the action is a distribution.

A token policy has no continuous action of its own. Following "Distributions as actions" (2506.16608) the action is the
next-token distribution a = pi(.|s), a point of the simplex, and the environment draws the token from it. Then Q(s, a) =
<a, q(s)> is linear in the action, its gradient is q(s), and the deterministic policy gradient is exact. torchrl's
DDPGLoss takes an action the critic has to read; here the critic only reads the state.

Legend: B completions, T completion tokens (padded), V vocabulary; a = pi(.|s) action, q(s) critic, pi', q' targets;
mu behaviour = (1 - eps) pi + eps / V.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from rftlab.methods.actor_critic import (
    Batch,
    Replay,
    Sampler,
    collate,
    learning_rate,
    rollout_metrics,
    sampled_from,
    taken,
    token_logprobs,
    trained_weights,
    update,
)
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.core import at_last_token, entropy, masked_mean, next_state, retrace
from rftlab.methods.critic import Critic, frozen_copy, polyak
from rftlab.policy.load import Policy


class DDPGSettings(RateSettings):
    """Settings of `ddpg`, by the paper's names."""

    prompts_per_step: int = Field(8, ge=1, description="prompts per draw of rollouts")
    num_generations: int = Field(8, ge=1, description="completions per prompt")
    updates: int = Field(4, ge=1, description="updates per draw")
    batch_size: int = Field(64, ge=1, description="completions per update, from memory")
    memory: int = Field(4096, ge=1, description="completions kept")
    explored_tokens: float = Field(
        0.1, ge=0, description="tokens of a completion drawn uniformly instead, on average; eps = this / mean length"
    )
    max_epsilon: float = Field(0.2, ge=0, le=1, description="eps is never more than this")
    warmup_updates: int = Field(20, ge=0, description="updates of the critic alone at the start")
    warmup_share: float = Field(0.25, ge=0, le=1, description="of the budget, at which they end at the latest")
    critic_rate: float = Field(10.0, gt=0, description="the critic's learning rate, in the actor's")
    lam: float = Field(1.0, ge=0, le=1, description="lambda of the Retrace targets; 0 is the paper's one-step target")
    tau: float = Field(0.05, gt=0, le=1, description="step of the target networks")
    max_grad_norm: float = Field(1.0, gt=0)


class DDPG:
    """DDPG with the verifier as reward and the next-token distribution as action."""

    Settings: ClassVar[type[Settings]] = DDPGSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Lillicrap et al. 2016, section 7: "We used a learning rate of 10^-4 and 10^-3 for the actor and critic
        # respectively ... tau = 0.001 ... minibatch sizes of 64". One-step targets; no warm-up of the critic. Uniform
        # exploration stands for its Ornstein-Uhlenbeck noise, which has no meaning on the simplex.
        "paper": {"batch_size": 64, "tau": 0.001, "lam": 0.0, "warmup_updates": 0, "critic_rate": 10.0},
    }
    ladder = Ladder(lora=(3e-4, 1e-4, 5e-4, 1e-3), full=(3e-5, 1e-5, 1e-4, 3e-6))
    card = (
        "Idea: treat the next-token distribution itself as one continuous action and climb a critic's gradient in\n"
        "it.\n"
        "Objective: max E_s[<pi(.|s), q(s)>], q regressed on r + <pi'(.|s'), q'(s')> of slowly moving targets.\n"
        "Settings: actor 3e-4 and critic ten times that (paper 1e-4, 1e-3), tau 0.05 (paper 0.001 at 2.5 million\n"
        "steps), gamma 1 (paper 0.99), 20 updates of the critic alone first (at most 25 % of the budget),\n"
        "exploration by uniform tokens, 0.1 a completion and at most 20 % of tokens (paper: Ornstein-Uhlenbeck; with\n"
        "0.8 half of all completions had one, which spoils a right answer, and the policy hardly moved), Retrace\n"
        "targets (paper: one step, lam 0).\n"
        "Costs: a draw samples and verifies 64 completions; each of its 4 updates is one forward and one backward\n"
        "pass of critic and actor (forward alone in the warm-up) and a forward pass of both targets over 64 from\n"
        "memory. Memory: four adapters, and completions x tokens x vocabulary of each.\n"
        "When: to complete a comparison. It is BRITTLE: it has no entropy, no trust region, no importance weight on\n"
        "the actor, and it solved one toy run in eight before exploration, warm-up and the 1:10 rates were in\n"
        "place. As it is by default it learns on the tiny base: 60 updates took greedy accuracy from 65 % to 91, 92\n"
        "and 85 % on three seeds; at 1e-3 with the same critic it fell to 39 % (one seed).\n"
        "What goes wrong: the actor follows a critic that is wrong about tokens never tried: train/loss falls far\n"
        "below minus train/reward, train/entropy goes to 0 and reward with it, for good; train/reward counts\n"
        "explored tokens, so that accuracy is higher than it; large vocabularies: a uniformly drawn token is nearly\n"
        "always nonsense, and exploring teaches little."
    )

    def train(self, run: TrainingRun) -> None:
        """Draw with exploration, then learn from memory, until the budget is spent."""
        settings: DDPGSettings = run.settings
        learner = _Learner(run, settings)
        sampler = Sampler(run, prompts_per_step=settings.prompts_per_step, num_generations=settings.num_generations)
        memory, done, epsilon = Replay(settings.memory, seed=run.cell.seed_sampling), 0, settings.max_epsilon
        run.monitor.steps_per_draw = settings.updates
        while not run.monitor.exhausted:
            trajectories = sampler.draw(exploring(run.policy, epsilon, run.cell.decoding.temperature))
            memory.add(trajectories)
            # Deviation 1: while all rewards in memory are equal the critic learns and the actor stays: it would follow
            # the critic's noise.
            learns = memory.informative
            metrics = rollout_metrics(trajectories) | {"train/epsilon": epsilon, "train/skipped": float(not learns)}
            epsilon = min(settings.max_epsilon, settings.explored_tokens / metrics["train/completion_tokens"])
            for _ in range(settings.updates):
                batch = collate(memory.draw(settings.batch_size), run.policy)
                # Deviation 2: the critic learns alone first; in the paper both move from the first update on.
                warming = done < settings.warmup_updates and run.monitor.fraction < settings.warmup_share
                shown = learner.learn(batch, critic_only=warming or not learns)
                done += 1
                if run.monitor.step(metrics | shown):
                    return


class _Learner:
    """Actor, critic and their targets, and one update of them."""

    def __init__(self, run: TrainingRun, settings: DDPGSettings) -> None:
        self._run, self._settings, model = run, settings, run.policy.model
        vocabulary = int(model.get_output_embeddings().weight.shape[0])
        self._critic = Critic(model, outputs=vocabulary, seed=run.cell.seed_init)
        self._target_critic, self._target_actor = frozen_copy(self._critic), frozen_copy(model)
        rate = run.learning_rate
        self._actor_optimizer = torch.optim.AdamW(trained_weights(model), lr=rate, weight_decay=0.0)
        # Deviation 3: the critic has no weight decay (paper 0.01): it is an adapter and a head on a frozen base.
        self._critic_optimizer = torch.optim.AdamW(
            trained_weights(self._critic), lr=rate * settings.critic_rate, weight_decay=0.0
        )

    def learn(self, batch: Batch, *, critic_only: bool) -> dict[str, float]:
        """One update of the critic and, unless ``critic_only``, of the actor, then of both targets."""
        settings, temperature = self._settings, self._run.cell.decoding.temperature
        q_B_T_V = self._critic(batch)[0]
        with torch.no_grad():
            target_pi_B_T_V = sampled_from(self._run, self._target_actor, batch)
            target_B_T = bootstrap(self._target_critic(batch)[0], target_pi_B_T_V, batch, lam=settings.lam)
        q_loss = masked_mean((taken(q_B_T_V, batch) - target_B_T) ** 2, batch.mask)
        q_loss.backward()
        update(self._critic_optimizer, settings.max_grad_norm)
        with torch.set_grad_enabled(not critic_only):
            logprobs_B_T_V = token_logprobs(self._run.policy.model, batch, temperature)
        # Deviation 4: the action is the next-token distribution and Q is linear in it, so that the policy gradient is
        # exact; the paper's action is a vector that a network reads.
        pi_loss = -masked_mean(action_value(q_B_T_V.detach(), logprobs_B_T_V), batch.mask)
        rate = norm = 0.0
        if not critic_only:
            pi_loss.backward()
            rate = learning_rate(self._run)
            norm = update(self._actor_optimizer, settings.max_grad_norm, rate=rate)
        polyak(self._target_critic, self._critic, settings.tau)
        polyak(self._target_actor, self._run.policy.model, settings.tau)
        return {
            "train/loss": float(pi_loss.detach()),
            "train/value_loss": float(q_loss.detach()),
            "train/entropy": float(masked_mean(entropy(logprobs_B_T_V.detach()), batch.mask)),
            "train/grad_norm": norm,
            "train/learning_rate": rate,
        }


def action_value(q: Tensor, logprobs: Tensor) -> Tensor:
    """Q(s, a) = <a, q(s)> with a = exp(logprobs), (..., V) -> (...); its gradient in a is q(s).

    Source: 2506.16608, section 3: with tokens drawn from a, the value is the mean over them.
    """
    return (logprobs.exp() * q).sum(-1)


def bootstrap(q: Tensor, logprobs: Tensor, batch: Batch, *, lam: float) -> Tensor:
    """(B, T) targets y = r + Q'(s', pi'(s')) for q of the tokens taken, corrected by Retrace where lam > 0.

    Args:
        q: (B, T, V), of the target critic.
        logprobs: (B, T, V), of the target actor.
        batch: tokens, their log-probabilities when sampled, and rewards.
        lam: 0 is the one-step target.
    Source: 1509.02971, algorithm 1; differs: Retrace (1606.02647) carries a terminal reward back along the whole
        completion in one update.
    """
    value_B_T = action_value(q, logprobs)
    # Deviation 5: gamma is 1 (paper 0.99), because the reward comes with the last token.
    rewards_B_T = at_last_token(batch.rewards, batch.mask)
    if lam == 0:
        return (rewards_B_T + next_state(value_B_T, batch.mask)) * batch.mask
    rho_B_T = ((taken(logprobs, batch) - batch.logprobs) * batch.mask).exp()
    # Deviation 6: Retrace carries the reward back along the whole completion in one update (paper: one-step targets,
    # `lam` 0).
    return retrace(rewards_B_T, taken(q, batch), value_B_T, rho_B_T, batch.mask, lam=lam)


class _Explorer(nn.Module):
    """The policy's model with eps / V mixed into its next-token distributions."""

    def __init__(self, model: Any, epsilon: float, temperature: float) -> None:
        super().__init__()
        self.model, self.config, self.generation_config = model, model.config, model.generation_config
        self._epsilon, self._temperature = epsilon, temperature
        # Sampling restores the mode it finds; a new module's would be training.
        self.train(model.training)

    def forward(self, **inputs: Any) -> Any:
        out = self.model(**inputs)
        pi = (out.logits.float() / self._temperature).softmax(-1)
        # Deviation 7: exploring draws some tokens uniformly (paper: Ornstein-Uhlenbeck noise added to the action, which
        # leaves the simplex).
        mixed = (1 - self._epsilon) * pi + self._epsilon / pi.shape[-1]
        # Sampling divides by the temperature again.
        return SimpleNamespace(logits=mixed.log() * self._temperature)

    def get_output_embeddings(self) -> Any:
        """The model's own head."""
        return self.model.get_output_embeddings()


def exploring(policy: Policy, epsilon: float, temperature: float) -> Policy:
    """The policy with each token drawn uniformly with probability ``epsilon``: mu = (1 - eps) pi + eps / V."""
    return replace(policy, model=_Explorer(policy.model, epsilon, temperature))
