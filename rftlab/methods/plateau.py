"""When a run has reached its plateau, and which of its policies is kept: one rule for all methods.

Along the way a policy is evaluated on the development items. A gain is an accuracy more than one item above that at the
last gain; so many evaluations without one (`patience`) are the plateau. Twice as many it takes while a run is not yet
above what it started from: reinforcement learning may wait long for its first rewards and then learn fast. Kept is the
policy of the best accuracy, of equal ones the last.

A method of several stages (`Monitor.limit`) reaches the plateau of each: a stage ends with its best policy, from which
the next goes on, and the last stage's is the run's. What a stage starts from is no candidate: the base, and what an
earlier stage left, are arms of their own, and a method that only harms is to be seen to do so.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from torch import Tensor

from rftlab.errors import RftlabError
from rftlab.methods.cost import Cost
from rftlab.methods.trained import copied, put, trained
from rftlab.policy.load import Policy

# Accuracies are shares of items, computed as floats.
_ROUNDING = 1e-9
# What a run has to be above its start to have begun to learn; a tenth or a fiftieth did as well (docs/decisions.md).
_BEGUN = 0.05
# Of its attributes, those that `Plateau.state` takes as they are.
_GOES_BY = ("_start", "_gained", "_gained_at", "_waited", "_begun")

Reason = Literal["plateau", "cap", "done"]


@dataclass(frozen=True)
class Kept:
    """The policy a stage ended with.

    Attributes:
        accuracy: on the development items.
        cost: spent when it was there.
        reason: why the stage ended: at its plateau, at its cap, or because the method found nothing more to train on.
        gained_at: step of the last gain.
    """

    accuracy: float
    cost: Cost
    reason: Reason
    gained_at: int


def to_restored(kept: Kept) -> dict[str, float]:
    """Entries of a record's cost: whether the plateau was reached, 1 or 0, and what had been spent at the policy."""
    axes = ("optimizer_steps", "tokens_generated", "tokens_trained", "flops", "seconds")
    return {"at_plateau": float(kept.reason == "plateau"), **{f"restored_{n}": getattr(kept.cost, n) for n in axes}}


class Plateau:
    """Watches one run; its policy is put back to the best one at the end of every stage.

    Attributes:
        kept: of the last stage that was evaluated; None before.
        measure: name of what it goes by in the evaluations along the way.
        weights: the trained ones of the stage's best policy so far, on the CPU; none before its first evaluation.

    Args:
        policy: what is trained. A copy of its trained weights is held in memory, on the CPU.
        patience: evaluations without a gain after which a stage has reached its plateau.
        items: development items that an accuracy is of.
        measure: the accuracy, or the mean reward where that decides.
    """

    def __init__(self, policy: Policy, *, patience: int, items: int, measure: str = "eval/accuracy") -> None:
        self.kept: Kept | None = None
        self.measure = measure
        self._start: float | None = None
        self._policy, self._patience, self._items = policy, patience, items
        self._begin()

    def _begin(self) -> None:
        self._gained: float | None = None  # the accuracy at the last gain
        self._gained_at = self._waited = 0
        self._begun = self._start is None
        self._best: tuple[float, Cost] | None = None
        self.weights: dict[str, Tensor] = {}

    @property
    def reached(self) -> bool:
        """Whether the stage has been evaluated so often since its last gain that it stands still."""
        return self._waited >= self._patience * (1 if self._begun else 2)

    def starts_from(self, accuracy: float) -> None:
        """Take note of the accuracy before the first step, in [0, 1]."""
        self._start = accuracy
        self._begin()

    def evaluated(self, accuracy: float, cost: Cost) -> None:
        """Take note of the policy as it is now.

        Args:
            accuracy: on the development items, in [0, 1].
            cost: spent so far.
        """
        self._begun = self._begun or accuracy > (self._start or 0.0) + _BEGUN
        if self._gained is None or accuracy > self._gained + 1 / self._items + _ROUNDING:
            self._gained, self._gained_at, self._waited = accuracy, cost.optimizer_steps, 0
        else:
            self._waited += 1
        if self._best is None or accuracy >= self._best[0] - _ROUNDING:
            self._best = (accuracy, replace(cost))
            self.weights = copied(self._policy.model)

    def state(self) -> dict[str, Any]:
        """All that it goes by but `weights`, as JSON values."""
        best = [self._best[0], asdict(self._best[1])] if self._best else None
        kept = asdict(self.kept) if self.kept else None
        return {**{name: getattr(self, name) for name in _GOES_BY}, "best": best, "kept": kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go by what `state` gave."""
        for name in _GOES_BY:
            setattr(self, name, state[name])
        best, kept = state["best"], state["kept"]
        self._best = (best[0], Cost(**best[1])) if best else None
        self.kept = Kept(**{**kept, "cost": Cost(**kept["cost"])}) if kept else None

    def end_stage(self, otherwise: Reason) -> Kept | None:
        """Put the stage's best policy back, and begin the next; None if the stage was never evaluated.

        Args:
            otherwise: why the stage has ended, if not at its plateau.
        """
        if self._best is None:
            return None
        reason: Reason = "plateau" if self.reached else otherwise
        self.kept = Kept(*self._best, reason, self._gained_at)
        self._start = self.kept.accuracy
        self._put(self.weights)
        self._begin()
        return self.kept

    @contextlib.contextmanager
    def best_in_place(self) -> Iterator[int | None]:
        """While inside, the policy is the stage's best so far; gives its step. None: it is as it was, not evaluated."""
        if self._best is None:
            yield None
            return
        now = {name: p.detach().clone() for name, p in trained(self._policy.model).items()}
        self._put(self.weights)
        try:
            yield self._best[1].optimizer_steps
        finally:
            self._put(now)

    def _put(self, weights: Mapping[str, Tensor]) -> None:
        if trained(self._policy.model).keys() != weights.keys():
            raise RftlabError(
                "the method trains other weights than before, so that its best policy cannot be put back; "
                "set budget.until: spent"
            )
        put(self._policy.model, weights)
