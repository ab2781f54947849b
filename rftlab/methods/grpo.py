"""Group relative policy optimisation (Shao et al. 2024, DeepSeekMath, 2402.03300), by TRL's GRPOTrainer.

The verifier is the reward. Sampling goes through rftlab.rollout, which prefills each prompt once per group and drops
finished rows; advantages, ratio, clipping and KL are TRL's.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from datasets import Dataset
from pydantic import Field
from trl import GRPOConfig, GRPOTrainer

from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.trl_bridge import MonitorCallback, common_arguments, finish, quiet_trainer
from rftlab.rollout import sample


class GRPOSettings(Settings):
    """Settings of `grpo`, by TRL's names."""

    num_generations: int = Field(8, ge=2, description="group size: completions per prompt")
    prompts_per_step: int = Field(8, ge=1, description="prompts per optimiser step")
    per_device_train_batch_size: int = Field(64, ge=1, description="completions per forward and backward pass")
    num_iterations: int = Field(1, ge=1, description="updates per batch of rollouts")
    loss_type: Literal["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo"] = "grpo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    importance_sampling_level: Literal["token", "sequence"] = "token"
    beta: float = Field(0.0, ge=0, description="weight of the KL to the reference policy")
    epsilon: float = Field(0.2, gt=0)
    epsilon_high: float | None = Field(None, gt=0)
    use_bias_correction_kl: bool = False
    mask_truncated_completions: bool = False
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "constant_with_warmup"
    warmup_steps: int = Field(5, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)


class GRPO:
    """GRPO with the verifier as reward (TRL GRPOTrainer)."""

    Settings: ClassVar[type[Settings]] = GRPOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # DeepSeekMath, section 4.2: "The learning rate of the policy model is 1e-6 [full fine-tuning]. The KL
        # coefficient is 0.04. For each question, we sample 64 outputs. ... The policy model only has a single update
        # following each exploration stage." Its eq. 3 averages over tokens within a completion, then over the group
        # (loss_type grpo), and its KL (eq. 4) carries no importance ratio.
        "deepseek": {
            "num_generations": 64,
            "num_iterations": 1,
            "loss_type": "grpo",
            "scale_rewards": "group",
            "importance_sampling_level": "token",
            "beta": 0.04,
            "epsilon": 0.2,
            "use_bias_correction_kl": False,
        },
    }
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(1e-4, 3e-5, 3e-4, 1e-5))
    card = (
        "Idea: sample a group of completions per prompt and raise those the verifier scores above their group's mean.\n"
        "Objective: E[min(rho A, clip(rho, 1-eps, 1+eps) A)] - beta KL(pi || ref), A = (r - mean) / std in the group.\n"
        "Settings: G = 8 (paper 64), 8 prompts a step, eps 0.2, beta 0 (paper 0.04: preset deepseek), one update a\n"
        "batch, LoRA rate 5e-4 (paper 1e-6 with full fine-tuning; TRL's 1e-6 default does not move a LoRA adapter).\n"
        "When: answers can be verified, and the base already succeeds now and then (pass@8 well above 0).\n"
        "What goes wrong: groups with equal rewards give no gradient (train/zero_std_groups near 1); reward rises while\n"
        "accuracy falls (a verifier that can be fooled); entropy collapses; too high a rate drops reward to 0 for good."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, score and update until the budget is spent."""
        settings: GRPOSettings = run.settings
        os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
        with quiet_trainer() as scratch:
            trainer = GRPOTrainer(
                model=run.policy.model,
                reward_funcs=_Reward(run),
                rollout_func=_Rollouts(run),
                args=_arguments(run, settings, scratch),
                train_dataset=_prompts(run, settings.prompts_per_step),
                processing_class=run.policy.tokenizer,
                callbacks=[
                    MonitorCallback(
                        run,
                        {
                            "loss": "train/loss",
                            "reward": "train/reward",
                            "reward_std": "train/reward_std",
                            "frac_reward_zero_std": "train/zero_std_groups",
                            "completions/mean_length": "train/completion_tokens",
                            "completions/clipped_ratio": "train/truncation_rate",
                            "entropy": "train/entropy",
                            "kl": "kl/reference",
                        },
                    )
                ],
            )
            finish(trainer, run)


def _arguments(run: TrainingRun, settings: GRPOSettings, scratch: str) -> GRPOConfig:
    completions = settings.prompts_per_step * settings.num_generations
    per_pass = min(settings.per_device_train_batch_size, completions)
    while completions % per_pass:
        per_pass -= 1
    return GRPOConfig(
        **common_arguments(run, scratch, scheduler=settings.lr_scheduler_type, warmup_steps=settings.warmup_steps),
        per_device_train_batch_size=per_pass,
        gradient_accumulation_steps=completions // per_pass,
        max_completion_length=run.cell.decoding.max_new_tokens if run.cell.cot
        else run.cell.decoding.max_new_tokens_direct,
        temperature=run.cell.decoding.temperature,
        top_p=run.cell.decoding.top_p,
        remove_unused_columns=False,
        **settings.model_dump(
            include={
                "num_generations", "num_iterations", "loss_type", "scale_rewards", "importance_sampling_level", "beta",
                "epsilon", "epsilon_high", "use_bias_correction_kl", "mask_truncated_completions", "weight_decay",
                "max_grad_norm",
            }
        ),
    )  # fmt: skip


def _prompts(run: TrainingRun, at_least: int) -> Dataset:
    """One row per labelled prompt, repeated until a step's prompts can be drawn: a small label budget costs no compute."""
    rows = [
        {"prompt": run.policy.prompt_text(example, cot=run.cell.cot), "index": index}
        for index, example in enumerate(run.labels.train)
    ]
    return Dataset.from_list(rows * -(-at_least // len(rows)))


class _Rollouts:
    """TRL's `rollout_func`: sample from the policy being trained, with a generator of its own (`seed_sampling`)."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run
        self._generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        run, decoding = self._run, self._run.cell.decoding
        ids = {text: run.policy.encode_prompt(text) for text in dict.fromkeys(prompts)}
        rollouts = sample(
            run.policy,
            [ids[text] for text in prompts],
            max_new_tokens=trainer.args.max_completion_length,
            generator=self._generator,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
        )
        prompt_tokens = sum(map(len, ids.values()))
        completion_tokens = sum(len(r.completion_ids) for r in rollouts)
        run.monitor.generated(prompt_tokens, completion_tokens)
        trained = sum(len(r.prompt_ids) for r in rollouts) + completion_tokens
        run.monitor.trained(trained, passes=run.settings.num_iterations)
        if run.settings.beta:
            run.monitor.forwarded(trained)
        return {
            "prompt_ids": [r.prompt_ids for r in rollouts],
            "completion_ids": [r.completion_ids for r in rollouts],
            "logprobs": [r.logprobs for r in rollouts],
        }


class _Reward:
    """TRL reward function: the verifier's reward of each completion."""

    __name__ = "verifier"

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    def __call__(self, completions: list[str], index: list[int], **_: Any) -> list[float]:
        run = self._run
        run.monitor.verified(len(completions))
        scores = run.verifier.score(completions, [run.labels.train[i] for i in index])
        return [score.reward for score in scores]
