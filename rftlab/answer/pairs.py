"""The runs of a study that are shown together, paired: each arm against each, at equal labels and seed.

A *panel* is what a figure shows together: one task, model and variant. In it, arms with the same prompt are compared as
methods (at equal labels and seed), each arm's prompts as chain-of-thought on against off, and an arm's own runs, over
which means and lines are taken, must be of one kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import itemgetter
from typing import NamedTuple

from rftlab.answer import contracts
from rftlab.answer.contracts import MATCH, OVER_SEEDS, Terms, Verdict
from rftlab.contract import Applies
from rftlab.record import Record

_kind = itemgetter(*(place for place in range(len(MATCH)) if place not in OVER_SEEDS))
_METHOD = MATCH.index("method")
# Two arms of one method differ in a setting, or in one of these.
_WITHIN_A_METHOD = ("method", "adapter", "prompts", "rule")


class Place(NamedTuple):
    """Where a report shows a cell: its variant, and its arm in the panel."""

    variant: str
    arm: str


@dataclass
class Node:
    """Runs of one arm and prompt that are of one kind, whatever their labels and seeds."""

    arm: str
    trained: bool
    prompt: tuple[bool, bool]
    terms: Terms
    runs: dict[tuple[int, int], tuple[str, Terms]] = field(default_factory=dict)


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


def panels(records: Sequence[Record], places: Mapping[str, Place]) -> dict[tuple[str, str, str], list[Node]]:
    """The runs that are shown together, by task, model and variant.

    An untrained arm that was not swept stands in every variant.
    """
    nodes: dict[tuple[str, str, str], dict[tuple[object, ...], Node]] = {}
    for record in records:
        cell = record.cell
        trained = Applies.to(cell["method"]).labels
        place = places.get(record.id, Place("", cell["method"]))
        said = contracts.terms(record)
        prompt = (cell["cot"] if trained else cell["cot_eval"], cell["cot_eval"])
        panel = nodes.setdefault((cell["task"], cell["model"], place.variant), {})
        node = panel.setdefault(
            (place.arm, trained, prompt, _kind(said.values)), Node(place.arm, trained, prompt, said)
        )
        node.runs[cell["labels"] if trained else 0, cell["seed"]] = (record.id, said)
    for (task, model, variant), panel in nodes.items():
        if variant and (task, model, "") in nodes:
            for key, node in nodes[task, model, ""].items():
                if not node.trained:
                    panel.setdefault(key, node)
    return {where: list(panel.values()) for where, panel in sorted(nodes.items())}


def pairs_of(nodes: Sequence[Node], waive: frozenset[str]) -> Iterator[Pair]:
    """Every two nodes of a panel that a reader compares, held against each other."""
    for a, b in combinations(nodes, 2):
        same_arm = a.arm == b.arm
        if a.prompt == b.prompt or (a.trained != b.trained and a.prompt[1] == b.prompt[1]):
            yield _over_seeds(a, b, "labels", waive) if same_arm else _as_methods(a, b, waive)
        elif same_arm:
            yield _over_seeds(a, b, "cot" if a.trained and a.prompt[0] != b.prompt[0] else "cot_eval", waive)


def _over_seeds(a: Node, b: Node, axis: str, waive: frozenset[str]) -> Pair:
    verdict = contracts.against_over_seeds(a.terms, b.terms, axis, waive)
    return Pair(a, b, axis, verdict, dict.fromkeys(verdict.refused, (a.terms, b.terms)))


def _as_methods(a: Node, b: Node, waive: frozenset[str]) -> Pair:
    """Two arms at every label budget and seed that both have; an untrained one stands beside every budget."""
    axes = _WITHIN_A_METHOD if a.terms.values[_METHOD] == b.terms.values[_METHOD] else ("method",)
    tried = [_along(a, b, axis, waive) for axis in axes]
    return next((pair for pair in tried if not pair.verdict.refused), tried[0])


def _along(a: Node, b: Node, axis: str, waive: frozenset[str]) -> Pair:
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
    return Pair(a, b, axis, Verdict(tuple(example), *(tuple(names) for names in found)), example)


def _shared(a: Node, b: Node) -> Iterator[tuple[Terms, Terms]]:
    if not a.trained and b.trained:
        yield from ((x, y) for y, x in _shared(b, a))
        return
    for (labels, seed), (_, said) in a.runs.items():
        other = b.runs.get((labels if b.trained else 0, seed))
        if other:
            yield said, other[1]
