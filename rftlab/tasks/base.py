"""Task: examples, out-of-distribution items and label budgets, whoever trains on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rftlab.errors import RftlabError, defined_at
from rftlab.folds import Folds
from rftlab.json_values import with_texts
from rftlab.making import make
from rftlab.registry import TASKS, find, resolve
from rftlab.tasks.example import (
    MAX_NAMED,
    OTHER,
    RULE,
    SURFACE,
    Example,
    by_kind,
    examples_of,
    fingerprint,
    normalise_prompt,
    require_own_ids,
    require_text,
)  # fmt: skip
from rftlab.tasks.labels import Labels, Pool

__all__ = ["OTHER", "RULE", "SURFACE", "Example", "Labels", "Task", "fingerprint", "load_task", "normalise_prompt"]


@dataclass(frozen=True)
class Task:
    """Examples, where they come from, and how an answer is verified.

    Attributes:
        name: as asked for, e.g. `arithmetic/word`.
        card: a paragraph: source, licence, how correctness is decided, what the task cannot tell.
        train: the pool label budgets are drawn from; those without an answer go to ``prompts``.
        test: held-out items; never trained on (checked on construction, by prompt text).
        ood: out-of-distribution items by kind, may be empty; likewise. "rule" has another rule than what is trained on,
            "surface" the same rule in other words, another format or another range of numbers. A plain tuple is of one
            kind, "other".
        verifier: registered name of the task's own verifier.
        verifier_settings: its settings.
        prompts: rows without an answer: RFT can train on them where the verifier needs none.
        retention: registered tasks, with their settings, that a policy trained on this one should not unlearn; a plain
            sequence of names is one without settings.
        notes: how its data was read, a sentence each, for people to see before anything runs.
        folds: how train and test were dealt, where every seed has other parts of the same rows (`rftlab.tasks.folds`).
    """

    name: str
    card: str
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    ood: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    verifier: str = "exact"
    verifier_settings: Mapping[str, Any] = field(default_factory=dict)
    prompts: tuple[Example, ...] = ()
    retention: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    folds: Folds | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise RftlabError(f"a task's name is {self.name!r}; give a text")
        if not isinstance(self.verifier_settings, Mapping):
            told = type(self.verifier_settings).__name__
            raise RftlabError(f"task {self.name!r}: its verifier_settings are a {told}; give a mapping")
        for name in ("train", "test", "prompts"):
            object.__setattr__(self, name, examples_of(getattr(self, name), name, self.name))
        object.__setattr__(self, "ood", by_kind(self.ood, self.name))
        if not isinstance(self.retention, Mapping):
            names = [self.retention] if isinstance(self.retention, str) else self.retention
            object.__setattr__(self, "retention", {name: {} for name in names})
        blank = tuple(example for example in self.train if example.answer == "")
        if blank:
            object.__setattr__(self, "train", tuple(example for example in self.train if example.answer != ""))
            object.__setattr__(self, "prompts", (*blank, *self.prompts))
        pool = (*self.train, *self.prompts)
        if not pool or not self.test:
            raise RftlabError(f"task {self.name!r}: the {'test' if pool else 'train'} part is empty; add rows")
        if not isinstance(self.verifier, str):
            raise RftlabError(f"task {self.name!r}: its verifier is a {type(self.verifier).__name__}; give a name")
        for example in (*pool, *self.test, *self.beyond):
            require_text(example, self.name)
        for part in (pool, self.test, self.beyond, (*pool, *self.test) if self.folds else ()):
            require_own_ids(part, self.name)
        trained = {normalise_prompt(example.prompt): example.id for example in pool}
        asked = (*self.test, *self.beyond)
        held_out = ((example.id, trained.get(normalise_prompt(example.prompt))) for example in asked)
        leaked = [f"{item} (as {twin})" for item, twin in held_out if twin is not None]
        if leaked:
            more = f" and {len(leaked) - MAX_NAMED} more" if len(leaked) > MAX_NAMED else ""
            raise RftlabError(
                f"task {self.name!r}: held-out items are also in the training part: "
                f"{', '.join(leaked[:MAX_NAMED])}{more}; "
                "remove them from one of the two, or accuracy would measure memory"
            )

    @property
    def fingerprint(self) -> str:
        """12 hex digits over every example: equal data, equal fingerprint."""
        return fingerprint(self.train + self.prompts + self.test + self.beyond)

    @property
    def pool(self) -> tuple[Example, ...]:
        """What budgets are drawn from: the labelled rows, or those without an answer where there are no others."""
        return self.train or self.prompts

    @property
    def beyond(self) -> tuple[Example, ...]:
        """All out-of-distribution items, kind by kind."""
        return tuple(example for examples in self.ood.values() for example in examples)

    def ood_asked(self, items: int) -> dict[str, tuple[Example, ...]]:
        """The first ``items`` out-of-distribution items of each kind: those that results are measured on."""
        return {kind: examples[:items] for kind, examples in self.ood.items() if examples[:items]}

    def ood_along(self, after: int, items: int) -> tuple[Example, ...]:
        """For learning curves: about ``items`` in all, as many of each kind, none among the first ``after`` of one."""
        kinds = [examples[after:] for examples in self.ood.values() if examples[after:]]
        return tuple(example for examples in kinds for example in examples[: -(-items // len(kinds))])

    def labels(
        self,
        budget: int,
        *,
        seed: int,
        validation_share: float = 0.0,
        development: int = 0,
        from_labels: bool = False,
        prompts: int = 0,
        among: Callable[[Sequence[Example]], Sequence[Example]] | None = None,
    ) -> Labels:
        """Draw a label budget; budgets are nested: for one seed the first 10 are among the first 30.

        Development items stand apart from the budget: the last ones of the seed's order, so that they are the same for
        every budget and every method of a seed, and no budget ever reaches them. With ``from_labels`` every fifth
        label, the first one included, is held out for development instead (one fold of five); these nest too.

        Prompts without labels come after them: rows without an answer first, then those that come next in the order,
        without theirs; so they nest too, and none is a label or a development item.

        Args:
            budget: number of labelled examples, at most ``len(train)``.
            seed: seed of the data order (`seed_data`).
            validation_share: share in [0, 1) of the budget held out; at least 1 and at most budget - 1 examples if
                it is positive. Labels whose prompt is among those held out are not trained on.
            development: number of development items; with ``from_labels`` at most so many.
            from_labels: take them out of the budget.
            prompts: number of prompts without labels. Where the budget is 0, what is held out of it is taken from them.
            among: of the rows in the seed's order, development items left out, those that labels are drawn from, in the
                order in which a budget takes them; None: all of them, as they come.

        Raises:
            RftlabError: budget, prompts and development items exceed the data, or leave nothing to hold out or to train
                on.
        """
        return Pool(self.name, self.train, self.prompts).draw(
            budget,
            seed=seed,
            validation_share=validation_share,
            development=development,
            from_labels=from_labels,
            prompts=prompts,
            among=among,
        )


def load_task(name: str, settings: Mapping[str, Any] | None = None) -> Task:
    """Task by registered name (`arithmetic/word`, `file`) or a user's `path.py:function` returning a Task.

    Raises:
        RftlabError: unknown name, settings the task does not take, or data it cannot read.
    """
    entry, variant = find(TASKS, name, "task")
    loader = resolve(entry)
    task = make(loader, f"task {name!r}", *((variant,) if variant else ()), **dict(settings or {}))
    if not isinstance(task, Task):
        what = f"task {name!r} gives a {type(task).__name__}{defined_at(loader)}"
        raise RftlabError(f"{what}; return an rftlab.tasks.base.Task")
    return _beside(task, Path(name.rpartition(":")[0]).expanduser().parent) if ".py:" in name else task


def _beside(task: Task, folder: Path) -> Task:
    """The task of a user's file, with verifiers that it names relative to that file (`checks.py:score`) found there."""

    def found(_: str, text: str) -> str:
        file, _, attribute = text.rpartition(":")
        near = (folder / file).resolve()
        return f"{near}:{attribute}" if file.endswith(".py") and near.is_file() else text

    verifier, settings = found("", task.verifier), with_texts(task.verifier_settings, found)
    same = (verifier, settings) == (task.verifier, task.verifier_settings)
    return task if same else replace(task, verifier=verifier, verifier_settings=settings)
