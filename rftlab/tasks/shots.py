"""Labelled examples before a prompt: which of them, in which order, and as many as there is room for."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from rftlab.tasks.base import Example, Labels, normalise_prompt
from rftlab.tasks.example import unlike
from rftlab.tasks.template import TEMPLATES, Template, Thinking

Choice = Literal["random", "nearest"]
"""The first labels of the budget, which the seed drew at random; or for each question those whose prompts are most
like it by BM25 (Robertson et al.), the most like one last."""

FOLDS = 5
_TOKEN = re.compile(r"\w+|[^\w\s]")


def anything_fits(text: str, cot: bool) -> bool:
    """For a model without a limit."""
    return True


@dataclass(frozen=True)
class Shots(Template):
    """A template that puts an instruction and labelled examples, worked out, before every prompt.

    Of examples that leave no room for the question and its answer, the last drawn go first, or the least alike.

    Attributes:
        plain: the template itself, which writes questions and answers.
        instruction: stands first of all, a blank line behind it; "" for none.
        pool: the labels to choose from, in the order in which they were drawn.
        count: how many are put before a prompt, at most.
        choice: which.
        cot: whether they are worked out with their rationales.
        fits: whether a prompt, asked with chain-of-thought or without, leaves room for a completion.
    """

    plain: Template = TEMPLATES["qa"]
    instruction: str = ""
    pool: tuple[Example, ...] = ()
    count: int = 0
    choice: Choice = "random"
    cot: bool = False
    fits: Callable[[str, bool], bool] = anything_fits

    @classmethod
    def of(cls, template: Template, pool: Sequence[Example], **chosen: Any) -> "Shots":
        """The template with shots from ``pool``; ``chosen`` are the other attributes."""
        plain = template.plain if isinstance(template, Shots) else template
        words = {name: getattr(plain, name) for name in Template.__dataclass_fields__}
        return cls(**words, plain=plain, pool=tuple(pool), **chosen)

    def prompt(self, example: Example, *, cot: bool) -> str:
        """The text put to the model, with as many shots as there is room for."""
        return self._with(self.shown(example), self._alone(example, cot=cot), cot=cot)[1]

    def shown_before(self, example: Example, *, cot: bool) -> int:
        """How many shots stand before a prompt."""
        return self._with(self.shown(example), self._alone(example, cot=cot), cot=cot)[0]

    def shown(self, example: Example) -> list[Example]:
        """The shots for an example in the order in which they stand, were there room for all; never a nearest twin."""
        if self.choice == "random":
            return list(self.pool[: self.count])
        asked = normalise_prompt(example.prompt)
        order = [i for i in self._by_likeness(asked) if normalise_prompt(self.pool[i].prompt) != asked]
        return [self.pool[i] for i in reversed(order[: self.count])]

    def _alone(self, example: Example, *, cot: bool) -> str:
        return self.plain.prompt(example, cot=cot)

    def completion(self, example: Example, *, cot: bool, thinking: Thinking = "none") -> str:
        """The labelled completion, as the template itself writes it."""
        return self.plain.completion(example, cot=cot, thinking=thinking)

    def _with(self, shown: Sequence[Example], question: str, *, cot: bool) -> tuple[int, str]:
        """How many of the shots fit before a question, and the whole text."""
        worked = [self._worked[example.id] for example in shown]
        head = f"{self.instruction}\n\n" if self.instruction else ""

        def text(count: int) -> str:
            kept = worked[:count] if self.choice == "random" else worked[len(worked) - count :]
            return "".join((head, *kept, question))

        if self.fits(text(len(worked)), cot):
            return len(worked), text(len(worked))
        # The first count that is one too many; without any, whether the question fits is for others to say.
        too_many = bisect_left(range(1, len(worked)), True, key=lambda count: not self.fits(text(count), cot)) + 1
        return too_many - 1, text(too_many - 1)

    @cached_property
    def _worked(self) -> dict[str, str]:
        """Question and answer of each label of the pool, by its id."""
        return {
            example.id: f"{self._alone(example, cot=self.cot)}{self.completion(example, cot=self.cot)}\n\n"
            for example in self.pool
        }

    def _by_likeness(self, asked: str) -> list[int]:
        """Places in the pool, the most like a prompt first; of those alike the one drawn first."""
        tokens = _TOKEN.findall(asked)
        scores = self._index.get_scores(tokens) if tokens and self._index else np.zeros(len(self.pool))
        return [int(place) for place in np.argsort(-scores, kind="stable")]

    @cached_property
    def _index(self) -> Any:
        import bm25s  # loaded where it is needed: few prompts ask for it

        index, corpus = bm25s.BM25(), [_TOKEN.findall(normalise_prompt(example.prompt)) for example in self.pool]
        if not any(corpus):
            return None
        index.index(corpus, show_progress=False)
        return index


def in_turn(labels: Sequence[Example]) -> list[Labels]:
    """Every fifth label held out in turn, with all others to learn from whose prompts are not among them.

    Fewer folds of fewer labels; folds that leave nothing to learn from are left out.
    """
    count = min(FOLDS, len(labels))
    found = (tuple(labels[start::count]) for start in range(count))
    return [Labels(rest, held_out) for held_out in found if (rest := unlike(labels, held_out))]
