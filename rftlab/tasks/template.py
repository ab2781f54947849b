"""How a prompt is put to a model and how a labelled completion is written, direct or with chain-of-thought."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rftlab.errors import RftlabError
from rftlab.tasks.base import Example
from rftlab.verifiers.base import CLOSE_TAG, OPEN_TAG, THINK, THOUGHT

Thinking = Literal["none", "block", "open"]
"""How a completion thinks: in plain words, in a `<think>` block of its own, or in one that the prompt has opened."""


@dataclass(frozen=True)
class Template:
    """Words around the prompt and the answer.

    Attributes:
        name: "qa" (the tiny base was trained on it) or "instruct" (any model that follows instructions).
        before: stands before the prompt.
        after_direct: stands after it when the answer alone is asked for.
        after_cot: stands after it when steps are asked for.
        lead: what a completion begins with.
        joint: stands between rationale and answer.
    """

    name: str
    before: str
    after_direct: str
    after_cot: str
    lead: str
    joint: str

    def prompt(self, example: Example, *, cot: bool) -> str:
        """The text put to the model."""
        return self.before + example.prompt + (self.after_cot if cot else self.after_direct)

    def after(self, shown: Sequence[Example], *, cot: bool) -> "Template":
        """The template with examples, worked out, before every prompt."""
        worked = [self.prompt(example, cot=cot) + self.completion(example, cot=cot) + "\n\n" for example in shown]
        return replace(self, before="".join(worked) + self.before)

    def completion(self, example: Example, *, cot: bool, thinking: Thinking = "none") -> str:
        """The labelled completion: rationale and answer with chain-of-thought, the answer alone without.

        A rationale stands where the model's own thinking would: a block that the prompt has opened is always closed.

        Raises:
            RftlabError: chain-of-thought is asked for and the example has no rationale.
        """
        answer = f"{OPEN_TAG}{example.answer}{CLOSE_TAG}"
        if not cot:
            return f"\n{THOUGHT}\n\n{answer}" if thinking == "open" else self.lead + answer
        if not example.rationale:
            raise RftlabError(f"example {example.id} has no rationale; map a rationale column, or set cot: false")
        if thinking != "none":
            return f"{THINK * (thinking == 'block')}\n{example.rationale}\n{THOUGHT}\n\n{answer}"
        return self.lead + example.rationale + self.joint + answer


TEMPLATES = {
    "qa": Template("qa", before="Q: ", after_direct="\nA:", after_cot="\nThink.\nA:", lead=" ", joint=" "),
    "instruct": Template(
        "instruct",
        before="",
        after_direct=f"\n\nGive only the final answer, in the form {OPEN_TAG}...{CLOSE_TAG}.",
        after_cot=f"\n\nThink step by step, then give the final answer in the form {OPEN_TAG}...{CLOSE_TAG}.",
        lead="",
        joint="\n",
    ),
}
