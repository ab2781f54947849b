"""What a method is, what it is given, and how its cost is counted.

A method never reads the clock, the file system or a global: it gets one `TrainingRun` and reports to its `Monitor`,
so that several can run in one process.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from rftlab.cell import Budget, Cell
from rftlab.errors import RftlabError
from rftlab.policy.load import Policy
from rftlab.registry import METHODS, find, make, resolve
from rftlab.tasks.base import Labels
from rftlab.verifiers.base import Verifier


@dataclass
class Cost:
    """What has been spent so far.

    Attributes:
        optimizer_steps: parameter updates.
        tokens_generated: completion tokens sampled in training.
        tokens_trained: tokens (prompt and completion) that went through forward and backward.
        flops: estimate: 2 N per token forward, 2 N backward through the activations, and 2 per trained weight for its
            gradient (Kaplan et al. 2020, section 2.1, with the weight-gradient term counted for trained weights only).
        verifier_calls: completions scored by a verifier.
        completions_rewarded: of those, the ones with a reward above 0.
        groups: groups of completions of one prompt whose rewards were compared with each other; 0 if a method has none.
        groups_alike: of those, the ones whose rewards were all equal: they say nothing about what is better.
        seconds: wall time spent training, evaluations along the way not counted.
    """

    optimizer_steps: int = 0
    tokens_generated: int = 0
    tokens_trained: int = 0
    flops: float = 0.0
    verifier_calls: int = 0
    completions_rewarded: int = 0
    groups: int = 0
    groups_alike: int = 0
    seconds: float = 0.0

    def spent(self, unit: str) -> float:
        """Amount spent of a budget's unit."""
        return {
            "steps": self.optimizer_steps,
            "tokens": self.tokens_generated + self.tokens_trained,
            "flops": self.flops,
            "seconds": self.seconds,
        }[unit]


class Monitor:
    """Counts cost, records the trace, calls for evaluations along the way, and says when the budget is spent.

    Args:
        policy: what is trained; its sizes turn tokens into FLOPs.
        budget: when to stop.
        evaluate: called along the way with no arguments, returns `eval/...` metrics; its time is not counted.
        evaluations: how many of those are spread over the budget.
        on_progress: called after each step with (spent, amount, metrics).
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        policy: Policy,
        budget: Budget,
        *,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        evaluations: int = 0,
        on_progress: Callable[[float, float, Mapping[str, float]], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.cost = Cost()
        self.trace: list[dict[str, Any]] = []
        self._policy, self._budget = policy, budget
        self._evaluate, self._evaluations = evaluate, evaluations if evaluate else 0
        self._done_evaluations = 0
        self._on_progress, self._clock = on_progress, clock
        self._resumed_at = clock()
        self._limit = budget.amount

    @property
    def fraction(self) -> float:
        """Share of the whole budget spent, 0 to 1 and a little over."""
        return self.cost.spent(self._budget.unit) / self._budget.amount

    @property
    def exhausted(self) -> bool:
        """The budget, or that of the current stage, is spent."""
        return self.cost.spent(self._budget.unit) >= self._limit

    @property
    def steps_left(self) -> int | None:
        """Optimiser steps left before `exhausted`; None where the budget is counted in another unit."""
        return round(self._limit) - self.cost.optimizer_steps if self._budget.unit == "steps" else None

    @property
    def allowed(self) -> float:
        """Share of the whole budget that may be spent now: 1 unless a stage is limited."""
        return self._limit / self._budget.amount

    def limit(self, share: float) -> None:
        """Let the following stage spend up to this share of the whole budget; 1 lifts the limit."""
        self._limit = self._budget.amount * min(share, 1.0)

    def generated(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Count sampling: prompt tokens prefilled, completion tokens drawn."""
        self.cost.tokens_generated += completion_tokens
        self.cost.flops += 2.0 * self._policy.parameters * (prompt_tokens + completion_tokens)

    def trained(self, tokens: int, *, passes: int = 1) -> None:
        """Count tokens taken through forward and backward ``passes`` times."""
        policy = self._policy
        self.cost.tokens_trained += tokens * passes
        self.cost.flops += (4.0 * policy.parameters + 2.0 * policy.trained_parameters) * tokens * passes

    def forwarded(self, tokens: int) -> None:
        """Count tokens taken through one more forward pass (a reference policy, a critic)."""
        self.cost.flops += 2.0 * self._policy.parameters * tokens

    def verified(self, rewards: Sequence[float], *, group: int = 0) -> None:
        """Count completions scored by the verifier, and what there was to learn from their rewards.

        Args:
            rewards: one per completion.
            group: completions per prompt, those of one prompt side by side; 0 or 1 where they are not compared.
        """
        cost = self.cost
        cost.verifier_calls += len(rewards)
        cost.completions_rewarded += sum(reward > 0 for reward in rewards)
        for start in range(0, len(rewards), group) if group > 1 else ():
            cost.groups += 1
            cost.groups_alike += len(set(rewards[start : start + group])) == 1

    def step(self, metrics: Mapping[str, float]) -> bool:
        """Record one optimiser step; True once the budget (of the stage) is spent.

        Args:
            metrics: `train/...` numbers of this step, such as train/loss and train/reward.
        """
        self._settle()
        self.cost.optimizer_steps += 1
        self._record("train", metrics)
        if self._on_progress:
            self._on_progress(self.cost.spent(self._budget.unit), self._budget.amount, metrics)
        due = int(min(self.fraction, 1.0) * self._evaluations)
        if self._evaluate and due > self._done_evaluations:
            self._done_evaluations = due
            self.evaluate()
        self._resumed_at = self._clock()
        return self.exhausted

    def evaluate(self) -> None:
        """Evaluate now and record it; the time it takes is not part of the cost."""
        if self._evaluate:
            self._record("eval", self._evaluate())
            self._resumed_at = self._clock()

    def _settle(self) -> None:
        now = self._clock()
        self.cost.seconds += now - self._resumed_at
        self._resumed_at = now

    def _record(self, kind: str, metrics: Mapping[str, float]) -> None:
        cost = self.cost
        self.trace.append(
            {
                "step": cost.optimizer_steps,
                "kind": kind,
                "tokens_generated": cost.tokens_generated,
                "tokens_trained": cost.tokens_trained,
                "flops": cost.flops,
                "seconds": round(cost.seconds, 4),
                **metrics,
            }
        )


@dataclass(frozen=True)
class TrainingRun:
    """Everything a method is given.

    Attributes:
        policy: trained in place.
        labels: the label budget; only `labels.train` may be trained on.
        verifier: the reward.
        cell: the parameters of the run.
        settings: the method's own settings, validated.
        learning_rate: the one to use.
        monitor: counts, records, and says when to stop.
    """

    policy: Policy
    labels: Labels
    verifier: Verifier
    cell: Cell
    settings: Any
    learning_rate: float
    monitor: Monitor


class Settings(BaseModel):
    """Base of a method's settings: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class Ladder:
    """Learning rates tried in this order, by adapter kind; the first is the default."""

    lora: tuple[float, ...]
    full: tuple[float, ...]


class Method(Protocol):
    """A training method.

    Attributes:
        Settings: pydantic model of its settings, named as in TRL or in the paper.
        presets: name -> settings, each with its source in a comment.
        ladder: learning rates, the default first.
        card: for `rftlab methods NAME`: idea, objective, settings, when to use it, what goes wrong.
    """

    Settings: ClassVar[type[Settings]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    ladder: ClassVar[Ladder]
    card: ClassVar[str]

    def train(self, run: TrainingRun) -> None:
        """Train ``run.policy`` in place until ``run.monitor`` says the budget is spent."""
        ...


class Base:
    """No training."""

    Settings = Settings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(0.0,), full=(0.0,))
    card = "The untrained base: what every method has to beat. It has no settings and spends no budget."

    def train(self, run: TrainingRun) -> None:
        """Do nothing."""


def load_method(name: str) -> Method:
    """Method by its registered name, or a user's `path.py:Class`.

    Raises:
        RftlabError: no such method.
    """
    entry, _ = find(METHODS, name, "method")
    method: Method = make(resolve(entry), f"method {name!r}")
    _require_parts(method, name)
    return method


def _require_parts(method: Any, name: str) -> None:
    """Raise unless the object has what a method has, each of its kind."""
    kinds = {"presets": Mapping, "ladder": Ladder, "card": str}
    for part, kind in kinds.items():
        if not isinstance(getattr(method, part, None), kind):
            raise RftlabError(f"method {name!r}: its class needs a {kind.__name__} {part}; see docs/adding_a_method.md")
    if not (isinstance(getattr(method, "Settings", None), type) and issubclass(method.Settings, Settings)):
        raise RftlabError(
            f"method {name!r}: its class needs Settings, a subclass of rftlab.methods.base.Settings; "
            "see docs/adding_a_method.md"
        )
    if not callable(getattr(method, "train", None)):
        raise RftlabError(f"method {name!r}: its class needs train(self, run); see docs/adding_a_method.md")


def make_settings(method: Method, name: str, preset: str, settings: Mapping[str, Any]) -> Settings:
    """The method's validated settings: its defaults, then the preset, then what the cell gives.

    Raises:
        RftlabError: unknown preset or setting, or a value out of range; the sentence names it.
    """
    if preset and preset not in method.presets:
        known = ", ".join(method.presets) or "none"
        raise RftlabError(f"method {name!r} has no preset {preset!r}; known: {known}")
    values = {**(method.presets[preset] if preset else {}), **settings}
    try:
        return method.Settings.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        known = ", ".join(method.Settings.model_fields) or "none"
        raise RftlabError(f"method {name!r}, setting {where!r}: {problem['msg']}; its settings: {known}") from None
