"""What a cell takes of its task: labels, a verifier, tasks of retention; and what they must have for it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from rftlab.cell import Cell
from rftlab.contract import idle
from rftlab.errors import RftlabError
from rftlab.parts import AUTO
from rftlab.registry import METHODS, find
from rftlab.tasks.base import Example, Labels, Task
from rftlab.tasks.difficulty import of_difficulty, pass_rates
from rftlab.tasks.label_noise import with_wrong


def draw_labels(cell: Cell, task: Task, validation_share: float = 0.0) -> Labels:
    """The examples a cell trains on and those it holds out for development, with a share of the first for validation.

    Raises:
        RftlabError: the method has nothing to train on, or cannot use prompts without labels, or the task has too few.
    """
    method, _ = find(METHODS, cell.method, "method")
    trains = method.uses_labels
    if trains and cell.prompts and not method.prompts:
        raise RftlabError(f"method {cell.method!r} trains on labels alone; leave prompts out, or set it to 0")
    if idle(cell):
        alone = method.prompts == "alone"
        raise RftlabError(
            f"method {cell.method!r} trains on labels{' or prompts' * alone}, but labels is {cell.labels}"
            f"{' and prompts is 0' * alone}; give labels >= 1{', or prompts where the verifier needs no gold' * alone}"
        )
    among = None
    if trains and cell.labels and cell.label_difficulty != "any":
        rates = pass_rates(cell, task.train).rows
        among = partial(of_difficulty, rates=rates, difficulty=cell.label_difficulty)
    drawn = task.labels(
        cell.labels if trains else 0,
        prompts=cell.prompts if trains else 0,
        seed=cell.seed_data,
        validation_share=validation_share,
        development=cell.development_items,
        from_labels=cell.development == "from_labels",
        among=among,
    )
    return with_wrong(drawn, task.train, share=cell.label_noise, seed=cell.seed_data) if cell.label_noise else drawn


def verifier_of(cell: Cell, task: Task) -> tuple[str, dict[str, Any]]:
    """Name and settings of the verifier a cell is judged by: its own, else the task's, the cell's settings on top."""
    if cell.verifier:
        return cell.verifier, dict(cell.verifier_settings)
    return task.verifier, {**task.verifier_settings, **cell.verifier_settings}


def retention_tasks(cell: Cell, task: Task) -> dict[str, Mapping[str, Any]]:
    """The tasks that a cell's policy is asked although it is not trained on them, by name, with their settings.

    Raises:
        RftlabError: one of them is the cell's own.
    """
    asked = cell.evaluation
    names = tuple(task.retention) if asked.retention == AUTO else asked.retention_names
    if cell.task in names:
        raise RftlabError(
            f"evaluation.retention names {cell.task!r}, which is the task trained on; "
            "give others, or auto for the task's own"
        )
    # Drawing the thousands that nobody asks takes longer than asking these.
    fewer = {"train": 1, "test": asked.retention_items, "ood": 0}
    return {
        name: {**(fewer if name.startswith("arithmetic/") else {}), **task.retention.get(name, {})} for name in names
    }


class _Judge(Protocol):
    needs_gold: bool


def require_gold(labels: Labels, task: Task, verifier: _Judge, name: str) -> None:
    """Raise if a verifier that compares with gold answers is to judge examples that have none.

    Raises:
        RftlabError: as said.
    """
    if not verifier.needs_gold:
        return
    ways = "choose a verifier that needs no gold answer (a solver, a game, your own function with needs_gold = False)"
    if labels.prompts:
        raise RftlabError(
            f"verifier {name!r} compares with the gold answer, which the {len(labels.prompts)} prompts without labels "
            f"lack; {ways}, or leave prompts out"
        )
    for example in (*labels.validation, *labels.development, *task.test, *task.beyond):
        if not example.answer:
            raise RftlabError(
                f"verifier {name!r} compares with the gold answer, and held-out example {example.id} of task "
                f"{task.name!r} has none; give it an answer or drop the row, or {ways}"
            )


def require_rationales(examples: Sequence[Example], who: str) -> None:
    """Raise unless every example has a rationale.

    Raises:
        RftlabError: naming the first example without one.
    """
    for example in examples:
        if not example.rationale:
            raise RftlabError(
                f"{who} with chain-of-thought trains on rationales, but example {example.id} has none; "
                "map a rationale column, or set cot: false"
            )
