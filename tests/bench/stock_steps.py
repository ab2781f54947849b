"""Times of a stock trainer's steps."""

import statistics
import time
from typing import Any

from transformers import TrainerCallback


class Steps(TrainerCallback):
    """When each step's log line came."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the time; what is logged when training has ended is no step's."""
        if "train_runtime" not in (kwargs.get("logs") or {}):
            self.at.append(time.perf_counter())

    @property
    def median(self) -> float:
        """Seconds from log line to log line, so that the first step is left out."""
        return statistics.median(after - before for before, after in zip(self.at, self.at[1:], strict=False))
