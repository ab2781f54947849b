"""What a study run until it is decided gave up as futile, and what it would take to decide it after all."""

from collections.abc import Mapping, Sequence

from rftlab import stats
from rftlab.answer.choices import Panel
from rftlab.answer.decisions import Decisions
from rftlab.answer.groups import listed
from rftlab.answer.phrases import where
from rftlab.answer.results import Results
from rftlab.execute.results import CLAIM, FUTILE, Stop
from rftlab.plots.names import title


def comparisons(decisions: Decisions) -> set[tuple[object, ...]]:
    """Places with two arms, in alphabetical order, whose comparison was given up."""
    return {stop[:-2] for stop in decisions.stops if stop.why == FUTILE and not _is_claim(stop)}


def told(decisions: Decisions) -> list[str]:
    """Which comparisons and claims were given up, and after how many seeds, in a sentence; [] where none was."""
    futile = [stop for stop in decisions.stops if stop.why == FUTILE]
    if not futile:
        return []
    panels = list(dict.fromkeys(stop[:4] for stop in futile))
    groups: dict[tuple[str, int], dict[Panel, list[int]]] = {}
    for stop in futile:
        part = f" ({stop.second})" if stop.second else ""
        what = f"{stop.first}{part}" if _is_claim(stop) else listed([_titled(stop.first), _titled(stop.second)])
        groups.setdefault((what, stop.seeds), {}).setdefault(stop[:4], []).append(stop.labels)
    said = [f"{what}{_places(at, panels)} after {seeds} seeds" for (what, seeds), at in groups.items()]
    chance, most = f"one chance in {1 / stats.HOPELESS:.0f}", decisions.plan.max_seeds
    return [f"Given up, with less than {chance} to be decided by {most} seeds: {'; '.join(said)}"]


def claims_would_take(results: Results, decisions: Decisions) -> str:
    """What it would take to decide the claims that were given up; "" where none was."""
    numbers = {int(stop.first.split()[1]) for stop in decisions.stops if stop.why == FUTILE and _is_claim(stop)}
    if not numbers:
        return ""
    from rftlab.answer.ledger.book import ledger  # reads the whole study: only where it is asked for

    rows = [row for row in ledger(results, decisions).rows if row.claim.number in numbers and row.needed]
    panels = list(dict.fromkeys((*row.panel, row.prompt) for row in rows if row.panel))
    needs: dict[str, list[str]] = {}
    for row in rows:
        task = f" on {where((*row.panel, row.prompt), panels)}" if row.panel and len(panels) > 1 else ""
        name = f"claim {row.claim.number}{task}{f' ({row.part})' if row.part else ''}"
        needs.setdefault(row.needed, []).append(name)
    return "; ".join(f"{listed(names)}: {need}" for need, names in needs.items())


def _is_claim(stop: Stop) -> bool:
    return stop.first.startswith(f"{CLAIM} ")


def _titled(arm: str) -> str:
    return "the base" if arm == "base" else title(arm)


def _places(at: Mapping[Panel, Sequence[int]], panels: Sequence[Panel]) -> str:
    """` on band at 10 and 100 labels and rare`: tasks where there are several, and label budgets where they count."""
    told_ = []
    for panel, labels in at.items():
        budgets = [f"{count}" for count in sorted(labels) if count]
        task = [f"on {where(panel, panels)}"] if len({each[:3] for each in panels}) > 1 else []
        told_.append(" ".join([*task, *([f"at {listed(budgets)} labels"] if budgets else [])]))
    named = [each for each in told_ if each]
    return f" {listed(named)}" if named else ""
