"""What is measured beside a cell's own test items: tasks it is not trained on, and a verifier apart from the reward."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rftlab.cell import Cell
from rftlab.policy.caps import cap_for, parameter
from rftlab.policy.context import require_room, room_of
from rftlab.policy.load import Policy
from rftlab.tasks.base import Example, Task, load_task
from rftlab.tasks.of_cell import retention_tasks
from rftlab.tasks.shots import Shots
from rftlab.verifiers.base import Verifier, make_verifier


class Retained(NamedTuple):
    """A task that a policy is asked although it was not trained on it.

    Attributes:
        name: as asked for, e.g. `arithmetic/dose`.
        column: what stands for it in a metric's name: `dose` in `retention_dose_accuracy`.
        items: those asked.
        verifier: the task's own.
    """

    name: str
    column: str
    items: tuple[Example, ...]
    verifier: Verifier


@dataclass(frozen=True)
class Beside:
    """What a cell asks for beside its own task's items.

    Attributes:
        retention: tasks not trained on.
        apart: judges the test items beside the reward's verifier; None for none.
    """

    retention: tuple[Retained, ...] = ()
    apart: Verifier | None = None


def beside(cell: Cell, task: Task) -> Beside:
    """What a cell asks for beside its own task's items, loaded.

    Raises:
        RftlabError: a task that cannot be loaded or is the cell's own, or a verifier that cannot be made.
    """
    asked = cell.evaluation
    apart = None
    if asked.verifier:
        apart = make_verifier(asked.verifier, answer_format=cell.answer_format, settings=asked.verifier_settings)
    named = retention_tasks(cell, task)
    columns = _columns(list(named))
    return Beside(tuple(_retained(name, columns[name], settings, cell) for name, settings in named.items()), apart)


def with_room_for(cell: Cell, policy: Policy, retained: Retained) -> Cell:
    """The cell with a completion cap that the gold completions of a task beside its own fit under too.

    Its own cap is lowered only where the context would not hold it beside that task's prompts.

    Raises:
        RftlabError: a prompt with that cap does not fit into the model's context.
    """
    cot = cell.cot_eval
    if isinstance(policy.template, Shots):  # they make room
        policy = replace(policy, template=policy.template.plain)
    gold = [example for example in retained.items if example.rationale or not cot]
    needed = cap_for(policy.count_gold(gold, cot)) if gold else 1
    cap = max(cell.max_new_tokens, needed)
    if policy.context is not None:  # the cell's own cap may take all the room that its own prompts leave
        longest = max(policy.count_prompt(example, cot) for example in retained.items)
        cap = max(needed, min(cap, policy.context - longest))
    roomy = Cell.make({**cell.flat(), parameter(cot=cot): cap})
    require_room(roomy, retained.items, lambda example: policy.count_prompt(example, cot), policy.context, cot=cot)
    return roomy


def leaving_room(policy: Policy, cell: Cell) -> Policy:
    """The policy with no more shots before its prompts than leave room for a cell's completions."""
    if not isinstance(policy.template, Shots):
        return policy
    return replace(policy, template=replace(policy.template, fits=room_of(policy, cell)))


def _retained(name: str, column: str, settings: Mapping[str, Any], cell: Cell) -> Retained:
    task = load_task(name, settings)
    verifier = make_verifier(task.verifier, answer_format=cell.answer_format, settings=task.verifier_settings)
    return Retained(name, column, task.test[: cell.evaluation.retention_items], verifier)


def _columns(names: Sequence[str]) -> dict[str, str]:
    """A short word for each task, its whole name where the short ones are the same."""
    short = [_word(re.split(r"[/:]", name)[-1]) for name in names]
    alike = len(set(short)) < len(short)
    return {name: _word(name) if alike else word for name, word in zip(names, short, strict=True)}


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")
