"""What the records of studies say of the question that rules answer in general: evidence outranks a rule."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from rftlab.advise.facts import Facts
from rftlab.advise.ranking import Advice, Ranked
from rftlab.advise.rules import FAMILIES
from rftlab.advise.signals import Forecast, held_back
from rftlab.answer.choices import Choice, Panel, choices, named_arms
from rftlab.answer.comparisons import Place
from rftlab.answer.decisions import Decisions
from rftlab.answer.folder import study_of
from rftlab.answer.phrases import chosen_panels, what_to_do, where
from rftlab.answer.results import Results
from rftlab.errors import RftlabError
from rftlab.execute.results import read_grid
from rftlab.registry import METHODS, find

FEW_SHOT = "base-few-shot"


@dataclass(frozen=True)
class Evidence:
    """What one study says of one task.

    Attributes:
        results: its folder.
        told: what it advises, at which label budget, in a sentence.
        families: of the arms that it advises, the first one first; where it is open, of those not ruled out; "none"
            where training did not help.
        beaten: families that were compared and are not among them; all others where training did not help.
        decided: whether it is.
        labels: the budget that it speaks of.
        seeds: that this rests on.
        facts: what its untrained base measured, and that few-shot was tried, where it was.
        panel: that it speaks of: task, model, variant and prompt.
        few_shot: how few-shot compares with the base, a word of `Decision`; "" where it was not compared.
        few_shot_told: that in a sentence.
        lifting: where it is open, families of the arms that are decided to be better than the base.
        above: its budget is more than the labels that there are, so that it does not count.
    """

    results: Path
    told: str
    families: tuple[str, ...]
    beaten: tuple[str, ...]
    decided: bool
    labels: int
    seeds: int
    facts: Facts
    panel: Panel = ("", "", "", "")
    few_shot: str = ""
    few_shot_told: str = ""
    lifting: tuple[str, ...] = ()
    above: bool = False


def evidence_of(results: Path, labels: int | None, task: str = "", model: str = "") -> list[Evidence]:
    """What a study says, task by task, at the label budget nearest below the one that there is.

    Args:
        results: its folder, or an archive.
        labels: that there are; None takes the largest budget.
        task: only of this one, by what people call it.
        model: only of this base.

    Raises:
        RftlabError: it cannot be read, or has nothing on that task.
    """
    study, decisions = study_of(results)
    chosen = chosen_panels(decisions)
    panels = [panel for panel in chosen if task in ("", panel[0]) and model in ("", panel[1])]
    if task and not panels:
        there = ", ".join(dict.fromkeys(f"{panel[0]} with {panel[1]}" for panel in chosen))
        with_ = f" with {model}" if model else ""
        raise RftlabError(f"{results} has no comparison on {task}{with_}; it has: {there or 'none'}")
    return [found for panel in panels if (found := _of_panel(results, study, decisions, panel, panels, labels))]


def studies_of(task: str, model: str, results: Path = Path("results")) -> list[Path]:
    """Results folders whose grid has cells of a task, by what people call it, and of a base."""
    return [folder for folder in sorted(results.glob("*")) if _has(folder, task, model)]


def _has(folder: Path, task: str, model: str) -> bool:
    try:
        return any((cell.task_name, cell.model) == (task, model) for cell in read_grid(folder).cells)
    except RftlabError:
        return False


def weighed(advice: Advice, found: Iterable[Evidence], forecast: Forecast = Forecast()) -> Advice:  # noqa: B008
    """The advice with what records advise ranked first: what is decided before what is open, then by seeds.

    What is above the labels that there are does not count. Few-shot goes behind all else that is possible where it was
    measured to be worse than the base, here or in the forecast. What was measured to get no signal goes behind what
    may get one, where no record puts it first.
    """
    found = list(found)
    saying = [each for each in found if not each.above and (each.decided or advice.first.name in each.beaten)]
    order = [name for each in sorted(saying, key=_standing)[:1] for name in each.families]
    by_name = {each.name: each for each in advice.ranking}
    ahead = [by_name[name] if name in by_name else _unreasoned(name) for name in order]
    rest = [each for each in advice.ranking if each.name not in order]
    if forecast.few_shot_loses or any(each.few_shot == "worse" for each in found):
        rest.sort(key=lambda each: (not each.possible, each.name == "prompting"))  # else as they are: sorting is stable
    ranking = held_back((*ahead, *rest), forecast, fixed=len(ahead))
    # What the rules would put first elsewhere is no change where it is first already.
    changes = tuple(each for each in advice.changes if each.first != ranking[0].name)
    return replace(advice, ranking=ranking, changes=changes)


def _standing(evidence: Evidence) -> tuple[bool, int]:
    return not evidence.decided, -evidence.seeds


def disagreement(rules: Advice, found: Iterable[Evidence]) -> str:
    """Where records advise something else than the rules put first, in a sentence; "" where they do not."""
    first = rules.first.name
    counting = [each for each in found if not each.above]
    others = [each for each in counting if first in each.beaten or (each.decided and first != each.families[0])]
    if not others:
        lifting = [name for each in counting if each.lifting and first not in each.lifting for name in each.lifting]
        if not lifting:
            return ""
        titles = " and ".join(FAMILIES[name].title for name in dict.fromkeys(lifting))
        return f"The rules put {FAMILIES[first].title} first; records leave it open, and show {titles} above the base."
    told = "; ".join(f"{each.results}: {each.told}" for each in others)
    return f"The rules put {FAMILIES[first].title} first and records say otherwise, which counts for more ({told})."


def _unreasoned(name: str) -> Ranked:
    return Ranked(name, 0, (), (), (), ())


def _of_panel(
    results: Path, study: Results, decisions: Decisions, panel: Panel, beside: list[Panel], labels: int | None
) -> Evidence | None:
    found = choices(decisions, panel)
    if not found:
        return None
    below = [choice for choice in found if labels is None or choice.labels <= labels]
    choice = below[-1] if below else found[0]
    place = Place(*panel, choice.labels)
    level = decisions.level(place, decisions.base(place))
    seeds = max((len(each.seeds) for each in decisions.levels if each.place == place and each.trained), default=0)
    task = f"{where(panel, beside)}, " if len(beside) > 1 else ""
    told = f"{task}{panel[1]}, at {choice.labels} labels, {seeds} seeds: {what_to_do(decisions, panel, choice)}"
    word, few_shot = _few_shot(decisions, place)
    facts = Facts(
        prompted=True if few_shot else None,
        base_accuracy=level.mean.estimate if level and isfinite(level.mean.estimate) else None,
        base_pass_at_8=_pass_at_8(study, panel),
    )
    ahead, decided = tuple(_families(choice)), choice.kind in ("use", "alike", "none", "harm")
    beaten = [name for name in _of_arms(named_arms(decisions, place)) if name not in ahead]
    return Evidence(
        results,
        told,
        ahead,
        tuple(beaten),
        decided,
        choice.labels,
        seeds,
        facts,
        panel,
        word,
        few_shot,
        tuple(_of_arms(choice.lifting)),
        not below,
    )


def _few_shot(decisions: Decisions, place: Place) -> tuple[str, str]:
    """How few-shot compares with the base, in a word and in a sentence; both "" where it was not measured."""
    base = decisions.base(place)
    levels = decisions.level(place, FEW_SHOT), decisions.level(place, base)
    if not (levels[0] and levels[1]) or not (found := decisions.between(place, FEW_SHOT, base)):
        return "", ""
    shots, alone = (f"{100 * level.mean.estimate:.0f} %" for level in levels if level)
    word = {"open": "not decided against the base"}.get(
        found.word, f"{found.word} {'as' if found.word == 'same' else 'than'} the base"
    )
    return found.word, f"few-shot was measured: {shots}, the base {alone}: {word}"


def _families(choice: Choice) -> Iterator[str]:
    if choice.kind in ("none", "harm"):
        yield "none"
    elif choice.kind != "nothing":
        yield from _of_arms(choice.arms)


def _of_arms(arms: Iterable[str]) -> Iterator[str]:
    families = [find(METHODS, arm.partition(" ")[0], "method")[0].family for arm in arms]
    yield from dict.fromkeys(family for family in families if family in FAMILIES)


def _pass_at_8(study: Results, panel: Panel) -> float | None:
    cells = study.cells
    here = cells[(cells["task"] == panel[0]) & (cells["model"] == panel[1]) & (cells["method"] == "base")]
    here = here[(here["variant"] == panel[2]) & (here["prompt"] == panel[3])]
    values = here["pass_at_8"].dropna()
    return float(values.mean()) if len(values) else None
