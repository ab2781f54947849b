"""Axes that figures share: facets of a table, percent and label budgets, the base's line, a legend above."""

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from rftlab.plots.look import QUIET, SOFT, colour_of, line_of, look, rank
from rftlab.plots.names import title
from rftlab.plots.style import ShownFigure

_BOLD = 8.5
"""Pixels of a bold letter of an axis' name."""
_PROMPTS = " prompts"
_BEFORE = 3.0
"""How far left of the least budget the arms stand that train on prompts alone."""
_HANDLE, _LETTER = 4.8, 0.6
"""How wide a legend's handle with its space, and a letter of its text, are, in font sizes."""
_LEGEND_ROWS, _LEGEND_ROW = 2, 1.5
"""How many rows of a legend a figure has room for, and how high a row is, in font sizes."""
_LEAST = 0.1
"""Smallest range drawn, so that chance does not look like a landslide."""


def panels(
    table: pd.DataFrame,
    columns: Sequence[str],
    *,
    keys: Sequence[str] = ("task", "model", "variant"),
    width: float = 3.7,
    height: float = 2.9,
    sharey: bool = True,
) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with a row of axes per combination of ``keys``, named on the left, and column titles on top."""
    rows = facets(table, keys)
    figure = ShownFigure(figsize=(width * len(columns) + 0.8, height * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey=sharey)
    for row, part in zip(axes, rows, strict=True):
        name_row(row[0], table, part, keys, height)
    for ax, text in zip(axes[0], columns, strict=True):
        ax.set_title(text)
    return figure, [list(row) for row in axes]


def name_row(ax: Axes, table: pd.DataFrame, part: pd.DataFrame, keys: Sequence[str], height: float) -> None:
    """Write on the left what a facet shows, beside the task what differs over the table, in lines that fit.

    Args:
        ax: the facet's first axes.
        table: the whole.
        part: the facet.
        keys: as for `facets`.
        height: of the axes, in inches.
    """
    shown = [key for key in keys if key == "task" or table[key].nunique() > 1]
    letters = int(72 * height / _BOLD)
    lines = [line for key in shown for line in textwrap.wrap(str(part[key].iloc[0]), letters, break_on_hyphens=False)]
    ax.set_ylabel("\n".join(lines), weight="bold")


def nothing(why: str) -> Figure:
    """A small figure that says why nothing is drawn."""
    figure = ShownFigure(figsize=(5.4, 1.2), layout="constrained")
    figure.text(0.5, 0.5, f"nothing to draw: {why}", ha="center", va="center", color=SOFT)
    return figure


def facets(table: pd.DataFrame, keys: Sequence[str] = ("task", "model", "variant")) -> list[pd.DataFrame]:
    """The table's parts, one per combination of ``keys``, in order of appearance: the rows of `panels`."""
    return [part for _, part in table.groupby(list(keys), sort=False)]


def pick(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows in which every named column has the given value."""
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def arms(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(arm, its rows) for every arm that has labels or prompts to train on, in the fixed order of methods."""
    trained = table[~_untrained(table)]
    return [(arm, pick(trained, arm=arm)) for arm in sorted(trained["arm"].unique(), key=rank)]


def untrained(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of arms that have neither labels nor prompts to train on."""
    return table[_untrained(table)]


def _untrained(table: pd.DataFrame) -> "pd.Series[bool]":
    return (table["labels"] == 0) & ~table["arm"].astype(str).str.endswith(_PROMPTS)


def seed_marks(ax: Axes, x: Any, y: Any, colour: str, marker: str) -> None:
    """Single seeds, small beside an arm's mark."""
    ax.plot(x, y, ls="", marker=marker, ms=3.5, color=colour, alpha=0.5)


def base_line(ax: Axes, panel: pd.DataFrame, palette: Mapping[str, str] | None = None) -> None:
    """Draw what has nothing to train on, the untrained base above all, as a dashed line with its own band."""
    rows: Iterable[Any] = untrained(panel).itertuples()
    for row in rows:
        colour = colour_of(str(row.arm), palette)
        if not pd.isna(row.low):
            ax.axhspan(row.low, row.high, color=colour, alpha=0.13, lw=0)
        wide = 0.8 * mpl.rcParams["lines.linewidth"]
        ax.axhline(row.mean, color=colour, lw=wide, ls=line_of(str(row.arm)), gid=f"arm.{row.arm}.line")


def percent_axis(ax: Axes) -> None:
    """Percent from 0 to 100 on the y axis."""
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    ax.yaxis.set_major_formatter(percent)


def share_axis(ax: Axes, drawn: Collection["pd.Series[float]"], *, whole: bool = False) -> None:
    """Percent on the y axis, over the range of what is drawn, or from 0 to 100."""
    seen = pd.concat(drawn).dropna()
    if whole or seen.empty:
        percent_axis(ax)
    else:
        low, high = float(seen.min()), float(seen.max())
        missing = max(0.0, _LEAST - (high - low)) / 2
        margin = 0.05 * max(high - low, _LEAST)
        least = -0.02 if low >= 0 else low - margin
        ax.set_ylim(max(low - missing - margin, least), min(high + missing + margin, 1.02))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
        ax.yaxis.set_major_formatter(percent)


def percent(share: float, place: float = 0) -> str:
    """A tick's text, never rounded to what it is not: `7.5 %` at 0.075. Its place among the ticks is not used."""
    return f"{round(100 * share, 2) + 0:g} %"


def legend(figure: Figure, table: pd.DataFrame, *, note: str) -> None:
    """One legend above all panels, and a line below them that says how to read the marks.

    A legend of more rows than a figure has room for makes it higher.
    """
    handles = [
        Line2D([], [], color=look(arm)[0], marker=look(arm)[1], ls=line_of(arm), label=title(arm))
        for arm, _ in arms(table)
    ]
    for arm in sorted(untrained(table)["arm"].unique(), key=rank):
        handles.append(Line2D([], [], color=look(arm)[0], ls=line_of(arm), lw=1.8, label=title(arm)))
    letters = max((len(str(handle.get_label())) for handle in handles), default=0)
    across = int(72 * figure.get_figwidth() / (mpl.rcParams["legend.fontsize"] * (_HANDLE + _LETTER * letters)))
    across = max(1, min(len(handles), 6, across))
    more = max(0, -(-len(handles) // across) - _LEGEND_ROWS)
    figure.set_figheight(figure.get_figheight() + more * _LEGEND_ROW * mpl.rcParams["legend.fontsize"] / 72)
    figure.legend(handles=handles, loc="outside upper center", ncols=across)
    below(figure, note)


def below(figure: Figure, note: str) -> None:
    """A line below all panels that says how to read them."""
    figure.supxlabel(note, fontsize=10.5, color=SOFT)


def label_axis(ax: Axes, table: pd.DataFrame) -> None:
    """Label budgets on a log axis, each one ticked, and a dotted mark at 100 labels; 0 stands left of a gap."""
    places = on_axis(table.loc[~_untrained(table), "labels"], table)
    ticks = {100.0, *places}
    ax.set_xscale("log")
    ax.axvline(100, color=QUIET, lw=0.55 * mpl.rcParams["lines.linewidth"], ls=":", zorder=0)
    ax.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    ax.xaxis.set_minor_locator(NullLocator())
    zero = _zero(table)
    ax.xaxis.set_major_formatter(lambda at, _: "0" if at == zero else f"{at:g}")
    ax.set_xlim(min(ticks) / 1.5, max(ticks) * 1.5)
    bottom_label(ax, "label budget")


def on_axis(labels: "pd.Series[float]", table: pd.DataFrame) -> "pd.Series[float]":
    """Label budgets as they stand on `label_axis` of a table: 0 where it has room."""
    return labels.astype(float).where(labels > 0, _zero(table))


def _zero(table: pd.DataFrame) -> float:
    return float(min([100, *table.loc[table["labels"] > 0, "labels"]])) / _BEFORE


def bottom_label(ax: Axes, text: str) -> None:
    """Name the x axis, in the lowest row of panels only."""
    place = ax.get_subplotspec()
    if place is None or place.is_last_row():
        ax.set_xlabel(text)
