"""Actor-critic with experience replay (Wang et al. 2017, 1611.01224), on the token MDP.

No maintained PyTorch library has it (torchrl has V-trace only). Each draw of rollouts is learnt from once on-policy and
`replay_ratio` times more from memory. The importance weights need the whole behaviour distribution mu(.|s): for small
vocabularies it is stored; for large ones the adapter that sampled is kept, and mu is computed again when needed.

Legend: B completions, T completion tokens (padded), V vocabulary; pi policy, pi_a average policy, mu behaviour;
rho = pi / mu; c truncation; z logits (the statistics phi of the paper); g, k gradients with respect to z; delta radius.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from rftlab.errors import RftlabError
from rftlab.methods.actor_critic import (
    Batch,
    Sampler,
    Trajectory,
    behaviour_tensor,
    collate,
    informative,
    learning_rate,
    rollout_metrics,
    sampled_from,
    taken,
    token_logprobs,
    trained_weights,
    update,
)
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.core import assign, at_last_token, entropy, flatten, retrace
from rftlab.methods.critic import Critic, frozen_copy, polyak


class ACERSettings(RateSettings):
    """Settings of `acer`, by the paper's names."""

    prompts_per_step: int = Field(8, ge=1, description="prompts per draw of rollouts")
    num_generations: int = Field(8, ge=1, description="completions per prompt")
    per_device_train_batch_size: int = Field(64, ge=1, description="completions per forward and backward pass")
    replay_ratio: int = Field(4, ge=0, description="updates from memory per draw")
    memory: int = Field(32, ge=1, description="draws kept")
    c: float = Field(10.0, gt=0, description="truncation of the importance weights")
    delta: float = Field(0.01, gt=0, description="radius of the trust region, per token")
    alpha: float = Field(0.99, ge=0, lt=1, description="decay of the average policy")
    entropy_coef: float = Field(0.01, ge=0, description="weight of the entropy bonus")
    critic_learning_rate: float = Field(1e-3, gt=0, description="of the critic's adapter and head")
    max_grad_norm: float = Field(1.0, gt=0)
    store_below: int = Field(4096, ge=0, description="vocabulary up to which mu is stored; above, the adapter is")


@dataclass(frozen=True, slots=True)
class _Draw:
    """One draw in memory: its trajectories, with mu on each, or the weights that sampled them."""

    trajectories: Sequence[Trajectory]
    weights: Tensor | None


class ACER:
    """ACER with the verifier as reward and a Q critic on its own adapter."""

    Settings: ClassVar[type[Settings]] = ACERSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Section 6 and appendix C: c = 10, delta = 1, alpha = 0.99, replay ratio 4, entropy 0.001. Its rewards are game
        # scores; with rewards in [0, 1] the trust region then never acts.
        "paper": {"c": 10.0, "delta": 1.0, "alpha": 0.99, "replay_ratio": 4, "entropy_coef": 0.001},
    }
    ladder = Ladder(lora=(1e-3, 5e-4, 2e-4, 2e-3), full=(1e-4, 3e-5, 1e-5, 3e-4))
    card = (
        "Idea: learn from each completion several times, from memory, weighting it by how likely it is now against\n"
        "when sampled.\n"
        "Objective: E_mu[min(c, rho) log pi(y) (Q_ret - V)] + E_pi[(1 - c / rho)_+ log pi (Q - V)] + entropy bonus,\n"
        "with Q_ret by Retrace; each token's gradient is projected so that the step stays within delta of an\n"
        "average policy.\n"
        "Settings: c 10, alpha 0.99, replay 4 as in the paper; delta 0.01 (paper 1, for rewards far larger than 1:\n"
        "preset paper), entropy 0.01 (OpenAI baselines; paper 0.001), gamma 1 (paper 0.99: over 128 tokens that\n"
        "leaves 28 % of the reward), Adam at 1e-3 on LoRA (paper RMSprop), critic 1e-3.\n"
        "Costs: a draw samples and verifies 64 completions, with a forward pass for mu; each of its 5 updates is\n"
        "one forward and one backward pass of policy and critic and a forward pass of the average policy over 64.\n"
        "Memory: several tensors of completions x tokens x vocabulary at once, and of every draw kept either mu\n"
        "(vocabulary floats a token) or an adapter, which then costs one forward pass more.\n"
        "When: completions or verifier calls are dear and updates are cheap.\n"
        "What goes wrong: the policy settles in whatever earned a reward first (train/entropy near 0, train/reward\n"
        "flat below 1): lower delta or the rate; train/trust_region_active at 0 means delta does nothing (at 1 it\n"
        "never acted on rewards in [0, 1]); train/importance far from 1 means memory too old for the rate; a small\n"
        "value loss at a flat reward is a critic that knows the trap, not success."
    )

    def train(self, run: TrainingRun) -> None:
        """Draw, learn, then learn from memory, until the budget is spent."""
        settings: ACERSettings = run.settings
        learner = _Learner(run, settings)
        sampler = Sampler(run, prompts_per_step=settings.prompts_per_step, num_generations=settings.num_generations)
        run.monitor.steps_per_draw = 1 + settings.replay_ratio
        pick = random.Random(f"replay-{run.cell.seed_sampling}")
        memory: list[_Draw] = []
        while not run.monitor.exhausted:
            trajectories = sampler.draw(behaviour=learner.stores)
            memory = [*memory, _Draw(trajectories, learner.snapshot())][-settings.memory :]
            learns = informative([t.reward for draw in memory for t in draw.trajectories])
            metrics = rollout_metrics(trajectories) | {"train/skipped": float(not learns)}
            # Deviation 1: `replay_ratio` updates from memory follow every draw, each on a whole draw; the paper takes a
            # Poisson number with that mean, each on one trajectory.
            for draw in [memory[-1], *(pick.choice(memory) for _ in range(settings.replay_ratio))]:
                if run.monitor.step(metrics | learner.learn(draw, critic_only=not learns)):
                    return


class _Learner:
    """Policy, average policy and critic, and one update of all three."""

    def __init__(self, run: TrainingRun, settings: ACERSettings) -> None:
        self._run, self._settings, policy = run, settings, run.policy
        vocabulary = int(policy.model.get_output_embeddings().weight.shape[0])
        self.stores = vocabulary <= settings.store_below
        if not self.stores and run.cell.adapter.kind == "full":
            raise RftlabError(
                f"acer with full fine-tuning and a vocabulary of {vocabulary} would keep a whole model per draw; "
                "use an adapter (adapter.kind: lora), or raise settings.store_below"
            )
        self._critic = Critic(policy.model, outputs=vocabulary, seed=run.cell.seed_init)
        self._average = frozen_copy(policy.model)
        self._weights = trained_weights(policy.model)
        self._behaviour = None if self.stores else frozen_copy(policy.model)
        # Deviation 2: Adam, one optimiser and rate for the policy and one for the critic, each on its own adapter; the
        # paper has RMSprop on one network with two heads.
        self._actor_optimizer = torch.optim.AdamW(self._weights, lr=run.learning_rate, weight_decay=0.0)
        self._critic_optimizer = torch.optim.AdamW(
            trained_weights(self._critic), lr=settings.critic_learning_rate, weight_decay=0.0
        )

    def snapshot(self) -> Tensor | None:
        """The trained weights as they are now, on the CPU; None where mu is stored instead."""
        return None if self.stores else flatten(w.detach() for w in self._weights).cpu()

    def learn(self, draw: _Draw, *, critic_only: bool = False) -> dict[str, float]:
        """One update of critic and, unless ``critic_only``, policy and average policy; what the trace shows of it."""
        run, settings = self._run, self._settings
        whole = collate(draw.trajectories, run.policy)
        tokens, totals = whole.mask.sum(), dict.fromkeys(_SHOWN, 0.0)
        size = settings.per_device_train_batch_size
        for start in range(0, len(whole), size):
            batch = whole.rows(slice(start, start + size))
            mu_B_T_V = self._mu(draw, batch, slice(start, start + size))
            losses, shown = self._losses(batch, mu_B_T_V, critic_only=critic_only)
            for loss_B_T in losses:
                ((loss_B_T * batch.mask).sum() / tokens).backward()
            for name, value_B_T in shown.items():
                totals[name] += float((value_B_T * batch.mask).sum() / tokens)
        update(self._critic_optimizer, settings.max_grad_norm)
        if critic_only:
            return totals
        rate = totals["train/learning_rate"] = learning_rate(run)
        totals["train/grad_norm"] = update(self._actor_optimizer, settings.max_grad_norm, rate=rate)
        polyak(self._average, run.policy.model, 1 - settings.alpha)
        return totals

    @torch.no_grad()
    def _mu(self, draw: _Draw, batch: Batch, rows: slice) -> Tensor:
        if draw.weights is None:
            return behaviour_tensor(draw.trajectories[rows], batch)
        assert self._behaviour is not None
        pairs = zip(self._run.policy.model.parameters(), self._behaviour.parameters(), strict=True)
        assign([copy for own, copy in pairs if own.requires_grad], draw.weights.to(batch.ids.device))
        return sampled_from(self._run, self._behaviour, batch)

    def _losses(self, batch: Batch, mu: Tensor, *, critic_only: bool) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        settings, temperature = self._settings, self._run.cell.decoding.temperature
        with torch.set_grad_enabled(not critic_only):
            logprobs_B_T_V = token_logprobs(self._run.policy.model, batch, temperature)
        q_B_T_V = self._critic(batch)[0]
        with torch.no_grad():
            average_B_T_V = token_logprobs(self._average, batch, temperature)
        pi, q = logprobs_B_T_V.detach(), q_B_T_V.detach()
        value_B_T = (pi.exp() * q).sum(-1)
        rho_B_T_V = (pi - mu).exp()
        # Deviation 3: gamma is 1 (paper 0.99): the reward comes with the last token, and over 128 tokens 28 % of it
        # would be left.
        target_B_T = retrace(
            at_last_token(batch.rewards, batch.mask), taken(q, batch), value_B_T, taken(rho_B_T_V, batch), batch.mask
        )
        c, entropy_coef = settings.c, settings.entropy_coef
        g = policy_gradient(pi, q, rho_B_T_V, target_B_T, batch.tokens, c=c, entropy_coef=entropy_coef)
        z, active_B_T = trust_region(g, pi.exp() - average_B_T_V.exp(), delta=settings.delta)
        # z is a constant: with it detached, the gradient of z . log pi is z times the gradient of the logits, since
        # each row of z sums to 0.
        policy_loss_B_T = -(z * logprobs_B_T_V).sum(-1)
        q_loss_B_T = 0.5 * (taken(q_B_T_V, batch) - target_B_T) ** 2
        shown = (q_loss_B_T.detach(), active_B_T.float(), taken(rho_B_T_V, batch).clamp(max=1e4), entropy(pi))
        losses = (q_loss_B_T,) if critic_only else (policy_loss_B_T, q_loss_B_T)
        return losses, dict(zip(_SHOWN, shown, strict=True))


_SHOWN = ("train/value_loss", "train/trust_region_active", "train/importance", "train/entropy")


def policy_gradient(
    logprobs: Tensor, q: Tensor, rho: Tensor, target: Tensor, tokens: Tensor, *, c: float, entropy_coef: float = 0.0
) -> Tensor:
    """Gradient g of ACER's objective with respect to the logits z, (B, T, V); each row over V sums to 0.

    g = min(c, rho_t) (Q_ret - V) grad log pi(y_t) + sum_a pi(a) (1 - c / rho_a)_+ (Q_a - V) grad log pi(a)
    + entropy_coef grad H, where grad_z log pi(a) = onehot(a) - pi.

    Args:
        logprobs: (B, T, V) log pi, nats.
        q: (B, T, V).
        rho: (B, T, V) pi / mu of every token; infinite for what mu, cut to a nucleus, never draws.
        target: (B, T) Q_ret of the tokens taken.
        tokens: (B, T) the tokens taken.
        c: truncation.
        entropy_coef: weight of the entropy bonus.
    Source: Wang et al. 2017 (1611.01224), equation 9; the entropy bonus is in section 5 and in the released code.
    """
    pi = logprobs.exp()
    value = (pi * q).sum(-1)
    rho_taken = rho.gather(-1, tokens[..., None])[..., 0]
    # u is the gradient with respect to log pi, taken token by token.
    # Summed over the whole vocabulary, hence no sample is needed here and no gradient flows through rho.
    u = pi * (1 - c / rho).clamp(min=0) * (q - value[..., None])
    truncated = rho_taken.clamp(max=c) * (target - value)
    u = u.scatter_add(-1, tokens[..., None], truncated[..., None])
    u = u - entropy_coef * pi * (logprobs + 1)
    return u - pi * u.sum(-1, keepdim=True)


def trust_region(g: Tensor, k: Tensor, *, delta: float) -> tuple[Tensor, Tensor]:
    """z* = g - max(0, (k.g - delta) / |k|^2) k, (B, T, V), and where the constraint k.z <= delta acted, (B, T).

    Args:
        g: (B, T, V).
        k: (B, T, V), grad_z KL(pi_a || pi) = pi - pi_a.
        delta: radius.
    Source: Wang et al. 2017 (1611.01224), equation 12; differs: phi is the logits, which keeps k bounded for any V
        (the paper takes the probabilities, PFRL log-probabilities; without the constraint all three agree).
    """
    # Deviation 4: the statistics phi are the logits, which keeps k bounded for any vocabulary; the paper takes the
    # probabilities. Without the constraint the two agree.
    excess = (k * g).sum(-1) - delta
    scale = excess.clamp(min=0) / k.pow(2).sum(-1).clamp(min=1e-12)
    return g - scale[..., None] * k, excess > 0
