"""Group relative policy optimisation (Shao et al. 2024, DeepSeekMath, 2402.03300), by TRL's GRPOTrainer.

The verifier is the reward. Advantages, ratio, clipping and KL are TRL's. Hybrids and controls derive from `GRPO` and
replace its trainer or its reward.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer

from rftlab.methods import vllm
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.dynamic_sampling import DynamicRollouts
from rftlab.methods.mismatch import weighted
from rftlab.methods.trl_bridge import MonitorCallback, common_arguments, finish, quiet_trainer
from rftlab.methods.trl_online import (
    LOG_NAMES,
    OnlineTrainer,
    RewardSettings,
    Rollouts,
    VerifierReward,
    batch_shape,
    prompt_rows,
    reference_where_it_starts,
)
from rftlab.methods.vllm import VLLMSettings


class GRPOSettings(RewardSettings, VLLMSettings, RateSettings):
    """Settings of `grpo`, by TRL's names."""

    num_generations: int = Field(16, ge=2, description="group size: completions per prompt")
    prompts_per_step: int = Field(4, ge=1, description="prompts per optimiser step")
    per_device_train_batch_size: int = Field(64, ge=1, description="completions per forward and backward pass")
    minibatches: int = Field(1, ge=1, description="optimiser steps a batch of rollouts is split into")
    num_iterations: int = Field(1, ge=1, description="updates per batch of rollouts")
    loss_type: Literal["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo"] = "grpo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    importance_sampling_level: Literal["token", "sequence"] = "token"
    beta: float = Field(0.0, ge=0, description="weight of the KL to the reference policy")
    epsilon: float = Field(0.2, gt=0)
    epsilon_high: float | None = Field(None, gt=0, description="for cispo the cap on the ratio itself")
    use_bias_correction_kl: bool = False
    mask_truncated_completions: bool = False
    max_num_gen_batches: int = Field(
        1, ge=1, description="draws at most until all groups of a batch have signal (dynamic sampling); 1 draws once"
    )
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _cap_of_cispo(self) -> "GRPOSettings":
        if self.loss_type == "cispo" and (self.epsilon_high or 0) < 1:
            raise ValueError("loss_type cispo caps the ratio itself: give epsilon_high >= 1 (5.0 in preset cispo)")
        return self


# The settings that TRL's GRPOConfig takes under the same name.
_TRL_NAMES = {
    "num_generations", "num_iterations", "loss_type", "scale_rewards", "importance_sampling_level", "beta", "epsilon",
    "epsilon_high", "use_bias_correction_kl", "mask_truncated_completions", "weight_decay", "max_grad_norm",
}  # fmt: skip


class StepTrainer(OnlineTrainer, GRPOTrainer):
    """GRPOTrainer whose update does not depend on how many passes a step is made in, nor on who samples."""

    args: GRPOConfig
    _buffered_inputs: Any
    _unheld: dict[str, Any] | None = None

    @property
    def passes(self) -> int:
        """Forward and backward passes a step."""
        return self.args.gradient_accumulation_steps

    @property
    def pass_number(self) -> int:
        """Which of them this is, from 0."""
        return int(self._step) % self.passes

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        scored = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        inputs, self._unheld = self._unheld, None
        if inputs is not None:
            # Once a draw: later updates on it find nothing to compare, and advantages that are weighted already.
            sampled_B_T, old_B_T = inputs.pop("sampling_per_token_logps"), inputs.get("old_per_token_logps")
            trained_B_T = scored[0].detach() if old_B_T is None else old_B_T
            mask_B_T, monitor = inputs["completion_mask"], self.run.monitor
            # Deviation 1: where sampler and trainer differ by more than rounding, tokens are weighted by importance
            # ratios of at most 2 (Yao et al. 2025).
            inputs["advantages"] = weighted(inputs["advantages"], sampled_B_T, trained_B_T, mask_B_T, monitor)
        return scored

    def _compute_loss(self, model: Any, inputs: Any) -> Tensor:
        # TRL scores the tokens before it looks at advantages: what it finds is held against the sampler in between.
        self._unheld = inputs if self.comparable and "sampling_per_token_logps" in inputs else None
        loss: Tensor = super()._compute_loss(model, inputs)
        # Deviation 2: bnpo is a mean over the tokens of the whole step; TRL's depends on how many passes the step is
        # made in.
        if self.loss_type == "bnpo":
            # TRL's is a mean over the tokens of one pass, and those means have equal weights whatever their tokens.
            start = int(self._step) % len(self._buffered_inputs) - self.pass_number
            window = self._buffered_inputs[start : start + self.passes]
            # Of several processes: the mean of their losses is what is learnt from.
            tokens = self.accelerator.reduce(sum(part["completion_mask"].sum() for part in window))
            share = inputs["completion_mask"].sum() / tokens.clamp(min=1)
            loss = loss * self.passes * share * self.run.peers.count
        return loss


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
        # Liu et al. 2025 (2503.20783), section 3.2: "we propose to simply remove the 1/|o_i| and std({R(q,o_1), ...,
        # R(q,o_G)}) normalization terms"; table 6: 8 responses per question, no KL.
        "dr_grpo": {"num_generations": 8, "loss_type": "dr_grpo", "scale_rewards": "none", "beta": 0.0},
        # Yu et al. 2025 (2503.14476), section 4.1: "we sample 16 responses for each prompt. For training, the
        # mini-batch size is set to 512, i.e., 16 gradient updates for each rollout step. ... we set the clipping
        # parameter eps_low to 0.2 and eps_high to 0.28"; "we set the expected maximum length as 16,384 tokens and
        # allocate additional 4,096 tokens as the soft punish cache", a fifth of the cap. The punishment at the cap is 1
        # where rewards are -1 and 1 (equations 7 and 13), so half of that where they are 0 and 1. Dynamic sampling:
        # section 3.2; at most 10 draws, as in the authors' recipe for verl (recipe/dapo, max_num_gen_batches). No
        # overlong filtering (section 3.4), by that recipe's README: "Most experiments in the paper, including the
        # best-performant one, are run without Overlong Filtering because it's somehow overlapping with Overlong Reward
        # Shaping".
        "dapo": {
            "num_generations": 16,
            "minibatches": 16,
            "loss_type": "dapo",
            "epsilon": 0.2,
            "epsilon_high": 0.28,
            "overlong_buffer": 0.2,
            "overlong_penalty_factor": 0.5,
            "max_num_gen_batches": 10,
            "beta": 0.0,
        },
        # Zheng et al. 2025 (2507.18071), section 5.1: "each batch of rollout data is partitioned into four minibatches
        # for gradient updates. In GSPO, we set the left and right clipping ranges in Equation (5) to 3e-4 and 4e-4";
        # "we omit the KL regularization term". The group size is not stated.
        "gspo": {
            "minibatches": 4,
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon": 3e-4,
            "epsilon_high": 4e-4,
            "beta": 0.0,
        },
        # MiniMax 2025 (2506.13585), section 3.1: "we did not impose a lower bound on the IS weight by setting eps_low
        # to a large value; instead, we only tuned eps_high", and "There is no KL penalty term in CISPO". It does not
        # state eps_high: 5.0 is TRL's recommendation, after ScaleRL (2510.13786). Four minibatches, since on-policy
        # every ratio is 1 and the cap never acts.
        "cispo": {"minibatches": 4, "loss_type": "cispo", "epsilon_high": 5.0, "beta": 0.0},
    }
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(1e-4, 3e-5, 3e-4, 1e-5))
    card = (
        "Idea: sample a group of completions per prompt and raise those the verifier scores above their group's\n"
        "mean.\n"
        "Objective: E[min(rho A, clip(rho, 1-eps, 1+eps) A) - beta KL(pi || ref)], a mean over a completion's tokens,\n"
        "then over the group; A = (r - mean) / std in the group, KL by k3: x - 1 - log x, x = ref / pi.\n"
        "Settings: G = 16 (paper 64), 4 prompts a step, eps 0.2, beta 0 (paper 0.04: preset deepseek), one update a\n"
        "batch, LoRA rate 5e-4 (paper 1e-6 with full fine-tuning; TRL's 1e-6 default does not move a LoRA adapter).\n"
        "Presets: deepseek; dr_grpo (no length, no std division); dapo (token-level mean, asymmetric clip, 16\n"
        "updates a batch, dynamic sampling, completions near the cap are paid less); gspo (ratio of whole\n"
        "completions, narrow clip); cispo (capped ratio as weight, no token dropped).\n"
        "Staged reward: binary_after 0.5 pays partial credit over the first half of the budget and full marks alone\n"
        "from then on (DELTA, 2509.21016); a verifier that gives 0 and 1 alone leaves it without effect.\n"
        "Costs: a step samples 64 completions, has each verified, and makes one forward and one backward pass over\n"
        "them; one forward pass more where a draw is used again, and one of the reference with beta > 0. Memory:\n"
        "sft's, and the sampler's cache of keys and values.\n"
        "Dynamic sampling (max_num_gen_batches) draws groups whose rewards are all equal again, those of\n"
        "other prompts, while the budget has room; all that is drawn is counted (train/draws says how often).\n"
        "When: answers can be verified, and the base already succeeds now and then (pass@8 well above 0).\n"
        "What goes wrong: groups with equal rewards give no gradient (train/zero_std_groups near 1: raise G); small\n"
        "groups that hardly ever see the best answer settle for a worse one (G 16 to 64, or dr_grpo); reward rises\n"
        "while accuracy falls (a verifier that can be fooled); entropy collapses; too high a rate drops reward to 0\n"
        "for good; gspo's clip range suits rates near 1e-6: with LoRA rates train/clipped_share rises after the\n"
        "first minibatch, and most of each batch then teaches nothing."
    )
    trainer_class: ClassVar[type[GRPOTrainer]] = StepTrainer
    log_names: ClassVar[Mapping[str, str]] = LOG_NAMES

    def train(self, run: TrainingRun) -> None:
        """Sample, score and update until the budget is spent."""
        settings: GRPOSettings = run.settings
        os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
        run.monitor.steps_per_draw = settings.minibatches * settings.num_iterations
        reward = self.reward(run)
        rollouts = Rollouts(run) if settings.max_num_gen_batches == 1 else DynamicRollouts(run, reward)
        with quiet_trainer() as scratch, reference_where_it_starts(run):
            trainer = self.trainer_class(
                model=run.policy.model,
                reward_funcs=reward,  # type: ignore[arg-type]
                rollout_func=rollouts,
                args=arguments(run, settings, scratch),
                train_dataset=prompt_rows(run, settings.prompts_per_step * settings.minibatches),
                processing_class=run.policy.tokenizer,
                callbacks=[MonitorCallback(run, self.log_names, course=settings)],
            )
            trainer.run = run  # type: ignore[attr-defined]
            vllm.keep_base(trainer)
            self.prepare(trainer, run)
            finish(trainer, run, rollouts.generator)

    def reward(self, run: TrainingRun) -> VerifierReward:
        """What TRL maximises."""
        return VerifierReward(run)

    def prepare(self, trainer: Any, run: TrainingRun) -> None:
        """Hand a subclass's trainer what it needs before it trains."""


def arguments(run: TrainingRun, settings: GRPOSettings, scratch: str) -> GRPOConfig:
    """TRL's configuration: one optimiser step takes `prompts_per_step` groups, `minibatches` steps share a rollout."""
    rows = settings.prompts_per_step * settings.num_generations // run.peers.count
    per_pass, passes = batch_shape(rows, settings.per_device_train_batch_size)
    return GRPOConfig(
        **common_arguments(run, scratch),
        per_device_train_batch_size=per_pass,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes * settings.minibatches,
        max_completion_length=run.max_new_tokens,
        temperature=run.cell.decoding.temperature,
        top_p=run.cell.decoding.top_p,
        remove_unused_columns=False,
        # `weighted` corrects what another sampler draws.
        vllm_importance_sampling_correction=False,
        **vllm.arguments(run),
        # Deviation 3: TRL divides by the group's standard deviation plus 1e-4, taken with Bessel's correction; the
        # paper says std alone.
        **settings.model_dump(include=_TRL_NAMES),
    )
