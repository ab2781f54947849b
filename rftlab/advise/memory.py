"""What a run holds in memory at its worst moment, worked out from the model's anatomy and the method's settings.

Two sums: what is held from beginning to end (process, weights, optimiser, the method's copies and memory), and the most
that a step adds to it (sampling, a training pass, the evaluation). accelerate's `estimate-memory` knows weights
and Adam alone; what methods add was counted on each method's code and checked by torch's memory profiler, and the whole
is held against records by `python -m tests.bench.memory` (docs/architecture.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rftlab.advise.method_memory import Run, Settings, parts_of
from rftlab.advise.work import Device, Work
from rftlab.policy.anatomy import Anatomy
from rftlab.registry import METHODS


@dataclass(frozen=True)
class Estimate:
    """Bytes by what they are for.

    Attributes:
        held: from beginning to end.
        steps: what each step adds while it lasts.
        apart: whether what sampling has freed does not serve training, nor the other way round, so that the largest of
            both count, as in the heap of a process; of a GPU's memory the larger one does.
    """

    held: Mapping[str, float]
    steps: Mapping[str, float]
    apart: bool

    @property
    def peak(self) -> float:
        """Most bytes at any moment."""
        return sum(self.parts.values())

    @property
    def bound(self) -> str:
        """The step that takes most."""
        return max(self.steps, key=lambda name: self.steps[name])

    @property
    def parts(self) -> dict[str, float]:
        """What the peak consists of."""
        sampling = {name: bytes for name, bytes in self.steps.items() if name.partition(" of ")[0] in _SAMPLING}
        training = {name: bytes for name, bytes in self.steps.items() if name not in sampling}
        counted = [max(kind, key=lambda name: self.steps[name]) for kind in (sampling, training) if kind]
        return {**self.held, **{name: self.steps[name] for name in (counted if self.apart else [self.bound])}}


# Steps that sample; all others train.
_SAMPLING = ("rollouts", "pairs", "evaluation")


def estimate(anatomy: Anatomy, method: str, settings: Settings, work: Work, device: Device) -> Estimate:
    """What a cell takes.

    Args:
        anatomy: of the model and what is trained of it.
        method: registered name; a user's own is taken for `grpo` if its settings have groups, else for `sft`.
        settings: all of the method's, by name; of stages their own under `stages` or `sft`.
        work: lengths and numbers.
        device: where.
    """
    run, apart = Run(anatomy, settings, work, device), device.kind == "cpu"
    held = {"process": device.process, "weights": float(anatomy.bytes)}
    steps = {"evaluation": max(run.sampling(work.asked, 1), run.sampling(work.sampled, work.samples))}
    if method in _UNTRAINED:
        return Estimate(held, steps, apart)
    steps["evaluation"] = max(steps["evaluation"], *run.divergence())
    own, also = parts_of(method, run)
    return Estimate({**held, **own}, {**also, **steps}, apart)


_UNTRAINED = frozenset(name for name, entry in METHODS.items() if not entry.trains)


def told(bytes: float) -> str:
    """A size in words: MB up to 1 GB, then GB."""
    return f"{bytes / 1e6:.0f} MB" if bytes < 9.995e8 else f"{bytes / 1e9:.1f} GB"


def lines(found: Estimate) -> Iterator[str]:
    """The parts of a peak, the largest first, without those of less than a megabyte."""
    for name, bytes in sorted(found.parts.items(), key=lambda pair: -pair[1]):
        if bytes >= 1e6:
            yield f"{name} {told(bytes)}"
