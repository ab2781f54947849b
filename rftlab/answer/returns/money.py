"""Cost per point, break-even, frontier, and which assumption moves the answer: arithmetic on what arms took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, isfinite
from pathlib import Path
from typing import NamedTuple

from rftlab.answer.comparisons import Place
from rftlab.answer.decisions import Decisions
from rftlab.answer.folder import study_of
from rftlab.answer.results import Results
from rftlab.answer.returns.arms import Panel, Taken, assumed_alone, taken
from rftlab.answer.returns.prices import Prices
from rftlab.registry import trains
from rftlab.stats import Interval, ratio_interval

_PER_POINT = 0.01
_STILL, _MOST, _FEW = 0.001, 8, 3
HALF = (0.5, 1.5)
"""Factors by which each assumption is moved."""
TUNING = "tuning"
"""What choosing learning rates takes of the machine, in a bill."""
GAINED = "accuracy gained"
"""Not an assumption, but a measurement: moved to the limits of its interval."""


class Sum(NamedTuple):
    """What an arm costs and gains.

    Attributes:
        taken: what it took.
        bill: what is paid for -> how much.
        per_point: cost of one point of accuracy above the base; no limits where the gain's interval holds 0, NaN where
            there is no gain at all.
        net: what its gain is worth, less its cost; None without `point_value`.
    """

    taken: Taken
    bill: Mapping[str, float]
    per_point: Interval
    net: Interval | None

    @property
    def cost(self) -> float:
        """All of the bill."""
        return sum(self.bill.values())

    @property
    def shown(self) -> bool:
        """Whether it is shown, or assumed, to gain anything: its gain's interval lies above 0."""
        return isfinite(self.per_point.high)


class BreakEven(NamedTuple):
    """Two arms of one panel, with as many labels each.

    Attributes:
        panel: where.
        few: the arm that is cheaper with fewer labels, or always.
        many: the other one.
        labels: from which the other is the cheaper one; inf where it never is.
    """

    panel: Panel
    few: str
    many: str
    labels: float


class Swing(NamedTuple):
    """What the answer of a panel becomes when one assumption is half, and one and a half times, what it was.

    Attributes:
        name: of the assumption.
        values: of the best arm, at both: cost per point, or net return where a point has a value.
        winners: the best arm and its labels at both.
    """

    name: str
    values: tuple[float, float]
    winners: tuple[tuple[str, int], tuple[str, int]]

    @property
    def width(self) -> float:
        """How far it moves the answer."""
        found = abs(self.values[1] - self.values[0])
        return found if isfinite(found) else inf


@dataclass(frozen=True)
class Returns:
    """What a study's arms cost and gain at given prices.

    Attributes:
        prices: as given.
        sums: arm by arm, in order of panel and labels.
        base: panel -> accuracy of the untrained base, which costs nothing.
    """

    prices: Prices
    sums: tuple[Sum, ...]
    base: Mapping[Panel, float]

    @property
    def panels(self) -> list[Panel]:
        """Each once, in order."""
        return list(dict.fromkeys(each.taken.panel for each in self.sums))

    def of(self, panel: Panel) -> list[Sum]:
        """The arms of a panel."""
        return [each for each in self.sums if each.taken.panel == panel]

    def best(self, panel: Panel) -> Sum | None:
        """The arm with the largest net return, or the lowest cost per point, of those that gain; None if none does."""
        shown = [each for each in self.of(panel) if each.shown]
        return max(shown, key=self._worth) if shown else None

    def _worth(self, each: Sum) -> float:
        return each.net.estimate if each.net else -each.per_point.estimate

    def frontier(self, panel: Panel) -> list[Sum]:
        """Arms than which none is both cheaper and as accurate, from cheap to dear; more accurate than the base."""
        best, found = self.base.get(panel, -inf), []
        for each in sorted(self.of(panel), key=lambda one: (one.cost, -one.taken.accuracy.estimate)):
            if each.taken.accuracy.estimate > best:
                best = each.taken.accuracy.estimate
                found.append(each)
        return found

    def break_evens(self, panel: Panel) -> list[BreakEven]:
        """Where two arms cost the same with as many labels: every two of a panel that train on labels.

        Of more than a few arms, those that the one that pays best is held against.
        """
        arms = dict.fromkeys(each.taken.arm for each in self.of(panel) if trains(each.taken.method))
        lines = {arm: line for arm in arms if (line := self._line(panel, arm))}
        told = list(combinations(lines, 2))
        if len(lines) > _FEW:
            best = self.best(panel)
            told = [both for both in told if best and best.taken.arm in both]
        return [_crossing(panel, (a, lines[a]), (b, lines[b])) for a, b in told]

    def _line(self, panel: Panel, arm: str) -> tuple[float, float] | None:
        """What an arm costs without any label, and more with each: the machine as in the mean over its budgets."""
        rows = [each for each in self.of(panel) if each.taken.arm == arm and each.taken.labels]
        if not rows:
            return None
        per_label = [sum(each.bill[name] for name in _BY_LABEL) / each.taken.labels for each in rows]
        fixed = [each.cost - sum(each.bill[name] for name in _BY_LABEL) for each in rows]
        return sum(fixed) / len(rows), sum(per_label) / len(rows)

    def swings(self, panel: Panel) -> list[Swing]:
        """One assumption at a time, by half down and up; the one that moves the answer most comes first.

        The gain is moved to the limits of its interval.
        """
        best = self.best(panel)
        if best is None:
            return []
        found = [self._swing(panel, name) for name in self.prices.scalable]
        limits = best.net or best.per_point
        here = (best.taken.arm, best.taken.labels)
        found.append(Swing(GAINED, (limits.low, limits.high), (here, here)))
        return sorted(found, key=lambda each: -each.width)

    def moving(self, panel: Panel) -> list[Swing]:
        """Those of `swings` that move the answer, or change who is best; the first few."""
        found = self.swings(panel)
        return [each for each in found if each.width > _STILL * abs(each.values[0]) or len({*each.winners}) > 1][:_MOST]

    def _swing(self, panel: Panel, name: str) -> Swing:
        moved = [_returns([e.taken for e in self.of(panel)], self.prices.scaled(name, by), self.base) for by in HALF]
        bests = [each.best(panel) for each in moved]
        low, high = ((best.net or best.per_point).estimate if best else inf for best in bests)
        first, second = ((best.taken.arm, best.taken.labels) if best else ("", 0) for best in bests)
        return Swing(name, (low, high), (first, second))


_BY_LABEL = ("labels", "rationales", "comparisons")


def returns_of(results: str | Path | None, prices: Prices) -> Returns:
    """What the arms of a study cost and gain; without a study, those that the prices file assumes.

    Raises:
        RftlabError: the study cannot be read, or as `taken` and `assumed_alone`.
    """
    if results is None:
        return _returns(assumed_alone(prices), prices, {})
    return returns(*study_of(results), prices)


def returns(study: Results, decisions: Decisions, prices: Prices) -> Returns:
    """`returns_of`, of a study that was read and decided.

    Raises:
        RftlabError: as `taken`.
    """
    found = taken(study, decisions, prices)
    bases = {}
    for panel in dict.fromkeys(each.panel for each in found):
        place = Place(*panel, 0)
        if level := decisions.level(place, decisions.base(place)):
            bases[panel] = level.mean.estimate
    return _returns(found, prices, bases)


def _returns(found: Sequence[Taken], prices: Prices, bases: Mapping[Panel, float]) -> Returns:
    assumed = {each.panel: prices.base_accuracy for each in found if prices.base_accuracy is not None}
    sums = [total(each, prices) for each in found]
    order = sorted(sums, key=lambda each: (each.taken.panel, each.taken.labels, each.taken.arm))
    return Returns(prices, tuple(order), {**assumed, **bases})


def total(took: Taken, prices: Prices) -> Sum:
    """What an arm costs at these prices, what a point costs, and what is left."""
    paired = took.comparisons > 0
    bill = {
        "labels": (0 if paired else took.paid) * prices.label,
        "teacher's labels": took.teacher_labels * prices.label,
        "rationales": took.rationales * prices.rationale,
        "comparisons": took.comparisons * prices.comparison,
        "development": took.development * prices.label,
        "prompts": took.prompts * prices.prompt,
        "checks": took.checks * prices.check * prices.runs,
        "verifier": prices.verifier_hours * prices.engineer_hour * took.checked,
        "machine": took.hours.estimate * prices.machine_hour * prices.runs if isfinite(took.hours.estimate) else 0.0,
        TUNING: took.tuning_hours * prices.machine_hour,
        f"{TUNING}'s checks": took.tuning_checks * prices.check,
        "teacher's training": took.teacher_hours * prices.machine_hour,
        "pass rates": took.rating_hours * prices.machine_hour,
        "pass rates' checks": took.rating_checks * prices.check,
        "engineer": prices.hours_for(took.method, took.family) * prices.engineer_hour,
    }
    cost = sum(bill.values())
    points = _scaled(took.gain, 1 / _PER_POINT)
    rest = cost - bill["machine"]
    machine = _scaled(took.hours, prices.machine_hour * prices.runs)
    spread = Interval(cost, rest + machine.low, rest + machine.high, machine.n)
    net = None
    if prices.point_value is not None:
        worth = _scaled(points, prices.point_value)
        net = Interval(worth.estimate - cost, worth.low - cost, worth.high - cost, worth.n)
    return Sum(took, bill, ratio_interval(spread, points), net)


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(interval.estimate * factor, interval.low * factor, interval.high * factor, interval.n)


def _crossing(
    panel: Panel, first: tuple[str, tuple[float, float]], second: tuple[str, tuple[float, float]]
) -> BreakEven:
    """Where two lines of cost over labels cross, seen from few labels."""
    (few, (start, slope)), (many, (other_start, other_slope)) = sorted((first, second), key=lambda each: each[1])
    labels = (other_start - start) / (slope - other_slope) if slope > other_slope else inf
    return BreakEven(panel, few, many, labels)
