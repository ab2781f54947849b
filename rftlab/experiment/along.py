"""What a policy is asked while it trains: items of its curves, and test items at marks of its budget."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rftlab.cell import Cell
from rftlab.evaluate import ask
from rftlab.evaluate.rates import mean_worth
from rftlab.methods.peers import ALONE
from rftlab.policy.load import Policy
from rftlab.record.outcomes import ACCURACY, SCORE
from rftlab.tasks.base import Example, Task
from rftlab.verifiers.base import Verifier


class Along:
    """Asks a policy that is being trained; a new one for every training.

    Args:
        cell: what is trained, with its caps as numbers.
        task: its task.
        development: items of its learning curves, none of them trained on.
        verifier: judges what is answered.
        heard: called with the answers to the development items.

    Attributes:
        before: what the untrained policy answered to the test items; empty where no marks are asked for.
        at_marks: outcomes of the test items at each mark that training reached.
        peers: the processes that train it, of which the first asks.
    """

    def __init__(
        self,
        cell: Cell,
        task: Task,
        development: Sequence[Example],
        verifier: Verifier,
        heard: Callable[[Sequence[Mapping[str, Any]]], object],
    ) -> None:
        self._cell, self._task, self._development, self._verifier = cell, task, development, verifier
        self._heard = heard
        self.before: list[dict[str, Any]] = []
        self.at_marks: list[dict[str, Any]] = []
        self.peers = ALONE

    def curves(self, policy: Policy) -> dict[str, float]:
        """Accuracy and score on development and out-of-distribution items, by the names they have in a trace."""
        return self.peers.once(partial(self._curves, policy))

    def _curves(self, policy: Policy) -> dict[str, float]:
        asked = self._cell.evaluation
        # Neither curve reads an item that the result is measured on.
        beyond = self._task.ood_along(asked.ood_items, asked.along_items)
        metrics = {}
        for part, examples in (("", self._development), ("ood_", beyond)):
            rows = ask(policy, examples, self._verifier, self._cell, part="along")
            if not part:
                self._heard(rows)
            for measure in (ACCURACY, SCORE):
                if (value := mean_worth(rows, measure)) is not None:
                    metrics[f"eval/{part}{measure}"] = value
        return metrics

    def ask_test_items(self, policy: Policy) -> list[dict[str, Any]]:
        """What the policy answers to the test items now."""
        items = self._task.test[: self._cell.evaluation.test_items]
        return self.peers.once(partial(ask, policy, items, self._verifier, self._cell, part="mark"))

    def score_at(self, policy: Policy, mark: float, *, untrained: bool) -> float:
        """The measure that decides, on the test items, whose outcomes go to the samples; training reads neither."""
        rows = self.before if untrained else self.ask_test_items(policy)
        self.at_marks += [{"mark": mark, **{name: row[name] for name in ("part", "item", "reward")}} for row in rows]
        return float(mean_worth(rows, self._cell.evaluation.decides) or 0.0)
