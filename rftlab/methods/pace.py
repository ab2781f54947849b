"""What the next step will cost, in one unit, as far as the last ones of its stage tell, and the rate it is made at."""

import math


class Pace:
    """Takes note of what draws and updates spend. A draw is what a method samples before it learns from it."""

    def __init__(self) -> None:
        self.begin_stage(0.0)

    def begin_stage(self, spent: float) -> None:
        """Forget what earlier stages cost; so much has been spent by now."""
        self.step_began = self._begun = spent
        self._draw = self._update = 0.0
        self._since_draw = 0

    def drawn(self, spent: float) -> None:
        """A draw has ended."""
        self._draw, self._begun, self._since_draw = spent - self._begun, spent, 0

    def stepped(self, spent: float) -> float:
        """A step has ended; what it cost with the draw before it, if there was one."""
        self._update, self._since_draw = spent - self._begun, self._since_draw + 1
        whole = spent - self.step_began
        self._begun = self.step_began = spent
        return whole

    def upcoming(self, steps_per_draw: int) -> float:
        """What the next step will cost; 0 before the first of a stage."""
        return self._update + (self._draw if self._since_draw >= steps_per_draw else 0.0)


def course(schedule: str, warmup_ratio: float, *, before: float, after: float) -> float:
    """Share of the learning rate for an update, above 0 and at most 1.

    Args:
        schedule: linear, cosine, constant_with_warmup, or constant, which has no warm-up either.
        warmup_ratio: share of the budget over which the rate rises.
        before: share of the budget that is spent before the update.
        after: share that is spent after it.
    """
    if schedule == "constant":
        return 1.0
    risen = min(1.0, after / warmup_ratio) if warmup_ratio else 1.0
    # At most what the budget allows: a step that overshoots it is still an update.
    passed = min(max(0.0, (before - warmup_ratio) / (1 - warmup_ratio)), 0.999)
    left = {"linear": 1 - passed, "cosine": 0.5 * (1 + math.cos(math.pi * passed)), "constant_with_warmup": 1.0}
    return risen * left[schedule]
