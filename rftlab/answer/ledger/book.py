"""The ledger of a study: all claims, tested where the study can, as rows, a table, text and HTML."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from math import isfinite
from pathlib import Path
from textwrap import indent

import pandas as pd

from rftlab.answer.comparisons import EQUAL_COMPUTE
from rftlab.answer.decisions import Decisions, Family
from rftlab.answer.folder import study_of
from rftlab.answer.ledger import (
    accuracy,
    adapters,
    beyond,
    drift,
    forgetting,
    preference,
    prompts,
    reasoning,
    unlabelled,
)
from rftlab.answer.ledger.claims import CLAIMS
from rftlab.answer.ledger.contrasts import Missing, Tested
from rftlab.answer.ledger.rows import Row, Size, decided, not_tested
from rftlab.answer.ledger.view import View
from rftlab.answer.phrases import interval, signed
from rftlab.answer.readings import reading_of
from rftlab.answer.results import Results
from rftlab.errors import RftlabError
from rftlab.execute.results import read_grid

RULES: Mapping[int, Callable[[View], Iterator[Tested | Missing]]] = {
    1: accuracy.few_labels,
    2: accuracy.many_labels,
    3: unlabelled.no_labels,
    4: prompts.chain_of_thought,
    5: beyond.overfitting,
    6: accuracy.hybrid,
    7: forgetting.forgetting,
    8: beyond.generalising,
    9: reasoning.own_reasoning,
    10: drift.drift,
    11: adapters.low_rank,
    12: accuracy.any_training,
    13: preference.preference,
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
        """A line a claim and a line a slice, with what stands in its way."""
        lines = []
        for claim in CLAIMS:
            lines.append(f"{claim.number:>2} {claim.text}")
            for row in self.claim(claim.number):
                lines.append(f"   {told(row)}")
                lines += [f"     {text}" for text in hindrances(row)]
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
    return ledger(*study_of(folder, waive))


def ledger(results: Results, decisions: Decisions) -> Ledger:
    """What a study says of each of the thirteen claims.

    Args:
        results: of the study.
        decisions: of these results.
    """
    view = View(results, decisions)
    found = {claim.number: list(RULES[claim.number](view)) for claim in CLAIMS}
    sizes = sizes_of(found, view)
    rows = []
    for claim in CLAIMS:
        tested = [each for each in found[claim.number] if isinstance(each, Tested)]
        rows += [
            decided(claim, each, sizes[claim.number, each.primary], _reading(view, each), decisions) for each in tested
        ]
        missing = [each for each in found[claim.number] if isinstance(each, Missing)]
        if not tested:
            family: Family = "confirmatory" if claim.number in decisions.plan.claims else "exploratory"
            rows.append(not_tested(claim, _nearest(missing, view), family))
    return Ledger(tuple(rows), decisions.plan.smallest_effect)


def sizes_of(found: Mapping[int, list[Tested | Missing]], view: View) -> dict[tuple[int, bool], Size]:
    """The family of every claim's rows by whether they are primary.

    A claim that the plan names is one comparison of the confirmatory family; its own differences, of all panels that
    the grid has, run or not, share that part. What is exploratory is a family of its own for each claim.
    """
    plan = view.decisions.plan
    whole = view.decisions.families.get(("confirmatory", view.decides), max(1, len(plan.claims)))
    counts: dict[tuple[int, bool], int] = {}
    for number, slices in found.items():
        for primary in (True, False):
            tested = [each for each in slices if isinstance(each, Tested) and each.primary is primary]
            counts[number, primary] = sum(len(contrasts) for each in tested for contrasts in each.arms.values())
    sizes = {}
    for (number, primary), count in counts.items():
        if not (primary and number in plan.claims):
            every = counts[number, False] + (0 if number in plan.claims else counts[number, True])
            sizes[number, primary] = Size("exploratory", max(1, every))
            continue
        panels = {each.panel for each in found[number] if isinstance(each, Tested) and each.primary}
        unseen = count * max(0, _planned(view) - len(panels)) // max(1, len(panels))
        sizes[number, primary] = Size("confirmatory", whole * max(1, count + unseen))
    return sizes


def _nearest(missing: Sequence[Missing], view: View) -> Missing:
    """Of the panels that a claim cannot be tested in, the one with most cells."""
    return max(missing, key=lambda each: view.cells_in(each.panel) if each.panel else 0)


def _planned(view: View) -> int:
    """Tasks and models that the grid has."""
    try:
        cells = read_grid(view.results.where).cells
    except RftlabError:
        return 0
    return len({(cell.task_name, cell.model) for cell in cells})


def _reading(view: View, tested: Tested) -> str:
    cells = view.results.cells
    here = cells[cells["id"].isin(tested.cells)]
    if tested.part != "at equal compute":
        return reading_of(here)
    at = (*tested.panel, tested.prompt)
    marks = {lv.flops for lv in view.decisions.levels if lv.measure == EQUAL_COMPUTE and lv.place[:4] == at}
    return f"equal training FLOPs, {max(marks):.3g}"


def told(row: Row) -> str:
    """A row's slice, status and numbers: `word, greedy: supported, +14 [6, 22] (6 seeds x 500 items, confirmatory)`."""
    if row.status == "not tested":
        return f"{row.status}{'' if row.panel else ' yet'}: {row.needed}"
    numbers = f"{row.status}, {points(row)} ({count(row)}, {row.family}{f', {row.look}' if row.look else ''})"
    return f"{where(row)}: {numbers}"


def hindrances(row: Row) -> list[str]:
    """What keeps a row from being decided, in a sentence each."""
    failed = f"not met: {'; '.join(row.failed)}" if row.failed else ""
    needed = f"needed: {row.needed}" if row.needed and row.status == "inconclusive" else ""
    return [text for text in (failed, needed) if text]


def beside(row: Row) -> list[str]:
    """All that stands beside a row: what hinders it, its controls, and notes."""
    return [*hindrances(row), *([f"controls: {row.controls}"] if row.controls else []), *row.notes]


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
    seeds = f"{row.seeds} seed{'s' * (row.seeds != 1)}"
    return f"{seeds} x {row.items} items" if row.items > 1 else seeds if row.seeds else ""
