"""Rows of numbers with intervals: differences around zero, and several measures of an arm in one row."""

from collections.abc import Collection, Mapping, Sequence
from math import isfinite

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rftlab.plots.canvas import TEXT, WIDTH, box, canvas, widest
from rftlab.plots.look import INK, LINE, QUIET, SOFT, look, nothing, percent, styled, title

_ROW, _NAMES, _LEAST = 21, 330, 360
_SLIM = 400
"""Width of a stacked figure, for a telephone; it grows with its longest line."""


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
    lines: list[tuple[str, pd.Series | None]] = []
    for group, rows in table.groupby("group", sort=False):
        lines += [(str(group), None)] if group else []
        lines += [("", row) for _, row in rows.iterrows()]
    names, numbers = widest(table["name"]) + 20, widest(table["text"]) + 20
    wide = max(_SLIM - 24, names + numbers) if stacked else max(_LEAST, WIDTH - names - numbers)
    left, right = (12.0, 12.0) if stacked else (names, numbers)
    places = _places(lines, stacked)
    height = _ROW * (places[-1] + 1)
    figure = canvas(height + 58, left + wide + right)
    ax = box(figure, left, 8, wide, height)
    _around_zero(ax, table, margin)
    ax.set_ylim(places[-1] + 0.5, -0.5)
    for y, (heading, row) in zip(places, lines, strict=True):
        if row is None:
            at = 0.0 if stacked else -left / wide
            ax.text(at, y, heading, transform=ax.get_yaxis_transform(), weight="bold", fontsize=TEXT, va="center",
                    color=INK)  # fmt: skip
        else:
            _difference(ax, y, row, not loud or row["arm"] in loud, stacked)
    ax.set_xlabel(f"difference in points{note}", fontsize=TEXT)
    return figure


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


def _difference(ax: Axes, y: float, row: pd.Series, shown: bool, stacked: bool) -> None:
    colour, marker = (look(row["arm"])[0] if shown else QUIET), look(row["arm"])[1]
    if isfinite(row["low"]) and isfinite(row["high"]):
        ax.hlines(y, row["low"], row["high"], color=colour, lw=2, alpha=0.6)
    ax.plot(row["estimate"], y, marker=marker, ms=8, color=colour, ls="", gid=f"arm.{row['arm']}.{y}")
    for side, text in enumerate((row["name"], row["text"])):
        outside, inside = ((-10, 10)[side], ("right", "left")[side]), (0, ("left", "right")[side])
        away, where = inside if stacked else outside
        ax.annotate(
            text, (side, y), (away, 0.9 * _ROW if stacked else 0), xycoords=ax.get_yaxis_transform(),
            textcoords="offset points", fontsize=TEXT, ha=where, va="center", color=INK if shown else SOFT,
        )  # fmt: skip


@styled
def marks(table: pd.DataFrame, kinds: Mapping[str, tuple[str, str, bool]], *, loud: Collection[str] = ()) -> Figure:
    """Several measures of an arm as marks in one row, joined by a line.

    Args:
        table: as in the module's docstring of `rftlab.plots`, of one panel; rows are its arms and label budgets.
        kinds: measure -> (name, marker, filled).
        loud: arms in colour; the others are grey. Empty means all.
    """
    rows = table[["arm", "labels"]].drop_duplicates()
    if rows.empty:
        return nothing("nothing was measured")
    height = _ROW * len(rows)
    figure = canvas(height + 92)
    ax = box(figure, _NAMES - 60, 40, WIDTH - _NAMES + 40, height)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    means = table.set_index(["arm", "labels", "measure"])["mean"]
    names: Sequence[tuple[str, int]] = list(rows.itertuples(index=False, name=None))
    for y, (arm, labels) in enumerate(names):
        colour = look(arm)[0] if not loud or arm in loud else QUIET
        found = {kind: float(means[arm, labels, kind]) for kind in kinds if (arm, labels, kind) in means.index}
        ax.plot([min(found.values()), max(found.values())], [y, y], color=colour, lw=4, alpha=0.18)
        for kind, value in found.items():
            _, marker, filled = kinds[kind]
            ax.plot(value, y, marker=marker, ms=8, mew=1.6, ls="", color=colour, mfc=colour if filled else "none",
                    gid=f"arm.{arm}.{y}.{kind}")  # fmt: skip
    ax.set_yticks(range(len(names)), [f"{title(arm)}, {n} labels" if n else title(arm) for arm, n in names])
    ax.tick_params(axis="y", length=0, labelsize=TEXT)
    ax.grid(True, axis="x")
    ax.xaxis.set_major_formatter(percent)
    handles = [
        ax.plot([], [], marker=marker, ms=8, mew=1.6, ls="", color=SOFT, mfc=SOFT if filled else "none", label=name)[0]
        for kind, (name, marker, filled) in kinds.items()
        if kind in set(table["measure"])
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), fontsize=TEXT)
    return figure
