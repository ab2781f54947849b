"""How often a verifier's verdict is a person's: which completions are marked, and what their marks say.

As many that the verifier paid as it refused are marked, so that both kinds of mistake can be seen however rare one
verdict is; what is said of all completions weights each side by its share again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from statsmodels.stats.inter_rater import cohens_kappa

from rftlab.advise.completions import Candidate, Pool, order
from rftlab.advise.marks import Marks
from rftlab.errors import printable
from rftlab.stats import Interval, stratified_interval, wilson_interval

_MAX_CHARS = 20_000
_SIDES = (True, False)


def drawn(pool: Pool, count: int, marks: Marks, *, seed: int = 0) -> list[Candidate]:
    """The completions of a sitting, in the order they are shown: what is marked already, and as many as are missing.

    Args:
        pool: what there is.
        count: how many in all, if that many are there; more where more are marked.
        marks: of sittings before.
        seed: draws, and orders.

    Returns:
        As many of each verdict of each verifier as possible, in an order that says nothing of the verdicts.
    """
    chosen: dict[str, Candidate] = {}
    sides: dict[tuple[str, bool], list[Candidate]] = {}
    taken: dict[tuple[str, bool], int] = {}
    for candidate in sorted(pool.candidates, key=lambda each: order(seed, "draw", each.key)):
        side = (candidate.judge, candidate.paid)
        sides.setdefault(side, [])
        taken.setdefault(side, 0)
        if candidate in marks:
            chosen.setdefault(candidate.key, candidate)
            taken[side] += 1
        else:
            sides[side].append(candidate)
    while len(chosen) < count and any(sides.values()):
        side = min((side for side in sides if sides[side]), key=lambda each: taken[each])
        candidate = sides[side].pop(0)
        taken[side] += candidate.key not in chosen
        chosen.setdefault(candidate.key, candidate)
    # Sorted by another draw: in the first one whichever side is the larger would come first.
    return sorted(chosen.values(), key=lambda each: order(seed, "show", each.key))


@dataclass(frozen=True)
class Agreement:
    """What the marks say of one verifier; `str(agreement)` is for people.

    Attributes:
        judge: task and verifier, for people.
        pool: the completions that were drawn from.
        marked: right or wrong, as a person has it: candidate -> right.
        unsure: how many were marked so.
    """

    judge: str
    pool: Pool
    marked: tuple[tuple[Candidate, bool], ...]
    unsure: int

    @property
    def table(self) -> np.ndarray:
        """Counts: paid, refused by right, wrong."""
        cells = [(candidate.paid, right) for candidate, right in self.marked]
        return np.array([[cells.count((paid, right)) for right in _SIDES] for paid in _SIDES])

    @property
    def shares(self) -> tuple[int, int]:
        """How many of all completions were paid, and refused."""
        paid = [candidate.paid for candidate in self.pool.candidates if candidate.judge == self.judge]
        return sum(paid), len(paid) - sum(paid)

    @property
    def accuracy(self) -> Interval:
        """Of the verdicts against the person: of all completions, or of those marked where none is a model's."""
        (right_paid, _), (_, wrong_refused) = self.table
        if self.pool.made:
            return wilson_interval(right_paid + wrong_refused, len(self.marked))
        return stratified_interval((right_paid, wrong_refused), tuple(self.table.sum(axis=1)), self.shares)

    @property
    def kappa(self) -> float:
        """Cohen's, weighted like `accuracy`; NaN where one of the two gave all the same verdict.

        Source: Cohen 1960, by `statsmodels.stats.inter_rater.cohens_kappa`.
        """
        table = self.table.astype(float)
        if not self.pool.made:
            sizes = table.sum(axis=1, keepdims=True)
            table = table * np.array(self.shares)[:, None] / np.where(sizes, sizes, 1)
        if not (table.sum(axis=0).all() and table.sum(axis=1).all()):
            return float("nan")
        return float(cohens_kappa(table, return_results=False))

    def __str__(self) -> str:
        (paid_right, paid_wrong), (refused_right, refused_wrong) = self.table
        sides = (("paid", "right", paid_right, paid_wrong), ("refused", "wrong", refused_wrong, refused_right))
        paid, refused = self.shares
        unsure = f", {self.unsure} of them not sure and left out" if self.unsure else ""
        of = (
            "those marked: no model wrote them, so they say how it treats such forms and not how often it errs"
            if self.pool.made
            else f"all {paid + refused:,} different completions there, of which {paid:,} are paid"
        )
        lines = [
            f"{self.judge}: {len(self.marked) + self.unsure} completions {_from(self.pool)} marked by hand{unsure}",
            f"  agreement {_share(self.accuracy)}: of {of}",
            *(
                f"  of {so + otherwise} {verdict}, {so} are {mark}: {_share(wilson_interval(so, so + otherwise))}"
                for verdict, mark, so, otherwise in sides
            ),
            f"  Cohen's kappa {'undefined' if isnan(self.kappa) else f'{self.kappa:.2f}'}; intervals are of 95 %",
        ]
        for verdict, which, off in (("paid", "paid though wrong", True), ("refused", "refused though right", False)):
            found = [candidate for candidate, right in self.marked if candidate.paid is off and right is not off]
            lines.append(f"  {which}: {len(found)}")
            lines += [line for candidate in found for line in _in_full(candidate, verdict)]
        return "\n".join(lines)


def agreements(pool: Pool, chosen: Sequence[Candidate], marks: Marks) -> list[Agreement]:
    """What the marks on ``chosen`` say of each verifier."""
    found = []
    for judge in dict.fromkeys(candidate.judge for candidate in pool.candidates):
        own = [candidate for candidate in chosen if candidate.judge == judge and candidate in marks]
        sure = tuple((candidate, marks[candidate] == "right") for candidate in own if marks[candidate] != "unsure")
        found.append(Agreement(judge, pool, sure, len(own) - len(sure)))
    return found


def shown(text: str, most: int = _MAX_CHARS) -> str:
    """A text as a terminal may show it, line by line, indented; the middle of a long one is left out, and so said."""
    if len(text) > most:
        text = f"{text[: most // 2]}\n[... {len(text) - most:,} characters left out ...]\n{text[-(most // 2) :]}"
    return "\n".join(f"    {printable(line)}" for line in text.split("\n"))


def _from(pool: Pool) -> str:
    return pool.source if pool.made else f"of {pool.source}"


def _share(interval: Interval) -> str:
    if isnan(interval.estimate):
        return "unknown, none is marked"
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _in_full(candidate: Candidate, verdict: str) -> list[str]:
    why = f", {printable(candidate.detail)}" if candidate.detail else ""
    found = f"answer found: {printable(candidate.extracted)}" if candidate.extracted else "no answer found"
    return [
        f"  - {verdict} with {candidate.reward:g}; {found}{why}",
        "    prompt", shown(candidate.prompt), "    gold answer", shown(candidate.answer), "    completion",
        shown(candidate.completion),
    ]  # fmt: skip
