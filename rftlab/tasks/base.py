"""Example, Task and nested label budgets: what every task gives, whoever trains on it."""

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from rftlab.cell import Cell
from rftlab.contract import idle
from rftlab.errors import RftlabError, defined_at, one_line, printable
from rftlab.folds import Folds
from rftlab.json_values import with_texts
from rftlab.making import make
from rftlab.parts import AUTO
from rftlab.registry import METHODS, TASKS, find, resolve

RULE, SURFACE, OTHER = "rule", "surface", "other"
"""Kinds of out-of-distribution items: another rule; other words, format or range of numbers; not said."""

_MAX_NAMED = 5
_FOLDS = 5


class _Prompted(Protocol):
    @property
    def prompt(self) -> str: ...


_Row = TypeVar("_Row", bound=_Prompted)


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a task.

    Attributes:
        id: unique within its part of the task (checked on construction), stable between runs.
        prompt: the question alone; a `Template` adds what surrounds it.
        answer: the gold answer; "" where there is none, which only a verifier that needs no gold can judge.
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
        development: items for learning curves and for choosing among finished policies; never trained on.
        prompts: examples without answer and rationale, for methods that learn by trying.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...] = ()
    development: tuple[Example, ...] = ()
    prompts: tuple[Example, ...] = ()

    @property
    def asked(self) -> tuple[Example, ...]:
        """What a policy that learns by trying is asked in training: the labels, then the prompts without."""
        return self.train + self.prompts


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
        for name in ("train", "test", "prompts"):
            object.__setattr__(self, name, _examples(getattr(self, name), name, self.name))
        object.__setattr__(self, "ood", _by_kind(self.ood, self.name))
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
            _require_text(example, self.name)
        for part in (pool, self.test, self.beyond, (*pool, *self.test) if self.folds else ()):
            _require_own_ids(part, self.name)
        trained = {normalise_prompt(example.prompt): example.id for example in pool}
        asked = (*self.test, *self.beyond)
        held_out = ((example.id, trained.get(normalise_prompt(example.prompt))) for example in asked)
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

        Raises:
            RftlabError: budget, prompts and development items exceed the data, or leave nothing to hold out or to train
                on.
        """
        order = _shuffled(self.pool, seed)
        apart = [] if from_labels else _last_unlike(order, development)
        room = (apart[-1] if apart else len(order)) if self.train else 0
        if budget > room or (development and not from_labels and len(apart) < development):
            raise RftlabError(self._too_few(budget, 0 if from_labels else development, room))
        drawn, held_out = tuple(order[:budget]), tuple(order[place] for place in apart)
        asked = self._unlabelled(prompts, seed, order[budget:], (*drawn, *held_out)) if prompts else ()
        if drawn:
            split = self._split(drawn, held_out, validation_share, development if from_labels else 0)
            return split._replace(prompts=unlike(asked, (*split.validation, *split.development)))
        split = self._split(asked, held_out, validation_share, development if from_labels else 0)
        return Labels((), split.validation, split.development, split.train)

    def _unlabelled(
        self, count: int, seed: int, left: Sequence[Example], taken: Sequence[Example]
    ) -> tuple[Example, ...]:
        """So many prompts without labels, each once: rows without an answer, then what is left of the order."""
        rows = [*(_shuffled(self.prompts, seed) if self.train else []), *left]
        found = {normalise_prompt(example.prompt): example for example in reversed(rows)}
        for example in taken:
            found.pop(normalise_prompt(example.prompt), None)
        drawn = [example for example in rows if found.get(normalise_prompt(example.prompt)) is example][:count]
        if len(drawn) < count:
            raise RftlabError(
                f"task {self.name!r} has {len(drawn)} more prompts beside its label budget and development items, "
                f"fewer than prompts={count}; lower prompts to {len(drawn)} or add rows, which need no answers"
            )
        return tuple(replace(example, answer="", rationale=None) for example in drawn)

    @staticmethod
    def _split(drawn: tuple[Example, ...], held_out: tuple[Example, ...], validation_share: float, fold: int) -> Labels:
        """A budget less what is held out of it: ``fold`` development items at most, and a share for validation."""
        budget = len(drawn)
        if fold and drawn:
            drawn, held_out = _one_fold(drawn, fold)
        if validation_share <= 0 or not drawn:
            return Labels(drawn, (), held_out)
        if len(drawn) < 2:
            more = " beside those held out for development" if len(drawn) < budget else ""
            raise RftlabError(
                f"learning-rate trials need labels >= 2{more}, to train on some and validate on the others"
            )
        validation = drawn[: min(len(drawn) - 1, max(1, round(validation_share * len(drawn))))]
        train = unlike(drawn[len(validation) :], validation)
        if not train:
            raise RftlabError(
                "learning-rate trials need labels of two prompts, to train on one and validate on the other; "
                f"the {len(drawn)} drawn have one"
            )
        return Labels(train, validation, held_out)

    def _too_few(self, budget: int, apart: int, room: int) -> str:
        have = f"task {self.name!r} has {len(self.train)} training examples"
        if not self.train:
            have = f"task {self.name!r} has no row with an answer and {len(self.prompts)} without"
        alone = len(_last_unlike(self.train, len(self.train)))
        if apart and alone < len(self.train):
            have += f", {alone} of them with a prompt that occurs once"
        have += f", fewer than labels={budget}" + (f" and {apart} development items apart from them" if apart else "")
        ways = [f"lower labels to {room}"] if 0 < room < budget else ["lower the label budget"] * (budget > 0)
        if budget and not self.train:
            ways = ["set labels to 0 and give prompts"]
        if budget <= len(self.train):
            left = alone - budget
            ways.append(f"lower evaluation.along_items{f' to {left}' if left > 0 else ''}")
            ways.append("set development: from_labels or evaluation.along_the_way: 0")
        return f"{have}; {', '.join(ways)} or add data"


def _shuffled(examples: Iterable[Example], seed: int) -> list[Example]:
    """Examples in the order of a seed, however they came."""
    order = sorted(examples, key=lambda example: example.id)
    random.Random(f"labels-{seed}").shuffle(order)
    return order


def _examples(rows: Any, part: str, task: str) -> tuple[Example, ...]:
    """A part as a tuple, also of one that is given as a list."""
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Example) for row in rows):
        wrong = (
            next((row for row in rows if not isinstance(row, Example)), rows)
            if isinstance(rows, list | tuple)
            else rows
        )
        raise RftlabError(f"task {task!r}: {part} holds a {type(wrong).__name__}; give a tuple of Examples")
    return tuple(rows)


def _by_kind(ood: Any, task: str) -> dict[str, tuple[Example, ...]]:
    """Out-of-distribution items by kind, from such a mapping or from items of no known kind."""
    kinds = ood if isinstance(ood, Mapping) else {OTHER: ood}
    for kind in kinds:
        if not (isinstance(kind, str) and kind.isidentifier()):
            raise RftlabError(f"task {task!r}: {kind!r} names no kind of out-of-distribution items; give a word")
    return {kind: tuple(examples) for kind, examples in kinds.items() if examples}


def _last_unlike(order: Sequence[Example], count: int) -> list[int]:
    """Places of the last ``count`` examples of an order, from the end, without prompts that occur twice in it."""
    prompts = Counter(normalise_prompt(example.prompt) for example in order) if count else {}
    places = (i for i in reversed(range(len(order))) if prompts[normalise_prompt(order[i].prompt)] == 1)
    return list(itertools.islice(places, count))


def unlike(rows: Iterable[_Row], held_out: Iterable[Example]) -> tuple[_Row, ...]:
    """Examples or pairs whose prompt is none of the held-out ones."""
    known = {normalise_prompt(example.prompt) for example in held_out}
    return tuple(row for row in rows if normalise_prompt(row.prompt) not in known)


def _one_fold(drawn: tuple[Example, ...], at_most: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Labels to train on, and every fifth label, the first one included, held out of them."""
    held_out = drawn[::_FOLDS][:at_most]
    rest = unlike(drawn, held_out)
    if not rest:
        raise RftlabError(
            f"development: from_labels holds out every fifth label, and labels={len(drawn)} leaves none to train on; "
            "give more labels, or development: apart"
        )
    return rest, held_out


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
    return task.labels(
        cell.labels if trains else 0,
        prompts=cell.prompts if trains else 0,
        seed=cell.seed_data,
        validation_share=validation_share,
        development=cell.development_items,
        from_labels=cell.development == "from_labels",
    )


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


def _require_text(example: Example, task: str) -> None:
    """Raise unless id, prompt, answer and rationale are texts that can be written down."""
    texts = {"id": example.id, "prompt": example.prompt, "answer": example.answer, "rationale": example.rationale or ""}
    for name, text in texts.items():
        if not isinstance(text, str):
            which = f"task {task!r}: the {name} of example {one_line(str(example.id))}"
            raise RftlabError(f"{which} is a {type(text).__name__}, not a text")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = printable(text[error.start : error.end])
            which = f"task {task!r}: the {name} of example {one_line(str(example.id))}"
            raise RftlabError(f"{which} holds half a character ({half}), which cannot be written; mend it") from None
    try:
        json.dumps(dict(example.meta)) if example.meta else ""
    except (TypeError, ValueError) as error:
        which = f"task {task!r}: the meta of example {one_line(str(example.id))}"
        raise RftlabError(f"{which} holds what is no JSON value ({one_line(str(error))}); write it as text") from None


def _require_own_ids(part: Sequence[Example], task: str) -> None:
    """Raise unless no two examples of a part have one id: what is written of one would be taken for the other's."""
    twice = [name for name, times in Counter(example.id for example in part).items() if times > 1]
    if twice:
        more = f" and {len(twice) - _MAX_NAMED} more" if len(twice) > _MAX_NAMED else ""
        named = ", ".join(map(one_line, twice[:_MAX_NAMED]))
        raise RftlabError(f"task {task!r}: several examples have the id {named}{more}; give each an id of its own")


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
