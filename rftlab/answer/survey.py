"""Which runs of a study stand side by side: `contracts.check` over all of its records at once.

What is refused is set apart, so that nothing shows it together; what differs, follows by design, was waived or was the
same is said.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rftlab.answer import contracts
from rftlab.answer.contracts import MATCH, NA_TEXT, SHOWN, shorten, told
from rftlab.answer.pairs import Node, Pair, Place, pairs_of, panels
from rftlab.contract import FIELDS
from rftlab.errors import RftlabError
from rftlab.record import Record

_FEW = 3


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
    nodes = panels(records, places or {})
    pairs = {where: list(pairs_of(found, accepted)) for where, found in nodes.items()}
    refused = tuple(refusal for where, found in pairs.items() for refusal in _refusals(where, found))
    apart: dict[str, str] = {}
    for where, found in pairs.items():
        _set_apart(where, nodes[where], found, apart)
    compared = [pair for found in pairs.values() for pair in found if not pair.verdict.refused]
    methods = [pair for pair in compared if pair.axis == "method"]
    return Survey(
        refused,
        apart,
        _same(methods, everyone=not refused),
        tuple(_shown(nodes.values())),
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


def _refusals(where: tuple[str, str, str], pairs: Iterable[Pair]) -> Iterator[Refusal]:
    """One entry for all that is unknown, one for every set of fields that differ."""
    groups: dict[tuple[str, ...], list[Pair]] = {}
    unknown: dict[str, None] = {}
    lacking: list[Pair] = []
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
        yield Refusal(where, _arms(found), {name: _example(found, name) for name in fields}, ())


def _example(pairs: Sequence[Pair], name: str) -> str:
    """What two of the arms say of a field; of what was spent, the two that are furthest apart."""
    pair = max(pairs, key=lambda pair: _ratio(pair, name)) if name == "spent" else pairs[0]
    first, second = (shorten(told(said, name) or "") for said in pair.example[name])
    if pair.first.arm == pair.second.arm:
        return f"{first} and {second}"
    return f"{pair.first.arm} {first}, {pair.second.arm} {second}"


def _ratio(pair: Pair, name: str) -> float:
    amounts = sorted(said.spent or 0.0 for said in pair.example[name])
    return amounts[1] / amounts[0] if amounts[0] else float("inf")


def _arms(pairs: Iterable[Pair]) -> tuple[str, ...]:
    return tuple(sorted({node.arm for pair in pairs for node in pair[:2]}))


def _set_apart(
    where: tuple[str, str, str], nodes: Sequence[Node], pairs: Sequence[Pair], apart: dict[str, str]
) -> None:
    """Give the nodes of a panel with refusals to groups within which nothing is refused, each a variant of its own."""
    enemies: dict[int, set[int]] = {}
    for pair in pairs:
        if pair.verdict.refused:
            enemies.setdefault(id(pair.first), set()).add(id(pair.second))
            enemies.setdefault(id(pair.second), set()).add(id(pair.first))
    if not enemies:
        return
    groups: list[list[Node]] = []
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


def _same(pairs: Sequence[Pair], *, everyone: bool) -> str:
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


def _shown(panels: Iterable[Sequence[Node]]) -> Iterator[str]:
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
        texts = [f"{shorten(value, 90)} ({listed(sorted(arms))})" for value, arms in sorted(by_value.items())[:_FEW]]
        more = f" and {len(by_value) - _FEW} more" if len(by_value) > _FEW else ""
        yield f"{name}: {'; '.join(texts)}{more}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
