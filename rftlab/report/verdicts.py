"""A study's decisions as sentences and as rows of a page."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rftlab.answer import phrases
from rftlab.answer.card import Answer, answer
from rftlab.answer.choices import choose, named_arms
from rftlab.answer.comparisons import Place
from rftlab.answer.decisions import Decision, Decisions
from rftlab.answer.folder import study_of
from rftlab.answer.results import place
from rftlab.plots.names import title


def card(results: str | Path, waive: str | Iterable[str] = ()) -> Answer:
    """The answer card of a results folder.

    Args:
        results: a grid's results folder.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    return answer(*study_of(results, waive))


def verdicts(results: str | Path, waive: str | Iterable[str] = ()) -> list[str]:
    """Sentences with numbers: what is not compared and what differs, then what is decided at every place.

    Args:
        results: a grid's results folder.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    study, decisions = study_of(results, waive)
    return [*study.survey.notes, *sentences(decisions)]


def sentences(decisions: Decisions) -> list[str]:
    """One for each panel and label budget: the measure that decides, greedy."""
    said = []
    for panel in decisions.panels:
        for here in decisions.places(panel):
            labels = f", {here.labels} labels" if here.labels else ""
            found = [told(each) for each in shown(decisions, here)]
            text = "; ".join(found) or f"measured was {_measured(decisions, here)}; there is nothing to compare it with"
            said.append(f"{place(panel)}{labels}: {text}.")
    return said


def shown(decisions: Decisions, here: Place) -> list[Decision]:
    """The decisions that a reader sees first at a place: confirmatory ones, then what else is held against the base.

    Where no named arm was trained, all there are.
    """
    every = [d for d in decisions.decisions if (d.place, d.axis, d.measure) == (here, "method", decisions.decides)]
    if not named_arms(decisions, here):
        return every
    base = decisions.base(here)
    beside = [d for d in every if d.family == "exploratory" and d.second == base and d.difference.seeds]
    return [*(d for d in every if d.family == "confirmatory"), *beside]


def told(decision: Decision) -> str:
    """`SFT against GRPO: better (+38 [30, 46])`, marked where it is exploratory."""
    names = f"{title(decision.first)} against {title(decision.second)}"
    if not decision.difference.seeds:
        return f"{names}: open (no seed in common)"
    mark = "; exploratory" if decision.family == "exploratory" else ""
    hint = f"; one seed, suggests {decision.suggestion}" if decision.suggestion != "open" else ""
    return f"{names}: {decision.word} ({phrases.interval(decision.difference)}{hint}{mark})"


def matrix(decisions: Decisions) -> list[dict[str, Any]]:
    """Rows of the matrix of decisions: one a panel and label budget.

    Keys: task, model, variant, prompt, labels, panel (in words), advice,
    kind (of `choices.Choice`), arms (name, mean, low, high, collapse, teacher_labels) and
    decisions (name, word, points, exploratory).
    """
    rows = []
    for panel in decisions.panels:
        for here in decisions.places(panel):
            chosen = choose(decisions, here) if named_arms(decisions, here) else None
            rows.append(
                {
                    **here._asdict(),
                    "panel": place((panel[0], panel[2], panel[3], panel[1])),
                    "advice": phrases.advice(decisions, panel, [chosen]) if chosen else "",
                    "kind": chosen.kind if chosen else "",
                    "arms": [_level(decisions, here, arm) for arm in decisions.arms(here)],
                    "decisions": [row(each) for each in shown(decisions, here)],
                }
            )
    return rows


def row(decision: Decision) -> dict[str, Any]:
    """A decision for a table of the page."""
    difference = decision.difference
    first = title(decision.first)
    against = title(decision.second) if decision.axis == "method" else f"{first} without chain-of-thought"
    return {
        **decision.place._asdict(),
        "family": decision.family,
        "measure": title(decision.measure),
        "first": first,
        "second": against,
        "word": decision.word if difference.seeds else "open",
        "points": phrases.interval(difference) if difference.seeds else "no seed in common",
        "look": decision.look,
        "seeds": difference.seeds,
        "items": difference.items,
        "covers": difference.covers,
        "suggestion": decision.suggestion,
    }


def _level(decisions: Decisions, here: Place, arm: str) -> dict[str, Any]:
    level = decisions.level(here, arm)
    assert level is not None
    mean = level.mean
    return {
        "name": title(arm), "mean": mean.estimate, "low": mean.low, "high": mean.high, "collapse": level.collapse,
        "teacher_labels": round(level.teacher_labels),
    }  # fmt: skip


def _measured(decisions: Decisions, here: Place) -> str:
    arms: Sequence[str] = decisions.arms(here)
    return ", ".join(phrases.reached(level) for arm in arms if (level := decisions.level(here, arm)))
