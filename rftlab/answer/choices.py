"""What a study's decisions recommend at each label budget: one arm, several alike, none, or that it is open."""

from itertools import combinations
from typing import Literal, NamedTuple

from rftlab import stats
from rftlab.answer.comparisons import Place
from rftlab.answer.decisions import Decisions

Panel = tuple[str, str, str, str]
Kind = Literal["use", "alike", "open", "none", "harm", "nothing"]
AHEAD = ("better", "same", "better or same")
"""Words that leave an arm at most the margin behind another."""


class Choice(NamedTuple):
    """What to do with so many labels.

    Attributes:
        labels: the budget.
        kind: use (one arm), alike (several, each the same as the others within the margin, cheapest first), open,
            none (nothing trained is better than the base), harm (everything is worse), nothing (nobody is ever right).
        arms: the arms that this is about.
        lifting: where it is open, those of them that are decided to be better than the base.
    """

    labels: int
    kind: Kind
    arms: tuple[str, ...]
    lifting: tuple[str, ...] = ()


def choices(decisions: Decisions, panel: Panel, measure: str = "") -> list[Choice]:
    """What to do at each label budget of a panel, by the named arms.

    Args:
        decisions: of a study.
        panel: of it.
        measure: by which; empty takes the one that decides.
    """
    return [choose(decisions, place, measure) for place in decisions.budgets(panel)]


def choose(decisions: Decisions, place: Place, measure: str = "") -> Choice:
    """What to do at one place.

    An arm is used if it is better than the base and no named arm is better than it, and if it is the only such arm or
    at most the margin behind each of the others. One that was compared with nothing is not; one seed rules nobody out.
    """
    trained = named_arms(decisions, place)
    if not trained:
        return Choice(place.labels, "open", ())
    base = decisions.base(place)
    if not any(level.mean.estimate > 0 for arm in (*trained, base) if (level := decisions.level(place, arm, measure))):
        return Choice(place.labels, "nothing", trained)
    against_base = {arm: found.word for arm in trained if (found := decisions.between(place, arm, base, measure))}
    if against_base and set(against_base.values()) <= {"worse", "same"}:
        return Choice(place.labels, "harm" if set(against_base.values()) == {"worse"} else "none", trained)
    between = {(a, b): decisions.between(place, a, b, measure) for a, b in combinations(trained, 2)}
    repeated = {arms: each.difference for arms, each in between.items() if each and each.difference.seeds > 1}
    best = stats.best_set(trained, repeated)
    leading = [a for a in best if all(_word(decisions, place, a, b, measure) in AHEAD for b in best if b != a)]
    compared = bool(against_base or repeated)
    if not (leading and compared) or any(against_base.get(arm, "better") != "better" for arm in leading):
        lifting = [arm for arm in best if against_base.get(arm) == "better"]
        return Choice(place.labels, "open", tuple(best), tuple(lifting))
    cheapest = sorted(leading, key=lambda arm: _flops(decisions, place, arm))
    return Choice(place.labels, "use" if len(leading) == 1 else "alike", tuple(cheapest))


def named_arms(decisions: Decisions, place: Place) -> tuple[str, ...]:
    """The trained arms at a place whose methods the plan names, in its order."""
    here = [level for arm in decisions.arms(place) if (level := decisions.level(place, arm)) and level.trained]
    order = decisions.plan.arms({level.method for level in here})
    return tuple(level.arm for method in order for level in here if level.method == method)


def _word(decisions: Decisions, place: Place, first: str, second: str, measure: str) -> str:
    found = decisions.between(place, first, second, measure)
    return found.word if found else "open"


def _flops(decisions: Decisions, place: Place, arm: str) -> float:
    level = decisions.level(place, arm)
    return level.spent if level and level.spent == level.spent else float("inf")
