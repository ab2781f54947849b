"""What a notebook shows while it trains: a figure and three completions, redrawn in place every few seconds.

Where nobody watches (a grid's notebooks), the figure is shown once, when training has ended.
"""

import base64
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rftlab.cell import Cell
from rftlab.methods.monitor import Monitor
from rftlab.policy.load import Policy
from rftlab.progress import is_watched, kernel_shell
from rftlab.shown.progress import Sampled, sampled

EVERY_S = 3.0
COMPLETIONS = 3
# Of a row of the trace, what is drawn while it trains.
DRAWN = (
    "step", "kind", "train/reward", "train/loss", "eval/accuracy", "eval/ood_accuracy", "train/completion_tokens",
    "train/zero_std_groups",
)  # fmt: skip


class Live:
    """A training being watched; a new one for every training.

    Args:
        cell: what is trained.
        policy: by which completions are decoded.
    """

    def __init__(self, cell: Cell, policy: Policy) -> None:
        self._cell, self._policy = cell, policy
        self._ids = {name: f"rftlab-{name}-{uuid.uuid4().hex}" for name in ("figure", "completions")}
        self._shown: set[str] = set()
        self._drawn_at = self._told_at = -EVERY_S
        self._told = 0
        self._asked: list[Sampled] = []

    def asked(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take what the policy answered in an evaluation along the way, for methods that sample nothing themselves."""
        self._asked = [Sampled(row["prompt"], row["completion"], row["reward"]) for row in rows[:COMPLETIONS]]

    def stepped(self, monitor: Monitor) -> dict[str, Any]:
        """Redraw, if it is time.

        Returns:
            Rows of the trace and completions that the last call has not returned, for a progress message.
        """
        if kernel_shell() is None:
            return {}
        now = time.monotonic()
        if is_watched() and now - self._drawn_at >= EVERY_S:
            self._draw(monitor.trace)
            if samples := self._samples(monitor):
                where = "of the last step" if monitor.drawn.samples else "of the last evaluation, on development items"
                self._display("completions", {"text/html": sampled(samples, f"Completions {where}")})
            self._drawn_at = time.monotonic()
        return self._news(monitor, now)

    def close(self, trace: Sequence[Mapping[str, Any]]) -> None:
        """Draw the whole training."""
        if kernel_shell() is not None:
            self._draw(trace)

    def _news(self, monitor: Monitor, now: float) -> dict[str, Any]:
        if now - self._told_at < EVERY_S and len(monitor.trace) - self._told < 20:
            return {}
        new, self._told, self._told_at = monitor.trace[self._told :], len(monitor.trace), now
        rows = [{name: row[name] for name in DRAWN if name in row} for row in new]
        return {"trace": rows, "completions": [sample._asdict() for sample in self._samples(monitor)]}

    def _samples(self, monitor: Monitor) -> list[Sampled]:
        tokenizer, cot = self._policy.tokenizer, self._cell.cot
        drawn = [
            Sampled(
                str(tokenizer.decode(rollout.prompt_ids, skip_special_tokens=True)),
                self._policy.decode(rollout.completion_ids, cot=cot),
                reward,
            )
            for rollout, reward in monitor.drawn.samples
        ]
        return drawn or self._asked

    def _draw(self, trace: Sequence[Mapping[str, Any]]) -> None:
        from rftlab.plots import to_bytes, training_panels

        budget = self._cell.budget
        steps = budget.amount if budget.unit == "steps" and budget.until == "spent" else 0
        figure = training_panels(pd.DataFrame(list(trace)), method=self._cell.method, steps=steps)
        picture = base64.b64encode(to_bytes(figure, "png", dpi=100)).decode()
        self._display("figure", {"image/png": picture, "text/plain": "training curves"})

    def _display(self, name: str, data: Mapping[str, str]) -> None:
        from IPython.display import display

        display(dict(data), raw=True, display_id=self._ids[name], update=name in self._shown)
        self._shown.add(name)
