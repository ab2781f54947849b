"""The ledger of a study: all claims, tested where the study can, as rows, a table, text and HTML."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from math import isfinite
from pathlib import Path
from textwrap import indent

import pandas as pd

from rftlab.answer.decisions import Decisions, Family, decide
from rftlab.answer.ledger import accuracy, later
from rftlab.answer.ledger.claims import CLAIMS
from rftlab.answer.ledger.contrasts import Missing, Tested
from rftlab.answer.ledger.rows import Row, Size, decided, not_tested
from rftlab.answer.ledger.view import View
from rftlab.answer.phrases import interval, signed
from rftlab.answer.readings import reading_of
from rftlab.answer.results import Results, read_results
from rftlab.errors import RftlabError
from rftlab.execute.results import read_grid

RULES: Mapping[int, Callable[[View], Iterator[Tested | Missing]]] = {
    1: accuracy.few_labels,
    2: accuracy.many_labels,
    3: later.no_labels,
    4: later.unwritten,
    5: later.unwritten,
    6: accuracy.hybrid,
    7: later.unwritten,
    8: later.unwritten,
    9: later.unwritten,
    10: later.drift,
    11: later.unwritten,
    12: accuracy.any_training,
    13: later.preference,
}


@dataclass(frozen=True)
class Ledger:
    """What a study says of the claims.

    Attributes:
        rows: by claim; a claim has a row for every panel and part that it can be tested in, or one that says why not.
        margin: smallest difference that matters, as a share.
    """

    rows: tuple[Row, ...]
    margin: float

    def claim(self, number: int) -> list[Row]:
        """The rows of a claim.

        Raises:
            RftlabError: there is no such claim.
        """
        if not any(claim.number == number for claim in CLAIMS):
            raise RftlabError(f"there is no claim {number}; the ledger has 1 to {len(CLAIMS)}")
        return [row for row in self.rows if row.claim.number == number]

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a claim and slice; differences in points, NaN where there are none."""
        return pd.DataFrame(
            [
                {
                    "claim": row.claim.number, "text": row.claim.text, "part": row.part,
                    "task": row.panel.task if row.panel else "", "model": row.panel.model if row.panel else "",
                    "variant": row.panel.variant if row.panel else "", "prompt": row.prompt, "reading": row.reading,
                    "family": row.family, "status": row.status, "arm": row.arm, "points": 100 * row.estimate,
                    "low": 100 * row.low, "high": 100 * row.high, "seeds": row.seeds, "items": row.items,
                    "cells": len(row.cells), "failed": "; ".join(row.failed), "controls": row.controls,
                    "notes": "; ".join(row.notes), "needed": row.needed, "include": row.include,
                }
                for row in self.rows
            ]
        )  # fmt: skip

    def __str__(self) -> str:
        """A line a row, and what stands in its way."""
        lines = []
        for row in self.rows:
            lines.append(f"{row.claim.number:>2} {row.claim.text} {told(row)}")
            lines += [f"   {text}" for text in beside(row)]
        return "\n".join(lines)

    def in_full(self, number: int) -> str:
        """A claim with its rule, what was published, and all that is known of its rows.

        Raises:
            RftlabError: there is no such claim.
        """
        rows = self.claim(number)
        claim = rows[0].claim
        lines = [f"{claim.number} {claim.text}", f"estimand: {claim.estimand}", f"slice: {claim.slice}"]
        lines += [f"also: {claim.rule}"] if claim.rule else []
        lines += [f"published ({each.how}): {each.source}: {each.figures}" for each in claim.published]
        for row in rows:
            lines += ["", told(row), *(f"  {text}" for text in beside(row))]
            lines += [f"  reading: {row.reading}"] if row.reading else []
            lines += [f"  {name}: {interval(each)}" for name, each in row.differences.items()]
            lines += [f"  cells: {' '.join(row.cells)}"] if row.cells else []
            lines += [f"  add to the grid:\n{indent(row.include, '    ')}".rstrip()] if row.include else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("", "claim", "where", "status", "points", "n", "beside"))
        body = "".join(
            f"<tr><td>{row.claim.number}</td><td>{escape(row.claim.text)}</td><td>{escape(where(row))}</td>"
            f"<td>{escape(row.status)}</td><td>{escape(points(row))}</td><td>{escape(count(row))}</td>"
            f"<td>{escape('; '.join(beside(row)))}</td></tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def ledger_of(folder: str | Path, waive: str | Iterable[str] = ()) -> Ledger:
    """The ledger of a results folder.

    Args:
        folder: a grid's results folder, or an archive.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    results = read_results(folder, waive)
    return ledger(results, decide(results))


def ledger(results: Results, decisions: Decisions) -> Ledger:
    """What a study says of each of the thirteen claims.

    Args:
        results: of the study.
        decisions: of these results.
    """
    view = View(results, decisions)
    found = {claim.number: list(RULES[claim.number](view)) for claim in CLAIMS}
    sizes = _sizes(found, view)
    rows = []
    for claim in CLAIMS:
        tested = [each for each in found[claim.number] if isinstance(each, Tested)]
        rows += [
            decided(claim, each, sizes[claim.number, each.primary], _reading(view, each), decisions) for each in tested
        ]
        missing = [each for each in found[claim.number] if isinstance(each, Missing)]
        if not tested:
            family: Family = "confirmatory" if claim.number in decisions.plan.claims else "exploratory"
            rows.append(not_tested(claim, missing[0], family))
    return Ledger(tuple(rows), decisions.plan.smallest_effect)


def _sizes(found: Mapping[int, list[Tested | Missing]], view: View) -> dict[tuple[int, bool], Size]:
    """The family of every claim's rows by whether they are primary.

    A claim that the plan names is one comparison of the confirmatory family; its own differences, of all panels that
    the grid has, run or not, share that part. All that is exploratory shares 5 %.
    """
    plan = view.decisions.plan
    whole = view.decisions.families.get(("confirmatory", view.decides), max(1, len(plan.claims)))
    counts: dict[tuple[int, bool], int] = {}
    for number, slices in found.items():
        for primary in (True, False):
            tested = [each for each in slices if isinstance(each, Tested) and each.primary is primary]
            counts[number, primary] = sum(len(contrasts) for each in tested for contrasts in each.arms.values())
    declared = {key for key in counts if key[1] and key[0] in plan.claims}
    other = max(1, sum(count for key, count in counts.items() if key not in declared))
    sizes = {}
    for key, number in counts.items():
        tested = [each for each in found[key[0]] if isinstance(each, Tested) and each.primary]
        panels = len({each.panel for each in tested})
        unseen = number * max(0, _planned(view) - panels) // max(1, panels)
        sizes[key] = (
            Size("confirmatory", whole * max(1, number + unseen)) if key in declared else Size("exploratory", other)
        )
    return sizes


def _planned(view: View) -> int:
    """Tasks and models that the grid has."""
    try:
        cells = read_grid(view.results.where).cells
    except RftlabError:
        return 0
    return len({(cell.task, cell.model) for cell in cells})


def _reading(view: View, tested: Tested) -> str:
    cells = view.results.cells
    here = cells[cells["id"].isin(tested.cells)]
    return "equal training FLOPs" if tested.part == "at equal compute" else reading_of(here)


def told(row: Row) -> str:
    """A row's status with its numbers: `supported: +14 [6, 22] (word, greedy; 6 seeds x 500 items)`."""
    if row.status == "not tested":
        return f"{row.status}: {row.needed}"
    return f"{row.status}: {points(row)} ({where(row)}; {count(row)}; {row.family})"


def beside(row: Row) -> list[str]:
    """What stands beside a row: preconditions, controls, notes, and what is needed."""
    said = [f"failed: {text}" for text in row.failed]
    said += [f"controls: {row.controls}"] if row.controls else []
    said += list(row.notes)
    said += [f"needed: {row.needed}"] if row.needed and row.status != "not tested" else []
    return said


def where(row: Row) -> str:
    """Task, part and prompt."""
    panel = row.panel
    task = [panel.task.rpartition("/")[2], panel.variant] if panel else []
    return ", ".join(text for text in (*task, row.prompt, row.part) if text)


def points(row: Row) -> str:
    """A row's difference in points with its limits, and whose it is."""
    if not isfinite(row.estimate):
        return ""
    limits = f"[{100 * row.low:.0f}, {100 * row.high:.0f}]" if isfinite(row.low) else "[no interval]"
    return f"{signed(row.estimate)} {limits}"


def count(row: Row) -> str:
    """Seeds and items."""
    return f"{row.seeds} seed{'s' * (row.seeds != 1)} x {row.items} items" if row.seeds else ""
