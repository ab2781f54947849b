"""The section of a page on cost and return, where there are prices."""

import warnings
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rftlab import plots
from rftlab.answer.decisions import Decisions
from rftlab.answer.results import Results
from rftlab.answer.results import place as place_name
from rftlab.answer.returns import words
from rftlab.answer.returns.arms import Panel
from rftlab.answer.returns.money import Returns, returns
from rftlab.answer.returns.prices import FILE, Prices, read
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.report.figures import Picture, slug

_COLUMNS = ["arm", "labels", "cost", "mean", "low", "high", "frontier", "assumed"]


class Part(NamedTuple):
    """One panel of the section.

    Attributes:
        heading: its name.
        answer: which arm pays best.
        heads: of its table.
        rows: of it.
        break_evens: sentences.
        frontier: a sentence.
        outcome: what the answer is measured by.
        swings: assumption and what it makes of the answer.
        pictures: frontier, and what moves the answer.
    """

    heading: str
    answer: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    break_evens: list[str]
    frontier: str
    outcome: str
    swings: list[tuple[str, str]]
    pictures: list[Picture]


def prices_of(results: Path, named: Path | None) -> Prices | None:
    """The prices of a file that was named, else of the results folder's own, if it has any.

    Raises:
        RftlabError: a file that was named cannot be read. One that only lies there is warned of, and left out.
    """
    if named is not None:
        return read(named)
    try:
        return read(results / FILE) if (results / FILE).is_file() else None
    except RftlabError as error:
        warnings.warn(f"the page has no costs: {error}", RftlabWarning, stacklevel=2)
        return None


def section(study: Results, decisions: Decisions, prices: Prices | None) -> list[Part]:
    """The section's panels; none without prices.

    Raises:
        RftlabError: the prices assume what cannot be.
    """
    if prices is None:
        return []
    found = returns(study, decisions, prices)
    return [_part(found, panel) for panel in found.panels]


def _part(found: Returns, panel: Panel) -> Part:
    columns = len(words.HEADS) - (found.prices.point_value is None)
    return Part(
        place_name((panel[0], panel[2], panel[3])), words.answer(found, panel), words.HEADS[:columns],
        [row[:columns] for row in words.rows(found, panel)],
        [words.break_even(each) for each in found.break_evens(panel)], words.frontier(found, panel),
        words.outcome(found, panel), words.swings(found, panel), list(_pictures(found, panel)),
    )  # fmt: skip


def _pictures(found: Returns, panel: Panel) -> list[Picture]:
    name, currency = slug(place_name((panel[0], panel[2], panel[3]))), found.prices.currency
    drawn = plots.cost_frontier(frontier_table(found, panel), currency=currency)
    alt = f"Accuracy against cost, {place_name((panel[0], panel[3]))}. {words.frontier(found, panel)}"
    pictures = [Picture(f"returns_{name}", "", alt, drawn)]
    best, told = found.best(panel), dict(words.swings(found, panel))
    moved = [each for each in found.moving(panel) if all(map(isfinite, each.values))]
    if best and moved:
        table = pd.DataFrame(
            [{"name": s.name, "low": min(s.values), "high": max(s.values), "text": told[s.name]} for s in moved]
        )
        what = f"{words.outcome(found, panel)}{f', {currency}' if currency else ''}"
        drawn = plots.tornado(table, now=(best.net or best.per_point).estimate, what=what)
        alt = f"What moves {what}: " + "; ".join(f"{row['name']} {row['text']}" for row in table.to_dict("records"))
        pictures.append(Picture(f"assumptions_{name}", "What moves the answer most", alt, drawn))
    return pictures


def frontier_table(found: Returns, panel: Panel) -> pd.DataFrame:
    """What `rftlab.plots.cost_frontier` draws of a panel."""
    edge = {(each.taken.arm, each.taken.labels) for each in found.frontier(panel)}
    rows = [
        (each.taken.arm, each.taken.labels, each.cost, each.taken.accuracy.estimate, each.taken.accuracy.low,
         each.taken.accuracy.high, (each.taken.arm, each.taken.labels) in edge, each.taken.assumed)
        for each in found.of(panel)
    ]  # fmt: skip
    nan = float("nan")
    base = [("base", 0, 0.0, found.base[panel], nan, nan, False, False)] if panel in found.base else []
    return pd.DataFrame([*base, *rows], columns=_COLUMNS)
