"""Whether two records may be compared: refused, with what is said, or freely.

`rftlab.contract.FIELDS` says which field is in which group and along which axis it may differ. What was spent is read
from a record's cost and what it ran on from its environment; all else stands in its contract.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rftlab.contract import (
    AXES,
    CAME_LATER,
    FIELDS,
    GIVEN,
    NA,
    NOT_ASKED,
    OWN,
    VERSION,
    Applies,
    Axis,
    of_cell,
    stages_given,
)
from rftlab.errors import RftlabError
from rftlab.record import Record
from rftlab.registry import suggest

MATCH = tuple(name for name, field in FIELDS.items() if field.group == "match" and name != "spent")
# Processes that trained a record which says nothing of them.
_ALONE = 1
SHOWN = tuple(name for name, field in FIELDS.items() if field.group == "show")
TOLERANCE = 0.05
"""How far apart two runs' spending of the matched unit may be, as a share of the smaller."""

NA_TEXT = json.dumps(NA)
SILENT = ("sandbox", "teacher")
"""Shown fields that a record leaves out where there is none."""
_COST = {"steps": ("optimizer_steps",), "tokens": ("tokens_generated", "tokens_trained"), "flops": ("flops",)}
_COST["seconds"] = ("seconds",)
_COT, _COT_EVAL, _UNIT = MATCH.index("cot"), MATCH.index("cot_eval"), MATCH.index("budget_unit")
_UNTIL, _PLATEAU = MATCH.index("budget_until"), json.dumps("plateau")
_EXEMPT: Mapping[str, frozenset[int]] = {
    axis: frozenset(i for i, name in enumerate(MATCH) if axis in FIELDS[name].axes) for axis in AXES
}
# How a policy is asked follows from how it was trained only where both are the same in each record.
_COT_ALONE = _EXEMPT["cot"] - _EXEMPT["cot_eval"]
OVER_SEEDS = _EXEMPT["labels"] | _EXEMPT["seed"]
"""Places in MATCH of what follows from label budget or seed."""

Values = tuple[str | None, ...]


class Terms(NamedTuple):
    """What one record says, made comparable.

    Attributes:
        values: canonical JSON of every field of MATCH, in order; None where the record lacks it.
        spent: of the budget's unit; None if unknown, NaN if nothing was to be spent.
        shown: canonical JSON of every field of SHOWN, in order; None where the record lacks it.
    """

    values: Values
    spent: float | None
    shown: Values


class Difference(NamedTuple):
    """A field and what two records say of it; None where one says nothing."""

    field: str
    first: str | None
    second: str | None

    @property
    def unknown(self) -> bool:
        """Whether a record lacks it."""
        return self.first is None or self.second is None

    def __str__(self) -> str:
        if self.unknown:
            return f"{self.field} (unknown)"
        first, second = (shorten(text or "") for text in self[1:])
        return f"{self.field} ({first} against {second})"


class Comparison(NamedTuple):
    """What stands between two records that are compared along one axis.

    Attributes:
        axis: what the comparison varies.
        refused: fields that must match and do not, or that one record lacks.
        shown: differences that do not forbid the comparison but have to be said.
        by_design: fields that differ because they follow from the axis.
        waived: fields that a record lacks, which the reader chose to accept.
    """

    axis: str
    refused: tuple[Difference, ...]
    shown: tuple[Difference, ...]
    by_design: tuple[Difference, ...]
    waived: tuple[Difference, ...]


def check(first: Record, second: Record, axis: Axis = "method", waive: Iterable[str] = ()) -> Comparison:
    """Whether two records may be compared, and what is to be said if so.

    Args:
        first: one.
        second: the other.
        axis: the one thing that the comparison varies.
        waive: fields whose being unknown is accepted.

    Raises:
        RftlabError: no such axis, or no such field to waive.
    """
    if axis not in AXES:
        raise RftlabError(f"unknown axis {axis!r} of a comparison; give one of {', '.join(AXES)}")
    accepted = waivers(waive)
    a, b = terms(first), terms(second)
    refused, by_design, waived = against(a, b, axis, accepted)
    return Comparison(
        axis, *(tuple(difference(a, b, name) for name in names) for names in (refused, apart(a, b), by_design, waived))
    )


def terms(record: Record) -> Terms:
    """A record's terms; of a record older than contracts of this version, what its cell and its old contract tell."""
    stored = record.contract
    if stored.get("version") == VERSION:
        fields = {**stored.get("match", {}), **stored.get("arm", {})}
        trained = fields.get("budget_unit") != NA
        fields = {**NOT_ASKED, **{name: value if trained else NA for name, value in CAME_LATER.items()}, **fields}
        # So records were written of sequences whose stages all have a rate from their user.
        if fields.get("tuning_ladder") == OWN and stages_given(record.cell.get("settings", {})):
            fields["tuning_ladder"] = GIVEN
        shown = {"processes": _ALONE if trained else NA, **stored.get("shown", {})}
    else:
        fields, shown = _of_older(record), {"processes": _ALONE}
    environment = dict(record.environment)
    if "gpu" in environment:
        environment["gpu"] = environment["gpu"] or "none"
    values = tuple(canonical(fields.get(name)) for name in MATCH)
    return Terms(
        values,
        _spent(record.cost, values[_UNIT]),
        tuple(canonical(shown.get(name, environment.get(name))) for name in SHOWN),
    )


class Verdict(NamedTuple):
    """Names of the fields that refuse a comparison, that differ by design, and that are unknown and waived."""

    refused: tuple[str, ...]
    by_design: tuple[str, ...]
    waived: tuple[str, ...]


def against(a: Terms, b: Terms, axis: str, waive: frozenset[str] = frozenset()) -> Verdict:
    """Two records' terms held against each other along an axis, and what they spent."""
    refused, by_design, waived = fields_against(a, b, axis, waive)
    more = times(a, b)
    if more is None and "spent" in waive:
        return Verdict(refused, by_design, (*waived, "spent"))
    if more is None or more > 1 + TOLERANCE:
        return Verdict((*refused, "spent"), by_design, waived)
    return Verdict(refused, by_design, waived)


def fields_against(a: Terms, b: Terms, axis: str, waive: frozenset[str] = frozenset()) -> Verdict:
    """Likewise of the fields alone, whatever they spent."""
    exempt = _EXEMPT[axis]
    if axis == "cot" and not all(t.values[_COT] == t.values[_COT_EVAL] for t in (a, b)):
        exempt = _COT_ALONE
    return Verdict(*map(tuple, _differing(a.values, b.values, exempt, waive)))


def against_over_seeds(a: Terms, b: Terms, axis: str, waive: frozenset[str] = frozenset()) -> Verdict:
    """`fields_against` of records that differ in label budget and seed too: without all that follows from these two."""
    refused, by_design, waived = _differing(a.values, b.values, _EXEMPT[axis] | OVER_SEEDS, waive)
    return Verdict(tuple(refused), tuple(name for name in by_design if axis in FIELDS[name].axes), tuple(waived))


def times(a: Terms, b: Terms) -> float | None:
    """How many times as much one spent as the other, at least 1; None if one is unknown.

    1 where nothing is matched in one unit, which the unit itself says, and where both were trained to their plateau.
    """
    if to_its_plateau(a) and to_its_plateau(b):
        return 1.0
    if a.values[_UNIT] != b.values[_UNIT] or a.values[_UNIT] is None:
        return 1.0
    if a.spent is None or b.spent is None:
        return None
    low, high = min(a.spent, b.spent), max(a.spent, b.spent)
    return 1.0 if not high > low else high / low if low else float("inf")


def to_its_plateau(a: Terms) -> bool:
    """Whether the budget was a cap, and training was to end where development accuracy stands still."""
    return a.values[_UNTIL] == _PLATEAU


def _differing(
    a: Values, b: Values, exempt: frozenset[int], waive: frozenset[str]
) -> tuple[list[str], list[str], list[str]]:
    refused: list[str] = []
    by_design: list[str] = []
    waived: list[str] = []
    for place, (x, y) in enumerate(zip(a, b, strict=True)):
        if (x == y and x is not None) or x == NA_TEXT or y == NA_TEXT:
            continue
        unknown = x is None or y is None
        if place in exempt:
            by_design += [] if unknown else [MATCH[place]]
        else:
            (waived if unknown and MATCH[place] in waive else refused).append(MATCH[place])
    return refused, by_design, waived


def apart(a: Terms, b: Terms) -> tuple[str, ...]:
    """Names of the shown fields in which two records differ; no sandbox and no teacher is none that differs."""
    return tuple(
        name
        for name, x, y in zip(SHOWN, a.shown, b.shown, strict=True)
        if x != y and not (name in SILENT and None in (x, y)) and NA_TEXT not in (x, y)
    )


def difference(a: Terms, b: Terms, name: str) -> Difference:
    """What two records say of one field."""
    return Difference(name, told(a, name), told(b, name))


def told(a: Terms, name: str) -> str | None:
    """What a record says of one field; None if nothing."""
    if name == "spent":
        unit = json.loads(a.values[_UNIT] or '""')
        return None if a.spent is None else f"{a.spent:.3g} {unit}".strip()
    return a.values[MATCH.index(name)] if name in MATCH else a.shown[SHOWN.index(name)]


def waivers(names: str | Iterable[str]) -> frozenset[str]:
    """Fields to waive, from their names or from a text with commas.

    Raises:
        RftlabError: one is no field that must match.
    """
    given = names.split(",") if isinstance(names, str) else names
    found = frozenset(name.strip() for name in given if name.strip())
    known = (*MATCH, "spent")
    for name in sorted(found - set(known)):
        raise RftlabError(f"cannot waive {name!r}: no field of the contract that must match{suggest(name, known)}")
    return found


def canonical(value: Any) -> str | None:
    """A value as one text that is equal for equal values; None stays None."""
    if value is None:
        return None
    return _told(value) if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True, default=str)


def shorten(text: str, longest: int = 40) -> str:
    """A canonical text for people: without quotes, at most so many characters."""
    plain = text.strip('"') if text[:1] == '"' else text.replace('"', "").strip("{}")
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


@lru_cache(maxsize=4096, typed=True)
def _told(value: str | float) -> str:
    return json.dumps(value)


def _spent(cost: Mapping[str, float | None], unit: str | None) -> float | None:
    if unit == NA_TEXT:
        return float("nan")
    amounts = [cost.get(name) for name in _COST.get(json.loads(unit or '""'), ("",))]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _of_older(record: Record) -> dict[str, Any]:
    """Fields of a record whose contract has no version: from its cell, and what the first contracts held."""
    cell = record.parameters
    applies, fields, old = Applies.to(cell.method), {**NOT_ASKED, **of_cell(cell)}, record.contract
    for name, earlier in (("label_ids", "labels"), ("test_items", "test_items"), ("ood_items", "ood_items")):
        if earlier in old:
            fields[name] = NA if old[earlier] is None else old[earlier]
    fields["token_cap"] = old.get("max_new_tokens")
    fields["token_cap_training"] = fields["token_cap"] if cell.cot == cell.cot_eval else None
    if not applies.labels:
        fields["label_ids"] = NA
    return fields if applies.training else fields | dict.fromkeys(("token_cap_training", "tuning_rates"), NA)


def named(differences: Sequence[Difference]) -> str:
    """Differences in words, comma separated."""
    return ", ".join(str(each) for each in differences)
