"""Splits for tasks that are generated: what an item is about decides by hash which split it belongs to.

A generator draws one `Draft` at a time from a random stream. Its key (the numbers, not the wording) is hashed, so that
splits are disjoint for every seed, a smaller split is a prefix of a larger one, and nothing has to be stored.
"""

import hashlib
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rftlab.errors import RftlabError
from rftlab.tasks.base import SURFACE, Example, Task, normalise_prompt

Split = Literal["train", "test", "ood"]

SPLIT_SHARES: Mapping[Split, float] = {"train": 0.6, "test": 0.2, "ood": 0.2}
_MAX_STALE_DRAWS = 3000


@dataclass(frozen=True)
class Draft:
    """One item before it has a split.

    Attributes:
        key: what the item is about, without its wording; decides the split.
        prompt: the question.
        answer: the gold answer.
        rationale: worked steps, None where there are none.
        meta: what the verifier reads beside the answer.
    """

    key: str
    prompt: str
    answer: str
    rationale: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


Draw = Callable[[random.Random, bool], Draft]


@dataclass(frozen=True)
class Recipe:
    """A generated task: how to draw an item, and how it is judged.

    Attributes:
        name: the task's full name.
        card: a paragraph: source, licence, how correctness is decided, what it cannot tell.
        draw: (rng, far) -> Draft; `far` asks for the wording or range of the out-of-distribution split.
        verifier: registered name.
        verifier_settings: its settings.
        sizes: default sizes of train, test and ood.
        far_kind: which kind of ood items `far` gives.
        retention: tasks that a policy trained on this one should not unlearn.
    """

    name: str
    card: str
    draw: Draw
    verifier: str
    verifier_settings: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[int, int, int] = (600, 200, 100)
    far_kind: str = SURFACE
    retention: tuple[str, ...] = ("math/equations", "qa/choice")

    def task(self, *, seed: int = 0, train: int = 0, test: int = 0, ood: int = -1) -> Task:
        """Generate the task.

        Args:
            seed: which items are drawn; splits stay disjoint whatever the seeds.
            train: size of the pool label budgets are drawn from; 0 takes the recipe's own size.
            test: number of held-out items; likewise.
            ood: number of out-of-distribution items, may be 0; -1 takes the recipe's own size.

        Raises:
            RftlabError: fewer distinct items than asked for.
        """
        return Task(
            name=self.name,
            card=self.card,
            train=tuple(generate(self.draw, self.name, "train", train or self.sizes[0], seed)),
            test=tuple(generate(self.draw, self.name, "test", test or self.sizes[1], seed)),
            ood={self.far_kind: tuple(generate(self.draw, self.name, "ood", self.sizes[2] if ood < 0 else ood, seed))},
            verifier=self.verifier,
            verifier_settings=dict(self.verifier_settings),
            retention={name: {} for name in self.retention},
        )


def generate(draw: Draw, name: str, split: Split, size: int, seed: int) -> list[Example]:
    """First ``size`` distinct examples of a split; a smaller size gives a prefix of a larger one.

    Args:
        draw: the generator.
        name: the task's name; seeds the stream and begins the ids.
        split: which part of the space to draw from.
        size: how many.
        seed: which stream.

    Raises:
        RftlabError: the generator has fewer distinct items in this split.
    """
    rng = random.Random(f"{name}/{split}/{seed}")
    examples: dict[str, Example] = {}
    stale = 0
    while len(examples) < size:
        draft = draw(rng, split == "ood")
        text = normalise_prompt(draft.prompt)
        if split_of(f"{name}/{draft.key}") != split or text in examples:
            stale += 1
            if stale > _MAX_STALE_DRAWS:
                raise RftlabError(
                    f"task {name!r} has only {len(examples)} distinct {split} items, fewer than the {size} asked for; "
                    f"lower task_settings.{split}"
                )
            continue
        stale = 0
        identity = hashlib.sha256(text.encode()).hexdigest()[:10]
        examples[text] = Example(f"{split}-{identity}", draft.prompt, draft.answer, draft.rationale, dict(draft.meta))
    return list(examples.values())


def split_of(key: str) -> Split:
    """Split that an item's key belongs to, the same everywhere and for ever.

    >>> split_of("3 4 5 -> 60") == split_of("3 4 5 -> 60")
    True
    """
    position = zlib.crc32(key.encode()) / 2**32
    for split, share in SPLIT_SHARES.items():
        if position < share:
            return split
        position -= share
    return "ood"


def recipe_of(recipes: Mapping[str, Recipe], variant: str) -> Recipe:
    """Recipe by name.

    Raises:
        RftlabError: no such variant; the known ones are listed.
    """
    if variant not in recipes:
        raise RftlabError(f"unknown variant {variant!r}; known: {', '.join(recipes)}")
    return recipes[variant]
