"""What accuracy costs in money, and which assumption moves that."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from rftlab.plots.canvas import TEXT, WIDTH, bare_rows, beside_row, box, canvas, widest
from rftlab.plots.look import QUIET, SOFT, look
from rftlab.plots.names import title
from rftlab.plots.panels import nothing, percent
from rftlab.plots.style import styled

_HIGH, _ROW = 300, 24
_LOG_FROM = 10


@styled
def cost_frontier(table: pd.DataFrame, *, currency: str = "") -> Figure:
    """Accuracy against money, a mark an arm and label budget; joined in grey what nothing beats in both.

    Args:
        table: of one panel: columns arm, labels, cost, mean, low, high (shares; NaN draws no bar), frontier, assumed
            (bools). A row of arm "base" is a dashed line.
        currency: of the costs.
    """
    trained = table[table["arm"] != "base"].sort_values("cost")
    if trained.empty:
        return nothing("no arm has a cost")
    names = widest(trained["arm"].map(title)) + 90
    figure = canvas(_HIGH + 64, WIDTH)
    ax = box(figure, 62, 10, WIDTH - 62 - names, _HIGH)
    for mean in table.loc[table["arm"] == "base", "mean"]:
        ax.axhline(mean, color=look("base")[0], lw=1.8, ls=(0, (5, 2)))
    edge = trained[trained["frontier"]]
    ax.plot(edge["cost"], edge["mean"], color=QUIET, lw=1.4, drawstyle="steps-post", zorder=1)
    for arm, rows in trained.groupby("arm", sort=False):
        _marks(ax, str(arm), rows)
    if trained["cost"].min() > 0 and trained["cost"].max() > _LOG_FROM * trained["cost"].min():
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.08)
    ax.xaxis.set_major_formatter(lambda cost, _: f"{cost:,.10g}")
    ax.yaxis.set_major_formatter(percent)
    assumed = "; open marks: assumed" if trained["assumed"].any() else ""
    ax.set_xlabel(f"cost{f', {currency}' if currency else ''}; numbers at the marks: labels{assumed}", fontsize=TEXT)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=TEXT)
    return figure


def _marks(ax: Axes, arm: str, rows: pd.DataFrame) -> None:
    colour, marker = look(arm)
    each: Iterable[Any] = rows.itertuples()
    for number, row in enumerate(each):
        if not pd.isna(row.low):
            ax.vlines(row.cost, row.low, row.high, color=colour, lw=2, alpha=0.4)
        ax.plot(
            row.cost, row.mean, marker=marker, ms=8, mew=1.6, ls="", color=colour, gid=f"arm.{arm}.{number}",
            mfc="none" if row.assumed else colour, label=title(arm) if number == 0 else None,
        )  # fmt: skip
        ax.annotate(
            f"{row.labels}", (row.cost, row.mean), (7, 4), textcoords="offset points", fontsize=TEXT - 2, color=SOFT
        )


@styled
def tornado(table: pd.DataFrame, *, now: float, what: str) -> Figure:
    """How far each assumption moves the answer, the furthest above.

    Args:
        table: columns name, low, high (the answer with the assumption at half, and at one and a half times), text.
        now: the answer as it is.
        what: it is, with its currency.
    """
    if table.empty:
        return nothing("no assumption moves the answer")
    left, right, height = widest(table["name"]) + 24, widest(table["text"]) + 24, _ROW * len(table)
    figure = canvas(height + 62, max(WIDTH, left + right + 360))
    wide = figure.get_figwidth() * 72 - left - right
    ax = box(figure, left, 8, wide, height)
    ends = pd.concat([table["low"], table["high"], pd.Series([now])])
    ends = ends[ends.abs() < float("inf")].dropna()
    ax.set_xlim(ends.min() - 0.04 * (ends.max() - ends.min()), ends.max() + 0.04 * (ends.max() - ends.min()))
    for y, row in enumerate(table.to_dict("records")):
        low, high = (min(max(row[side], ends.min()), ends.max()) for side in ("low", "high"))
        ax.barh(y, high - low, left=low, height=0.6, color=look("base")[0], alpha=0.75)
        beside_row(ax, y, row["name"], row["text"])
    ax.axvline(now, color=SOFT, lw=1.2)
    bare_rows(ax, len(table))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    ax.set_xlabel(what, fontsize=TEXT)
    return figure
