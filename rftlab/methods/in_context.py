"""The policy as its own teacher, which sees more in its context than it saw when it wrote: what sdft and sdpo share.

The policy writes to the bare prompt; at every token its next-token distribution is drawn towards that of a running mean
of itself with another prompt. TRL's trainers of the two (`experimental.sdft`, `experimental.sdpo`) sample by
themselves; here it is `distill`'s trainer, with another context for the teacher.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.utils import pad

from rftlab.methods.base import TrainingRun
from rftlab.methods.critic import frozen_copy, polyak
from rftlab.methods.distill import OnPolicySettings, TeacherTrainer, fit_to_teacher


class InContextSettings(OnPolicySettings):
    """Settings that the two share with distill, and how the teacher follows the policy."""

    teacher_update_rate: float = Field(
        0.01, ge=0, le=1, description="of the teacher, a running mean of the policy: 0 stays at the start, 1 is it"
    )


class InContextTrainer(TeacherTrainer):
    """Asks the teacher with a prompt of its own for each completion, and about some not at all."""

    _part: Mapping[str, Tensor]

    def contexts(self, completions: Sequence[Sequence[int]]) -> list[list[int] | None]:
        """The teacher's prompt for each completion of ``self.drawn``, as token ids; None: it teaches nothing of it."""
        raise NotImplementedError

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output, policy = super()._generate_and_score_completions(inputs), self.run.policy
        mask_B_T = output["completion_mask"]
        ids = [row[kept.bool()].tolist() for row, kept in zip(output["completion_ids"], mask_B_T, strict=True)]
        contexts = self.contexts(ids)
        # One that is not taught keeps its prompt, since a pass takes whole batches.
        rows = [
            torch.tensor(row[kept.bool()].tolist() if context is None else context)
            for row, kept, context in zip(output["prompt_ids"], output["prompt_mask"], contexts, strict=True)
        ]
        fill = int(policy.tokenizer.pad_token_id)
        shown = (
            pad(rows, padding_value=fill, padding_side="left"),
            pad([torch.ones_like(row) for row in rows], padding_value=0, padding_side="left"),
        )
        output["context_ids"], output["context_mask"] = (each.to(policy.device) for each in shown)
        if None in contexts:
            taught_B = torch.tensor([context is not None for context in contexts], device=mask_B_T.device)
            # TRL's name for a mask of tokens that the loss is taken of.
            output["tool_mask"] = taught_B[:, None].expand_as(mask_B_T).to(mask_B_T.dtype)
            output["num_items_in_batch"] = (mask_B_T * output["tool_mask"]).sum()
        return output

    def _compute_loss(self, unwrapped_student: Any, inputs: Any, num_items_in_batch: Any) -> Any:
        self._part = inputs
        return super()._compute_loss(unwrapped_student, inputs, num_items_in_batch)

    def _get_last_hidden_state(
        self, unwrapped_model: nn.Module, input_ids: Tensor, attention_mask: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        if unwrapped_model is self.accelerator.unwrap_model(self.teacher_model):
            part = self._part
            input_ids = torch.cat([part["context_ids"], part["completion_ids"]], dim=1)
            attention_mask = torch.cat([part["context_mask"], part["completion_mask"]], dim=1)
        hidden: Tensor = super()._get_last_hidden_state(unwrapped_model, input_ids, attention_mask, *args, **kwargs)
        return hidden


class _Following(TrainerCallback):
    """Moves the teacher towards the policy after every update."""

    def __init__(self, teacher: nn.Module, policy: nn.Module, rate: float) -> None:
        self._teacher, self._policy, self._rate = teacher, policy, rate

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Once a step."""
        # After the update, and without gradient: the teacher trails the policy.
        polyak(self._teacher, self._policy, self._rate)
        return control


def fit_to_itself(run: TrainingRun, trainer_class: type[InContextTrainer]) -> None:
    """Train the run's policy on what its running mean says of its completions, until the budget is spent.

    Args:
        run: its settings are `InContextSettings`.
        trainer_class: what the running mean has in its context.
    """
    teacher = frozen_copy(run.policy.model)
    fit_to_teacher(run, teacher, trainer_class, _Following(teacher, run.policy.model, run.settings.teacher_update_rate))
