"""Example, Task and nested label budgets: what every task gives, whoever trains on it."""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.registry import TASKS, find, make, resolve

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a task.

    Attributes:
        id: unique within the task, stable between runs.
        prompt: the question alone; a `Template` adds what surrounds it.
        answer: the gold answer.
        rationale: worked steps that lead to the answer, None where the data has none.
        meta: JSON values a verifier needs beside the answer (choices, hidden tests, ...).
    """

    id: str
    prompt: str
    answer: str
    rationale: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class Labels(NamedTuple):
    """The label budget of one cell, split.

    Attributes:
        train: examples to train on.
        validation: examples held out of the same budget to choose a learning rate; empty for one trial.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]


@dataclass(frozen=True)
class Task:
    """Examples, where they come from, and how an answer is verified.

    Attributes:
        name: as asked for, e.g. `arithmetic/word`.
        card: a paragraph: source, licence, how correctness is decided, what the task cannot tell.
        train: the pool label budgets are drawn from.
        test: held-out items; never trained on (checked on construction, by prompt text).
        ood: out-of-distribution items, may be empty; likewise.
        verifier: registered name of the task's own verifier.
        verifier_settings: its settings.
    """

    name: str
    card: str
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    ood: tuple[Example, ...] = ()
    verifier: str = "exact"
    verifier_settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.train or not self.test:
            raise RftlabError(f"task {self.name!r}: the {'test' if self.train else 'train'} part is empty; add rows")
        trained = {normalise_prompt(example.prompt): example.id for example in self.train}
        held_out = ((example.id, trained.get(normalise_prompt(example.prompt))) for example in (*self.test, *self.ood))
        leaked = [f"{item} (as {twin})" for item, twin in held_out if twin is not None]
        if leaked:
            more = f" and {len(leaked) - _MAX_NAMED} more" if len(leaked) > _MAX_NAMED else ""
            raise RftlabError(
                f"task {self.name!r}: held-out items are also in the training part: "
                f"{', '.join(leaked[:_MAX_NAMED])}{more}; "
                "remove them from one of the two, or accuracy would measure memory"
            )

    @property
    def fingerprint(self) -> str:
        """12 hex digits over every example: equal data, equal fingerprint."""
        return fingerprint(self.train + self.test + self.ood)

    def labels(self, budget: int, *, seed: int, validation_share: float = 0.0) -> Labels:
        """Draw a label budget; budgets are nested: for one seed the first 10 are among the first 30.

        Args:
            budget: number of labelled examples, at most ``len(train)``.
            seed: seed of the data order (`seed_data`).
            validation_share: share in [0, 1) of the budget held out; at least 1 and at most budget - 1 examples if
                it is positive.

        Raises:
            RftlabError: the budget exceeds the data, or leaves nothing to hold out.
        """
        if budget > len(self.train):
            raise RftlabError(
                f"task {self.name!r} has {len(self.train)} training examples, fewer than labels={budget}; "
                "lower the label budget or add data"
            )
        order = sorted(self.train, key=lambda example: example.id)
        random.Random(f"labels-{seed}").shuffle(order)
        drawn = tuple(order[:budget])
        if validation_share <= 0 or not drawn:
            return Labels(drawn, ())
        if budget < 2:
            raise RftlabError("learning-rate trials need labels >= 2, to train on some and validate on the others")
        held_out = min(budget - 1, max(1, round(validation_share * budget)))
        return Labels(drawn[held_out:], drawn[:held_out])


def load_task(name: str, settings: Mapping[str, Any] | None = None) -> Task:
    """Task by registered name (`arithmetic/word`, `file`) or a user's `path.py:function` returning a Task.

    Raises:
        RftlabError: unknown name, settings the task does not take, or data it cannot read.
    """
    entry, variant = find(TASKS, name, "task")
    task = make(resolve(entry), f"task {name!r}", *((variant,) if variant else ()), **dict(settings or {}))
    if not isinstance(task, Task):
        raise RftlabError(f"task {name!r} gives a {type(task).__name__}; return an rftlab.tasks.base.Task")
    return task


def verifier_of(cell: Cell, task: Task) -> tuple[str, dict[str, Any]]:
    """Name and settings of the verifier a cell is judged by: its own, else the task's, the cell's settings on top."""
    if cell.verifier:
        return cell.verifier, dict(cell.verifier_settings)
    return task.verifier, {**task.verifier_settings, **cell.verifier_settings}


def normalise_prompt(prompt: str) -> str:
    """Prompt with case and white space levelled: what counts as the same item."""
    return " ".join(prompt.casefold().split())


def fingerprint(examples: Iterable[Example]) -> str:
    """12 hex digits of a SHA-256 over ids and contents, in order."""
    digest = hashlib.sha256()
    for example in examples:
        row = [example.id, example.prompt, example.answer, example.rationale, dict(example.meta)]
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=True).encode())
    return digest.hexdigest()[:12]


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
