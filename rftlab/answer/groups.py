"""Panels with refusals in groups within which nothing is refused, each a variant of its own."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from rftlab.answer.contracts import MATCH, OVER_SEEDS, shorten, told
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
    return {f"{variant}, {name}".removeprefix(", "): group for name, group in _named(groups, pairs).items()}


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _named(groups: Sequence[Sequence[Node]], pairs: Sequence[Pair]) -> dict[str, Sequence[Node]]:
    """Groups by the arms that are in no other; where these are the same, by what they were refused for, or a number."""
    times = Counter(node for group in groups for node in group)
    arms = [list(dict.fromkeys(node.arm for node in group if times[node] == 1)) for group in groups]
    names = [_one_name(each, [arm for other in arms for arm in other if arm not in each]) for each in arms]
    of_nodes = [
        name for name in dict.fromkeys(name for pair in pairs for name in pair.verdict.refused) if _is_one(name)
    ]
    found: dict[str, Sequence[Node]] = {}
    for group, name in zip(groups, names, strict=True):
        alike = [other for other, same in zip(groups, names, strict=True) if same == name]
        telling = [field for field in of_nodes if len({told(other[0].terms, field) for other in alike}) > 1]
        values = [f"{field} {shorten(told(group[0].terms, field) or 'unknown')}" for field in telling[:2]]
        unique = first = f"{name} ({', '.join(values)})" if values else name
        while unique in found:
            unique = f"{first} ({len(found) + 1})"
        found[unique] = group
    return found


def _one_name(arms: Sequence[str], others: Sequence[str]) -> str:
    """A group by its arms, or by those it lacks if they are fewer."""
    if len(arms) == 1:
        return f"{arms[0]} alone"
    without = list(dict.fromkeys(others))
    return f"all but {listed(without)}" if 0 < len(without) < len(arms) else f"only {listed(arms)}"


def _is_one(name: str) -> bool:
    """Whether all runs of a node say the same of a field, or, of what was spent, alike."""
    return name == "spent" or MATCH.index(name) not in OVER_SEEDS


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
