"""Accuracy against what training cost."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, Locator, MaxNLocator, NullLocator, StrMethodFormatter

from rftlab.plots.look import colour_of, line_of, look
from rftlab.plots.names import title
from rftlab.plots.panels import arms, base_line, facets, legend, nothing, panels, percent_axis
from rftlab.plots.style import styled

_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
_LEAST, _STEP = 0.47, 0.63
"""Area of the mark of the least budget, and what each next one adds, as shares of a mark's."""


@styled
def accuracy_vs_cost(table: pd.DataFrame, *, axes_of_cost: Sequence[str] = ("flops", "tokens", "seconds")) -> Figure:
    """Accuracy against what training cost, on log axes; one mark a label budget, joined from few labels to many.

    Args:
        table: greedy accuracy rows with the columns named in ``axes_of_cost`` (mean over seeds) beside mean, low, high.
        axes_of_cost: one column of panels each.
    """
    keys = ("task", "model", "variant", "prompt")
    budgets = budgets_of(table)
    if not budgets:
        return nothing("no trained cell has finished")
    figure, axes = panels(table, [title(cost) for cost in axes_of_cost], keys=keys, width=4.1)
    for row, part in enumerate(facets(table, keys)):
        for ax, cost in zip(axes[row], axes_of_cost, strict=True):
            draw_costs(ax, part, cost, budgets)
            cost_axis(ax, table.loc[table[cost] > 0, cost])  # rows share the axis of their column
            percent_axis(ax)
    legend(figure, table, note=grown(budgets))
    return figure


def budgets_of(table: pd.DataFrame) -> list[int]:
    """The label budgets of trained arms, from few to many."""
    return sorted(pd.concat([table.iloc[:0], *(line for _, line in arms(table))])["labels"].unique())


def grown(budgets: Sequence[int]) -> str:
    """How the sizes of marks are read."""
    if len(budgets) == 1:
        return f"{budgets[0]} labels"
    return f"larger marks: more labels ({budgets[0]} to {budgets[-1]})"


def draw_costs(
    ax: Axes, part: pd.DataFrame, cost: str, budgets: Sequence[int], *, palette: Mapping[str, str] | None = None,
    bars: bool = False,
) -> None:  # fmt: skip
    """Draw one panel of `accuracy_vs_cost` on given axes, its cost on a log axis.

    Args:
        ax: to draw on; the sizes of lines and marks are matplotlib's settings of the moment.
        part: rows of one panel and measure, with a column ``cost``; what cost nothing is not drawn.
        cost: column to draw over.
        budgets: all label budgets, from few to many; marks grow with them.
        palette: as in `colour_of`.
        bars: draw intervals.
    """
    wide, area = mpl.rcParams["lines.linewidth"], mpl.rcParams["lines.markersize"] ** 2
    sizes = {budget: area * (_LEAST + _STEP * place) for place, budget in enumerate(budgets)}
    base_line(ax, part, palette)
    for arm, line in arms(part):
        colour, marker = colour_of(arm, palette), look(arm)[1]
        line = line[line[cost] > 0].sort_values("labels")
        if bars:
            ax.vlines(line[cost], line["low"], line["high"], color=colour, lw=0.6 * wide, alpha=0.5)
        ax.plot(line[cost], line["mean"], color=colour, ls=line_of(arm), lw=0.55 * wide, alpha=0.8)
        ax.scatter(line[cost], line["mean"], [sizes[n] for n in line["labels"]], color=colour, marker=marker,
                   clip_on=False, gid=f"arm.{arm}.{cost}")  # fmt: skip
    ax.set_xscale("log")
    ax.margins(x=0.12)


def cost_axis(ax: Axes, spent: "pd.Series[float]") -> None:
    """A log axis with few ticks over what was spent; of seconds plain numbers, of others 10M and the like."""
    ax.xaxis.set_major_locator(_log_ticks(spent))
    # Of seconds 3m would be read as minutes; a thousand million FLOPs are better read as 1G.
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}") if spent.name == "seconds" else EngFormatter(sep=""))
    ax.xaxis.set_minor_locator(NullLocator())


def _log_ticks(spent: "pd.Series[float]", most: int = 3) -> Locator:
    """Round ticks of a log axis that do not run into each other, two at the least and about ``most``."""
    low, high = log10(spent.min()), log10(spent.max())
    decades = range(floor(low) - 1, ceil(high) + 2)
    beyond = min(0.05, 0.1 * (high - low))  # within the margins of the axis
    for steps in _STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        seen = [tick for tick in ticks if low - beyond <= log10(tick) <= high + beyond]
        apart: list[float] = []
        for tick in seen:
            if not apart or log10(tick / apart[-1]) >= (high - low) / most:
                apart.append(tick)
        if len(apart) > 1:
            return FixedLocator(apart)
    return MaxNLocator(most)
