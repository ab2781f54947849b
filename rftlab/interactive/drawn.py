"""The figures of `compare`: panels laid out in pixels, and where their marks lie, for hovering and clicking."""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from math import isnan
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rftlab.answer.results import place, with_all_flops
from rftlab.interactive.selection import Behind, Rows
from rftlab.plots import title
from rftlab.plots.canvas import TEXT, box, canvas, widest
from rftlab.plots.cost import budgets_of, cost_axis, draw_costs, grown
from rftlab.plots.curves import draw_curve
from rftlab.plots.ends import End, name_ends
from rftlab.plots.hero import draw_over_labels
from rftlab.plots.labels import GAP, PROMPTS, by_prompt
from rftlab.plots.look import colour_of, line_of, look, rank
from rftlab.plots.marks import Kinds, draw_marks, row_names
from rftlab.plots.panels import arms, facets, share_axis, untrained
from rftlab.plots.style import styled
from rftlab.report import tables

OOD: Kinds = {"accuracy": ("test", "", True), "ood_accuracy": ("out of distribution", "", False)}
FIGURES: Mapping[str, str] = {
    "labels": "against the label budget", "prompts": "chain-of-thought beside direct", "gap": "train beside test",
    "ood": "test beside out of distribution", "learning": "learning curves", "flops": "against training FLOPs",
    "tokens": "against tokens", "seconds": "against training seconds",
}  # fmt: skip
"""What can be drawn -> what it is called."""
_OF_KIND: Mapping[str, Kinds] = {"gap": GAP, "ood": OOD}
_PANEL = ("task", "model", "variant", "prompt")
_LEFT, _BOTTOM, _HIGH, _ROW = 58, 58, 250, 21
_ABOVE, _LINE, _LETTER = 18, 17, 8.6
"""Above a panel: free space, a line of text, and a letter of its name; in pixels."""
MOST = 12
"""So many panels are drawn; to see others, less is chosen."""
_TWO_FROM = 900
"""Width in pixels from which two panels stand in a row."""
_SIZE = 18
"""Of what hears the pointer around a mark, in pixels."""


class Mark(NamedTuple):
    """What a reader can point at: its middle and size as shares of the figure, what it says, and whose cells it is."""

    x: float
    y: float
    wide: float
    high: float
    says: tuple[str, ...]
    cells: tuple[str, ...]


class Drawn(NamedTuple):
    """A figure, its marks, the rows that it shows, and how many panels there would have been."""

    figure: Figure
    marks: list[Mark]
    rows: pd.DataFrame
    panels: int


class _Panel(NamedTuple):
    name: str
    rows: pd.DataFrame
    high: float
    draw: Callable[[Axes], list[tuple[float, float, Any]]]
    """Draws, and returns x, y and row of each mark; an x of NaN is a line across the axes."""


def measures_of(figure: str, measure: str) -> list[str]:
    """Which measures a figure needs."""
    return list(_OF_KIND[figure]) if figure in _OF_KIND else [measure]


def draw(figure: str, measure: str, rows: Rows, curves: pd.DataFrame, width: int) -> Drawn | None:
    """A figure of what was chosen, of at most `MOST` panels; None where it has nothing to show.

    Args:
        figure: one of `FIGURES`.
        measure: of those that a choice of measure goes for.
        rows: `Selection.rows`, of `measures_of` this figure.
        curves: `Selection.curves`, for learning curves.
        width: of the figure, in pixels.
    """
    every = list(_panels(figure, measure, rows, curves))
    found = every[:MOST]
    if not found:
        return None
    marks: list[Mark] = []
    lying = figure in ("prompts", *_OF_KIND)
    return Drawn(
        _laid_out(found, rows, width, lying, marks), marks, pd.concat([panel.rows for panel in found]), len(every)
    )


@styled
def _laid_out(found: list[_Panel], rows: Rows, width: int, lying: bool, marks: list[Mark]) -> Figure:
    """The panels in one figure; where their marks lie is added to ``marks``."""
    columns = 2 if width >= _TWO_FROM and len(found) > 1 and not lying else 1
    heights = [max(panel.high for panel in found[at : at + columns]) for at in range(0, len(found), columns)]
    names, behind = _margin(rows.table, lying), Behind(rows.cells)
    room = width / columns - (20 if lying else _LEFT)
    heads = [textwrap.wrap(panel.name, max(12, int(room / _LETTER)), break_on_hyphens=False) for panel in found]
    above = _ABOVE + _LINE * (max(map(len, heads)) + lying)  # a legend has a line of its own
    shown = canvas(sum(heights) + len(heights) * (above + _BOTTOM), width)
    with mpl.rc_context({"font.size": TEXT, "xtick.labelsize": TEXT, "ytick.labelsize": TEXT, "axes.labelsize": TEXT}):
        for number, panel in enumerate(found):
            row, column = divmod(number, columns)
            top = sum(heights[:row]) + row * (above + _BOTTOM) + above
            wide = width / columns
            left, right = (names, 40.0) if lying else (float(_LEFT), names)
            ax = box(shown, column * wide + left, top, wide - left - right, panel.high)
            points = panel.draw(ax)
            at, pad = (-left / (wide - left - right), 8 + _LINE) if lying else (0.0, 8)
            ax.set_title("\n".join(heads[number]), loc="left", x=at, fontsize=TEXT, weight="bold", pad=pad)
            marks += [_mark(ax, x, y, each, panel.name, behind) for x, y, each in points]
    return shown


def _panels(figure: str, measure: str, rows: Rows, curves: pd.DataFrame) -> Iterable[_Panel]:
    table = rows.table
    if figure == "learning":
        yield from _curves(curves, tables.learning_axis(rows.cells))
    elif figure in _OF_KIND or figure == "prompts":
        kinds = _OF_KIND.get(figure, PROMPTS)
        if figure != "prompts" and not set(kinds) <= set(table["measure"]):
            return
        for part in facets(table, _PANEL if figure in _OF_KIND else _PANEL[:3]):
            said = part.assign(row=row_names(part)) if figure in _OF_KIND else by_prompt(part.assign(measured=measure))
            said = said.sort_values(
                ["labels", "arm"], key=lambda of: of.map(rank) if of.name == "arm" else of, kind="stable"
            )
            axis = title(measure) if figure == "prompts" else "accuracy"
            yield _lying(_name(table, part, figure in _OF_KIND), said, kinds, axis)
    else:
        for part in facets(table, _PANEL):
            points = rows.points[rows.points["measure"] == measure]
            for key in _PANEL:
                points = points[points[key] == part[key].iloc[0]]
            if figure == "labels":
                yield _Panel(f"{_name(table, part)}: {title(measure)}", part, _HIGH, _over_labels(part, points))
            else:
                spent = tables.cost_table(rows.cells, part, measure) if "seed" not in part else _spent(rows.cells, part)
                if (spent.drop(untrained(spent).index)[figure] > 0).any():
                    yield _Panel(f"{_name(table, part)}: {title(measure)}", spent, _HIGH, _over_cost(spent, figure))


def _over_labels(part: pd.DataFrame, points: pd.DataFrame) -> Callable[[Axes], list[Any]]:
    def draw(ax: Axes) -> list[Any]:
        draw_over_labels(ax, part, points, values=True)
        found: list[Any] = [(float("nan"), row["mean"], row) for row in untrained(part).to_dict("records")]
        for arm, rows in arms(part):
            (line,) = (each for each in ax.lines if each.get_gid() == f"arm.{arm}.line")
            found += _along(line, rows.sort_values("labels"))
        return found

    return draw


def _along(line: Line2D, rows: pd.DataFrame) -> list[Any]:
    x, y = (np.asarray(values, dtype=float) for values in (line.get_xdata(), line.get_ydata()))
    return list(zip(x, y, rows.to_dict("records"), strict=True))


def _over_cost(part: pd.DataFrame, cost: str) -> Callable[[Axes], list[Any]]:
    def draw(ax: Axes) -> list[Any]:
        budgets = budgets_of(part)
        bases = untrained(part)
        trained = part.drop(bases.index)
        trained = trained[trained[cost] > 0]
        draw_costs(ax, part, cost, budgets, bars=True)
        cost_axis(ax, trained[cost])
        share_axis(ax, [part["mean"], part["low"], part["high"]])
        ax.set_xlabel(f"{title(cost)}; {grown(budgets)}")
        last = trained.sort_values("labels").drop_duplicates("arm", keep="last")
        ends = [_end(row["arm"], row[cost], row["mean"]) for row in last.to_dict("records")]
        name_ends(ax, [*ends, *(_end(row["arm"], None, row["mean"]) for row in bases.to_dict("records"))])
        return [
            *((float("nan"), row["mean"], row) for row in bases.to_dict("records")),
            *((row[cost], row["mean"], row) for row in trained.to_dict("records")),
        ]

    return draw


def _lying(name: str, part: pd.DataFrame, kinds: Kinds, axis: str) -> _Panel:
    def draw(ax: Axes) -> list[Any]:
        handles = draw_marks(ax, part, kinds)
        ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(handles), borderaxespad=0.1)
        ax.set_xlabel(axis)
        places = list(dict.fromkeys(part["row"]))
        kept = part[part["measure"].isin(kinds)]
        return [(row["mean"], places.index(row["row"]), row) for row in kept.to_dict("records")]

    return _Panel(name, part, _ROW * part["row"].nunique(), draw)


def _curves(curves: pd.DataFrame, x: str) -> Iterable[_Panel]:
    for part in (
        [] if curves.empty else facets(curves.sort_values([*_PANEL, "labels"], kind="stable"), (*_PANEL, "labels"))
    ):
        name = f"{_name(curves, part)}, {part['labels'].iloc[0]} labels"
        yield _Panel(name, part, _HIGH, _curve(part, x))


def _curve(part: pd.DataFrame, x: str) -> Callable[[Axes], list[Any]]:
    def draw(ax: Axes) -> list[Any]:
        ends = []
        for arm, curve in arms(part):
            draw_curve(ax, curve, x, colour=colour_of(arm), marker=look(arm)[1], line=line_of(arm), size=0.8)
            shown = curve[curve["kind"] == "eval"] if (curve["kind"] == "eval").any() else curve
            ends.append(_end(arm, shown[x].iloc[-1], shown["value"].iloc[-1]))
        share_axis(ax, [part["value"]])
        ax.set_xlabel(f"{title(x)} (dashed: training reward)")
        name_ends(ax, ends)
        measured = part[part["kind"] == "eval"]
        told = measured.assign(mean=measured["value"], at=measured[x], unit=title(x))
        return [(row[x], row["value"], row) for row in told.to_dict("records")]

    return draw


def _end(arm: str, x: float | None, y: float) -> End:
    return End(arm, title(arm), x, y, colour_of(arm), colour_of(arm))


def _spent(cells: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Rows of single seeds with what each cost."""
    keys = [*_PANEL[:2], "prompt", "arm", "labels", "seed"]
    cost = with_all_flops(cells).assign(of=cells["variant"])[[*keys, "of", "flops", "tokens", "seconds"]]
    return part.merge(cost.drop_duplicates([*keys, "of"]), how="left", on=[*keys, "of"])


def _name(table: pd.DataFrame, part: pd.DataFrame, prompt: bool = True) -> str:
    first = part.iloc[0]
    several = {key: table[key].nunique() > 1 for key in _PANEL}
    keys = [key for key in ("task", "variant", "prompt", "model") if key == "task" or (key == "prompt" and prompt)]
    keys += [key for key in ("variant", "model") if several[key] or (key == "variant" and first[key])]
    return place(first[key] for key in keys)


def _margin(table: pd.DataFrame, lying: bool) -> float:
    """Pixels beside a panel for the names of its rows, or of its lines."""
    names = row_names(table) if lying else [title(arm) for arm in table["arm"].unique()]
    return widest(names) + (40 if lying else 76)


def _mark(ax: Axes, x: float, y: float, row: Mapping[str, Any], panel: str, behind: Behind) -> Mark:
    figure = ax.get_figure(root=True)
    assert figure is not None
    across, down = figure.bbox.width, figure.bbox.height
    pixels = 72 / figure.dpi
    wide = _SIZE / pixels / across
    if isnan(x):
        left, right = ax.bbox.x0, ax.bbox.x1
        at, wide = (left + right) / 2 / across, (right - left) / across
        up = ax.transData.transform((ax.get_xlim()[0], y))[1]
    else:
        point = ax.transData.transform((x, y))
        at, up = point[0] / across, point[1]
    high = (_SIZE if not isnan(x) else _SIZE / 2) / pixels / down
    return Mark(float(at), float(1 - up / down), float(wide), float(high), _says(row, panel), tuple(behind[row]))


def _says(row: Mapping[str, Any], panel: str) -> tuple[str, ...]:
    head = title(row["arm"]) + (f", {row['labels']} labels" if row["labels"] else "")
    if "at" in row:
        reached = f"{100 * row['mean']:.1f} % at {row['unit']} {row['at']:,.4g}"
        return head, reached, f"mean of {row['n']} seeds, on development items", panel
    measure = str(row.get("measured", row["measure"]))
    limits = "" if isnan(row["low"]) else f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    seeds = f"seed {row['seed']}" if row.get("seed") is not None else f"{row['n']} seed{'s' * (row['n'] != 1)}"
    over = f"; 95 % for new {row['over']}" if limits else ""
    return head, f"{title(measure)} {100 * row['mean']:.1f} %{limits}", seeds + over, panel
