"""Which runs of a study stand side by side: `contracts.check` over all of its records at once.

What is refused is set apart, so that nothing shows it together; what differs, follows by design, was waived or was the
same is said.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rftlab.answer import contracts, sentences
from rftlab.answer.contracts import shorten, times, told
from rftlab.answer.groups import groups_of, listed
from rftlab.answer.pairs import BETWEEN_ARMS, Node, Pair, Place, pairs_of, panels
from rftlab.contract import FIELDS
from rftlab.errors import RftlabError
from rftlab.record import Record


class Refusal(NamedTuple):
    """Arms of a panel that must not be set side by side, and why.

    Attributes:
        where: task, model and variant.
        arms: which.
        differing: field -> what two of them say of it.
        unknown: fields that some records lack.
        partly: whether some of their runs may be.
        studies: of joined studies, which of them these arms are from; "" if all are from one.
    """

    where: tuple[str, str, str]
    arms: tuple[str, ...]
    differing: Mapping[str, str]
    unknown: tuple[str, ...]
    partly: bool = False
    studies: str = ""

    def __str__(self) -> str:
        return f"{self._sentence()}{f'; {self.studies}' if self.studies else ''}"

    def _sentence(self) -> str:
        task, model, variant = self.where
        on = f"{task} ({model}{f', {variant}' if variant else ''})"
        several = len(self.arms) > 1
        who = (
            f"{listed(self.arms)} cannot{' all' * self.partly} be compared"
            if several
            else f"runs of {self.arms[0]} do not match each other"
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
        variants: cell id -> the variants that show it, several only for what was not trained; what must not be compared
            is in none together.
        same: the sentence on what every method had in common; "" if no two were compared.
        shown: differences that do not forbid a comparison, one text a field.
        by_design: axis -> fields in which arms differ because they differ in that.
        waived: fields that were unknown and accepted.
        spread: arms whose own runs spent unlike amounts, though none far from the next.
        unpaired: runs with seeds that not every arm beside them has.
        origins: of joined studies, where their cells came from and what did not agree.
    """

    refused: tuple[Refusal, ...] = ()
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    same: str = ""
    shown: tuple[str, ...] = ()
    by_design: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    waived: tuple[str, ...] = ()
    spread: tuple[str, ...] = ()
    unpaired: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What has to be said, in sentences; what is free is not mentioned."""
        said = [f"{text[0].upper()}{text[1:]}." for text in self.origins]
        said += [f"Not compared: {refusal}." for refusal in self.refused]
        if self.waived:
            said.append(f"Unknown, and accepted as such: {', '.join(self.waived)}.")
        if self.spread:
            said.append(f"Spent more than 5 % apart, in one mean or line: {'; '.join(self.spread)}.")
        if self.unpaired:
            said.append(
                f"In means, but not in paired differences, as not every arm has them: {sentences.few(self.unpaired)}."
            )
        if self.shown:
            said.append(f"Differs between runs that are shown together: {'. '.join(self.shown)}.")
        said += [
            f"Differs by design, because {sentences.WHY[axis]}: {', '.join(_field(name) for name in names)}."
            for axis, names in self.by_design.items()
        ]
        return said


def _field(name: str) -> str:
    """A field in words, and by the name that it has in records."""
    return f"{FIELDS[name].what} ({name})" if name in FIELDS else name


def survey(
    records: Sequence[Record],
    places: Mapping[str, Place] | None = None,
    waive: str | Iterable[str] = (),
    studies: Mapping[str, str] | None = None,
) -> Survey:
    """Hold every record against those it would be shown beside; linear in their number.

    Args:
        records: of one study.
        places: cell id -> where the report shows it; by default every method is an arm and there are no variants.
        waive: fields whose being unknown is accepted.
        studies: cell id -> the study it is from, where several were joined.

    Raises:
        RftlabError: no such field to waive.
    """
    accepted = contracts.waivers(waive)
    nodes = panels(records, places or {})
    pairs = {where: list(pairs_of(found, accepted)) for where, found in nodes.items()}
    refused = tuple(refusal for where, found in pairs.items() for refusal in _refusals(where, found, studies or {}))
    variants: dict[str, tuple[str, ...]] = {}
    together: list[Pair] = []
    groups: list[Sequence[Node]] = []
    for where, found in pairs.items():
        for variant, group in groups_of(where[2], nodes[where], found).items():
            groups.append(group)
            together += [pair for pair in found if pair.first in group and pair.second in group]
            for run in (run for node in group for run in node.runs):
                variants[run.cell] = (*variants.get(run.cell, ()), variant)
    return Survey(
        refused,
        variants,
        sentences.same((pair for pair in together if pair.axis in BETWEEN_ARMS), everyone=not refused),
        tuple(sentences.shown(groups)),
        sentences.by_design(together),
        tuple(sorted({name for pair in together for name in pair.verdict.waived})),
        tuple(sorted({text for group in groups for node in group for text in sentences.spread(node)})),
        tuple(dict.fromkeys(text for group in groups for text in sentences.unpaired(group))),
    )


def comparable(records: Sequence[Record], waive: str | Iterable[str] = ()) -> None:
    """Check that all records that would be shown side by side may be.

    Raises:
        RftlabError: some may not; the sentences name the fields.
    """
    found = survey(records, waive=waive)
    if found.refused:
        raise RftlabError("; ".join(map(str, found.refused)))


def _refusals(where: tuple[str, str, str], pairs: Sequence[Pair], studies: Mapping[str, str]) -> Iterator[Refusal]:
    """One entry for all that is unknown, one for every set of fields that differ."""
    groups: dict[tuple[str, ...], list[Pair]] = {}
    unknown: dict[str, None] = {}
    lacking: list[Pair] = []
    for pair in pairs:
        missing = [name for name in pair.verdict.refused if None in (told(t, name) for t in pair.example[name])]
        unknown.update(dict.fromkeys(missing))
        lacking += [pair] if missing else []
        known = tuple(name for name in pair.verdict.refused if name not in missing)
        if known:
            groups.setdefault(known, []).append(pair)
    if lacking:
        yield Refusal(where, _arms(lacking), {}, tuple(unknown), _partly(lacking, pairs), _from(lacking, studies))
    for fields, found in groups.items():
        differing = {name: _example(found, name) for name in fields}
        yield Refusal(where, _arms(found), differing, (), _partly(found, pairs), _from(found, studies))


def _example(pairs: Sequence[Pair], name: str) -> str:
    """What two of the arms say of a field; of what was spent, the two that are furthest apart."""
    if name == "spent":
        pair = max(pairs, key=lambda pair: times(*pair.example[name]) or 1.0)
        first, second = sentences.amounts(*pair.example[name])
    else:
        pair = pairs[0]
        first, second = (shorten(told(said, name) or "") for said in pair.example[name])
    if pair.first.arm != pair.second.arm:
        return f"{pair.first.arm} {first}, {pair.second.arm} {second}"
    return f"{pair.first.arm} {first} and {second}" if name == "spent" else f"{first} and {second}"


def _arms(pairs: Iterable[Pair]) -> tuple[str, ...]:
    return tuple(sorted({node.arm for pair in pairs for node in pair[:2]}))


def _from(pairs: Iterable[Pair], studies: Mapping[str, str]) -> str:
    """Which studies the runs of each arm are from; "" if all are from one."""
    found: dict[str, dict[str, None]] = {}
    for node in (node for pair in pairs for node in pair[:2]):
        of_arm = found.setdefault(node.arm, {})
        of_arm.update((studies[run.cell], None) for run in node.runs if run.cell in studies)
    if len({study for of_arm in found.values() for study in of_arm}) < 2:
        return ""
    return ", ".join(f"{arm} from {listed(sorted(of_arm))}" for arm, of_arm in sorted(found.items()) if of_arm)


def _partly(refused: Sequence[Pair], pairs: Iterable[Pair]) -> bool:
    """Whether some runs of the arms that are refused may be compared all the same."""
    arms = {*_arms(refused)}
    return any(
        {pair.first.arm, pair.second.arm} <= arms and pair.first.arm != pair.second.arm and not pair.verdict.refused
        for pair in pairs
    )
