"""Self-distillation from demonstrations: the policy that sees a label teaches the policy that does not.

The policy writes to the bare prompt; at every token its next-token distribution is drawn towards that of itself with
the label's worked example in the context. Labels are learnt from without being imitated word by word, and there is no
verifier.

Source: Shenfeld et al. 2026, Self-Distillation Enables Continual Learning (2601.19897).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rftlab.errors import RftlabError
from rftlab.methods.base import Ladder, Settings, TaughtByLabels, TrainingRun
from rftlab.methods.in_context import InContextSettings, InContextTrainer, fit_to_itself
from rftlab.policy.load import Policy
from rftlab.tasks.base import Example

# Section 3 of the paper, and the authors' code.
_BEFORE, _AFTER = (
    "\n\nThis is an example for a response to the question:\n",
    "\n\nNow answer with a response of your own, including the thinking process.",
)


class SDFTSettings(TaughtByLabels, InContextSettings):
    """Settings of `sdft`."""


class _Trainer(InContextTrainer):
    """Asks the teacher with each prompt's worked example in its context."""

    def contexts(self, completions: Sequence[Sequence[int]]) -> list[list[int] | None]:
        policy, cot = self.run.policy, self.run.cell.cot
        found = {example.id: context(policy, example, cot=cot) for example in self.drawn}
        return [found[example.id] for example in self.drawn]


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
        _require_room(run)
        fit_to_itself(run, _Trainer)


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
