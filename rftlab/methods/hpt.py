"""Hybrid post-training (Lv et al. 2025, Towards a Unified View of LLM Post-Training, 2509.04419): SFT or RL per prompt.

TRL has no such gate; this is its GRPOTrainer with the advantages of failed prompts replaced by their demonstration.

Legend: P share of a prompt's rollouts that the verifier accepts (its mean reward); gamma the gate.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor
from trl import GRPOTrainer

from rftlab.methods.base import Settings, TaughtByLabels, TrainingRun
from rftlab.methods.demonstrations import Demonstrations, token_nll
from rftlab.methods.grpo import GRPO, GRPOSettings, StepTrainer
from rftlab.methods.trl_online import LOG_NAMES


class HPTSettings(TaughtByLabels, GRPOSettings):
    """Settings of `hpt`: those of grpo, and the gate's."""

    gamma: float = Field(0.0, ge=0, lt=1, description="a prompt with mean reward <= gamma is taught by SFT instead")
    sft_weight: float = Field(1.0, gt=0, description="weight of a taught prompt's SFT loss")

    @model_validator(mode="after")
    def _needs_failures(self) -> "HPTSettings":
        if self.max_num_gen_batches > 1:
            raise ValueError(
                "hpt teaches the very prompts that dynamic sampling leaves out: leave max_num_gen_batches 1"
            )
        return self


class _Trainer(StepTrainer):
    hpt: HPTSettings
    demonstrations: Demonstrations
    _without_kl: Any = None

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        indices_B = torch.tensor([row["index"] for row in inputs], device=self._rewards_B.device)
        labelled = len(self.demonstrations)  # prompts without labels come after those
        taught_B, output["demonstration"] = gate(
            self._rewards_B, indices_B, self.hpt.num_generations, self.hpt.gamma, labelled
        )
        output["advantages"], output["taught"] = output["advantages"].masked_fill(taught_B, 0.0), taught_B
        self._metrics["train"]["sft_share"].append(taught_B.float().mean().item())
        return output

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        scored = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if (inputs := self._without_kl) is not None:
            # A prompt taught by SFT has no RL loss, hence no KL: its reference is the policy itself, where the KL and
            # its gradient are 0.
            taught_B_1, now_B_T = inputs["taught"][:, None], scored[0].detach()
            inputs["ref_per_token_logps"] = torch.where(taught_B_1, now_B_T, inputs["ref_per_token_logps"])
        return scored

    def _compute_loss(self, model: Any, inputs: Any) -> Tensor:
        self._without_kl = inputs if "ref_per_token_logps" in inputs else None
        loss = super()._compute_loss(model, inputs)
        self._without_kl = None
        demonstration_B = inputs["demonstration"]
        drawn = demonstration_B[demonstration_B >= 0].tolist()
        if not drawn:
            return loss
        logprobs, mask = self.demonstrations.logprobs(model, drawn)
        self._metrics["train"]["nll"].append(token_nll(logprobs.detach(), int(mask.sum())).item())
        # GRPO's loss is a mean over completions, G to a prompt, and already divided by the accumulation steps.
        share = self.hpt.num_generations / (len(demonstration_B) * self.current_gradient_accumulation_steps)
        return loss + self.hpt.sft_weight * share * (-logprobs.sum(1) / mask.sum(1)).sum()


class HPT(GRPO):
    """RL on prompts the policy solves now and then, SFT on those it does not."""

    Settings: ClassVar[type[Settings]] = HPTSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Section 3.4, eqs. 8-10: f(P) = 1[P > gamma], g(P) = 1[P <= gamma], gamma = 0 for Qwen; 8 rollouts a question;
        # the RL part is Dr. GRPO.
        "paper": {"num_generations": 8, "gamma": 0.0, "loss_type": "dr_grpo", "scale_rewards": "none"},
        # gamma = 2 of 8 rollouts for LLaMA.
        "llama": {"num_generations": 8, "gamma": 0.25, "loss_type": "dr_grpo", "scale_rewards": "none"},
    }
    card = (
        "Idea: ask the policy first; where none of its completions is right, show it the label, elsewhere let RL\n"
        "work.\n"
        "Objective: mean over prompts of L_RL if P > gamma, else of L_SFT, with P the prompt's mean reward.\n"
        "Settings: gamma 0 as in the paper, G = 16 (paper 8), SFT weight 1; the RL part is GRPO's (preset paper: Dr.\n"
        "GRPO with G = 8).\n"
        "Costs: those of grpo, and one forward and one backward pass over a label for each prompt that is taught.\n"
        "When: labels with rationales and a verifier are both there; it needs no schedule, the share of SFT falls\n"
        "by itself as the policy improves (train/sft_share).\n"
        "What goes wrong: train/sft_share stays near 1: it is SFT at the price of rollouts; prompts it cannot learn\n"
        "are taught again and again (train/nll near 0, train/reward flat): memorised labels."
    )
    trainer_class: ClassVar[type[GRPOTrainer]] = _Trainer
    log_names: ClassVar[Mapping[str, str]] = {**LOG_NAMES, "nll": "train/nll", "sft_share": "train/sft_share"}

    def prepare(self, trainer: Any, run: TrainingRun) -> None:
        """Give the trainer the labels and the gate."""
        trainer.demonstrations, trainer.hpt = Demonstrations(run), run.settings


def gate(rewards: Tensor, indices: Tensor, group: int, gamma: float, labelled: int) -> tuple[Tensor, Tensor]:
    """Which completions belong to prompts to be taught, and which row carries each such prompt's demonstration.

    Args:
        rewards: (B,) in [0, 1], B = P groups of ``group`` rows each.
        indices: (B,) the prompt each row belongs to; the first ones have labels.
        group: G, completions per prompt.
        gamma: a prompt whose mean reward is at most this is taught, if it has a label.
        labelled: how many have.

    Returns:
        (B,) bool, True on all rows of taught prompts; (B,) int, the example's index on the first row of each taught
        prompt and -1 elsewhere.

    Source: 2509.04419 eqs. 8 and 9.
    """
    # Deviation 1: prompts without a label stay with RL, whatever their rewards; in the paper every prompt has one.
    taught_P = (rewards.view(-1, group).mean(1) <= gamma) & (indices[::group] < labelled)
    # repeat_interleave, not repeat: completions of one prompt stand side by side.
    taught_B = taught_P.repeat_interleave(group)
    first_B = torch.arange(len(rewards), device=rewards.device) % group == 0
    return taught_B, torch.where(taught_B & first_B, indices, -1)
