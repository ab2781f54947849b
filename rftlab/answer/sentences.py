"""What is said of runs that are shown together: what was the same, what differs, what spent or was seeded unlike."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from rftlab.answer.contracts import (
    MATCH,
    NA_TEXT,
    SHOWN,
    SILENT,
    TOLERANCE,
    Terms,
    shorten,
    times,
    to_its_plateau,
    told,
)
from rftlab.answer.groups import listed
from rftlab.answer.pairs import Node, Pair, seeds_of
from rftlab.contract import FIELDS, SEEDS

_CAP = "cap on training"
Said = Sequence[frozenset[str | None]]

_FEW = 3
WHY = {
    "method": "the methods do",
    "adapter": "the adapters do",
    "wording": "the prompts do",
    "prompts": "prompts without labels do",
    "rule": "the rules of the task do",
    "labels": "the label budgets do",
    "cot": "chain-of-thought does",
    "cot_eval": "chain-of-thought when asked does",
}
"""Axis -> why what follows from it differs, in the order in which it is said."""
# What an axis is itself needs no saying.
_ITSELF = {"method": {"method", "method_code"}, "labels": {"labels", "label_ids"}, "cot": {"cot", "cot_eval"}}
_ITSELF["cot_eval"] = {"cot_eval"}


def same(pairs: Iterable[Pair], *, everyone: bool) -> str:
    """What the arms of all these pairs had in common, in words: fields of which both say the same at every budget."""
    applied: set[str] = set()
    differing: set[str] = set()
    to_plateau: set[bool] = set()
    for pair in pairs:
        first, second = pair.first, pair.second
        if seeds_of(first, second) != seeds_of(second, first):
            differing.update(SEEDS)
        for both in _at_equal_budgets(first, second):
            for name, x, y in zip(MATCH, *both, strict=True):
                if x and y:
                    (applied if x == y and None not in x else differing).add(name)
        if first.trained and second.trained:
            to_plateau.add(capped := to_its_plateau(first.terms) and to_its_plateau(second.terms))
            if capped:
                continue  # what they spent need not be the same
            (differing if "spent" in pair.verdict.waived else applied).add("spent")
    if not differing.isdisjoint(SEEDS):
        differing.update(SEEDS)
    topics: dict[str, list[str]] = {}
    for name, each in FIELDS.items():
        if each.group == "match" and name in applied | differing and each.topic != "method":
            topics.setdefault(_CAP if each.topic == "budget" and to_plateau == {True} else each.topic, []).append(name)
    told_topics = []
    for topic, names in topics.items():
        matched = [name for name in names if name not in differing]
        if matched:
            told_topics.append(topic if matched == names else f"{topic} (but only {_words(matched)})")
    if not told_topics:
        return ""
    who = "Every method" if everyone else "Methods that are shown together"
    return f"{who} had the same {listed(told_topics)}."


def _words(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _at_equal_budgets(a: Node, b: Node) -> Iterator[tuple[Said, Said]]:
    """What both say at each label budget that both have, or at all of theirs; an untrained one has every budget."""
    if a.trained and b.trained and not a.values.keys().isdisjoint(b.values):
        yield from ((a.values[labels], b.values[labels]) for labels in a.values.keys() & b.values.keys())
    else:
        yield from product(a.values.values(), b.values.values())


def by_design(pairs: Sequence[Pair]) -> dict[str, tuple[str, ...]]:
    """By axis, the fields in which runs differ because they differ in that."""
    found = {axis: {name for pair in pairs if pair.axis == axis for name in pair.verdict.by_design} for axis in WHY}
    said = {axis: tuple(sorted(names - _ITSELF.get(axis, set()))) for axis, names in found.items()}
    return {axis: names for axis, names in said.items() if names}


def shown(groups: Iterable[Sequence[Node]]) -> Iterator[str]:
    """For every field that takes several values where runs are shown together: the values, and whose they are."""
    found: dict[str, dict[str, set[str]]] = {}
    for nodes in groups:
        for place, name in enumerate(SHOWN):
            values: dict[str | None, set[str]] = {}
            for node in nodes:
                for run in node.runs:
                    values.setdefault(run.terms.shown[place], set()).add(node.arm)
            for skipped in (NA_TEXT, *([None] if name in SILENT else [])):
                values.pop(skipped, None)
            if len(values) > 1:
                for value, arms in values.items():
                    found.setdefault(name, {}).setdefault(value or "unknown", set()).update(arms)
    for name, by_value in found.items():
        texts = [f"{shorten(value, 90)} ({listed(sorted(arms))})" for value, arms in sorted(by_value.items())[:_FEW]]
        more = f" and {len(by_value) - _FEW} more" if len(by_value) > _FEW else ""
        yield f"{name}: {'; '.join(texts)}{more}"


def spread(node: Node) -> Iterator[str]:
    """The two runs of an arm that are furthest apart in what they spent, if that is more than is compared."""
    least, most = node.runs[0].terms, node.runs[-1].terms
    if (times(least, most) or 1.0) > 1 + TOLERANCE:
        yield f"{node.arm} {listed(amounts(least, most))}"


def unpaired(group: Iterable[Node]) -> Iterator[str]:
    """Of the arms that are compared at a prompt and label budget, the runs whose seeds another lacks."""
    found: dict[tuple[object, int], dict[str, set[tuple[int, ...]]]] = {}
    for node in group:
        for run in node.runs if node.trained else ():
            found.setdefault((node.prompt, run.labels), {}).setdefault(node.arm, set()).add(run.seeds)
    for (_, labels), arms in found.items():
        common = set.intersection(*arms.values())
        for arm, seeds in arms.items():
            yield from (f"{arm} with {listed([f'{labels} labels', *_named(each)])}" for each in sorted(seeds - common))


def amounts(*both: Terms) -> list[str]:
    """What two spent, each with its label budget and seed where these differ."""
    named = [(name, form) for name, form in (("labels", "{} labels"), ("seed", "seed {}"))
             if len({told(each, name) for each in both}) > 1]  # fmt: skip
    texts = [listed([form.format(told(each, name)) for name, form in named]) if named else "" for each in both]
    return [f"{told(each, 'spent')}{' with ' if text else ''}{text}" for each, text in zip(both, texts, strict=True)]


def few(texts: Sequence[str]) -> str:
    """The first of them, and how many more."""
    return "; ".join(texts[:_FEW]) + (f"; and {len(texts) - _FEW} more" if len(texts) > _FEW else "")


def _named(seeds: Sequence[int]) -> list[str]:
    """`seed 1`, and each of the other three that is not the same."""
    return [f"{name} {seed}" for name, seed in zip(SEEDS, seeds, strict=True) if name == "seed" or seed != seeds[0]]
