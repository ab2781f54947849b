"""Differences with their intervals, a row each, around zero."""

from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rftlab.plots.canvas import TEXT, WIDTH, box, canvas, widest
from rftlab.plots.look import INK, LINE, QUIET, SOFT, colour_of, look
from rftlab.plots.panels import nothing
from rftlab.plots.style import styled

_ROW, _LEAST = 21, 360
_SLIM = 400
"""Width of a stacked figure, for a telephone; it grows with its longest line."""
_AWAY = 0.77
"""How far names stand from the axes, in letters."""


@styled
def forest(
    table: pd.DataFrame, *, margin: float, loud: Collection[str] = (), stacked: bool = False, note: str = ""
) -> Figure:
    """Differences with their intervals, a row each, against zero; grey behind them: smaller than what matters.

    Args:
        table: columns arm (which colours the row), name, group (a heading above its rows; "" for none), estimate, low,
            high (shares; NaN draws no bar), text (at the right).
        margin: smallest difference that matters, as a share.
        loud: arms in colour; the others are grey. Empty means all.
        stacked: name and text above the interval, for a narrow page, rather than beside it.
        note: what the axis' name has to add.

    Returns:
        As wide as its texts need, and 1 040 pixels at the least; stacked about 400.
    """
    if table.empty:
        return nothing("nothing is compared")
    names, numbers = widest(table["name"]) + 20, widest(table["text"]) + 20
    wide = max(_SLIM - 24, names + numbers) if stacked else max(_LEAST, WIDTH - names - numbers)
    left, right = (12.0, 12.0) if stacked else (names, numbers)
    height = _ROW * rows_of_forest(table, stacked=stacked)
    with mpl.rc_context({"font.size": TEXT, "axes.labelsize": TEXT}):
        figure = canvas(height + 58, left + wide + right)
        ax = box(figure, left, 8, wide, height)
        draw_forest(
            ax, table, margin=margin, loud=loud, stacked=stacked, note=note, headings=0 if stacked else -left / wide
        )
    return figure


def draw_forest(
    ax: Axes,
    table: pd.DataFrame,
    *,
    margin: float,
    loud: Collection[str] = (),
    stacked: bool = False,
    note: str = "",
    headings: float | None = None,
    palette: Mapping[str, str] | None = None,
) -> None:
    """Draw `forest` on given axes; the sizes of marks, lines and text are matplotlib's settings of the moment.

    Args:
        ax: to draw on; it should be `rows_of_forest` lines of text high.
        table: as in `forest`.
        margin: as in `forest`.
        loud: as in `forest`.
        stacked: as in `forest`.
        note: as in `forest`.
        headings: where headings begin, as a share of the axes' width; None puts them at the end of the names.
        palette: as in `colour_of`.
    """
    lines = _lines(table)
    places = _places(lines, stacked)
    _around_zero(ax, table, margin)
    ax.set_ylim(places[-1] + 0.5, -0.5)
    for y, (heading, row) in zip(places, lines, strict=True):
        if row is not None:
            colour = colour_of(row["arm"], palette) if not loud or row["arm"] in loud else QUIET
            _difference(ax, y, row, colour, stacked)
        elif headings is None:
            _beside(ax, heading, (0, y), (-_AWAY, 0), "right", weight="bold")
        else:
            _beside(ax, heading, (headings, y), (0, 0), "left", weight="bold")
    ax.set_xlabel(f"difference in points{note}")


def rows_of_forest(table: pd.DataFrame, *, stacked: bool = False) -> float:
    """How many lines of text a forest is high."""
    return _places(_lines(table), stacked)[-1] + 1


def _lines(table: pd.DataFrame) -> list[tuple[str, pd.Series | None]]:
    """Headings, and below each its rows."""
    lines: list[tuple[str, pd.Series | None]] = []
    for group, rows in table.groupby("group", sort=False):
        lines += [(str(group), None)] if group else []
        lines += [("", row) for _, row in rows.iterrows()]
    return lines


def _places(lines: Sequence[tuple[str, pd.Series | None]], stacked: bool) -> list[float]:
    """Where a line's heading or interval stands, in rows from above; stacked, an interval has its texts above it."""
    found, at = [], -1.0
    for _, row in lines:
        at += 2.1 if stacked and row is not None else 1.0
        found.append(at)
    return found


def _around_zero(ax: Axes, table: pd.DataFrame, margin: float) -> None:
    ends = pd.concat([table["estimate"], table["low"], table["high"]])
    ends = ends[ends.map(isfinite)]
    low, high = min(float(ends.min()), -1.5 * margin), max(float(ends.max()), 1.5 * margin)
    ax.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    ax.axvspan(-margin, margin, color=LINE, lw=0, alpha=0.6)
    ax.axvline(0, color=SOFT, lw=1.2)
    ax.set_yticks([])
    ax.grid(True, axis="x")
    ax.xaxis.set_major_formatter(lambda share, _: f"{round(100 * share, 2):+g}" if share else "0")
    ax.spines["left"].set_visible(False)


def _difference(ax: Axes, y: float, row: pd.Series, colour: str, stacked: bool) -> None:
    wide = mpl.rcParams["lines.linewidth"]
    if isfinite(row["low"]) and isfinite(row["high"]):
        ax.hlines(y, row["low"], row["high"], color=colour, lw=0.9 * wide, alpha=0.6)
    ax.plot(row["estimate"], y, marker=look(row["arm"])[1], color=colour, ls="", gid=f"arm.{row['arm']}.{y}")
    written = SOFT if colour == QUIET else INK
    for side, text in enumerate((row["name"], row["text"])):
        outside, inside = ((-_AWAY, _AWAY)[side], ("right", "left")[side]), (0, ("left", "right")[side])
        away, where = inside if stacked else outside
        _beside(ax, text, (side, y), (away, 0.9 * _ROW / TEXT if stacked else 0), where, color=written)


def _beside(ax: Axes, text: str, at: tuple[float, float], away: tuple[float, float], align: str, **how: Any) -> None:
    """Text at a share of the axes' width and a row, so many letters away from it."""
    letter = mpl.rcParams["font.size"]
    ax.annotate(
        text, at, (away[0] * letter, away[1] * letter), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
        ha=align, va="center", annotation_clip=False, **how,
    )  # fmt: skip
