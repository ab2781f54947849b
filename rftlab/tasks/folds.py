"""Tasks whose rows are too few for a test part of their own: each seed is tested on another part of them."""

import random
from collections.abc import Sequence
from dataclasses import replace

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.folds import Folds
from rftlab.tasks.base import Example, Task, load_task, normalise_prompt


def task_of(cell: Cell) -> Task:
    """The task of a cell, as its seed has it.

    Raises:
        RftlabError: as `load_task`.
    """
    return at(load_task(cell.task, cell.task_settings), cell.seed)


def at(task: Task, seed: int) -> Task:
    """The task as a seed has it: itself, or with the parts of that seed's fold."""
    if task.folds is None:
        return task
    train, test = deal(rows(task), task.folds, seed)
    return replace(task, train=train, test=test)


def rows(task: Task) -> tuple[Example, ...]:
    """The rows that some seed is trained on: the training part, or with folds all of them, the same for every seed.

    What has to be equal for all seeds of a study, such as the cap on a completion, is worked out from these.
    """
    if task.folds is None:
        return task.train
    return tuple(sorted(task.train + task.test, key=lambda example: example.id))


def deal(examples: Sequence[Example], folds: Folds, seed: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """The training and the test rows of a seed, in order; rows of one prompt are always on one side.

    Raises:
        RftlabError: fewer than two folds, or more than there are prompts.
    """
    prompts = sorted({normalise_prompt(example.prompt) for example in examples})
    if not 2 <= folds.count <= len(prompts):
        raise RftlabError(
            f"{folds.count} folds cannot be made of {len(prompts)} different prompts; give from 2 to as many as there "
            "are, such as 5"
        )
    repeat, part = divmod(seed, folds.count)
    random.Random(f"folds-{folds.split_seed}-{repeat}").shuffle(prompts)
    held = set(prompts[part :: folds.count])
    sides: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        sides[normalise_prompt(example.prompt) in held].append(example)
    return tuple(sides[False]), tuple(sides[True])
