"""How many tokens a completion may have: as given, or worked out from the gold completions of the task; no torch.

A cap is worked out once before a grid runs, where it is said, and again by every cell, from the same train pool in the
same tokens: 1.25 times the 99th percentile of the labelled completions, end-of-sequence token included. Where
chain-of-thought is asked for and the data has no rationales, or no answers at all, the base's own correct completions
stand for them (`rftlab.policy.probe`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rftlab.cell import Cell
from rftlab.tasks.base import Example, Task
from rftlab.tasks.folds import rows

# Of a pool larger than this, so many examples evenly spread are counted.
_MAX_COUNTED = 20_000
# So many rationales tell how long they get; a pool of fewer examples needs one for each.
_ENOUGH = 20
_PERCENTILE, _MARGIN, _STEP, _LEAST = 0.99, 1.25, 8, 16
# Where nothing tells how long a right answer gets.
_FALLBACK = 512
MAX_CUT = 0.01
"""Share of the gold completions that a cap may cut before it is said."""

CountTokens = Callable[[Sequence[Example], bool], Sequence[int]]
"""Tokens of the labelled completions of examples, with or without chain-of-thought, end-of-sequence token included."""


@dataclass(frozen=True)
class Probe:
    """What the base's own completions tell where there are no rationales.

    Attributes:
        correct: tokens of its correct completions.
        asked: number of completions sampled.
        cap: tokens a completion could have.
    """

    correct: Sequence[int]
    asked: int
    cap: int


@dataclass(frozen=True)
class Cap:
    """A completion cap.

    Attributes:
        cot: for prompts with chain-of-thought, or for those without.
        tokens: the cap.
        source: "given", or what it was worked out from.
        gold: number of gold completions counted, 0 where nothing was.
        cut: share of them that the cap cuts, 0 to 1.
        enough: the cap that would be worked out from them.
    """

    cot: bool
    tokens: int
    source: str
    gold: int = 0
    cut: float = 0.0
    enough: int = 0

    @property
    def parameter(self) -> str:
        """Name of the parameter that gives it."""
        return parameter(cot=self.cot)

    @property
    def note(self) -> str:
        """What people should know of it before anything runs; "" if nothing."""
        way = "with" if self.cot else "without"
        if self.source != "given":
            return f"cap: {self.tokens} tokens {way} chain-of-thought, from {self.source}"
        if self.cut <= MAX_CUT:
            return ""
        return (
            f"{self.parameter}: {self.tokens} cuts {self.cut:.0%} of {self.gold} gold completions {way} "
            f"chain-of-thought; {self.enough} would do, and 0 works it out"
        )


def told(caps: Mapping[bool, Cap]) -> dict[str, str]:
    """Caps and where they come from, in words, as a record keeps them."""
    return {
        f"cap {'with' if cap.cot else 'without'} chain-of-thought": f"{cap.tokens} tokens, {cap.source}"
        for cap in caps.values()
    }


def parameter(*, cot: bool) -> str:
    """Name of the parameter that gives the cap with or without chain-of-thought."""
    return "decoding.max_new_tokens" if cot else "decoding.max_new_tokens_direct"


def given(cell: Cell, *, cot: bool) -> int:
    """The cap a cell gives, 0 where it is to be worked out."""
    return cell.decoding.max_new_tokens if cot else cell.decoding.max_new_tokens_direct


def caps_of(
    cell: Cell, task: Task, count: CountTokens, probe: Callable[[bool], Probe], *, look: bool = False
) -> dict[bool, Cap]:
    """Each way a cell asks (with chain-of-thought or without) and its cap.

    Args:
        cell: says how it asks and what it gives.
        task: its train pool is counted.
        count: tokens of gold completions.
        probe: asks the base, with chain-of-thought or without; called only where no gold completion tells, and no cap
            is given.
        look: also count what a given cap cuts.
    """
    return {cot: _cap(given(cell, cot=cot), cot, task, count, probe, look) for cot in sorted({cell.cot, cell.cot_eval})}


def capped(cell: Cell, caps: Mapping[bool, Cap]) -> Cell:
    """The cell with its caps as numbers, for what trains and evaluates; its id is not that of the cell asked for."""
    values = {parameter(cot=cot): cap.tokens for cot, cap in caps.items()}
    return Cell.make({**cell.flat(), **values})


def _cap(tokens: int, cot: bool, task: Task, count: CountTokens, probe: Callable[[bool], Probe], look: bool) -> Cap:
    if tokens and not look:
        return Cap(cot, tokens, "given")
    pool = rows(task)
    pool = pool[:: max(1, -(-len(pool) // _MAX_COUNTED))]
    gold = [example for example in pool if example.rationale] if cot else pool
    if gold and len(gold) >= min(_ENOUGH, len(pool)):
        lengths = count(gold, cot)
        enough = cap_for(lengths)
        cap = tokens or enough
        cut = sum(length > cap for length in lengths) / len(lengths)
        return Cap(cot, cap, "given" if tokens else f"{len(gold)} gold completions", len(gold), cut, enough)
    return Cap(cot, tokens, "given") if tokens else _probed(probe(cot), cot)


def _probed(found: Probe, cot: bool) -> Cap:
    if not found.correct:
        none = (
            f"no {'rationales' if cot else 'gold answers'}, and none of {found.asked} completions by the base correct"
        )
        return Cap(cot, min(_FALLBACK, found.cap), none)
    number = f"{len(found.correct)} correct completion{'s' * (len(found.correct) > 1)} of {found.asked} by the base"
    return Cap(cot, min(cap_for(found.correct), found.cap), number)


def cap_for(lengths: Sequence[int]) -> int:
    """1.25 times the 99th percentile (the smallest length that at least 99 % do not exceed), rounded up to eights."""
    place = -(-len(lengths) * round(100 * _PERCENTILE) // 100) - 1
    wanted = _MARGIN * sorted(lengths)[place]
    return max(_LEAST, _STEP * int(-(-wanted // _STEP)))
