"""The answer of a study while it runs: at its declared looks as it will be cited, in between marked as so far."""

import warnings
from html import escape
from pathlib import Path
from typing import NamedTuple

from rftlab.answer.card import answer
from rftlab.answer.decisions import confidence_of
from rftlab.answer.folder import study_of
from rftlab.cell import Cell
from rftlab.errors import RftlabError, RftlabWarning
from rftlab.execute.results import read_plans
from rftlab.grid.plan import Plan
from rftlab.interactive.studio.cells import Look


class SoFar(NamedTuple):
    """What a study says now.

    Attributes:
        heading: the answer, a look, or so far; with how much of the evidence there is.
        lines: headline, reasons, limits and what comes next; a sentence on why there is none instead.
        final: whether all cells are done.
    """

    heading: str
    lines: tuple[str, ...]
    final: bool

    @property
    def html(self) -> str:
        """The card; its edge is dashed where it may still change before the next look."""
        first, *rest = self.lines
        more = "".join(f"<p>{escape(line)}</p>" for line in rest)
        edge = "solid" if self.heading.startswith("The answer") else "dashed"
        style = f"border: 2px {edge} #0072b2; border-radius: 6px; padding: 4px 12px; line-height: 1.45"
        return (
            f"<section class='rftlab-answer' aria-live='polite' style='{style}; white-space: normal'>"
            f"<h4>{escape(self.heading)}</h4><p><b>{escape(first)}</b></p>{more}</section>"
        )


def so_far(results: Path, look: Look, cells: dict[str, Cell]) -> SoFar:
    """The answer by the records that are there.

    Args:
        results: the folder.
        look: what was found in it.
        cells: of the study, by id.
    """
    done, size = look.count("done"), len(look.states)
    if not done:
        return SoFar("No answer yet", ("It comes with the first cells that are done.",), False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RftlabWarning)  # damage, which the cells show
            said = answer(*study_of(results))
        lines = tuple(filter(None, (said.headline, *said.reasons, said.limits, said.next_step)))
    except RftlabError as error:
        lines = (str(error),)
    plans = _plan(results)
    seeds = seeds_of_a_look(look, cells)
    if done == size:
        name = confidence_of(seeds, plans, 1)[1] if seeds else ""
        return SoFar(f"The answer{f', {name}' if name else ''}", lines, True)
    name = confidence_of(seeds, plans, 1)[1] if seeds else ""
    if name.startswith("look"):
        return SoFar(f"The answer at {name} ({seeds} seeds of every arm)", lines, False)
    return SoFar(f"So far: {done} of {size} cells; no declared look, it may still change", lines, False)


def seeds_of_a_look(look: Look, cells: dict[str, Cell]) -> int:
    """How many seeds of every arm are done, where all arms have the same ones and no other cell is; else 0."""
    arms: dict[str, set[int]] = {}
    for name, state in look.states.items():
        found = arms.setdefault(cells[name].variant, set())
        if state.kind == "done":
            found.add(cells[name].seed)
    first, *others = [*arms.values()] or [set()]
    return len(first) if all(seeds == first for seeds in others) else 0


def _plan(results: Path) -> Plan:
    try:
        plans = read_plans(results)
    except RftlabError:
        plans = None
    return plans[0] if plans else Plan()
