"""Nested label budgets: which rows of a task a cell trains on, and what is held out of them."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from rftlab.errors import RftlabError
from rftlab.tasks.example import Example, normalise_prompt, unlike

_FOLDS = 5


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


class Pool(NamedTuple):
    """What the label budgets of a task are drawn from.

    Attributes:
        name: of the task.
        train: rows with an answer.
        prompts: rows without.
    """

    name: str
    train: tuple[Example, ...]
    prompts: tuple[Example, ...]

    @property
    def rows(self) -> tuple[Example, ...]:
        """The labelled rows, or those without an answer where there are no others."""
        return self.train or self.prompts

    def draw(
        self,
        budget: int,
        *,
        seed: int,
        validation_share: float,
        development: int,
        from_labels: bool,
        prompts: int,
        among: Callable[[Sequence[Example]], Sequence[Example]] | None = None,
    ) -> Labels:
        """Draw a budget, as `rftlab.tasks.base.Task.labels` says."""
        order = _shuffled(self.rows, seed)
        apart = [] if from_labels else _last_unlike(order, development)
        room = (apart[-1] if apart else len(order)) if self.train else 0
        if budget > room or (development and not from_labels and len(apart) < development):
            raise RftlabError(self._too_few(budget, 0 if from_labels else development, room))
        own = among(order[:room]) if among and budget else order
        if budget > len(own):
            raise RftlabError(
                f"task {self.name!r} has {len(own)} rows of that label_difficulty, fewer than labels={budget}; lower "
                "labels, or measure the pass rates of more rows"
            )
        drawn, held_out = tuple(own[:budget]), tuple(order[place] for place in apart)
        left = [row for row in order if row not in own[:budget]] if among else order[budget:]
        asked = self._unlabelled(prompts, seed, left, (*drawn, *held_out)) if prompts else ()
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


def _last_unlike(order: Sequence[Example], count: int) -> list[int]:
    """Places of the last ``count`` examples of an order, from the end, without prompts that occur twice in it."""
    prompts = Counter(normalise_prompt(example.prompt) for example in order) if count else {}
    places = (i for i in reversed(range(len(order))) if prompts[normalise_prompt(order[i].prompt)] == 1)
    return list(itertools.islice(places, count))


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
