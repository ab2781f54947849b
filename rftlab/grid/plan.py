"""What a study declares before it runs: which arms its answer speaks of, which difference matters, when it may stop."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from rftlab.errors import RftlabError
from rftlab.naming import is_called

CLAIMS = range(1, 14)
"""Numbers of the claims ledger (`rftlab.answer.claims`)."""
NAMED = ("base", "sft", "grpo", "sft+grpo")
"""The arms of the confirmatory family where a grid names none, as far as it has them."""


@dataclass(frozen=True)
class Plan:
    """Declared with the first start of a grid; what is changed later is exploratory.

    Attributes:
        named: arms that the answer is about: comparisons among them, greedy, at the declared budgets, are one
            confirmatory family. Empty takes `NAMED`.
        claims: claims of the ledger that are tested within that family.
        smallest_effect: smallest difference that matters, as a share of accuracy: 0.05 is 5 points.
        max_seeds: seeds that the study may grow to; looking at it with fewer has its price in wider intervals.
        labels_available: labels that the reader has; 0 if that is not said.
        labels: label budgets of the first start.
    """

    named: tuple[str, ...] = ()
    claims: tuple[int, ...] = ()
    smallest_effect: float = 0.05
    max_seeds: int = 10
    labels_available: int = 0
    labels: tuple[int, ...] = ()

    @property
    def hash(self) -> str:
        """12 hex digits of the SHA-256 of what is declared; what the reader has is not."""
        declared = {name: value for name, value in asdict(self).items() if name != "labels_available"}
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:12]

    def arms(self, methods: Iterable[str]) -> tuple[str, ...]:
        """The named arms among ``methods``, as they are called there, in order; one's own by path or short name."""
        there = dict.fromkeys(methods)
        return tuple(each for name in self.named or NAMED for each in there if is_called(each, name))

    def changed(self, now: "Plan") -> tuple[str, ...]:
        """Names of what a later plan declares otherwise."""
        before, after = asdict(self), asdict(now)
        return tuple(name for name in before if name != "labels_available" and before[name] != after[name])

    def to_json(self) -> dict[str, Any]:
        """As `of_json` reads it, with its hash."""
        return {**asdict(self), "hash": self.hash}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Plan":
        """From `to_json`.

        Raises:
            RftlabError: it is not what was written: the hash does not fit.
        """
        known = {field.name for field in fields(cls)}
        found = make(**{name: value for name, value in values.items() if name in known and name != "labels"})
        found = replace(found, labels=tuple(values.get("labels", ())))
        if values.get("hash") != found.hash:
            raise RftlabError("the plan was changed by hand")
        return found


def make(
    named: Any = (), claims: Any = (), smallest_effect: Any = 0.05, max_seeds: Any = 10, labels_available: Any = 0
) -> Plan:
    """A plan from what a file says.

    Raises:
        RftlabError: a value is of the wrong kind or out of range; the sentence names the field.
    """
    for name, value, kind, what in (("named", named, str, "methods"), ("claims", claims, int, "numbers of claims")):
        if not isinstance(value, list | tuple) or not all(type(each) is kind for each in value):
            raise RftlabError(f"{name} is a list of {what}, not {value!r}")
        if twice := next((each for each in value if value.count(each) > 1), None):
            raise RftlabError(f"{name} has {twice!r} twice; list each once")
    for number in claims:
        if number not in CLAIMS:
            raise RftlabError(f"claims: there is no claim {number}; the ledger has 1 to {CLAIMS[-1]}")
    if type(smallest_effect) not in (int, float) or not 0 < smallest_effect < 1:
        raise RftlabError(f"smallest_effect is a share between 0 and 1 (0.05 is 5 points), not {smallest_effect!r}")
    if type(max_seeds) is not int or not 1 <= max_seeds <= 1000:
        raise RftlabError(f"max_seeds is a whole number from 1 to 1000, not {max_seeds!r}")
    if type(labels_available) is not int or labels_available < 0:
        raise RftlabError(f"labels_available is a whole number of at least 0, not {labels_available!r}")
    return Plan(tuple(named), tuple(claims), float(smallest_effect), max_seeds, labels_available)
