"""Several measures of an arm as marks in one row: train beside test, direct beside chain-of-thought, and others."""

from collections.abc import Collection, Mapping
from math import isfinite, isnan, nan
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from rftlab.plots.canvas import TEXT, WIDTH, box, canvas
from rftlab.plots.look import QUIET, SOFT, colour_of, look
from rftlab.plots.names import title
from rftlab.plots.panels import nothing, percent
from rftlab.plots.style import styled

Kinds = Mapping[str, tuple[str, str, bool]]
"""Measure -> (name, marker, filled); a marker of "" is the arm's own."""
_ROW, _NAMES = 21, 330


@styled
def marks(table: pd.DataFrame, kinds: Kinds, *, loud: Collection[str] = ()) -> Figure:
    """Several measures of an arm as marks in one row, joined by a line.

    Args:
        table: as in the module's docstring of `rftlab.plots`, of one panel; rows are its arms and label budgets.
        kinds: measure -> (name, marker, filled).
        loud: arms in colour; the others are grey. Empty means all.
    """
    if table.empty:
        return nothing("nothing was measured")
    table = table.assign(row=row_names(table))
    height = _ROW * table["row"].nunique()
    with mpl.rc_context({"ytick.labelsize": TEXT}):
        figure = canvas(height + 92)
        ax = box(figure, _NAMES - 60, 40, WIDTH - _NAMES + 40, height)
        handles = draw_marks(ax, table, kinds, loud=loud)
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), fontsize=TEXT)
    return figure


def row_names(table: pd.DataFrame, *, labels: bool = True) -> list[str]:
    """What the rows of `draw_marks` are called: `SFT, 10 labels`, or without the label budget."""
    return [
        f"{title(arm)}, {budget} labels" if labels and budget else title(arm)
        for arm, budget in zip(table["arm"], table["labels"], strict=True)
    ]


def draw_marks(
    ax: Axes,
    table: pd.DataFrame,
    kinds: Kinds,
    *,
    loud: Collection[str] = (),
    palette: Mapping[str, str] | None = None,
    bars: bool = False,
) -> list[Line2D]:
    """Draw the rows of `marks` on given axes, from above in the table's order.

    Args:
        ax: to draw on; the sizes of lines and marks are matplotlib's settings of the moment.
        table: columns row (its name), arm, measure, mean, low, high (shares).
        kinds: as in `marks`.
        loud: as in `marks`.
        palette: as in `colour_of`.
        bars: draw intervals, and the marks of a row a little apart.

    Returns:
        What a legend is made of, a handle a kind.
    """
    wide, size = mpl.rcParams["lines.linewidth"], mpl.rcParams["lines.markersize"]
    rows: list[str] = list(dict.fromkeys(table["row"]))
    shown = [kind for kind in kinds if kind in set(table["measure"])]
    parts: dict[str, list[dict[str, Any]]] = {name: [] for name in rows}
    for found in table[["row", "arm", "measure", "mean", "low", "high"]].to_dict("records"):
        parts[found["row"]].append({str(name): value for name, value in found.items()})
    for y, part in enumerate(parts.values()):
        arm = str(part[0]["arm"])
        colour = colour_of(arm, palette) if not loud or arm in loud else QUIET
        means = [each["mean"] for each in part if each["measure"] in shown and not isnan(each["mean"])]
        ax.plot([min(means, default=nan), max(means, default=nan)], [y, y], color=colour, lw=1.8 * wide, alpha=0.18)
        for place, kind in enumerate(shown):
            _, marker, filled = kinds[kind]
            at = y + 0.2 * (place - (len(shown) - 1) / 2) if bars else y
            for each in (each for each in part if each["measure"] == kind):
                if bars and isfinite(each["low"]):
                    ax.hlines(at, each["low"], each["high"], color=colour, lw=0.6 * wide, alpha=0.6)
                ax.plot(each["mean"], at, marker=marker or look(arm)[1], mew=0.2 * size, ls="", color=colour,
                        mfc=colour if filled else "white", clip_on=False, gid=f"arm.{arm}.{y}.{kind}")  # fmt: skip
    row_axis(ax, rows)
    return [
        Line2D([], [], marker=kinds[kind][1] or "o", mew=0.2 * size, ls="", color=SOFT,
               mfc=SOFT if kinds[kind][2] else "white", label=kinds[kind][0])
        for kind in shown
    ]  # fmt: skip


def row_axis(ax: Axes, names: Collection[str]) -> None:
    """Named rows from top to bottom, percent from 0 to 100 on the x axis."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(-0.02, 1.02)
    ax.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    ax.xaxis.set_major_formatter(percent)
    ax.grid(True, axis="x")
