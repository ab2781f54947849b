"""How long texts are, how many are asked, and where a cell runs: what its memory depends on beside model and method."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rftlab.cell import Cell

# What Python and its libraries hold: of a training cell on this project's machine (docs/architecture.md); of a GPU what
# CUDA's context takes, which torch does not count.
PROCESS = {"cpu": 5.05e8, "gpu": 6e8}
# Optimiser steps of a budget that is counted in something else: for methods that remember, more than fill a memory.
_STEPS = 1000.0


class Work(NamedTuple):
    """How long texts are and how many are asked.

    Attributes:
        prompt: tokens of the longest prompt.
        gold: tokens of the longest labelled completion; 0 where there is none.
        mean: tokens of a labelled completion on average.
        cap: most tokens of a completion that is sampled.
        labels: labelled examples.
        steps: optimiser steps, for methods that remember.
        asked: items that an evaluation asks once.
        sampled: items that it asks repeatedly.
        samples: completions of each.
        nucleus: mass kept when sampling, up to 1.
        recomputes: whether activations are computed again in backward passes.
    """

    prompt: int
    gold: int
    mean: float
    cap: int
    labels: int = 100
    steps: float = 100.0
    asked: int = 200
    sampled: int = 50
    samples: int = 16
    nucleus: float = 1.0
    recomputes: bool = False


def work_of(cell: Cell, lengths: Mapping[str, Any]) -> Work:
    """A cell's work, with lengths as `rftlab.experiment.architecture.lengths_of` finds them."""
    asked = cell.evaluation
    return Work(
        prompt=lengths["prompt"], gold=lengths["gold"], mean=lengths["mean"], cap=lengths["cap"],
        labels=min(cell.labels, lengths["pool"]), steps=cell.budget.amount if cell.budget.unit == "steps" else _STEPS,
        asked=max(asked.test_items, asked.ood_items), sampled=asked.sampled_items, samples=asked.samples,
        nucleus=cell.decoding.top_p, recomputes=cell.gradient_checkpointing,
    )  # fmt: skip


class Device(NamedTuple):
    """Where it runs: its kind, "cpu" or "gpu", and what the process takes there beside what torch allocates."""

    kind: str
    process: float

    @staticmethod
    def of(kind: str) -> "Device":
        """With what a process was measured to take."""
        return Device(kind, PROCESS[kind])
