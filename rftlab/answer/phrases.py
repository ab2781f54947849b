"""The parts of an answer's sentences, each from decisions."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import isfinite

from rftlab import stats
from rftlab.answer.choices import Choice, Panel, choices, named_arms
from rftlab.answer.comparisons import EQUAL_COMPUTE, Place
from rftlab.answer.decisions import Decision, Decisions, Level
from rftlab.answer.groups import listed
from rftlab.answer.sampling import ONCE_BEST, ONCE_MAJORITY
from rftlab.plots.names import title
from rftlab.registry import family_of

_POINTED = {
    EQUAL_COMPUTE: "at equal compute ({mark:.3g} FLOPs)",
    "sampled_accuracy": "sampled answers",
    "ood_accuracy": "out of distribution",
    "retention_accuracy": "retention",
}
_DEAR = 1.5
"""How many times as much one arm costs as another before it is said."""


def chosen_panels(decisions: Decisions) -> list[Panel]:
    """The panel of each task, model and variant that the answer speaks of: those with named arms that were trained.

    Of prompts, chain-of-thought, unless more arms are decided to be better without.
    """
    found = []
    for _, group in groupby(decisions.panels, key=lambda panel: panel[:3]):
        panels = [panel for panel in group if any(named_arms(decisions, place) for place in decisions.places(panel))]
        if not panels:
            continue
        by_prompt = {panel[3]: panel for panel in panels}
        effects = _effects_of_prompt(decisions, by_prompt.get("chain-of-thought"))
        words = [effect.word for effect in effects]
        direct = words.count("worse") > words.count("better")
        order = ["direct", "chain-of-thought"] if direct else ["chain-of-thought", "direct"]
        found.append(next((by_prompt[name] for name in order if name in by_prompt), panels[0]))
    return found


def where(panel: Panel, beside: Iterable[Panel]) -> str:
    """A panel's task, and what tells it from the others beside it."""
    others = [other for other in beside if other != panel]
    task = panel[0].rpartition("/")[2] or panel[0]
    told = [part for at, part in enumerate(panel[1:3], start=1) if part and any(o[at] != panel[at] for o in others)]
    return ", ".join([task, *told])


def advice(decisions: Decisions, panel: Panel, chosen: Sequence[Choice]) -> str:
    """What to do, by label budget."""
    segments = [(key, list(part)) for key, part in groupby(chosen, key=_advised)]
    if len(segments) == 1:
        return what_to_do(decisions, panel, *chosen)
    told = []
    for number, (_, part) in enumerate(segments):
        labels = [choice.labels for choice in part]
        span = f"at {labels[0]} labels" if len(labels) == 1 else f"at {labels[0]} to {labels[-1]} labels"
        if number == len(segments) - 1 and len(labels) > 1:
            span = f"from {labels[0]} labels on"
        told.append(f"{span} {what_to_do(decisions, panel, *part)}")
    return "; ".join(told)


def _advised(choice: Choice) -> tuple[object, ...]:
    """What budgets must have in common to be told together."""
    cheapest = choice.arms[:1] if choice.kind == "alike" else ()
    return choice.kind, frozenset(choice.arms), frozenset(choice.lifting), cheapest


def what_to_do(decisions: Decisions, panel: Panel, choice: Choice, *alike: Choice) -> str:
    """What a choice advises, in a few words: `use SFT`.

    Args:
        decisions: of the study.
        panel: where.
        choice: at one label budget.
        alike: at others, where it is the same.
    """
    names = [title(arm) for arm in choice.arms]
    margin = points(decisions.plan.smallest_effect)
    if choice.kind == "use":
        return f"use {names[0]}"
    if choice.kind == "alike":
        return f"use {names[0]}, which costs least: {listed(names)} are the same within {margin}"
    if choice.kind == "none":
        return f"do not train: {listed(names)} {_is(names)} no better than the untrained base"
    if choice.kind == "harm":
        return f"do not train: {listed(names)} {_is(names)} worse than the untrained base"
    if choice.kind == "nothing":
        return "nothing was learnt: no answer was ever right"
    if choice.lifting:
        return _lifting(decisions, panel, [choice, *alike])
    if len(names) > 1:
        return f"not decided between {listed(names)}"
    return f"not decided whether {names[0]} helps" if names else "not decided"


def _lifting(decisions: Decisions, panel: Panel, chosen: Sequence[Choice]) -> str:
    """That training pays, where that is all that is decided: with which arms, and between which it is open."""
    arms, lifting = chosen[0].arms, chosen[0].lifting
    *others, last = [title(arm) for arm in lifting]
    these = f"{', '.join(others)} or {last}" if others else last
    all_ = {0: "", 1: "both "}.get(len(others), "all ")
    rest = [title(arm) for arm in arms if arm not in lifting]
    told = f"not decided between {listed(['them' if others else 'it', *rest])}"
    at = [[decisions.level(Place(*panel, choice.labels), arm) for arm in arms] for choice in chosen]
    known = [[level for level in levels if level] for levels in at]
    highest = {max(levels, key=lambda each: each.mean.estimate).arm for levels in known if levels}
    cheapest = {min(levels, key=lambda each: each.spent).arm for levels in known if levels}
    leads = {"highest mean": highest, "least cost": cheapest}
    sure = {what: title(next(iter(found))) for what, found in leads.items() if len(found) == 1}
    if len(set(sure.values())) == 1:
        sure = {" and ".join(sure): next(iter(sure.values()))}
    told += "".join(f"; {what}: {arm}" for what, arm in sure.items())
    return f"train with {these}, {all_}better than the untrained base ({told})"


def disagreement(decisions: Decisions, found: Mapping[Panel, Sequence[Choice]]) -> str:
    """Where the same runs, read at equal compute, advise something else; "" if nowhere."""
    told = []
    for panel, chosen in found.items():
        for here, there in zip(chosen, choices(decisions, panel, EQUAL_COMPUTE), strict=True):
            decided = {"use", "alike"}.issuperset((here.kind, there.kind))
            if decided and not set(here.arms) & set(there.arms):
                labels = f"{where(panel, found)}, {here.labels} labels" if len(found) > 1 else f"{here.labels} labels"
                told.append(f"{labels}: {title(here.arms[0])} against {title(there.arms[0])}")
    if not told:
        return ""
    return f"At equal labels and at equal compute (exploratory) the answer differs ({'; '.join(told)})."


def because(decisions: Decisions, panel: Panel, chosen: Sequence[Choice]) -> str:
    """The numbers behind the advice for a panel, in a few sentences."""
    places = decisions.budgets(panel)
    trained = list(dict.fromkeys(arm for place in places for arm in named_arms(decisions, place)))
    leading = _leading(chosen) or (trained[0] if trained else "")
    told = [_lift(decisions, places, leading)] if leading else []
    open_only = {choice.kind for choice in chosen} == {"open"}
    rivals = [arm for arm in trained if arm != leading]
    if open_only:
        told += [_lift(decisions, places, rival) for rival in rivals]
    told += [_against(decisions, places, leading, rival) for rival in rivals]
    told += [
        text
        for text in (_pointer(decisions, places, leading, rivals), _costs(decisions, places, leading, rivals))
        if text
    ]
    told += [_sampled_instead(decisions, places, leading)] if leading else []
    told += [text for text in (_prompts(decisions, panel), _unrewarded(decisions, places)) if text]
    name = where(panel, chosen_panels(decisions))
    several = len(chosen_panels(decisions)) > 1
    text = " ".join(sentence(each) for each in told if each)
    return f"{name}: {text}" if several and text else text


def _leading(chosen: Sequence[Choice]) -> str:
    """The arm used at most budgets; "" if none is used anywhere."""
    used = [choice.arms[0] for choice in chosen if choice.kind in ("use", "alike")]
    return max(dict.fromkeys(used), key=used.count) if used else ""


def _lift(decisions: Decisions, places: Sequence[Place], arm: str) -> str:
    """How far an arm is above the base, and at which budgets that is decided."""
    untrained = decisions.base(places[0])
    base = decisions.level(places[0], untrained)
    levels = [level for place in places if (level := decisions.level(place, arm))]
    if not levels:
        return ""
    reached = _span([level.mean.estimate for level in levels])
    found = [(place.labels, d) for place in places if (d := decisions.between(place, arm, untrained))]
    if base is None or not found:
        return f"{title(arm)} reached {reached}"
    text = f"{title(arm)} takes {_measured(decisions)} from {_percent(base.mean.estimate)} to {reached}"
    return f"{text} (against the base: {_by_word(found)}{_marked(found)})"


def _against(decisions: Decisions, places: Sequence[Place], arm: str, rival: str) -> str:
    found = [(place.labels, d) for place in places if (d := decisions.between(place, arm, rival))]
    return f"{title(arm)} against {title(rival)}: {_by_word(found)}{_marked(found)}" if found else ""


def _marked(found: Sequence[tuple[int, Decision]]) -> str:
    return "; exploratory" if any(decision.family == "exploratory" for _, decision in found) else ""


def _by_word(found: Sequence[tuple[int, Decision]], *, budgets: int = 0) -> str:
    """`better at 10 and 50 labels (+27 [20, 34] to +31 [24, 38]), open at 300 (...)`.

    Args:
        found: label budgets and decisions.
        budgets: how many were compared, if these are some of them.
    """
    words: dict[str, list[tuple[int, Decision]]] = {}
    for labels, decision in found:
        words.setdefault(decision.word, []).append((labels, decision))
    told = []
    for word, part in words.items():
        differences = sorted((decision.difference for _, decision in part), key=lambda d: d.estimate)
        ends = [differences[0], differences[-1]] if len(differences) > 1 else differences
        shown = " to ".join(dict.fromkeys(interval(each) for each in ends))
        told.append(f"{word}{_at([labels for labels, _ in part], max(budgets, len(found)))} ({shown})")
    return ", ".join(told)


def _at(labels: Sequence[int], budgets: int) -> str:
    if budgets < 2:
        return ""
    return " at every budget" if len(labels) == budgets > 2 else f" at {listed([str(each) for each in labels])}"


def _pointer(decisions: Decisions, places: Sequence[Place], arm: str, rivals: Sequence[str]) -> str:
    """What the exploratory measures decide between the same arms."""
    told = []
    for measure, name in _POINTED.items():
        level = next((each for place in places if (each := decisions.level(place, arm, measure))), None)
        name = name.format(mark=level.flops if level else 0)
        for rival in rivals:
            found = [(p.labels, d) for p in places if (d := decisions.between(p, arm, rival, measure))]
            decided = [(labels, d) for labels, d in found if d.word in ("better", "worse")]
            if decided:
                told.append(f"{name}, {title(arm)} against {title(rival)}: {_by_word(decided, budgets=len(found))}")
    return f"exploratory: {'; '.join(told)}" if told else ""


def _sampled_instead(decisions: Decisions, places: Sequence[Place], arm: str) -> str:
    """Where one answer of a trained arm is decided to be no better than several of the base; "" if nowhere."""
    told = []
    for prefix, what in ((ONCE_BEST, "with a verifier at hand the best"), (ONCE_MAJORITY, "without one the majority")):
        for measure in decisions.measures(prefix):
            found = [(p.labels, d) for p in places if (d := decisions.between(p, arm, decisions.base(p), measure))]
            equalled = [(labels, d) for labels, d in found if d.word in ("worse", "same")]
            if equalled:
                times = measure.removeprefix(prefix)
                told.append(f"{what} of {times}: {_by_word(equalled, budgets=len(found))}")
    if not told:
        return ""
    asked = f"one answer of {title(arm)} against several of the untrained base"
    return f"asking may do instead of training (exploratory): {asked}, {'; '.join(told)}"


def _costs(decisions: Decisions, places: Sequence[Place], arm: str, rivals: Sequence[str]) -> str:
    told = []
    for rival in rivals:
        both = [(decisions.level(p, arm), decisions.level(p, rival)) for p in places]
        ratios = [b.spent / a.spent for a, b in both if a and b and a.spent > 0 and b.spent > 0]
        if ratios and (mean := sum(ratios) / len(ratios)) and not 1 / _DEAR < mean < _DEAR:
            dearer, cheaper, times = (rival, arm, mean) if mean > 1 else (arm, rival, 1 / mean)
            before = any(level.spent > level.flops for levels in both for level in levels if level)
            what = f"training with {title(dearer)} costs {times:.2g} times the FLOPs of {title(cheaper)}"
            told.append(what + ", what came before it counted" * before)
    return "; ".join(told)


def _effects_of_prompt(decisions: Decisions, panel: Panel | None) -> list[Decision]:
    places = decisions.budgets(panel) if panel else []
    return [d for p in places for arm in named_arms(decisions, p) if (d := decisions.of_prompts(p, arm))]


def _prompts(decisions: Decisions, panel: Panel) -> str:
    effects = _effects_of_prompt(decisions, (*panel[:3], "chain-of-thought"))
    decided = {word: [d for d in effects if d.word == word] for word in ("better", "worse")}
    told = []
    for word, advised in (("better", "ask for chain-of-thought"), ("worse", "ask directly")):
        if decided[word]:
            span = _span_of_points([d.difference.estimate for d in decided[word]])
            every = (
                "" if len(decided[word]) == len(effects) else f" in {len(decided[word])} of {len(effects)} comparisons"
            )
            told.append(
                f"{advised}: {_measured(decisions)} with chain-of-thought is {word}{every} ({span} points; exploratory)"
            )
    return "; ".join(told)


def unrewarded(decisions: Decisions, found: Mapping[Panel, Sequence[Choice]]) -> bool:
    """Whether no completion of any named RFT arm was ever rewarded."""
    good, scored = _rewarded([place for panel in found for place in decisions.places(panel)], decisions)
    return scored > 0 and not good


def _unrewarded(decisions: Decisions, places: Sequence[Place]) -> str:
    good, scored = _rewarded(places, decisions)
    if good or not scored:
        return ""
    levels = [decisions.level(place, arm) for place in places for arm in named_arms(decisions, place)]
    taught = any(level.mean.estimate > 0 for level in levels if level and family_of(level.method) != "rft")
    mend = "SFT first, or easier prompts" if taught else "easier prompts, or a base that solves some of them"
    return f"RFT had nothing to learn from: 0 of {scored} completions were rewarded; {mend}"


def _rewarded(places: Iterable[Place], decisions: Decisions) -> tuple[int, int]:
    """Completions of the named RFT arms that were rewarded in training, of how many."""
    levels = [decisions.level(place, arm) for place in places for arm in named_arms(decisions, place)]
    counts = [level.rewarded for level in levels if level and family_of(level.method) == "rft"]
    return sum(good for good, _ in counts), sum(scored for _, scored in counts)


def reached(level: Level) -> str:
    """An arm and its mean."""
    return f"{title(level.arm)} {_percent(level.mean.estimate)}"


def interval(difference: stats.Interval) -> str:
    """A difference in points with its limits: `+27 [20, 34]`."""
    low, high = difference.low, difference.high
    limits = f"[{_rounded(low)}, {_rounded(high)}]" if isfinite(low) and isfinite(high) else "[no interval]"
    return f"{signed(difference.estimate)} {limits}"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip().removesuffix(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _measured(decisions: Decisions) -> str:
    return "the score" if decisions.decides == "score" else "accuracy"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def points(share: float) -> str:
    """A share in points: `5 points`."""
    points = f"{100 * share:g}"
    return f"{points} point{'s' * (points != '1')}"


def signed(share: float) -> str:
    """A share in points with its sign."""
    return _rounded(share, "+")


def _rounded(share: float, sign: str = "") -> str:
    """In whole points, and below one in tenths, so that a limit just below zero does not read as zero."""
    return f"{100 * share + 0.0:{sign}.{1 if 0 < abs(share) < 0.01 else 0}f}"


def _span(shares: Sequence[float]) -> str:
    low, high = f"{100 * min(shares):.0f}", f"{100 * max(shares):.0f}"
    return f"{low} %" if low == high else f"{low}-{high} %"


def _span_of_points(shares: Sequence[float]) -> str:
    low, high = signed(min(shares)), signed(max(shares))
    return low if low == high else f"{low} to {high}"
