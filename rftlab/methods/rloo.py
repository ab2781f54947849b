"""REINFORCE leave-one-out (Ahmadian et al. 2024, Back to Basics, 2402.14740), by TRL's RLOOTrainer.

TRL's RLOOTrainer has no `rollout_func`; its two generation methods are overridden instead, so that sampling is the same
as for every other method here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor
from trl import RLOOConfig, RLOOTrainer

from rftlab.methods import vllm
from rftlab.methods.base import Ladder, RateSettings, Settings, TrainingRun
from rftlab.methods.mismatch import padded, weighted
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
from rftlab.policy.rollout import Rollout


class RLOOSettings(RewardSettings, VLLMSettings, RateSettings):
    """Settings of `rloo`, by TRL's names."""

    num_generations: int = Field(16, ge=2, description="completions per prompt, k in the paper")
    prompts_per_step: int = Field(4, ge=1, description="prompts per optimiser step")
    per_device_train_batch_size: int = Field(64, ge=1, description="completions per forward and backward pass")
    num_iterations: int = Field(1, ge=1, description="updates per batch of rollouts")
    beta: float = Field(0.0, ge=0, description="weight of the KL to the reference policy, inside the reward")
    # Deviation 1: TRL clips the ratio of whole completions as PPO does; the paper is on-policy and has no ratio.
    epsilon: float = Field(0.2, gt=0, description="clip range of the ratio of whole completions")
    normalize_advantages: bool = False
    mask_truncated_completions: bool = False
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)


# The settings that TRL's RLOOConfig takes under the same name.
_TRL_NAMES = {
    "num_generations", "num_iterations", "beta", "epsilon", "normalize_advantages", "mask_truncated_completions",
    "weight_decay", "max_grad_norm",
}  # fmt: skip


class RLOO:
    """RLOO with the verifier as reward (TRL RLOOTrainer)."""

    Settings: ClassVar[type[Settings]] = RLOOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Ahmadian et al. 2024 (2402.14740), section 4: RLOO with k = 4 samples per prompt and the KL to the reference
        # policy inside the reward (eq. 4); beta 0.05 is TRL's default for it.
        "paper": {"num_generations": 4, "beta": 0.05, "num_iterations": 1},
    }
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(1e-4, 3e-5, 3e-4, 1e-5))
    card = (
        "Idea: REINFORCE on whole completions; the baseline of each is the mean reward of the others in its group.\n"
        "Objective: E[(r_i - mean_{j != i} r_j) log pi(y_i | x)], the reward lowered by beta log pi / ref; the\n"
        "ratio of whole completions is clipped at 1 +- eps, which acts only when a batch is reused.\n"
        "Settings: k = 16 (paper 2 and 4), 4 prompts a step, beta 0 (TRL 0.05: preset paper), one update a batch,\n"
        "LoRA rate 5e-4.\n"
        "Costs: those of grpo, and one forward pass of the policy that sampled, at every draw.\n"
        "When: as grpo, where a bias-free gradient is wanted: no division by the group's spread or by length.\n"
        "What goes wrong: the gradient sums over tokens, so long completions weigh more and max_grad_norm acts\n"
        "sooner; with num_iterations > 1 the ratio of a long completion leaves the clip range at once\n"
        "(train/clipped_share)."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, score and update until the budget is spent."""
        settings: RLOOSettings = run.settings
        rows = settings.prompts_per_step * settings.num_generations // run.peers.count
        per_pass, passes = batch_shape(rows, settings.per_device_train_batch_size)
        run.monitor.steps_per_draw = settings.num_iterations
        with quiet_trainer() as scratch, reference_where_it_starts(run):
            trainer = _Trainer(
                model=run.policy.model,
                reward_funcs=VerifierReward(run),  # type: ignore[arg-type]
                args=RLOOConfig(
                    **common_arguments(run, scratch),
                    per_device_train_batch_size=per_pass,
                    gradient_accumulation_steps=passes,
                    max_completion_length=run.max_new_tokens,
                    temperature=run.cell.decoding.temperature,
                    top_p=run.cell.decoding.top_p,
                    remove_unused_columns=False,
                    **vllm.arguments(run),
                    **settings.model_dump(include=_TRL_NAMES),
                ),
                train_dataset=prompt_rows(run, settings.prompts_per_step),
                processing_class=run.policy.tokenizer,
                callbacks=[MonitorCallback(run, LOG_NAMES, course=settings)],
            )
            trainer.run, trainer.kl_in_reward = run, settings.beta > 0
            trainer.rollouts = Rollouts(run)
            vllm.keep_base(trainer)
            finish(trainer, run, trainer.rollouts.generator)


class _Trainer(OnlineTrainer, RLOOTrainer):
    """RLOOTrainer that samples through rftlab.policy.rollout."""

    rollouts: Rollouts
    _drawn: Sequence[Rollout] = ()
    _trained: Tensor | None = None

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        ids = {text: self.run.policy.encode_prompt(text) for text in dict.fromkeys(prompts)}
        return [ids[text] for text in prompts], None, {}

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any) -> list[list[int]]:
        self._drawn, self._trained = self.rollouts.draw(prompt_ids, self), None
        return [rollout.completion_ids for rollout in self._drawn]

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        scored = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        # The first after a draw is of the policy that is trained; a second one may be of the reference.
        self._trained = scored[0].detach() if self._trained is None else self._trained
        return scored

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        if self.comparable:
            assert self._trained is not None
            mask_B_T = output["completion_mask"]
            sampled_B_T = padded([rollout.logprobs for rollout in self._drawn], mask_B_T)
            # Deviation 2: where sampler and trainer differ by more than rounding, completions are weighted by
            # importance ratios of at most 2.
            output["advantages"] = weighted(
                output["advantages"], sampled_B_T, self._trained, mask_B_T, self.run.monitor, whole=True
            )
        return output
