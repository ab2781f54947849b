"""A method under test: trained for seconds on the tiny base and watched from outside, each training done once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from rftlab.cell import Cell
from rftlab.experiment.training import train
from rftlab.experiment.watched import CountedVerifier, Watch, prompts_of
from rftlab.methods.base import Method, TrainingRun, load_method, make_settings, rates_of, stages_of
from rftlab.methods.monitor import Monitor
from rftlab.parts import Budget
from rftlab.policy.load import Policy, load_policy
from rftlab.registry import METHODS, find
from rftlab.tasks.base import Example, Labels, load_task
from rftlab.verifiers.base import FunctionVerifier

STEPS = 2
LABELS, CAP = 8, 12


@dataclass(frozen=True)
class Toy:
    """A task that is learnt at once: whatever is asked, the answer begins with 1, which the base says in three of ten.

    Attributes:
        labels: what may be trained on, with development items that may not.
        test: what nobody may read.
    """

    labels: Labels
    test: tuple[Example, ...]

    @classmethod
    def make(cls, development: str = "") -> "Toy":
        """The toy; ``development`` is put before the prompts of the development items, which then are others."""
        task = load_task("arithmetic/word", {"train": 40, "test": 8, "ood": 0})
        rows = [Example(e.id, e.prompt, f"1{e.answer[1:]}", "It begins with 1.") for e in (*task.train, *task.test)]
        held_out = tuple(replace(e, prompt=development + e.prompt, answer="1") for e in rows[LABELS : 2 * LABELS])
        return cls(Labels(tuple(rows[:LABELS]), (), held_out), tuple(rows[40:]))


def begins_with_one(answer: str, _: Any) -> float:
    """1 for an answer that begins with 1."""
    return float(answer.startswith("1"))


@dataclass(frozen=True)
class Trained:
    """A training that came to its end.

    Attributes:
        run: what the method was given, its policy trained.
        before: the weights it began with, by name.
        verifier: what it asked the verifier.
        watch: what went through the policy.
    """

    run: TrainingRun
    before: Mapping[str, Tensor]
    verifier: CountedVerifier
    watch: Watch

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights it ended with, by name."""
        return weights_of(self.run.policy)

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The rows of the trace that are optimiser steps."""
        return [row for row in self.run.monitor.trace if row["kind"] == "train"]


class Subject:
    """A method under test, and its trainings, each done once.

    Args:
        name: as a grid names it.
        preset: named settings of it.
        settings: further ones.

    Raises:
        RftlabError: no such method, one that lacks a part, or settings it does not take.
    """

    def __init__(self, name: str, preset: str = "", settings: Mapping[str, Any] | None = None) -> None:
        self.name, self.entry = name, find(METHODS, name, "method")[0]
        self.method: Method = load_method(name)
        self.cell = Cell.make(
            {"method": name, "preset": preset, "settings": settings or {}, "labels": LABELS, "cot": False,
             "decoding.max_new_tokens_direct": CAP, "budget.amount": float(STEPS)}
        )  # fmt: skip
        # As in a run, only the cap that the cell asks by is worked out.
        self.reasoning = Cell.make(
            {**self.cell.flat(), "cot": True, "cot_eval": True, "decoding.max_new_tokens_direct": 0,
             "decoding.max_new_tokens": CAP}
        )  # fmt: skip
        self.settings = make_settings(self.method, name, preset, self.cell.settings)
        self.rates = rates_of(self.cell, stages_of(self.method, name, self.settings))

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return self.entry.uses_labels and self.entry.trains

    @cached_property
    def first(self) -> Trained:
        """Two steps."""
        return self.trained(Budget(unit="steps", amount=float(STEPS)))

    @cached_property
    def again(self) -> Trained:
        """The same two steps, with other development items."""
        return self.trained(Budget(unit="steps", amount=float(STEPS)), Toy.make("A. "))

    @cached_property
    def repeated(self) -> Trained:
        """The same two steps, nothing changed."""
        return self.trained(Budget(unit="steps", amount=float(STEPS)))

    @cached_property
    def with_reasoning(self) -> Trained:
        """Two steps with chain-of-thought."""
        return self.trained(Budget(unit="steps", amount=float(STEPS)), asked_by=self.reasoning)

    def trained(self, budget: Budget, toy: Toy | None = None, asked_by: Cell | None = None) -> Trained:
        """Train from the base, watched; evaluates nothing along the way."""
        toy, cell = toy or Toy.make(), asked_by or self.cell
        policy = load_policy(cell)
        before = {name: weight.clone() for name, weight in weights_of(policy).items()}
        verifier = CountedVerifier(FunctionVerifier(begins_with_one))
        with Watch(policy, int(policy.tokenizer.pad_token_id or 0)) as watch:
            cell = Cell.make({**cell.flat(), "budget.unit": budget.unit, "budget.amount": budget.amount})
            run = TrainingRun(
                policy, toy.labels, verifier, cell, self.settings, learning_rates=self.rates,
                monitor=Monitor(policy, budget),
            )  # fmt: skip
            train(self.method, run)
        return Trained(run, before, verifier, watch)

    def prompts(self, examples: Iterable[Example]) -> list[tuple[int, ...]]:
        """Token ids of prompts."""
        return prompts_of(self.first.run.policy, examples, cot=False)


def weights_of(policy: Policy) -> dict[str, Tensor]:
    """Weights by name, not copied."""
    return {name: weight.detach() for name, weight in policy.model.named_parameters()}
