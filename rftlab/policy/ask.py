"""A question put to a kept policy, or to one at hand, and to its untrained base."""

from dataclasses import dataclass, replace
from pathlib import Path

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.policy import weights
from rftlab.policy.context import require_prompt_fits
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.prompt_file import load_at
from rftlab.policy.rollout import sample
from rftlab.tasks.base import Example
from rftlab.tasks.shots import Shots
from rftlab.verifiers.base import extract_answer


@dataclass(frozen=True)
class Answer:
    """A greedy completion.

    Attributes:
        completion: its text.
        extracted: the answer found in it, None if there is none.
        truncated: it reached the cap.
    """

    completion: str
    extracted: str | None
    truncated: bool

    def __str__(self) -> str:
        cut = " [cut at the cap]" if self.truncated else ""
        return f"{self.completion.strip()}{cut}\n  answer: {'none found' if self.extracted is None else self.extracted}"


@dataclass(frozen=True)
class Asked:
    """What a policy and its base say to one question.

    Attributes:
        prompt: the whole text put to both; to the policy alone where what was found is a prompt.
        policy: the policy's answer.
        base: the untrained base's.
    """

    prompt: str
    policy: Answer
    base: Answer

    def __str__(self) -> str:
        return f"policy: {self.policy}\n\nbase: {self.base}"


def ask(cell: str | Path, question: str, *, results: str | Path | None = None) -> Asked:
    """What a kept policy says to a question, greedily, in the prompt and under the cap of its cell, beside its base.

    Args:
        cell: folder of a finished cell, or the beginning of its id.
        question: what stands where a task's prompt stands.
        results: results folder an id is looked for in; by default every folder of `results/`.

    Raises:
        RftlabError: as `rftlab.policy.kept.load_kept`, or as `ask_policy`.
    """
    folder = weights.find_cell(str(cell), Path(results) if results else None)
    asked = weights.as_evaluated(folder)
    return ask_policy(load_at(asked, folder), asked, question)


def ask_policy(policy: Policy, cell: Cell, question: str) -> Asked:
    """The same for a policy at hand, such as `experiment.policy` with `experiment.capped`.

    Raises:
        RftlabError: an empty question, or one that does not fit into the model's context.
    """
    if not question.strip():
        raise RftlabError('there is no question; give one, such as "3 + 4 = ?"')
    prompt = policy.prompt_text(_example(question), cot=cell.cot_eval)
    length = len(policy.encode_prompt(prompt))
    require_prompt_fits(cell, "the question in its prompt", length, policy.context, cot=cell.cot_eval)
    own = _answer(policy, cell, prompt)
    if isinstance(policy.template, Shots):  # the same weights; the base is asked without what was found
        bare = replace(policy, template=policy.template.plain)
        return Asked(prompt, own, _answer(bare, cell, bare.prompt_text(_example(question), cot=cell.cot_eval)))
    if cell.adapter.kind == "lora":
        with policy.as_base():
            return Asked(prompt, own, _answer(policy, cell, prompt))
    return Asked(prompt, own, _answer(load_policy(cell.unstarted()), cell, prompt))


def _example(question: str) -> Example:
    return Example("asked", question.strip(), "")


def _answer(policy: Policy, cell: Cell, prompt: str) -> Answer:
    (rollout,) = sample(policy, [policy.encode_prompt(prompt)], max_new_tokens=cell.max_new_tokens, greedy=True)
    text = policy.decode(rollout.completion_ids, cot=cell.cot_eval)
    return Answer(text, extract_answer(text).text, rollout.truncated)
