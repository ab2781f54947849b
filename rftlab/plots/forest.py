"""Rows of numbers with intervals: differences around zero, and several measures of an arm in one row."""

from collections.abc import Collection, Mapping, Sequence
from math import isfinite

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rftlab.plots.canvas import TEXT, WIDTH, box, canvas
from rftlab.plots.look import INK, LINE, QUIET, SOFT, look, nothing, styled, title

_ROW, _NAMES, _NUMBERS = 21, 330, 250


@styled
def forest(table: pd.DataFrame, *, margin: float, loud: Collection[str] = ()) -> Figure:
    """Differences with their intervals, a row each, against zero; grey behind them: smaller than what matters.

    Args:
        table: columns arm (which colours the row), name, group (a heading above its rows; "" for none), estimate, low,
            high (shares; NaN draws no bar), text (at the right).
        margin: smallest difference that matters, as a share.
        loud: arms in colour; the others are grey. Empty means all.
    """
    if table.empty:
        return nothing("nothing is compared")
    lines: list[tuple[str, pd.Series | None]] = []
    for group, rows in table.groupby("group", sort=False):
        lines += [(str(group), None)] if group else []
        lines += [("", row) for _, row in rows.iterrows()]
    height = _ROW * len(lines)
    figure = canvas(height + 58)
    ax = box(figure, _NAMES, 8, WIDTH - _NAMES - _NUMBERS, height)
    ends = pd.concat([table["estimate"], table["low"], table["high"]])
    ends = ends[ends.map(isfinite)]
    low, high = min(float(ends.min()), -1.5 * margin), max(float(ends.max()), 1.5 * margin)
    ax.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.axvspan(-margin, margin, color=LINE, lw=0, alpha=0.6)
    ax.axvline(0, color=SOFT, lw=1.2)
    for y, (heading, row) in enumerate(lines):
        if row is None:
            ax.text(-_NAMES / (WIDTH - _NAMES - _NUMBERS), y, heading, transform=ax.get_yaxis_transform(),
                    weight="bold", fontsize=TEXT, va="center", color=INK)  # fmt: skip
            continue
        shown = not loud or row["arm"] in loud
        colour, marker = (look(row["arm"])[0] if shown else QUIET), look(row["arm"])[1]
        if isfinite(row["low"]) and isfinite(row["high"]):
            ax.hlines(y, row["low"], row["high"], color=colour, lw=2, alpha=0.6)
        ax.plot(row["estimate"], y, marker=marker, ms=8, color=colour, ls="", gid=f"arm.{row['arm']}.{y}")
        for x, text, where in ((-10, row["name"], "right"), (10, row["text"], "left")):
            side = 0 if where == "right" else 1
            ax.annotate(
                text, (side, y), (x, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points", fontsize=TEXT,
                ha=where, va="center", color=INK if shown else SOFT,
            )  # fmt: skip
    ax.set_yticks([])
    ax.grid(True, axis="x")
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+.0f}" if value else "0")
    ax.set_xlabel("difference in points", fontsize=TEXT)
    ax.spines["left"].set_visible(False)
    return figure


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
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    handles = [
        ax.plot([], [], marker=marker, ms=8, mew=1.6, ls="", color=SOFT, mfc=SOFT if filled else "none", label=name)[0]
        for kind, (name, marker, filled) in kinds.items()
        if kind in set(table["measure"])
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), fontsize=TEXT)
    return figure
