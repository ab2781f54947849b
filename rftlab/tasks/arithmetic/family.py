"""A family of problems: how one is drawn, and how its problems are shared out among splits that never overlap."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from rftlab.errors import RftlabError
from rftlab.tasks.base import RULE, SURFACE, Example

Split = Literal["pretrain", "train", "test", "ood"]

SPLIT_SHARES: dict[Split, float] = {"pretrain": 0.5, "train": 0.2, "test": 0.2, "ood": 0.1}
MAX_STALE_DRAWS = 5000


@dataclass(frozen=True)
class Problem:
    """One problem with its gold solution and one typical mistake of each kind.

    Args:
        key: what the problem is about, without its wording; decides the split.
        prompt: the question as a model sees it.
        answer: the gold answer.
        rationale: the steps that lead to it; None where there are none to write.
        flawed: a rationale with a mistake and the answer it leads to (which is right by luck now and then).
        guess: a plausible wrong answer given without thinking.
        meta: what a verifier needs beside the answer.
    """

    key: str
    prompt: str
    answer: str
    rationale: str | None
    flawed: tuple[str, str]
    guess: str
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A family of problems: a name, one paragraph about it, and how to draw one problem.

    Args:
        name: how it is asked for.
        card: a paragraph.
        draw: (rng, far) -> one problem; `far` asks for the wording and the range of the ood split.
        changed: one problem by another rule, out of distribution too; None where there is none worth asking.
        far_kind: which kind of ood items `far` gives.
        retention: other families that a policy trained on this one should not unlearn.
        splits_as: the family by whose splits its problems are split; "" for its own.
    """

    name: str
    card: str
    draw: Callable[[random.Random, bool], Problem]
    changed: Callable[[random.Random], Problem] | None = None
    far_kind: str = SURFACE
    retention: tuple[str, ...] = ("word", "dose")
    splits_as: str = ""

    def problems(self, split: Split, seed: int, far: bool | None = None) -> Iterator[Problem]:
        """Yield problems of one split without end, the same ones for the same seed; texts may repeat.

        Args:
            split: the part of the problem space to draw from.
            seed: start of the random stream.
            far: ood wording and range; by default just for the ood split.
        """
        far = split == "ood" if far is None else far
        rng = random.Random(f"{self.name}/{split}/{far}/{seed}")
        while True:
            problem = self.draw(rng, far)
            if split_of(f"{self.splits_as or self.name}/{problem.key}") == split:
                yield problem

    def generate(self, split: Split, n: int, seed: int) -> list[Example]:
        """Return the first n distinct examples of a split; a smaller n gives a prefix of a larger one.

        Args:
            split: train, test or ood.
            n: how many examples.
            seed: which random stream; splits stay disjoint whatever the seeds.

        Raises:
            RftlabError: the family has fewer than n distinct texts in this split.
        """
        return self._distinct(self.problems(split, seed), split, n, seed)

    def ood(self, n: int, seed: int) -> dict[str, tuple[Example, ...]]:
        """Out-of-distribution examples by kind, n of each.

        Raises:
            RftlabError: the family has fewer than n distinct texts of a kind.
        """
        found = {self.far_kind: tuple(self.generate("ood", n, seed))}
        return {RULE: tuple(self._distinct(self._changed(seed), RULE, n, seed)), **found} if self.changed else found

    def _changed(self, seed: int) -> Iterator[Problem]:
        assert self.changed is not None
        rng = random.Random(f"{self.name}/{RULE}/{seed}")
        while True:
            yield self.changed(rng)

    def _distinct(self, stream: Iterator[Problem], part: str, n: int, seed: int) -> list[Example]:
        examples: dict[str, Example] = {}
        stale = 0
        while len(examples) < n:
            problem = next(stream)
            if problem.prompt in examples:
                stale += 1
                if stale > MAX_STALE_DRAWS:
                    raise RftlabError(
                        f"family {self.name!r} has only about {len(examples)} distinct {part} problems, fewer than "
                        f"the {n} asked for; ask for fewer"
                    )
                continue
            stale = 0
            examples[problem.prompt] = Example(
                id=f"{self.name}-{part}-{seed}-{len(examples)}",
                prompt=problem.prompt,
                answer=problem.answer,
                rationale=problem.rationale,
                meta=problem.meta,
            )
        return list(examples.values())


def split_of(key: str) -> Split:
    """Return the split a problem belongs to: a fixed hash of its content, so that splits can never overlap."""
    position = zlib.crc32(key.encode()) / 2**32
    for split, share in SPLIT_SHARES.items():
        if position < share:
            return split
        position -= share
    return "ood"
