"""What a study says of each claim: one rule for all of them, on the differences that the claim's own rule found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Literal, NamedTuple

from rftlab import stats
from rftlab.answer.decisions import Decisions, Family, confidence_of
from rftlab.answer.ledger.claims import Claim
from rftlab.answer.ledger.contrasts import Contrast, Measured, Missing, Panel, Tested, measure
from rftlab.answer.more_seeds import Undecided, what_would_show
from rftlab.answer.phrases import interval
from rftlab.answer.published import Published
from rftlab.grid.plan import Plan
from rftlab.plots.names import title

Status = Literal["supported", "contradicted", "no difference worth having", "inconclusive", "not tested"]


@dataclass(frozen=True)
class Row:
    """A claim in one slice of a study.

    Attributes:
        claim: which, with what was published.
        part: which part of it, such as greedy or sampled; "" for the whole.
        panel: task, model and variant; None where that is not the point.
        prompt: how arms were trained and asked.
        reading: how arms were matched.
        family: confirmatory where the plan names the claim, else exploratory.
        status: supported, contradicted, no difference worth having, inconclusive or not tested.
        arm: the arm that the claim favours; of several the best.
        estimate: smallest of its differences, as a share (0.05 is 5 points); NaN if not tested.
        low: lower limit, simultaneous over the family.
        high: upper limit.
        differences: all of them by name, with limits.
        seeds: that it rests on.
        items: that it rests on.
        cells: ids of the cells it rests on.
        failed: preconditions that do not hold.
        controls: what random reward and format reward say by the same rule; "" where they say nothing of it.
        notes: what has to be said beside it.
        include: block of a grid that runs what is missing; "" if nothing is.
        needed: what an inconclusive row still needs.
        look: which look at the study it is; "" for a study that has all its seeds.
    """

    claim: Claim
    part: str
    panel: Panel | None
    prompt: str
    reading: str
    family: Family
    status: Status
    arm: str = ""
    estimate: float = nan
    low: float = nan
    high: float = nan
    differences: Mapping[str, stats.Difference] = field(default_factory=dict)
    seeds: int = 0
    items: int = 0
    cells: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    controls: str = ""
    notes: tuple[str, ...] = ()
    include: str = ""
    needed: str = ""
    look: str = ""

    @property
    def published(self) -> tuple[Published, ...]:
        """What others found: orientation, never ground truth."""
        return self.claim.published


class Size(NamedTuple):
    """The family of a row, and how many intervals share its 5 %."""

    family: Family
    comparisons: int


class _Least(NamedTuple):
    estimate: float
    low: float
    high: float


def not_tested(claim: Claim, missing: Missing, family: Family) -> Row:
    """The row of a claim that a study cannot test."""
    return Row(claim, "", missing.panel, "", "", family, "not tested", needed=missing.why, include=missing.include)


def decided(claim: Claim, tested: Tested, size: Size, reading: str, decisions: Decisions) -> Row:
    """A claim's row in a slice of a study."""
    plan = decisions.plan
    margin = plan.smallest_effect
    seeds = min((len(t) for each in tested.arms.values() for c in each for t in c.tables.values()), default=0)
    confidence, look = confidence_of(seeds, plan, size.comparisons)
    overlap = decisions.overlap(tested.panel)
    found = {arm: [measure(each, confidence, overlap) for each in contrasts] for arm, contrasts in tested.arms.items()}
    least = {arm: _least(measured) for arm, measured in found.items()}
    best = max(least, key=lambda arm: least[arm].estimate if isfinite(least[arm].estimate) else -inf)
    status = _of_best(
        [_status(each, margin, alike=tested.alike) for each in found.values()], list(least.values()), margin
    )
    failed, notes = list(tested.failed), list(tested.notes)
    if len(least) > 1:
        notes.insert(0, f"of whichever is best of {', '.join(map(title, least))}; here {title(best)}")
    controls, met = _controls(tested.controls, confidence, margin, overlap)
    if met:
        failed.append(f"{met} meets the same rule")
    depends = [told for each in found[best] if (told := _depends(each))]
    notes += depends
    if depends or (status == "supported" and failed):
        status = "inconclusive"
    shown = {each.contrast.name: each.difference for each in found[best]}
    return Row(
        claim, tested.part, tested.panel, tested.prompt, reading, size.family, status, best,
        max(each.estimate for each in least.values()), max(each.low for each in least.values()),
        max(each.high for each in least.values()), shown,
        min(each.seeds for each in shown.values()), min(each.items for each in shown.values()), tested.cells,
        tuple(failed), controls, tuple(notes), tested.include,
        _needed(found[best], failed, size, plan, tested.asked) if status == "inconclusive" else "", look,
    )  # fmt: skip


def _least(measured: Sequence[Measured]) -> _Least:
    """The smallest of several differences that must all be above 0, with limits that hold where theirs do."""
    found = [each.difference for each in measured if not each.contrast.slope]
    return _Least(*(min(getattr(each, name) for each in found) for name in _Least._fields))


def _status(measured: Sequence[Measured], margin: float, *, alike: bool) -> Status:
    """By the differences of one arm."""
    found = [each.difference for each in measured]
    if any(each.seeds < 2 or not isfinite(each.low) for each in found):
        return "inconclusive"
    least = _least(measured)
    if alike and stats.negligible(least.low, least.high, margin):
        return "supported"
    if not alike and all(each.low > 0 for each in found) and least.estimate >= margin:
        return "supported"
    if any(each.high < 0 for each in found):
        return "contradicted"
    return "no difference worth having" if stats.negligible(least.low, least.high, margin) else "inconclusive"


def _of_best(statuses: Sequence[Status], least: Sequence[_Least], margin: float) -> Status:
    """By the best of several arms: one that is supported is enough, and all must be contradicted."""
    if len(statuses) == 1 or "supported" in statuses:
        return "supported" if "supported" in statuses else statuses[0]
    if set(statuses) == {"contradicted"}:
        return "contradicted"
    low, high = max(each.low for each in least), max(each.high for each in least)
    decided = all(isfinite(each.low) for each in least) and "inconclusive" not in statuses
    return "no difference worth having" if decided and stats.negligible(low, high, margin) else "inconclusive"


def _controls(
    controls: Mapping[str, tuple[Contrast, ...]] | None, confidence: float, margin: float, overlap: float
) -> tuple[str, str]:
    """What the controls say by the same rule, in words, and the first that meets it."""
    if controls is None:
        return "", ""
    said, met = [], ""
    for name, contrasts in controls.items():
        measured = [measure(each, confidence, overlap) for each in contrasts]
        meets = _status(measured, margin, alike=False) == "supported"
        met = met or (title(name) if meets else "")
        told = "meets the same rule" if meets else "does not meet the rule"
        labels = sorted({n for each in contrasts for n in each.tables})
        at = f"at {', '.join(f'{n:g}' for n in labels)} labels"
        weakest = min(measured, key=lambda each: each.difference.estimate)
        said.append(f"{title(name)} {told} ({interval(weakest.difference)} {at})")
    return "; ".join(said) or "not run", met


def _depends(measured: Measured) -> str:
    """At which budgets a difference is decided one way and at which the other; "" if it is not decided both ways."""
    above = [f"{n:g}" for n, each in measured.by_budget.items() if each.seeds > 1 and each.low > 0]
    below = [f"{n:g}" for n, each in measured.by_budget.items() if each.seeds > 1 and each.high < 0]
    if not (above and below):
        return ""
    return (
        f"depends on the budget: {measured.contrast.name} is above 0 at {', '.join(above)}, below at {', '.join(below)}"
    )


def _needed(measured: Sequence[Measured], failed: Sequence[str], size: Size, plan: Plan, asked: str) -> str:
    """What would decide an inconclusive row."""
    undecided = [
        each for each in measured if not each.difference.low > 0 or each.difference.estimate < _margin(each, plan)
    ]
    if min(each.difference.seeds for each in measured) < 2:
        undecided = list(measured)
    elif not all(isfinite(each.difference.low) for each in measured):
        return "an interval: all seeds gave the very same difference, and nothing says how far a new one is"
    if not undecided:
        return "only what is not met; the difference itself is shown" if failed else ""
    rising = [each for each in undecided if not each.contrast.slope]
    if not rising:
        return "budgets further apart, or more seeds"
    open_ = [Undecided(each.contrast.name, each.table, each.spread) for each in rising]
    return what_would_show(open_, plan, size.comparisons, asked)


def _margin(measured: Measured, plan: Plan) -> float:
    return -inf if measured.contrast.slope else plan.smallest_effect
