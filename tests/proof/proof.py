"""What a proof is: something that holds of rftlab, tried on so many cases, of which each held or fell short."""

import dataclasses
import random
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

Size = Literal["short", "hour", "full"]
Case = tuple[str, str]
"""What was tried, and how it fell short in one line; "" if it held."""


@dataclasses.dataclass(frozen=True)
class Proof:
    """A line of the table.

    Args:
        name: section and name, as "faults.kill_driver".
        holds: what is claimed, in one sentence.
        cases: how many are tried at each size; none at a size that is left out.
        run: takes how many, an empty folder and a source of chance, and yields cases as it tries them.
        unavailable: why it cannot be tried on this machine, or None; asked before it is run.
    """

    name: str
    holds: str
    cases: dict[Size, int]
    run: Callable[[int, Path, random.Random], Iterator[Case]]
    unavailable: Callable[[], str | None] = lambda: None


@dataclasses.dataclass
class Line:
    """What came of a proof: its cases that fell short by name, and why it was not tried if it was not."""

    name: str
    holds: str
    tried: int = 0
    short: dict[str, str] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    not_tried: str = ""

    @property
    def held(self) -> int:
        """How many of the tried ones held."""
        return self.tried - len(self.short)


def prove(proof: Proof, size: Size, folder: Path, seed: int, told: Callable[[Line], None] = lambda _: None) -> Line:
    """Try a proof's cases; ``told`` hears of the line after each of them.

    Whatever a proof raises is a case that fell short, and ends it: a proof that breaks proves nothing.
    """
    line = Line(proof.name, proof.holds)
    if reason := proof.unavailable():
        line.not_tried = reason
        return line
    began = time.perf_counter()
    try:
        # Its own chance by its name: which cases it tries does not depend on what was run before it.
        for case, short in proof.run(proof.cases[size], folder, random.Random(f"{proof.name} {seed}")):
            line.tried += 1
            if short:
                line.short[case] = short
            line.seconds = time.perf_counter() - began
            told(line)
    except Exception as error:
        line.tried += 1
        line.short["the proof itself"] = (
            f"{type(error).__name__}: {error} ({traceback.extract_tb(error.__traceback__)[-1]})"
        )
    if not line.tried:
        line.not_tried = "it tried nothing"
    line.seconds = time.perf_counter() - began
    return line
