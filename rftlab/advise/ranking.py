"""Facts to a ranking of ways to train, each with its reasons, and what would change it: a pure function."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from rftlab.advise.facts import FACTS, Facts, Is, holds
from rftlab.advise.rules import BARS, CONTRADICTIONS, FAMILIES, RULES, SHORT, Bar, Contradiction, Family, Rule

_MOST_CHANGES = 8


class Ranked(NamedTuple):
    """A way to go, as the rules see it.

    Attributes:
        name: of its family.
        weight: of all reasons together.
        reasons: rules that speak for it, strongest first.
        against: rules that speak against it.
        bars: what makes it impossible; empty where it is possible as far as is known.
        depends: facts that are not known, and that could make it impossible.
        measured: why it stands behind where the rules have it; "" where it does not.
    """

    name: str
    weight: int
    reasons: tuple[Rule, ...]
    against: tuple[Rule, ...]
    bars: tuple[Bar, ...]
    depends: tuple[str, ...]
    measured: str = ""

    @property
    def family(self) -> Family:
        """What it is."""
        return FAMILIES[self.name]

    @property
    def possible(self) -> bool:
        """Whether nothing that is known makes it impossible."""
        return not self.bars


class Change(NamedTuple):
    """Another value of one fact that puts another family first."""

    fact: str
    value: object
    first: str

    def __str__(self) -> str:
        return f"{self.fact} {FACTS[self.fact].told(self.value)}: {FAMILIES[self.first].title} first"


class Missing(NamedTuple):
    """What there is none of, or too little, and which families it would open.

    Attributes:
        fact: labels, verifier, preferences or prompts.
        opens: families.
        unknown: whether there is none is not known, and what is ranked first stands or falls with it.
    """

    fact: str
    opens: tuple[str, ...]
    unknown: bool = False

    def __str__(self) -> str:
        titles = ", ".join(FAMILIES[name].title for name in self.opens)
        if self.unknown:
            return f"{self.fact}: not known to be there, and {titles} needs {_THEM[self.fact]}"
        return f"{self.fact}: would open {titles}"


_THEM = {
    "labels": "prompts with the answer they should get", "verifier": "somebody who can say what is right",
    "preferences": "people's (or a judge's) comparisons of two answers", "prompts": "prompts to try",
    "thumbs": "people's (or a judge's) thumbs up and down on single answers",
}  # fmt: skip


@dataclass(frozen=True)
class Advice:
    """What the rules advise.

    Attributes:
        facts: as given.
        aside: contradictions among them, whose facts were set aside.
        ranking: possible families first, then those that are not, each group by weight.
        changes: single facts that would put another family first; what is not known comes first.
        missing: labels, verifier, comparisons or prompts that there are none of.
    """

    facts: Facts
    aside: tuple[Contradiction, ...]
    ranking: tuple[Ranked, ...]
    changes: tuple[Change, ...]
    missing: tuple[Missing, ...]

    @property
    def first(self) -> Ranked:
        """What is advised; there is always something, if only the base with better prompts."""
        return self.ranking[0]

    @property
    def possible(self) -> tuple[Ranked, ...]:
        """What can be done as far as is known, in order."""
        return tuple(each for each in self.ranking if each.possible)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Facts that are not known."""
        return tuple(name for name in FACTS if name not in self.facts.known)

    @property
    def try_prompts(self) -> bool:
        """Whether few-shot and prompt optimisation come before any training, as they should where not yet tried."""
        return self.first.name not in ("none", "prompting") and not self.facts.prompted


def advise(facts: Facts) -> Advice:
    """Rank the ways to train by what is known.

    Args:
        facts: what is known; `rftlab.advise.facts.make` reads them from texts.

    Returns:
        The ranking with its reasons. It rests on published heuristics, whose weights are a judgement; where records
        exist, they say more (`rftlab.advise.evidence`).
    """
    aside = tuple(each for each in CONTRADICTIONS if holds(each.when, facts))
    counted = _without(facts, aside)
    ranking = _ranked(counted)
    return Advice(
        facts, aside, ranking, tuple(_changes(counted, ranking[0].name))[:_MOST_CHANGES], _missing(counted, ranking)
    )


def _without(facts: Facts, aside: tuple[Contradiction, ...]) -> Facts:
    return replace(facts, **{name: None for each in aside for name in each.aside})


def _ranked(facts: Facts) -> tuple[Ranked, ...]:
    found = [_of_family(name, facts) for name in FAMILIES]
    told = [each for each in found if each.name != "none" or each.reasons]
    order = list(FAMILIES)
    return tuple(sorted(told, key=lambda each: (not each.possible, -each.weight, order.index(each.name))))


def _of_family(name: str, facts: Facts) -> Ranked:
    fired = [
        rule for rule in RULES if rule.family == name and holds(rule.when, facts) and not _excepted(rule.unless, facts)
    ]
    fired.sort(key=lambda rule: -abs(rule.weight))
    bars = [bar for bar in BARS if name in bar.families and not _excepted(bar.unless, facts)]
    open_ = [bar for bar in bars if holds(bar.when, facts) is None]
    depends = [each.fact for bar in open_ for each in bar.when if getattr(facts, each.fact) is None]
    return Ranked(
        name,
        sum(rule.weight for rule in fired),
        tuple(rule for rule in fired if rule.weight > 0),
        tuple(rule for rule in fired if rule.weight < 0),
        tuple(bar for bar in bars if holds(bar.when, facts)),
        tuple(dict.fromkeys(depends)),
    )


def _excepted(unless: tuple[Is, ...], facts: Facts) -> bool:
    return bool(unless) and holds(unless, facts) is True


def _changes(facts: Facts, first: str) -> Iterator[Change]:
    """One fact at a time, those not known first; of several values that give the same, the one named first."""
    for name in sorted(FACTS, key=lambda name: getattr(facts, name) is not None):
        told: set[str] = set()
        for value in FACTS[name].levels:
            other = replace(facts, **{name: value})
            if value == getattr(facts, name) or any(holds(each.when, other) for each in CONTRADICTIONS):
                continue
            would = _ranked(other)[0].name
            if would != first and would not in told:
                told.add(would)
                yield Change(name, value, would)


def _missing(facts: Facts, ranking: tuple[Ranked, ...]) -> tuple[Missing, ...]:
    """What there is none of, or too little, and for which families."""
    lacking = [(bar.missing, each.name) for each in ranking for bar in each.bars if bar.missing]
    lacking += [(short.missing, name) for short in SHORT if holds(short.when, facts) for name in short.families]
    facts_ = dict.fromkeys(fact for fact, _ in lacking)
    found = [Missing(fact, tuple(dict.fromkeys(n for f, n in lacking if f == fact))) for fact in facts_]
    first = ranking[0]
    needed = dict.fromkeys(bar.missing for bar in BARS if first.name in bar.families and bar.missing in first.depends)
    unknown = [Missing(fact, (first.name,), unknown=True) for fact in needed if getattr(facts, fact) is None]
    return (*unknown, *(each for each in found if each.fact not in needed))
