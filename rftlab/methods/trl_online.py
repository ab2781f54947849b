"""What TRL's online trainers (GRPO, RLOO and the hybrids built on them) share here: prompts, rollouts, reward, names.

Sampling goes through rftlab.policy.rollout, which prefills each prompt once per group and drops finished rows, or
through vLLM where the settings say so.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import torch
import trl.trainer.grpo_trainer
import trl.trainer.rloo_trainer
from datasets import Dataset
from peft import PeftModel
from pydantic import Field
from torch import Tensor

from rftlab.methods import vllm
from rftlab.methods.base import Settings, TrainingRun
from rftlab.methods.core import alike
from rftlab.methods.critic import frozen_copy
from rftlab.methods.curriculum import Curriculum, CurriculumSampler, curriculum_of
from rftlab.methods.shared_prompts import SharedPrompts
from rftlab.policy.rollout import Rollout, sample
from rftlab.verifiers.base import Score

LOG_NAMES: Mapping[str, str] = {
    "loss": "train/loss",
    "reward": "train/reward",
    "reward_std": "train/reward_std",
    "frac_reward_zero_std": "train/zero_std_groups",
    "completions/mean_length": "train/completion_tokens",
    "completions/clipped_ratio": "train/truncation_rate",
    "clip_ratio/region_mean": "train/clipped_share",
    "entropy": "train/entropy",
    "kl": "kl/reference",
    "draws": "train/draws",
}


class RewardSettings(Settings):
    """What becomes of the verifier's reward before it is compared."""

    binary_after: float = Field(
        1.0, ge=0, le=1, description="share of the cell's budget after which a partial reward (below 1) counts as 0"
    )
    overlong_buffer: float = Field(
        0.0, ge=0, lt=1, description="share of the completion cap, its end, over which a reward falls"
    )
    overlong_penalty_factor: float = Field(1.0, gt=0, description="what it has fallen by at the cap")

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """The completions' lengths, where they count."""
        return ("the length of its completions",) if self.overlong_buffer else ()


def batch_shape(completions: int, at_most: int) -> tuple[int, int]:
    """Completions per pass and passes per optimiser step: the largest divisor of ``completions`` within ``at_most``."""
    per_pass = min(at_most, completions)
    while completions % per_pass:
        per_pass -= 1
    return per_pass, completions // per_pass


def prompt_rows(run: TrainingRun, at_least: int) -> Dataset:
    """One row per prompt, with a label or without, repeated until a step's prompts can be drawn."""
    rows = [
        {"prompt": run.policy.prompt_text(example, cot=run.cell.cot), "index": index}
        for index, example in enumerate(run.labels.asked)
    ]
    return Dataset.from_list(rows * -(-at_least // len(rows)))


@contextlib.contextmanager
def reference_where_it_starts(run: TrainingRun) -> Iterator[None]:
    """While a trainer is made inside: the KL's reference is the policy as it is now, for every kind of adapter.

    TRL does so for an adapter; for full fine-tuning it loads the base again, which a later stage does not start from.
    """
    if isinstance(run.policy.model, PeftModel):
        yield
        return

    def copied(*_: Any, **__: Any) -> Any:
        return frozen_copy(run.policy.model)

    with (
        mock.patch.object(trl.trainer.grpo_trainer, "create_model_from_path", copied),
        mock.patch.object(trl.trainer.rloo_trainer, "create_model_from_path", copied),
    ):
        yield


class OnlineTrainer(SharedPrompts):
    """What `GRPOTrainer` and `RLOOTrainer` are derived with: groups of equal rewards have no advantage at all.

    Where the mean of equal rewards is rounded, TRL's advantages are about 1e-8, and Adam makes whole steps of them.

    Attributes:
        run: what is trained, whose monitor is told how far the sampler is from it.
        curriculum: what prompts come by; None: in random order.
        asked: prompts of the batch that is being drawn, in the data's order, one number a completion.
        kl_in_reward: whether rewards of the verifier that are equal have had a KL taken off since, which may differ.
    """

    run: TrainingRun
    curriculum: Curriculum | None
    kl_in_reward = False
    asked: list[int]
    _rewards_B: Tensor

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        sampler = super()._get_train_sampler(dataset)  # type: ignore[misc]
        self.curriculum = curriculum_of(self.run)
        return CurriculumSampler.like(sampler, self.curriculum) if self.curriculum else sampler

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)  # type: ignore[misc]
        self._rewards_B = rewards[:, 0]
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        self.asked = [row["index"] for row in inputs]
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        size, metrics = self.num_generations, self._metrics["train"]  # type: ignore[attr-defined]
        gather = self.accelerator.gather  # type: ignore[attr-defined]
        compared = [self._rewards_B, *([gather(output["advantages"])] if self.kl_in_reward else [])]
        groups = zip(*(x_B.view(-1, size).tolist() for x_B in compared), strict=True)
        alike_P = torch.tensor([all(map(alike, group)) for group in groups])
        metrics["frac_reward_zero_std"][-1] = alike_P.float().mean().item()
        # What the verifier gave for all that was drawn: neither without the groups left out, nor less for length.
        if (verified := self.run.monitor.drawn.mean_reward) is not None:
            metrics["reward"][-1] = verified
        # Rewards are those of all processes, the rest is of this one.
        mine = slice(self.run.peers.rank * len(inputs), (self.run.peers.rank + 1) * len(inputs))
        alike_B = alike_P.repeat_interleave(size)[mine].to(self._rewards_B.device)
        # Deviation 1: groups whose rewards are equal have an advantage of exactly 0; the rounded mean would leave 1e-8,
        # of which Adam makes whole steps.
        output["advantages"] = output["advantages"].masked_fill(alike_B, 0.0)
        return output

    @property
    def comparable(self) -> bool:
        """Whether sampler and trainer ought to agree: not on a nucleus, nor under dropout, which only trainers have."""
        return self.run.cell.decoding.top_p == 1 and not self.run.cell.adapter.dropout


class Rollouts:
    """TRL's `rollout_func`: sample from the policy being trained, with a generator of its own (`seed_sampling`).

    Of several processes each samples its share, with a generator that follows from the seed and its rank.

    Attributes:
        generator: what it draws with.

    Args:
        run: whose policy is sampled and whose monitor counts.
    """

    def __init__(self, run: TrainingRun) -> None:
        self._run = run
        self.generator = torch.Generator(run.policy.device).manual_seed(_seed(run.cell.seed_sampling, run.peers.rank))

    def draw(self, prompts: Sequence[Sequence[int]], trainer: Any) -> list[Rollout]:
        """Sample one completion per entry and count it; by the trainer's vLLM, if it has one."""
        run, decoding = self._run, self._run.cell.decoding
        if trainer.use_vllm:
            rollouts = vllm.sample(trainer, prompts, run.policy.eos_ids, self.generator)
        else:
            rollouts = sample(
                run.policy,
                prompts,
                max_new_tokens=run.max_new_tokens,
                generator=self.generator,
                temperature=decoding.temperature,
                top_p=decoding.top_p,
            )
        run.monitor.sampled(rollouts)
        return rollouts

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        """What TRL asks of a `rollout_func`: token ids of prompts and completions, and their log-probabilities."""
        ids = {text: self._run.policy.encode_prompt(text) for text in dict.fromkeys(prompts)}
        rollouts = self.draw([ids[text] for text in prompts], trainer)
        return {
            "prompt_ids": [r.prompt_ids for r in rollouts],
            "completion_ids": [r.completion_ids for r in rollouts],
            "logprobs": [r.logprobs for r in rollouts],
        }


def _seed(seed: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, rank)).generate_state(1)[0]) if rank else seed


class VerifierReward:
    """TRL reward function: the verifier's reward of each completion."""

    __name__ = "verifier"

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    def __call__(self, completions: list[str], index: list[int], **more: Any) -> list[float]:
        """Rewards of completions; ``index`` says which prompt each belongs to.

        TRL's texts lack what the tokenizer calls special: its `completion_ids` are decoded as evaluation does.
        """
        ids = more["completion_ids"]
        rewards = more["verified"] if "verified" in more else self.verified(ids, index)
        return [reward - self._overlong(tokens) for reward, tokens in zip(rewards, ids, strict=True)]

    def verified(self, completion_ids: Sequence[Sequence[int]], index: Sequence[int]) -> list[float]:
        """Rewards in [0, 1] of completions, group by group, counted; before their length is looked at."""
        run = self._run
        texts = [run.policy.decode(list(ids), cot=run.cell.cot) for ids in completion_ids]
        scores = run.verifier.score(texts, [run.labels.asked[i] for i in index])
        rewards, parts = [self.of(score) for score in scores], [score.parts for score in scores]
        if run.monitor.fraction >= run.settings.binary_after:
            rewards = [float(reward >= 1) for reward in rewards]
        if run.settings.overlong_buffer:
            parts = [{**part, "overlong": self._overlong(i)} for part, i in zip(parts, completion_ids, strict=True)]
        run.monitor.verified(rewards, group=run.settings.num_generations, parts=parts)
        return rewards

    def _overlong(self, tokens: Sequence[int]) -> float:
        buffer = self._run.settings.overlong_buffer
        if not buffer:
            return 0.0
        return self._run.settings.overlong_penalty_factor * overlong(len(tokens), self._run.max_new_tokens, buffer)

    def of(self, score: Score) -> float:
        """Reward of one scored completion, in [0, 1]."""
        return score.reward


def overlong(length: int, cap: int, buffer: float) -> float:
    """The share of the punishment a completion gets: 0 up to (1 - buffer) cap, from there linearly to 1 at the cap.

    Args:
        length: tokens of the completion.
        cap: L_max, at most so many tokens are sampled.
        buffer: L_cache / L_max, in (0, 1).

    Source: Yu et al. 2025 (2503.14476), equation 13, which adds the negative of it.
    """
    cache = buffer * cap
    return min(1.0, max(0.0, (length - (cap - cache)) / cache))
