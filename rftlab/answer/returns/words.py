"""Costs and returns in words and tables, for terminal and page."""

from collections.abc import Iterator, Sequence
from math import isfinite, isinf

from rftlab.answer.phrases import interval, where
from rftlab.answer.returns.arms import Panel
from rftlab.answer.returns.money import TUNING, BreakEven, Returns, Sum, Swing
from rftlab.plots.names import title
from rftlab.stats import Interval

HEADS = ("arm", "labels", "cost", "of it", "accuracy", "gain, points", "cost per point", "net return")
# What a terminal shows beside each other, one below the other: all of it would be wider than most are.
_NET = len(HEADS) - 1
_TOGETHER = ((0, 1, 4, 5), (0, 1, 6, _NET), (0, 1, 2, 3))
ASSUMED = "assumed"
_MOST_PARTS, _TOLD = 3, 0.005


def told(found: Returns) -> str:
    """All of it, for a terminal."""
    return "\n".join(line for panel in found.panels for line in _panel(found, panel))


def amount(value: float, currency: str = "") -> str:
    """Money: whole numbers from 100 on, three digits below."""
    if not isfinite(value):
        return "no finite amount"
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {currency}".strip()


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "" if share is None else f"{100 * share:.0f} %"


def answer(found: Returns, panel: Panel) -> str:
    """Which arm pays best, and by how much; or why none is said to."""
    best, currency = found.best(panel), found.prices.currency
    if best is None:
        return "No arm is shown to gain anything: its interval holds 0, so no cost per point is named."
    name = f"{title(best.taken.arm)} at {best.taken.labels} labels"
    assumed = f" ({ASSUMED})" if best.taken.assumed else ""
    if best.net and best.net.estimate < 0:
        return (
            f"No arm returns what it costs, and the untrained base costs nothing. The least loss{assumed} is that of "
            f"{name}: {_limits(best.net, currency)}, after {amount(best.cost, currency)} of cost."
        )
    if best.net:
        return (
            f"{name} returns most{assumed}: {_limits(best.net, currency)}, after {amount(best.cost, currency)} of cost."
        )
    spent = amount(best.cost, currency)
    return f"{name} costs least for a point{assumed}: {_limits(best.per_point, currency)}, {spent} in all."


def rows(found: Returns, panel: Panel) -> list[tuple[str, ...]]:
    """The table of a panel, in the order of `HEADS`; the last column only where a point has a value."""
    base = found.base.get(panel)
    first = [("untrained base", "", "0", "", percent(base), "", "", "")] if base is not None else []
    return [tuple(each) for each in (*first, *(_row(each) for each in found.of(panel)))]


def _row(each: Sum) -> tuple[str, ...]:
    took = each.taken
    parts = sorted(((value, name) for name, value in each.bill.items() if value > _TOLD * each.cost), reverse=True)
    apart = [part for part in parts[_MOST_PARTS:] if part[1] == TUNING]  # never hidden among the rest
    of = ", ".join(f"{name} {amount(value)}" for value, name in (*parts[:_MOST_PARTS], *apart))
    accuracy = f"{percent(took.accuracy.estimate)}{f' {ASSUMED}' if took.assumed else ''}"
    return (
        title(took.arm), str(took.labels), amount(each.cost), of, accuracy, gained(each), per_point(each),
        _limits(each.net) if each.net else "",
    )  # fmt: skip


def gained(each: Sum) -> str:
    """The gain with its interval, and what is decided of it."""
    return f"{interval(each.taken.gain)} {each.taken.word or ASSUMED}".strip()  # type: ignore[arg-type]


def per_point(each: Sum) -> str:
    """Cost per point with its interval, or why there is none."""
    if each.taken.gain.high < 0:
        return "none: it loses points"
    if not each.shown:
        return "none: the gain may be 0"
    return _limits(each.per_point)


def break_even(each: BreakEven) -> str:
    """Which of two arms is the cheaper one with as many labels."""
    few, many = title(each.few), title(each.many)
    if isinf(each.labels):
        return f"{few} is cheaper than {many} with any number of labels."
    return f"{few} is cheaper than {many} below {each.labels:,.0f} labels, {many} above."


def frontier(found: Returns, panel: Panel) -> str:
    """The arms that nothing beats in both cost and accuracy."""
    base, currency = found.base.get(panel), found.prices.currency
    steps = [f"untrained base ({percent(base)}, 0 {currency})".replace(" )", ")")] if base is not None else []
    steps += [
        f"{title(each.taken.arm)} {each.taken.labels} ({percent(each.taken.accuracy.estimate)}, "
        f"{amount(each.cost, currency)}{f', {ASSUMED}' if each.taken.assumed else ''})"
        for each in found.frontier(panel)
    ]
    return f"{', then '.join(steps)}. By means; whether a step is shown say the decisions."


def outcome(found: Returns, panel: Panel) -> str:
    """What the answer of a panel is measured by."""
    best = found.best(panel)
    return f"the {'net return' if best and best.net else 'cost per point'} of the best arm"


def swings(found: Returns, panel: Panel) -> list[tuple[str, str]]:
    """The assumptions that move the answer most, and what it becomes; those that do not move it are left out."""
    best = found.best(panel)
    return [(each.name, _swing(each, best, found.prices.currency)) for each in found.moving(panel)] if best else []


def _swing(each: Swing, best: Sum, currency: str) -> str:
    low, high = (amount(value, currency) for value in each.values)
    here = (best.taken.arm, best.taken.labels)
    others = [
        f"{title(arm)} at {labels} labels is best at {times}"
        for (arm, labels), times in zip(each.winners, ("half", "one and a half times"), strict=True)
        if arm and (arm, labels) != here
    ]
    return f"{low} to {high}{''.join(f'; {other}' for other in others)}"


def _panel(found: Returns, panel: Panel) -> Iterator[str]:
    currency = found.prices.currency
    name = ", ".join(part for part in (where(panel, found.panels), panel[3]) if part) or "assumed"
    yield f"{name}{f' ({currency})' if currency else ''}"
    yield f"  {answer(found, panel)}"
    table = [HEADS, *rows(found, panel)]
    for columns in _TOGETHER:
        shown = [column for column in columns if column != _NET or found.prices.point_value is not None]
        yield from (f"  {line}" for line in _aligned([[each[column] for column in shown] for each in table]))
    for each in found.break_evens(panel):
        yield f"  Break-even: {break_even(each)}"
    yield f"  Frontier: {frontier(found, panel)}"
    if moved := swings(found, panel):
        yield f"  What moves the answer most: {outcome(found, panel)}, each assumption at half and at 1.5 times"
        yield from (f"    {name}: {text}" for name, text in moved)


def _limits(found: Interval, currency: str = "") -> str:
    if not isfinite(found.low):
        return amount(found.estimate, currency)
    return f"{amount(found.estimate, currency)} [{amount(found.low)}, {amount(found.high)}]"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
