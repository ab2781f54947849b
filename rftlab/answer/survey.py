"""Which runs of a study stand side by side: `contracts.check` over all of its records at once.

A *panel* is what a figure shows together: one task, model and variant. In it, arms with the same prompt are compared as
methods (at equal labels and seed), each arm's prompts as chain-of-thought on against off, and an arm's own runs, over
which means and lines are taken, must be of one kind. What is refused is set apart, so that nothing shows it together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import itemgetter
from typing import NamedTuple

from rftlab.answer import contracts
from rftlab.answer.contracts import MATCH, NA_TEXT, OVER_SEEDS, SHOWN, Terms, Verdict, shorten, told
from rftlab.contract import FIELDS
from rftlab.errors import RftlabError
from rftlab.record import Record
from rftlab.registry import METHODS

_kind = itemgetter(*(place for place in range(len(MATCH)) if place not in OVER_SEEDS))
_METHOD = MATCH.index("method")
# Two arms of one method differ in a setting, or in one of these.
_WITHIN_A_METHOD = ("method", "adapter", "prompts", "rule")
_FEW = 3


class Place(NamedTuple):
    """Where a report shows a cell: its variant, and its arm in the panel."""

    variant: str
    arm: str


class Refusal(NamedTuple):
    """Arms of a panel that must not be set side by side, and why.

    Attributes:
        where: task, model and variant.
        arms: which.
        differing: field -> what two of them say of it.
        unknown: fields that some records lack.
    """

    where: tuple[str, str, str]
    arms: tuple[str, ...]
    differing: Mapping[str, str]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        task, model, variant = self.where
        on = f"{task} ({model}{f', {variant}' if variant else ''})"
        several = len(self.arms) > 1
        who = (
            f"{listed(self.arms)} cannot be compared" if several else f"runs of {self.arms[0]} do not match each other"
        )
        if self.unknown:
            many = f"{len(self.unknown)} fields" if len(self.unknown) > 1 else "one field"
            return (
                f"{who} on {on}: some of their records lack {many} that must match; run the grid again, or accept that "
                f"they are unknown: --waive {','.join(self.unknown)}"
            )
        differing = ", ".join(f"{name} ({said})" for name, said in self.differing.items())
        mended = [name for name in self.differing if name != "spent"]
        mend = f"; run them with the same {', '.join(mended)}" if mended else ", more than 5 % apart"
        return f"{who} on {on}: they differ in {differing}{mend}"


@dataclass(frozen=True)
class Survey:
    """What a report has to say and do about its records' contracts.

    Attributes:
        refused: what must not be compared.
        apart: cell id -> the variant that keeps it apart from what it must not be compared with.
        same: the sentence on what every method had in common; "" if no two were compared.
        shown: differences that do not forbid a comparison, one text a field.
        by_design: fields in which methods differ because they are other methods.
        waived: fields that were unknown and accepted.
    """

    refused: tuple[Refusal, ...] = ()
    apart: Mapping[str, str] = field(default_factory=dict)
    same: str = ""
    shown: tuple[str, ...] = ()
    by_design: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What has to be said, in sentences; what is free is not mentioned."""
        said = [f"Not compared: {refusal}." for refusal in self.refused]
        if self.waived:
            said.append(f"Unknown, and accepted as such: {', '.join(self.waived)}.")
        if self.shown:
            said.append(f"Differs between runs that are shown together: {'. '.join(self.shown)}.")
        if self.by_design:
            said.append(f"Differs by design, because the methods do: {', '.join(self.by_design)}.")
        return said


@dataclass
class _Node:
    """Runs of one arm and prompt that are of one kind, whatever their labels and seeds."""

    arm: str
    trained: bool
    prompt: tuple[bool, bool]
    terms: Terms
    runs: dict[tuple[int, int], tuple[str, Terms]] = field(default_factory=dict)


class _Pair(NamedTuple):
    first: _Node
    second: _Node
    axis: str
    verdict: Verdict
    example: Mapping[str, tuple[Terms, Terms]]


def survey(
    records: Sequence[Record], places: Mapping[str, Place] | None = None, waive: str | Iterable[str] = ()
) -> Survey:
    """Hold every record against those it would be shown beside; linear in their number.

    Args:
        records: of one study.
        places: cell id -> where the report shows it; by default every method is an arm and there are no variants.
        waive: fields whose being unknown is accepted.

    Raises:
        RftlabError: no such field to waive.
    """
    accepted = contracts.waivers(waive)
    panels = _panels(records, places or {})
    pairs = {where: list(_pairs(nodes, accepted)) for where, nodes in panels.items()}
    refused = tuple(refusal for where, found in pairs.items() for refusal in _refusals(where, found))
    apart: dict[str, str] = {}
    for where, found in pairs.items():
        _set_apart(where, panels[where], found, apart)
    compared = [pair for found in pairs.values() for pair in found if not pair.verdict.refused]
    methods = [pair for pair in compared if pair.axis == "method"]
    return Survey(
        refused,
        apart,
        _same(methods, everyone=not refused),
        tuple(_shown(panels.values())),
        tuple(sorted({name for pair in methods for name in pair.verdict.by_design} - {"method", "method_code"})),
        tuple(sorted({name for pair in compared for name in pair.verdict.waived})),
    )


def comparable(records: Sequence[Record], waive: str | Iterable[str] = ()) -> None:
    """Check that all records that would be shown side by side may be.

    Raises:
        RftlabError: some may not; the sentences name the fields.
    """
    found = survey(records, waive=waive)
    if found.refused:
        raise RftlabError("; ".join(map(str, found.refused)))


def _panels(records: Sequence[Record], places: Mapping[str, Place]) -> dict[tuple[str, str, str], list[_Node]]:
    """Nodes by task, model and variant; an untrained arm that was not swept stands in every variant."""
    nodes: dict[tuple[str, str, str], dict[tuple[object, ...], _Node]] = {}
    for record in records:
        cell = record.cell
        entry = METHODS.get(cell["method"])
        trained = entry is None or entry.uses_labels
        place = places.get(record.id, Place("", cell["method"]))
        said = contracts.terms(record)
        prompt = (cell["cot"] if trained else cell["cot_eval"], cell["cot_eval"])
        panel = nodes.setdefault((cell["task"], cell["model"], place.variant), {})
        node = panel.setdefault(
            (place.arm, trained, prompt, _kind(said.values)), _Node(place.arm, trained, prompt, said)
        )
        node.runs[cell["labels"] if trained else 0, cell["seed"]] = (record.id, said)
    for (task, model, variant), panel in nodes.items():
        if variant and (task, model, "") in nodes:
            for key, node in nodes[task, model, ""].items():
                if not node.trained:
                    panel.setdefault(key, node)
    return {where: list(panel.values()) for where, panel in sorted(nodes.items())}


def _pairs(nodes: Sequence[_Node], waive: frozenset[str]) -> Iterator[_Pair]:
    for a, b in combinations(nodes, 2):
        same_arm = a.arm == b.arm
        if a.prompt == b.prompt or (a.trained != b.trained and a.prompt[1] == b.prompt[1]):
            yield _over_seeds(a, b, "labels", waive) if same_arm else _as_methods(a, b, waive)
        elif same_arm:
            yield _over_seeds(a, b, "cot" if a.trained and a.prompt[0] != b.prompt[0] else "cot_eval", waive)


def _over_seeds(a: _Node, b: _Node, axis: str, waive: frozenset[str]) -> _Pair:
    verdict = contracts.against_over_seeds(a.terms, b.terms, axis, waive)
    return _Pair(a, b, axis, verdict, dict.fromkeys(verdict.refused, (a.terms, b.terms)))


def _as_methods(a: _Node, b: _Node, waive: frozenset[str]) -> _Pair:
    """Two arms at every label budget and seed that both have; an untrained one stands beside every budget."""
    axes = _WITHIN_A_METHOD if a.terms.values[_METHOD] == b.terms.values[_METHOD] else ("method",)
    tried = [_along(a, b, axis, waive) for axis in axes]
    return next((pair for pair in tried if not pair.verdict.refused), tried[0])


def _along(a: _Node, b: _Node, axis: str, waive: frozenset[str]) -> _Pair:
    example: dict[str, tuple[Terms, Terms]] = {}
    found: tuple[dict[str, None], dict[str, None]] = ({}, {})
    for x, y in _shared(a, b):
        verdict = contracts.against(x, y, axis, waive)
        for name in verdict.refused:
            example.setdefault(name, (x, y))
        for names, more in zip(found, (verdict.by_design, verdict.waived), strict=True):
            names.update(dict.fromkeys(more))
    if found == ({}, {}) and not example:
        return _over_seeds(a, b, axis, waive)
    return _Pair(a, b, axis, Verdict(tuple(example), *(tuple(names) for names in found)), example)


def _shared(a: _Node, b: _Node) -> Iterator[tuple[Terms, Terms]]:
    if not a.trained and b.trained:
        yield from ((x, y) for y, x in _shared(b, a))
        return
    for (labels, seed), (_, said) in a.runs.items():
        other = b.runs.get((labels if b.trained else 0, seed))
        if other:
            yield said, other[1]


def _refusals(where: tuple[str, str, str], pairs: Iterable[_Pair]) -> Iterator[Refusal]:
    """One entry for all that is unknown, one for every set of fields that differ."""
    groups: dict[tuple[str, ...], list[_Pair]] = {}
    unknown: dict[str, None] = {}
    lacking: list[_Pair] = []
    for pair in pairs:
        missing = [name for name in pair.verdict.refused if None in (told(t, name) for t in pair.example[name])]
        unknown.update(dict.fromkeys(missing))
        lacking += [pair] if missing else []
        differing = tuple(name for name in pair.verdict.refused if name not in missing)
        if differing:
            groups.setdefault(differing, []).append(pair)
    if lacking:
        yield Refusal(where, _arms(lacking), {}, tuple(unknown))
    for fields, found in groups.items():
        yield Refusal(where, _arms(found), {name: _example(found[0], name) for name in fields}, ())


def _example(pair: _Pair, name: str) -> str:
    first, second = (shorten(told(said, name) or "") for said in pair.example[name])
    if pair.first.arm == pair.second.arm:
        return f"{first} and {second}"
    return f"{pair.first.arm} {first}, {pair.second.arm} {second}"


def _arms(pairs: Iterable[_Pair]) -> tuple[str, ...]:
    return tuple(sorted({node.arm for pair in pairs for node in pair[:2]}))


def _set_apart(
    where: tuple[str, str, str], nodes: Sequence[_Node], pairs: Sequence[_Pair], apart: dict[str, str]
) -> None:
    """Give the nodes of a panel with refusals to groups within which nothing is refused, each a variant of its own."""
    enemies: dict[int, set[int]] = {}
    for pair in pairs:
        if pair.verdict.refused:
            enemies.setdefault(id(pair.first), set()).add(id(pair.second))
            enemies.setdefault(id(pair.second), set()).add(id(pair.first))
    if not enemies:
        return
    groups: list[list[_Node]] = []
    for node in sorted(nodes, key=lambda node: (len(enemies.get(id(node), ())), node.arm)):
        if not node.trained and id(node) not in enemies:
            continue  # it stands beside every group
        free = (group for group in groups if not any(id(other) in enemies.get(id(node), ()) for other in group))
        group = next(free, None)
        if group is None:
            groups.append([node])
        else:
            group.append(node)
    taken: set[str] = set()
    for group in groups:
        names = list(dict.fromkeys(node.arm for node in group))
        name = f"{names[0]} alone" if len(names) == 1 else f"only {listed(names)}"
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name} ({number})", number + 1
        taken.add(unique)
        variant = f"{where[2]}, {unique}".removeprefix(", ")
        for node in group:
            for cell, _ in node.runs.values():
                # An untrained arm that fits several variants but not all of their groups can only stand alone.
                apart[cell] = variant if apart.get(cell, variant) == variant else f"{node.arm} alone"


def _same(pairs: Sequence[_Pair], *, everyone: bool) -> str:
    """What the arms of all these pairs had in common, in words, from the fields that did match."""
    applied: set[str] = set()
    differing: set[str] = set()
    for first, second, _, verdict, _ in pairs:
        both = zip(MATCH, first.terms.values, second.terms.values, strict=True)
        applied |= {name for name, x, y in both if x not in (None, NA_TEXT) and y not in (None, NA_TEXT)}
        differing |= {*verdict.by_design, *verdict.waived}
        if first.trained and second.trained:
            applied.add("spent")
    topics: dict[str, list[str]] = {}
    for name, each in FIELDS.items():
        if each.group == "match" and name in applied | differing and each.topic != "method":
            topics.setdefault(each.topic, []).append(name)
    told_topics = []
    for topic, names in topics.items():
        matched = [name for name in names if name not in differing]
        if matched:
            told_topics.append(topic if matched == names else f"{topic} (of it: {', '.join(matched)})")
    if not told_topics:
        return ""
    who = "Every method" if everyone else "Methods that are shown together"
    return f"{who} had the same {listed(told_topics)}."


def _shown(panels: Iterable[Sequence[_Node]]) -> Iterator[str]:
    """For every field that takes several values where runs are shown together: the values, and whose they are."""
    found: dict[str, dict[str, set[str]]] = {}
    for nodes in panels:
        for place, name in enumerate(SHOWN):
            values: dict[str | None, set[str]] = {}
            for node in nodes:
                for _, said in node.runs.values():
                    values.setdefault(said.shown[place], set()).add(node.arm)
            for skipped in (NA_TEXT, *([None] if name == "sandbox" else [])):
                values.pop(skipped, None)
            if len(values) > 1:
                for value, arms in values.items():
                    found.setdefault(name, {}).setdefault(value or "unknown", set()).update(arms)
    for name, by_value in found.items():
        texts = [f"{shorten(value, 90)} ({listed(sorted(arms))})" for value, arms in list(by_value.items())[:_FEW]]
        more = f" and {len(by_value) - _FEW} more" if len(by_value) > _FEW else ""
        yield f"{name}: {'; '.join(texts)}{more}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
