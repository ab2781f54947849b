"""Folds of one's own rows, in numbers and words: which seed is tested on which part, and how much of them was run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FEW_ROWS = 300
"""With fewer rows than this there is no room for a training, a development and a test part."""


@dataclass(frozen=True)
class Folds:
    """Rows that are dealt into parts: a seed is tested on one of them, and trained on labels of the others.

    Seed s is tested on part s mod K of deal s // K: K seeds from a multiple of K on test every row once (a *repeat*),
    and the next K deal anew. All methods have the same parts at one seed.

    Attributes:
        count: K, at least 2.
        rows: how many there are.
        split_seed: of the deals.
    """

    count: int
    rows: int
    split_seed: int = 0

    @classmethod
    def read(cls, value: Any) -> "Folds | None":
        """As a contract has it (`written`); None of a study with a test part of its own."""
        return cls(value["folds"], value["rows"]) if isinstance(value, dict) else None

    @property
    def written(self) -> dict[str, int]:
        """For a contract."""
        return {"folds": self.count, "rows": self.rows}

    @property
    def told(self) -> str:
        """What a task of them is, in a sentence."""
        return (
            f"{self.rows} rows in {self.count} folds: a seed is tested on one of them and trained on labels of the "
            f"others, and {self.count} seeds, such as 0 to {self.count - 1}, test every row once"
        )

    def repeats(self, seeds: Iterable[int]) -> str:
        """How much of the folds seeds have run: `2 whole repeats of 5 folds`, `3 of 5 folds`."""
        run: dict[int, set[int]] = {}
        for seed in seeds:
            run.setdefault(seed // self.count, set()).add(seed % self.count)
        sizes = [len(parts) for parts in run.values()]
        whole = sizes.count(self.count)
        partly = [size for size in sizes if size < self.count]
        if not whole and len(partly) == 1:
            return f"{partly[0]} of {self.count} folds"
        told = [f"{whole} whole repeat{'s' * (whole > 1)} of {self.count} folds"] if whole else []
        if partly:
            others = "another" if whole and len(partly) == 1 else "others" if whole else f"{len(partly)} repeats"
            told.append(f"{sum(partly)} fold{'s' * (sum(partly) > 1)} of {others}")
        return " and ".join(told)

    def lacking(self, seeds: Iterable[int]) -> str:
        """Which seeds would complete a repeat, where no repeat is whole; "" where one is."""
        run = {*seeds}
        starts = sorted({seed - seed % self.count for seed in run})
        missing = {start: {*range(start, start + self.count)} - run for start in starts}
        if not all(missing.values()):
            return ""
        start = min(missing, key=lambda each: (len(missing[each]), each))
        return f"no whole repeat: seeds {start} to {start + self.count - 1} test every row once"
