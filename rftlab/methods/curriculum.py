"""Easy prompts first, or hard ones: which prompts may come at which share of the budget.

Prompts are ordered by the base's pass rate. Training begins on the first quarter of them and takes in more, evenly,
until at half of the budget all are open: a linear competence (Platanios et al. 2019, 1903.09848, section 3.1, with c_0
a quarter and T half of the budget). What is open is drawn in random order, each prompt once before any comes twice.
"""

import math
import random
from collections.abc import Iterator
from typing import Any

from trl.trainer.utils import RepeatSampler

from rftlab.methods.base import TrainingRun
from rftlab.tasks.difficulty import require_rates

_FIRST, _ALL_FROM = 0.25, 0.5


class Curriculum:
    """Draws places of ``run.labels.asked`` by what is open at the share of the budget that is spent.

    Args:
        run: its prompts, their pass rates, and the monitor that knows the share.
    """

    def __init__(self, run: TrainingRun) -> None:
        asked, rates = run.labels.asked, run.pass_rates
        require_rates(run.cell.curriculum, asked, rates)
        sign = -1 if run.cell.curriculum == "easy_first" else 1
        self._order = sorted(range(len(asked)), key=lambda i: sign * rates[asked[i].id])
        self._random = random.Random(f"curriculum-{run.cell.seed_data}")
        self._monitor = run.monitor
        self._queue: list[int] = []

    def open(self) -> list[int]:
        """Places of the prompts that may come now."""
        share = _FIRST + (1 - _FIRST) * self._monitor.fraction / _ALL_FROM
        return self._order[: max(1, math.ceil(min(1.0, share) * len(self._order)))]

    def take(self, count: int) -> list[int]:
        """So many of the open places; what was drawn before more were open comes first."""
        while len(self._queue) < count:
            drawn = self.open()
            self._random.shuffle(drawn)
            self._queue += drawn
        taken, self._queue = self._queue[:count], self._queue[count:]
        return taken


class CurriculumSampler(RepeatSampler):
    """TRL's sampler of prompts, or a trainer's of examples, that takes what a curriculum gives.

    Batches are asked for one at a time while training goes on, so that the share of the budget is of then.

    Args:
        curriculum: what gives places.
        sized: as the arguments of `RepeatSampler`.
    """

    def __init__(self, curriculum: Curriculum, **sized: Any) -> None:
        super().__init__(shuffle=False, **sized)
        self._curriculum = curriculum

    @classmethod
    def like(cls, sampler: RepeatSampler, curriculum: Curriculum) -> "CurriculumSampler":
        """One of the same sizes."""
        names = ("data_source", "mini_repeat_count", "batch_size", "repeat_count")
        return cls(curriculum, **{name: getattr(sampler, name) for name in names})

    def __iter__(self) -> Iterator[int]:
        for _ in range(self.num_samples // self.batch_size):
            places = self._curriculum.take(self.batch_size)
            for _ in range(self.repeat_count):
                yield from (place for place in places for _ in range(self.mini_repeat_count))


def curriculum_of(run: TrainingRun) -> Curriculum | None:
    """The one that a cell asks for."""
    return Curriculum(run) if run.cell.curriculum != "none" else None
