"""SFT and GRPO steps in turn, on one adapter and one optimiser.

Unlike `sft+grpo` neither signal is ever dropped, and unlike `chord` each step has one loss, so that no weight between
two losses has to be chosen: the ratio of steps is the weight. Adam's moments are shared between the two.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator
from torch import Tensor
from trl import GRPOTrainer

from rftlab.methods.base import Settings, TaughtByLabels, TrainingRun
from rftlab.methods.demonstrations import Demonstrations, token_nll
from rftlab.methods.grpo import GRPO, GRPOSettings, StepTrainer
from rftlab.methods.trl_online import LOG_NAMES


class InterleavedSettings(TaughtByLabels, GRPOSettings):
    """Settings of `interleaved`: those of grpo, and the turns."""

    sft_steps: int = Field(1, ge=1, description="SFT steps in a turn, k")
    grpo_steps: int = Field(3, ge=1, description="GRPO steps in a turn, m")
    sft_batch_size: int = Field(16, ge=1, description="labelled completions per SFT step")

    @model_validator(mode="after")
    def _on_policy(self) -> "InterleavedSettings":
        if self.num_iterations > 1 or self.minibatches > 1:
            raise ValueError("an SFT step between two updates on one batch makes it stale: leave both at 1")
        return self


class _Trainer(StepTrainer):
    turns: InterleavedSettings
    demonstrations: Demonstrations

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        turn = self.state.global_step % (self.turns.sft_steps + self.turns.grpo_steps)
        if turn >= self.turns.sft_steps:
            return super()._prepare_inputs(generation_batch)  # type: ignore[no-any-return]
        number, size = self.pass_number, self.turns.sft_batch_size
        drawn, tokens = self.demonstrations.part(size, number=number, passes=self.passes)
        return {"demonstrations": drawn, "tokens": tokens}

    def _compute_loss(self, model: Any, inputs: Any) -> Tensor:
        if "demonstrations" not in inputs:
            return super()._compute_loss(model, inputs)
        # A pass without any has a loss all the same, for the trainer to go on from.
        loss = 0.0 * next(p for p in model.parameters() if p.requires_grad).sum()
        if inputs["demonstrations"]:
            logprobs, _ = self.demonstrations.logprobs(model, inputs["demonstrations"])
            loss = token_nll(logprobs, inputs["tokens"])
        self._metrics["train"]["nll"].append(loss.item() * self.passes)
        return loss


class Interleaved(GRPO):
    """k SFT steps, m GRPO steps, and so on."""

    Settings: ClassVar[type[Settings]] = InterleavedSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    card = (
        "Idea: remind the policy of the labels every few RL steps, so that exploring never forgets what was shown.\n"
        "Objective: that of sft for k steps, then that of grpo for m steps, in turn, with one optimiser.\n"
        "Settings: k = 1, m = 3, 16 labels an SFT step, otherwise as grpo.\n"
        "Costs: a step is one of sft or one of grpo.\n"
        "When: as sft+grpo, where the right length of the SFT stage is not known beforehand.\n"
        "What goes wrong: the two pull apart (train/nll rises in every RL turn and falls in every SFT turn while\n"
        "train/reward saws): raise m; or the labels are memorised (train/nll near 0): raise m, or stop SFT."
    )
    trainer_class: ClassVar[type[GRPOTrainer]] = _Trainer
    log_names: ClassVar[Mapping[str, str]] = {**LOG_NAMES, "nll": "train/nll"}

    def prepare(self, trainer: Any, run: TrainingRun) -> None:
        """Give the trainer the labels and the turns."""
        trainer.demonstrations, trainer.turns = Demonstrations(run), run.settings
