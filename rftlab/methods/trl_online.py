"""What TRL's online trainers (GRPO, RLOO and the hybrids built on them) share here: prompts, rollouts, reward, names.

Sampling goes through rftlab.policy.rollout, which prefills each prompt once per group and drops finished rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from datasets import Dataset

from rftlab.methods.base import TrainingRun
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
}


class _Passes(Protocol):
    num_iterations: int
    beta: float


def batch_shape(completions: int, at_most: int) -> tuple[int, int]:
    """Completions per pass and passes per optimiser step: the largest divisor of ``completions`` within ``at_most``."""
    per_pass = min(at_most, completions)
    while completions % per_pass:
        per_pass -= 1
    return per_pass, completions // per_pass


def completion_cap(run: TrainingRun) -> int:
    """Completion cap in tokens for the prompts trained on."""
    decoding = run.cell.decoding
    return decoding.max_new_tokens if run.cell.cot else decoding.max_new_tokens_direct


def tries_per_prompt(prompts: int) -> int:
    """Completions to sample per prompt where no number is set: 512 in all, and never fewer than 8 a prompt."""
    return max(8, 512 // prompts)


def prompt_rows(run: TrainingRun, at_least: int) -> Dataset:
    """One row per labelled prompt, repeated until a step's prompts can be drawn."""
    rows = [
        {"prompt": run.policy.prompt_text(example, cot=run.cell.cot), "index": index}
        for index, example in enumerate(run.labels.train)
    ]
    return Dataset.from_list(rows * -(-at_least // len(rows)))


class Rollouts:
    """TRL's `rollout_func`: sample from the policy being trained, with a generator of its own (`seed_sampling`).

    Args:
        run: whose policy is sampled and whose monitor counts.
        extra_forwards: forward passes TRL makes over prompt and completion besides the trained ones (old policy,
            reference policy), counted as FLOPs.
    """

    def __init__(self, run: TrainingRun, *, extra_forwards: int) -> None:
        self._run = run
        self._extra_forwards = extra_forwards
        self._generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)

    def draw(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[Rollout]:
        """Sample one completion per entry and count it; equal prompts are counted as one prefill."""
        run, decoding = self._run, self._run.cell.decoding
        rollouts = sample(
            run.policy,
            prompts,
            max_new_tokens=max_new_tokens,
            generator=self._generator,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
        )
        completion_tokens = sum(len(r.completion_ids) for r in rollouts)
        run.monitor.generated(sum(map(len, {tuple(prompt) for prompt in prompts})), completion_tokens)
        return rollouts

    def count_training(self, rollouts: Sequence[Rollout], settings: _Passes) -> None:
        """Count the passes TRL is about to make over these rollouts."""
        tokens = sum(len(r.prompt_ids) + len(r.completion_ids) for r in rollouts)
        self._run.monitor.trained(tokens, passes=settings.num_iterations)
        for _ in range(self._extra_forwards):
            self._run.monitor.forwarded(tokens)

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        """What TRL asks of a `rollout_func`: token ids of prompts and completions, and their log-probabilities."""
        ids = {text: self._run.policy.encode_prompt(text) for text in dict.fromkeys(prompts)}
        rollouts = self.draw([ids[text] for text in prompts], trainer.args.max_completion_length)
        self.count_training(rollouts, self._run.settings)
        return {
            "prompt_ids": [r.prompt_ids for r in rollouts],
            "completion_ids": [r.completion_ids for r in rollouts],
            "logprobs": [r.logprobs for r in rollouts],
        }


class VerifierReward:
    """TRL reward function: the verifier's reward of each completion."""

    __name__ = "verifier"

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    def __call__(self, completions: list[str], index: list[int], **more: Any) -> list[float]:
        """Rewards of completions; ``index`` says which labelled example each belongs to.

        TRL's texts lack what the tokenizer calls special: its `completion_ids` are decoded as evaluation does.
        """
        run = self._run
        texts = [run.policy.decode(ids, cot=run.cell.cot) for ids in more["completion_ids"]]
        scores = run.verifier.score(texts, [run.labels.train[i] for i in index])
        rewards = [self.of(score) for score in scores]
        run.monitor.verified(rewards, group=run.settings.num_generations)
        return rewards

    def of(self, score: Score) -> float:
        """Reward of one scored completion, in [0, 1]."""
        return score.reward
