"""What the actor-critic methods share: rollouts with rewards as padded tensors, replay, log-probabilities, metrics.

The token MDP: a state is the prompt and the tokens so far, an action is the next token, the reward comes with the last
token, gamma is 1. A completion the cap cut off ends there, with the reward its text earns. One forward pass over
prompt and completion gives every state at once: index t is the state *before* completion token t.

Critics and target copies are in rftlab.methods.critic.

Legend: B completions, T completion tokens (padded), S prompt and completion (padded), V vocabulary.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from rftlab.methods.base import RateSettings, TrainingRun
from rftlab.methods.core import alike, entropy
from rftlab.methods.curriculum import curriculum_of
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout, nucleus, sample
from rftlab.tasks.base import Example


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One completion and what became of it.

    Attributes:
        rollout: its tokens and their log-probabilities when sampled.
        example: the labelled example whose prompt was put.
        text: the completion as the verifier saw it.
        reward: the verifier's, in [0, 1].
        behaviour: (T, V) log-probabilities of every token under the policy that sampled, on the CPU; None unless asked
            for, because T x V floats are 25 MB at 128 tokens of a 49k vocabulary.
    """

    rollout: Rollout
    example: Example
    text: str
    reward: float
    behaviour: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Trajectories as tensors: prompts left-padded, completions right-padded, so that completions begin in one column.

    Attributes:
        ids: (B, S) prompt and completion tokens.
        attention: (B, S), 1 on tokens that are not padding.
        tokens: (B, T) completion tokens.
        mask: (B, T) float, 1 on completion tokens.
        logprobs: (B, T) log-probabilities of the tokens when sampled (nats), 0 off the mask.
        rewards: (B,) the verifier's rewards.
    """

    ids: Tensor
    attention: Tensor
    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    rewards: Tensor

    def __len__(self) -> int:
        return len(self.rewards)

    def rows(self, index: Tensor | slice) -> "Batch":
        """These rows only, padding unchanged."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def split(self, size: int) -> Iterator["Batch"]:
        """Consecutive pieces of at most ``size`` rows."""
        for start in range(0, len(self), size):
            yield self.rows(slice(start, start + size))


def collate(trajectories: Sequence[Trajectory], policy: Policy) -> Batch:
    """Trajectories, of any prompts, as one batch on the policy's device."""
    pad, device = int(policy.tokenizer.pad_token_id), policy.device
    rollouts = [trajectory.rollout for trajectory in trajectories]
    before = max(len(r.prompt_ids) for r in rollouts)
    after = max(len(r.completion_ids) for r in rollouts)
    ids, attention, logprobs = [], [], []
    for r in rollouts:
        # Prompts are padded on the left and completions on the right, so that token t is in one column for all.
        left, right = before - len(r.prompt_ids), after - len(r.completion_ids)
        ids.append([pad] * left + r.prompt_ids + r.completion_ids + [pad] * right)
        attention.append([0] * left + [1] * (len(r.prompt_ids) + len(r.completion_ids)) + [0] * right)
        logprobs.append(r.logprobs + [0.0] * right)
    ids_B_S, attention_B_S = torch.tensor(ids, device=device), torch.tensor(attention, device=device)
    return Batch(
        ids=ids_B_S,
        attention=attention_B_S,
        tokens=ids_B_S[:, before:],
        mask=attention_B_S[:, before:].float(),
        logprobs=torch.tensor(logprobs, device=device),
        rewards=torch.tensor([trajectory.reward for trajectory in trajectories], device=device),
    )


class Sampler:
    """Draws rollouts for the prompts, scores them with the verifier, and counts both.

    Args:
        run: prompts (`labels.asked`, reshuffled each epoch with `seed_data`), verifier, decoding, monitor.
        prompts_per_step: prompts a draw; a small label budget is gone through several times.
        num_generations: completions per prompt.
    """

    def __init__(self, run: TrainingRun, *, prompts_per_step: int, num_generations: int) -> None:
        self._run, self._prompts, self._generations = run, prompts_per_step, num_generations
        self._order = random.Random(f"prompts-{run.cell.seed_data}")
        self._generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)
        self._queue: list[Example] = []
        self._curriculum = curriculum_of(run)

    def draw(self, policy: Policy | None = None, *, behaviour: bool = False) -> list[Trajectory]:
        """`prompts_per_step` x `num_generations` trajectories, those of one prompt side by side.

        Args:
            policy: who samples; None is the policy being trained.
            behaviour: also keep the whole distribution at every token (one more forward pass).
        """
        run, policy = self._run, policy or self._run.policy
        drawn = self._next_prompts()
        prompts = [policy.encode_prompt(policy.prompt_text(example, cot=run.cell.cot)) for example in drawn]
        rollouts = sample(
            policy,
            [prompt for prompt in prompts for _ in range(self._generations)],
            max_new_tokens=run.max_new_tokens,
            generator=self._generator,
            temperature=run.cell.decoding.temperature,
            top_p=run.cell.decoding.top_p,
        )
        run.monitor.sampled(rollouts)
        examples = [example for example in drawn for _ in range(self._generations)]
        trajectories = self.score(rollouts, examples)
        return self._with_behaviour(trajectories, policy) if behaviour else trajectories

    def _next_prompts(self) -> list[Example]:
        asked = self._run.labels.asked
        if self._curriculum:
            return [asked[place] for place in self._curriculum.take(self._prompts)]
        while len(self._queue) < self._prompts:
            epoch = list(asked)
            self._order.shuffle(epoch)
            self._queue += epoch
        drawn, self._queue = self._queue[: self._prompts], self._queue[self._prompts :]
        return drawn

    def score(self, rollouts: Sequence[Rollout], examples: Sequence[Example]) -> list[Trajectory]:
        """Rollouts with the verifier's rewards; the calls are counted."""
        texts = [self._run.policy.decode(rollout.completion_ids, cot=self._run.cell.cot) for rollout in rollouts]
        scores = self._run.verifier.score(texts, examples)
        rewards, parts = [score.reward for score in scores], [score.parts for score in scores]
        self._run.monitor.verified(rewards, group=self._generations, parts=parts)
        return [
            Trajectory(rollout, example, text, score.reward)
            for rollout, example, text, score in zip(rollouts, examples, texts, scores, strict=True)
        ]

    @torch.no_grad()
    def _with_behaviour(self, trajectories: list[Trajectory], policy: Policy) -> list[Trajectory]:
        batch = collate(trajectories, policy)
        logprobs = [row for part in batch.split(64) for row in sampled_from(self._run, policy.model, part).cpu()]
        return [
            replace(trajectory, behaviour=row[: len(trajectory.rollout.completion_ids)].clone())
            for trajectory, row in zip(trajectories, logprobs, strict=True)
        ]


class Replay:
    """The last ``capacity`` trajectories, drawn uniformly with a generator of its own."""

    def __init__(self, capacity: int, *, seed: int) -> None:
        self._capacity, self._random = capacity, random.Random(f"replay-{seed}")
        self._items: list[Trajectory] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, trajectories: Sequence[Trajectory]) -> None:
        """Append; the oldest leave when the capacity is exceeded."""
        self._items = [*self._items, *trajectories][-self._capacity :]

    @property
    def informative(self) -> bool:
        """Whether any two rewards in memory differ."""
        return informative([trajectory.reward for trajectory in self._items])

    def draw(self, n: int) -> list[Trajectory]:
        """``n`` trajectories without replacement, or all of them if there are fewer."""
        return self._random.sample(self._items, min(n, len(self._items)))


def behaviour_tensor(trajectories: Sequence[Trajectory], batch: Batch) -> Tensor:
    """The stored behaviour distributions as (B, T, V) log-probabilities; uniform off the mask, hence finite."""
    rows = [trajectory.behaviour for trajectory in trajectories if trajectory.behaviour is not None]
    assert len(rows) == len(trajectories), "draw with behaviour=True"
    vocabulary = rows[0].shape[-1]
    stacked = torch.full((*batch.tokens.shape, vocabulary), -math.log(vocabulary))
    for b, row in enumerate(rows):
        stacked[b, : len(row)] = row
    return stacked.to(batch.ids.device)


def token_logprobs(model: Any, batch: Batch, temperature: float = 1.0) -> Tensor:
    """(B, T, V) log-probabilities of every next token in fp32 nats, at the sampling temperature; gradients flow."""
    # Logits at a position are of the token after it: those of the T completion tokens begin one place before the first,
    # and those of the last place are of a token that was never drawn.
    width = batch.tokens.shape[1]
    logits_B_T_V = model(
        input_ids=batch.ids, attention_mask=batch.attention, position_ids=positions(batch), logits_to_keep=width + 1,
        use_cache=False,
    ).logits[:, :-1]  # fmt: skip
    return (logits_B_T_V.float() / temperature).log_softmax(-1)


@torch.no_grad()
def sampled_from(run: TrainingRun, model: Any, batch: Batch) -> Tensor:
    """(B, T, V) log-probabilities of the distributions that completions of ``model`` are drawn from.

    That is `token_logprobs`, cut to the cell's nucleus and normalised again: -inf for what is never drawn.
    """
    return as_drawn(run, token_logprobs(model, batch, run.cell.decoding.temperature))


def as_drawn(run: TrainingRun, logprobs: Tensor) -> Tensor:
    """(B, T, V) log-probabilities at the sampling temperature, cut to the cell's nucleus and normalised again."""
    top_p = run.cell.decoding.top_p
    return logprobs if top_p == 1 else nucleus(logprobs.detach(), top_p)


def taken(x: Tensor, batch: Batch) -> Tensor:
    """(B, T, V) -> (B, T): the entries of the tokens that were sampled, 0 off the mask."""
    # Not a product: what a nucleus leaves out is infinite, also behind the completion's end.
    return x.gather(-1, batch.tokens[..., None])[..., 0].masked_fill(batch.mask == 0, 0.0)


def taken_and_entropy(model: Any, batch: Batch, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the sampled tokens and the entropy at each, both (B, T) nats, 0 off the mask."""
    logprobs_B_T_V = token_logprobs(model, batch, temperature)
    return taken(logprobs_B_T_V, batch), entropy(logprobs_B_T_V) * batch.mask


def trained_weights(*modules: nn.Module) -> list[nn.Parameter]:
    """Parameters that are trained, in order."""
    return [p for module in modules for p in module.parameters() if p.requires_grad]


def learning_rate(run: TrainingRun) -> float:
    """The policy's rate for the update that is about to be made: the run's, on its schedule."""
    settings: RateSettings = run.settings
    return run.learning_rate * run.monitor.rate(settings.lr_scheduler_type, settings.warmup_ratio)


def informative(rewards: Sequence[float] | Tensor) -> bool:
    """Whether rewards differ at all; where they do not, a policy's update would follow its critic's noise."""
    return not alike([float(reward) for reward in rewards])


def update(optimizer: torch.optim.Optimizer, max_grad_norm: float, *, rate: float | None = None) -> float:
    """One optimiser step, at ``rate`` if given, on the gradients present, clipped together; the norm before that."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] if rate is None else rate
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    norm = float(nn.utils.clip_grad_norm_(weights, max_grad_norm))
    if math.isfinite(norm):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm


def rollout_metrics(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Trace entries of a draw, named as GRPO's: reward, its standard deviation, completion tokens, truncation rate."""
    rewards = torch.tensor([trajectory.reward for trajectory in trajectories])
    rollouts = [trajectory.rollout for trajectory in trajectories]
    return {
        "train/reward": float(rewards.mean()),
        "train/reward_std": float(rewards.std()) if len(rewards) > 1 else 0.0,
        "train/completion_tokens": sum(len(r.completion_ids) for r in rollouts) / len(rollouts),
        "train/truncation_rate": sum(r.truncated for r in rollouts) / len(rollouts),
    }


def positions(batch: Batch) -> Tensor:
    """(B, S) position of each token within its own sequence, as in sampling."""
    return (batch.attention.cumsum(-1) - 1).clamp(min=0)
