"""Self-distillation from demonstrations: the policy that sees a label teaches the policy that does not.

The policy writes to the bare prompt; at every token its next-token distribution is drawn towards that of itself with
the label's worked example in the context. Labels are learnt from without being imitated word by word, and there is no
verifier. TRL's `experimental.sdft` is a trainer of its own with a second sampler; this is `distill`'s, with another
context for the teacher.

Source: Shenfeld et al. 2026, Self-Distillation Enables Continual Learning (2601.19897).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.utils import pad

from rftlab.errors import RftlabError
from rftlab.methods.base import Ladder, Settings, TaughtByLabels, TrainingRun
from rftlab.methods.critic import frozen_copy, polyak
from rftlab.methods.distill import OnPolicySettings, TeacherTrainer, fit_to_teacher
from rftlab.policy.load import Policy
from rftlab.tasks.base import Example

# Section 3 of the paper, and the authors' code.
_BEFORE, _AFTER = (
    "\n\nThis is an example for a response to the question:\n",
    "\n\nNow answer with a response of your own, including the thinking process.",
)


class SDFTSettings(TaughtByLabels, OnPolicySettings):
    """Settings of `sdft`: those that it shares with distill, and how the teacher follows the policy."""

    teacher_update_rate: float = Field(
        0.01, ge=0, le=1, description="of the teacher, a running mean of the policy: 0 stays at the start, 1 is it"
    )


class _Trainer(TeacherTrainer):
    """Asks the teacher with each prompt's worked example in its context."""

    _part: Mapping[str, Tensor]

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output, policy = super()._generate_and_score_completions(inputs), self.run.policy
        contexts = {example.id: torch.tensor(context(policy, example, cot=self.run.cell.cot)) for example in self.drawn}
        rows = [contexts[example.id] for example in self.drawn]
        fill = int(policy.tokenizer.pad_token_id)
        shown = (
            pad(rows, padding_value=fill, padding_side="left"),
            pad([torch.ones_like(row) for row in rows], padding_value=0, padding_side="left"),
        )
        output["context_ids"], output["context_mask"] = (each.to(policy.device) for each in shown)
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


class SDFT:
    """Self-distillation from demonstrations (TRL DistillationTrainer, the policy being its own teacher)."""

    Settings: ClassVar[type[Settings]] = SDFTSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(1e-4, 3e-5, 3e-4, 1e-5))
    card = (
        "Idea: put the label into the context of the policy itself, and let that teach the policy without it.\n"
        "Objective: minimise the mean over the policy's own tokens of KL(pi(. | x, y_<t) || pi'(. | x, label,\n"
        "y_<t)), the whole vocabulary summed; pi' is a running mean of the policy (2601.19897, section 3).\n"
        "Settings: 16 prompts x 4 completions a step, beta 1 (the paper's reverse KL; its code has the forward\n"
        "one, beta 0), teacher_update_rate 0.01. With a chat template the label stands in the paper's words after\n"
        "the prompt, else as a worked example before it.\n"
        "Costs: sampling, a forward pass over prompt, label and completion, and a gradient pass: about grpo's;\n"
        "labels are sft's; no verifier.\n"
        "When: labels, no verifier, and what the model could before must not be lost; models that learn from\n"
        "examples in their context.\n"
        "What goes wrong: a model that does not read its context has nothing to teach: train/loss is small and\n"
        "accuracy stands still. So it is on the tiny base, which was never trained on an example in its context:\n"
        "in one run of 40 steps it learnt nothing and forgot more than sft (docs/LOG.md)."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, have the policy that sees the label judge, and update until the budget is spent."""
        settings: SDFTSettings = run.settings
        _require_room(run)
        teacher = frozen_copy(run.policy.model)
        following = _Following(teacher, run.policy.model, settings.teacher_update_rate)
        fit_to_teacher(run, teacher, _Trainer, following)


def context(policy: Policy, example: Example, *, cot: bool) -> list[int]:
    """Token ids of a prompt before which, or in which, the example's own labelled completion stands.

    A model with a chat template is told in the paper's words; the tiny base has it before the prompt, as a shot.

    Raises:
        RftlabError: chain-of-thought is asked for and the example has no rationale.
    """
    template = policy.template
    if policy.tokenizer.chat_template:
        shown = _BEFORE + policy.completion_text(example, cot=cot) + _AFTER
        told = replace(template, after_cot=template.after_cot + shown, after_direct=template.after_direct + shown)
    else:
        # Deviation 1: without a chat template the label stands before the prompt as a worked example; the paper's words
        # need a model that follows instructions.
        told = template.after([example], cot=cot)
    return policy.encode_prompt(replace(policy, template=told).prompt_text(example, cot=cot))


def _require_room(run: TrainingRun) -> None:
    """Raise unless prompt, label and completion fit into the model's context, for every label."""
    room = run.policy.context
    for example in run.labels.train if room else ():
        tokens = len(context(run.policy, example, cot=run.cell.cot)) + run.max_new_tokens
        if tokens > (room or 0):
            raise RftlabError(
                f"example {example.id} with its label in the context and a completion takes {tokens} tokens, more than "
                f"the {room} of the model; give shorter labels, a smaller decoding.max_new_tokens, or another method"
            )
