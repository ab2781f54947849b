"""Panels with refusals in groups within which nothing is refused, each a variant of its own."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from rftlab.answer.pairs import WITHIN_A_METHOD, Node, Pair


def groups_of(variant: str, nodes: Sequence[Node], pairs: Sequence[Pair]) -> Mapping[str, Sequence[Node]]:
    """The nodes of a panel by the variant that shows them: all in its own one where nothing is refused.

    What was trained stands in one group. What was not stands in every group that it may be compared with.
    """
    foes = _foes(pairs)
    if not foes:
        return {variant: nodes}
    groups: list[list[Node]] = []
    for node in sorted(nodes, key=lambda node: (not node.trained, len(foes[node]), node.arm)):
        fitting = [group for group in groups if foes[node].isdisjoint(group)]
        for group in fitting[:1] if node.trained else fitting:
            group.append(node)
        if not fitting:
            groups.append([node])
    times = Counter(node for group in groups for node in group)
    named: dict[str, list[Node]] = {}
    for group in groups:
        arms = list(dict.fromkeys(node.arm for node in group if times[node] == 1))
        name = f"{arms[0]} alone" if len(arms) == 1 else f"only {listed(arms)}"
        unique, number = name, 2
        while f"{variant}, {unique}".removeprefix(", ") in named:
            unique, number = f"{name} ({number})", number + 1
        named[f"{variant}, {unique}".removeprefix(", ")] = group
    return named


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _foes(pairs: Sequence[Pair]) -> defaultdict[Node, set[Node]]:
    """Who must not stand beside whom.

    Arms of one method may differ in adapter, prompts or rule, unless one that refuses others is among what differs:
    then each arm stands beside those that it matches.
    """
    refusing = {name for pair in pairs for name in pair.verdict.refused}
    foes: defaultdict[Node, set[Node]] = defaultdict(set)
    for pair in pairs:
        divided = pair.axis in WITHIN_A_METHOD and not refusing.isdisjoint(pair.verdict.by_design)
        if pair.verdict.refused or divided:
            foes[pair.first].add(pair.second)
            foes[pair.second].add(pair.first)
    return foes
