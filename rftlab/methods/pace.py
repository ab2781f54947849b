"""What the next step will cost, in one unit, as far as the last ones of its stage tell."""


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
