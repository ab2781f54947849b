"""What `rftlab sense` forecast of a base, and what it does to a ranking: a measured "no signal" outranks the rules."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from rftlab.advise.ranking import Ranked
from rftlab.advise.rules import FAMILIES

FORECASTS = {"yes": "gets a signal", "no": "gets no signal", "unsure": "may or may not get a signal"}
# Arm of a forecast -> its family, and those that it goes behind where there is no signal: the first group of which one
# is possible.
_BEHIND: Mapping[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "RFT": ("rft", (("sft", "hybrid"), ("prompting",))),
    "SFT": ("sft", (("rft", "hybrid"), ("prompting",))),
}


class Forecast(NamedTuple):
    """What was forecast of a base on a task.

    Attributes:
        words: RFT or SFT -> yes, no or unsure: whether it gets a signal.
        few_shot_loses: whether examples in the prompt made its answers worse.
        because: RFT or SFT -> why, with the figures.
    """

    words: Mapping[str, str] = MappingProxyType({})
    few_shot_loses: bool = False
    because: Mapping[str, str] = MappingProxyType({})

    def why(self, arm: str) -> str:
        """What was measured, in a few words."""
        return f"rftlab sense measured no signal for {arm}" + f": {self.because.get(arm)}" * bool(self.because.get(arm))


def held_back(ranking: Sequence[Ranked], forecast: Forecast, *, fixed: int = 0) -> tuple[Ranked, ...]:
    """The ranking with what gets no signal behind what may get one, and the reason with it.

    Args:
        ranking: as rules and records have it.
        forecast: of the base.
        fixed: so many at its head were put there by records, which say more than a forecast.
    """
    found = list(ranking)
    without = {_BEHIND[arm][0] for arm, word in forecast.words.items() if word == "no" and arm in _BEHIND}
    for arm, (family, groups) in _BEHIND.items():
        at = next((i for i, each in enumerate(found) if each.name == family and each.possible), None)
        if family not in without or at is None:
            continue
        moved = found[at] = found[at]._replace(measured=forecast.why(arm))
        others = [i for i, each in enumerate(found) if each.possible and each.name not in without]
        behind = next((last for group in groups if (last := _last(found, others, group)) is not None), at)
        if fixed <= at < behind:
            found.insert(behind + 1, moved)
            del found[at]
    return tuple(found)


def _last(ranking: Sequence[Ranked], among: Sequence[int], families: Sequence[str]) -> int | None:
    return max((i for i in among if ranking[i].name in families), default=None)


def at_odds(rules_first: str, forecast: Forecast, first: str) -> str:
    """Where a forecast speaks against what the rules put first, in a sentence; "" where it does not.

    Args:
        rules_first: the family that the rules put first.
        forecast: of the base.
        first: the family that is first now.
    """
    against = [arm for arm, (family, _) in _BEHIND.items() if (family, forecast.words.get(arm)) == (rules_first, "no")]
    if not against:
        return ""
    said = f"The rules put {FAMILIES[rules_first].title} first, and {forecast.why(against[0])}"
    if first == rules_first:
        return f"{said}; records, which say more than a forecast, or the lack of another way leave it first."
    return f"{said}; a measurement counts for more than a rule, so {FAMILIES[first].title} is first."
