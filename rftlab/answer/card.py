"""The answer of a study in a few sentences, made from its decisions alone.

No word but the five is used for a difference. What the confirmatory family says comes first; what is exploratory is
marked by that word.
"""

from dataclasses import dataclass
from html import escape
from typing import Literal

from rftlab.answer import phrases
from rftlab.answer.choices import Choice, Panel, choices
from rftlab.answer.decisions import Decisions
from rftlab.answer.given_up import claims_would_take
from rftlab.answer.groups import listed
from rftlab.answer.limits import limits
from rftlab.answer.next_step import next_step
from rftlab.answer.results import Results, unfinished
from rftlab.plots.names import title
from rftlab.registry import trains

Tone = Literal["clear", "depends", "open", "neither", "cannot start"]


@dataclass(frozen=True)
class Answer:
    """What a study answers.

    Attributes:
        headline: what to do.
        reasons: the numbers it rests on, task by task.
        limits: what it covers and what not.
        next_step: what would make it better.
        tone: clear, depends (on labels or task), open, neither (do not train), cannot start (RFT saw no reward).
    """

    headline: str
    reasons: tuple[str, ...]
    limits: str
    next_step: str
    tone: Tone

    @property
    def because(self) -> str:
        """The numbers it rests on, in one line."""
        return " ".join(self.reasons)

    def __str__(self) -> str:
        """Three lines, as a terminal shows them."""
        return "\n".join([self.headline, self.because, f"{self.limits} {self.next_step}".strip()])

    def _repr_html_(self) -> str:
        head, *rest = (escape(text) for text in (self.headline, *self.reasons, self.limits, self.next_step) if text)
        return f"<p><b>{head}</b></p>" + "".join(f"<p>{text}</p>" for text in rest)


def answer(results: Results, decisions: Decisions) -> Answer:
    """The answer card of a study.

    Args:
        results: the records it was made from, for what they leave unsaid.
        decisions: of these results.
    """
    panels = phrases.chosen_panels(decisions)
    found = {panel: choices(decisions, panel) for panel in panels}
    if not any(found.values()):
        return _nothing_trained(results, decisions)
    tone = _tone(decisions, found)
    headline = " ".join(text for text in (phrases.disagreement(decisions, found), _headline(decisions, found)) if text)
    return Answer(
        headline,
        tuple(
            text for panel, chosen in found.items() if chosen and (text := phrases.because(decisions, panel, chosen))
        ),
        limits(results, decisions),
        " ".join(filter(None, (next_step(decisions, found), phrases.sentence(claims_would_take(results, decisions))))),
        tone,
    )


def _headline(decisions: Decisions, found: dict[Panel, list[Choice]]) -> str:
    """What to do, for all tasks at once where they say the same."""
    told = {panel: phrases.advice(decisions, panel, chosen) for panel, chosen in found.items() if chosen}
    groups: dict[str, list[Panel]] = {}
    for panel, text in told.items():
        groups.setdefault(text, []).append(panel)
    if len(groups) == 1:
        several = f" ({listed([phrases.where(panel, told) for panel in told])})" if len(told) > 1 else ""
        text = next(iter(groups))
        return f"{phrases.sentence(text.removesuffix('.') + several)}"
    return " ".join(
        phrases.sentence(f"{listed([phrases.where(panel, told) for panel in where])}: {text}")
        for text, where in groups.items()
    )


def _tone(decisions: Decisions, found: dict[Panel, list[Choice]]) -> Tone:
    every = [choice for chosen in found.values() for choice in chosen]
    kinds = {choice.kind for choice in every}
    if kinds == {"nothing"} or (phrases.unrewarded(decisions, found) and not kinds & {"use", "alike"}):
        return "cannot start"
    if kinds == {"open"}:
        return "open"
    if kinds <= {"none", "harm", "nothing"}:
        return "neither"
    decided = [choice for choice in every if choice.kind in ("use", "alike")]
    common = set.intersection(*(set(choice.arms) for choice in decided)) if decided else set()
    return "clear" if common and len(decided) == len(every) else "depends"


def _nothing_trained(results: Results, decisions: Decisions) -> Answer:
    levels = [level for level in decisions.levels if level.measure == decisions.decides]
    measured = "; ".join(dict.fromkeys(phrases.reached(level) for level in levels))
    others = list(dict.fromkeys(level.method for level in levels if trains(level.method)))
    headline, step = "Nothing has been trained yet.", "Add methods to the grid: method: [base, sft, grpo]."
    if any(trains(cell.method) for cell in unfinished(results)):
        step = "Run the cells that are left: they train."
    if others:
        many = len(others) > 1
        trained = f"{listed([title(name) for name in others])} {'were' if many else 'was'} trained"
        headline = f"Nothing is answered: {trained}, and the plan does not name {'them' if many else 'it'}."
        step = f"Name what is to be compared in the grid, as in named: [{', '.join(['base', *others])}]."
    return Answer(
        headline,
        (f"Measured: {measured}." if measured else "Nothing was measured.",),
        limits(results, decisions),
        step,
        "open",
    )
