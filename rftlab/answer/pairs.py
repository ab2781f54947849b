"""The runs of a study that are shown together, paired: each arm against each, at equal labels and seeds.

A *panel* is what a figure shows together: one task, model and variant. In it, arms with the same prompt are compared as
methods (at equal labels and seeds), each arm's prompts as chain-of-thought on against off, and an arm's own runs, over
which means and lines are taken, must be of one kind.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from operator import itemgetter
from statistics import fmean
from typing import NamedTuple

from rftlab.answer import contracts
from rftlab.answer.contracts import MATCH, NA_TEXT, OVER_SEEDS, TOLERANCE, Terms, Verdict, times
from rftlab.contract import SEEDS, SEEDS_OF_SAMPLING, Applies
from rftlab.record import Record

Where = tuple[str, str, str]
"""A panel: task, model and variant."""
_ENDED_EARLY = 2.0
WITHIN_A_METHOD = ("adapter", "wording", "prompts", "rule")
"""What two arms of one method may differ in, beside its settings."""
BETWEEN_ARMS = ("method", *WITHIN_A_METHOD)

_kind = itemgetter(*(place for place in range(len(MATCH)) if place not in OVER_SEEDS))
_METHOD = MATCH.index("method")


class Place(NamedTuple):
    """Where a report shows a cell: its variant, and its arm in the panel."""

    variant: str
    arm: str


class Run(NamedTuple):
    """A record of a node: its cell's id, label budget (0 if untrained), the seeds of SEEDS, and what it says."""

    cell: str
    labels: int
    seeds: tuple[int, ...]
    terms: Terms


@dataclass(eq=False)
class Node:
    """Runs of one arm and prompt that are of one kind, from the least spent; any labels and seeds."""

    arm: str
    trained: bool
    prompt: tuple[bool, bool]
    runs: Sequence[Run]

    @property
    def terms(self) -> Terms:
        """What one of them says."""
        return self.runs[0].terms

    @cached_property
    def values(self) -> Mapping[int, Sequence[frozenset[str | None]]]:
        """Label budget -> what its runs say of each field of MATCH that applies to them, None where it is unknown."""
        budgets: dict[int, list[contracts.Values]] = {}
        for run in self.runs:
            budgets.setdefault(run.labels, []).append(run.terms.values)
        nothing = {NA_TEXT}
        return {n: [frozenset(said) - nothing for said in zip(*rows, strict=True)] for n, rows in budgets.items()}

    @cached_property
    def spent(self) -> Mapping[int, Terms]:
        """Label budget -> one of its runs, with what they spent on average; None where that is unknown of one."""
        budgets: dict[int, list[Run]] = {}
        for run in sorted(self.runs, key=lambda run: run.seeds):
            budgets.setdefault(run.labels, []).append(run)
        found = {}
        for labels, runs in budgets.items():
            amounts = [run.terms.spent for run in runs]
            mean = None if None in amounts else fmean(amount for amount in amounts if amount is not None)
            found[labels] = runs[0].terms._replace(spent=mean)
        return found


class Pair(NamedTuple):
    """Two nodes held against each other along an axis.

    Attributes:
        first: one.
        second: the other.
        axis: what the comparison varies.
        verdict: of all their runs together.
        example: two records that differ, for every field that refuses.
    """

    first: Node
    second: Node
    axis: str
    verdict: Verdict
    example: Mapping[str, tuple[Terms, Terms]]


def panels(records: Sequence[Record], places: Mapping[str, Place]) -> dict[Where, list[Node]]:
    """The runs that are shown together, by task, model and variant.

    An untrained arm that was not swept stands in every variant.
    """
    found: dict[Where, dict[tuple[str, bool, tuple[bool, bool], object], list[Run]]] = {}
    for record in records:
        cell = record.cell
        trained = Applies.to(cell["method"]).labels
        place = places.get(record.id, Place("", cell["method"]))
        said = contracts.terms(record)
        prompt = (cell["cot"] if trained else cell["cot_eval"], cell["cot_eval"])
        run = Run(record.id, cell["labels"] if trained else 0, tuple(cell[name] for name in SEEDS), said)
        panel = found.setdefault((cell["task"], cell["model"], place.variant), {})
        panel.setdefault((place.arm, trained, prompt, _kind(said.values)), []).append(run)
    for (task, model, variant), panel in found.items():
        unswept = found.get((task, model, ""), {}) if variant else {}
        for key, runs in unswept.items():
            if not key[1]:
                panel.setdefault(key, runs)
    return {
        where: [Node(*key[:3], part) for key, runs in panel.items() for part in _by_spending(runs)]
        for where, panel in sorted(found.items())
    }


def pairs_of(nodes: Sequence[Node], waive: frozenset[str]) -> Iterator[Pair]:
    """Every two nodes of a panel that a reader compares, held against each other."""
    for a, b in combinations(nodes, 2):
        same_arm = a.arm == b.arm
        if a.prompt == b.prompt or (a.trained != b.trained and a.prompt[1] == b.prompt[1]):
            yield _over_seeds(a, b, "labels", waive) if same_arm else _as_arms(a, b, waive)
        elif same_arm:
            yield _over_seeds(a, b, "cot" if a.trained and a.prompt[0] != b.prompt[0] else "cot_eval", waive)


def seeds_of(node: Node, other: Node) -> frozenset[tuple[int, ...]]:
    """The seeds of a node, as far as they are those of the other: an untrained one has only those of sampling."""
    return frozenset(_key(run, node, other)[1] for run in node.runs)


def _by_spending(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Runs of one kind, those that ended early set apart: they spent less than half as much as the next."""
    part: list[Run] = []
    for run in sorted(runs, key=lambda run: (run.terms.spent is None, run.terms.spent or 0.0)):
        known = times(part[-1].terms, run.terms) if part else 1.0
        alike = part[-1].terms.spent is run.terms.spent if known is None else known < _ENDED_EARLY
        if part and not alike:
            yield part
            part = []
        part.append(run)
    yield part


def _as_arms(a: Node, b: Node, waive: frozenset[str]) -> Pair:
    """Two arms at every label budget and seeds that both have; an untrained one stands beside every budget."""
    runs = list(_shared(a, b))
    axes = BETWEEN_ARMS if a.terms.values[_METHOD] == b.terms.values[_METHOD] else ("method",)
    tried = [_along(a, b, runs, axis, waive) if runs else _over_seeds(a, b, axis, waive) for axis in axes]
    found = next((pair for pair in tried if not pair.verdict.refused), tried[0])
    if runs or found.verdict.refused or not (nearest := _nearest(a, b)):
        return found
    return _along(a, b, nearest, found.axis, waive)  # that they share no seeds is what refuses them


def _along(a: Node, b: Node, runs: Sequence[tuple[Terms, Terms]], axis: str, waive: frozenset[str]) -> Pair:
    example: dict[str, tuple[Terms, Terms]] = {}
    found: tuple[dict[str, None], dict[str, None]] = ({}, {})
    for x, y in runs:
        verdict = contracts.fields_against(x, y, axis, waive)
        for name in verdict.refused:
            example.setdefault(name, (x, y))
        for names, more in zip(found, (verdict.by_design, verdict.waived), strict=True):
            names.update(dict.fromkeys(more))
    return _with_spending(a, b, axis, Verdict((), *(tuple(names) for names in found)), example, waive)


def _over_seeds(a: Node, b: Node, axis: str, waive: frozenset[str]) -> Pair:
    verdict = contracts.against_over_seeds(a.terms, b.terms, axis, waive)
    return _with_spending(a, b, axis, verdict, dict.fromkeys(verdict.refused, (a.terms, b.terms)), waive)


def _with_spending(
    a: Node, b: Node, axis: str, verdict: Verdict, example: dict[str, tuple[Terms, Terms]], waive: frozenset[str]
) -> Pair:
    """The pair, with what both spent on average at a label budget: steps of another size end at another share of it."""
    waived = {*verdict.waived}
    both = [(a.spent[n], b.spent[n]) for n in a.spent.keys() & b.spent.keys()] or [
        (x, y) for x in a.spent.values() for y in b.spent.values()
    ]
    found = [(times(*each), each) for each in both]
    if any(more is None for more, _ in found):
        if "spent" in waive:
            waived.add("spent")
        else:
            example["spent"] = next(each for more, each in found if more is None)
    else:
        more, furthest = max(((more or 1.0, each) for more, each in found), key=itemgetter(0))
        if more > 1 + TOLERANCE:
            example["spent"] = furthest
    return Pair(a, b, axis, Verdict(tuple(example), verdict.by_design, tuple(sorted(waived))), example)


def _key(run: Run, node: Node, other: Node) -> tuple[int, tuple[int, ...]]:
    """What a run of a node is paired by with those of another: the labels and seeds that apply to both."""
    if node.trained and other.trained:
        return run.labels, run.seeds
    return 0, tuple(seed for name, seed in zip(SEEDS, run.seeds, strict=True) if name in SEEDS_OF_SAMPLING)


def _shared(a: Node, b: Node) -> Iterator[tuple[Terms, Terms]]:
    partners: dict[object, list[Terms]] = {}
    for run in b.runs:
        partners.setdefault(_key(run, b, a), []).append(run.terms)
    for run in a.runs:
        for other in partners.get(_key(run, a, b), ()):
            yield run.terms, other


def _nearest(a: Node, b: Node) -> list[tuple[Terms, Terms]]:
    """Of trained arms with a label budget in common but no seeds: two runs of it, at one `seed` if there are any."""
    if not (a.trained and b.trained):
        return []
    for alike in (lambda run: (run.labels, run.seeds[0])), (lambda run: run.labels):
        partners = {alike(run): run.terms for run in reversed(b.runs)}
        if found := [(run.terms, partners[alike(run)]) for run in a.runs if alike(run) in partners]:
            return found[:1]
    return []
