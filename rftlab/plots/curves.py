"""Figures over time and cost: learning curves, accuracy against what training cost, one run's training curve."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Locator, LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from rftlab.plots.look import (
    ShownFigure,
    arms,
    base_line,
    below,
    bottom_label,
    facets,
    legend,
    look,
    name_row,
    nothing,
    panels,
    percent_axis,
    pick,
    styled,
    title,
)

# More arms than this in one panel hide each other.
_TOGETHER = 6


@styled
def learning_curves(table: pd.DataFrame, *, x: str = "step") -> Figure:
    """Accuracy on development items (solid) and the training reward (dashed) while training; a panel a label budget.

    Only what was run has a panel: places with few budgets share a row. One label budget and many arms: a panel an arm,
    with the others' accuracy in grey behind it.

    Args:
        table: as `rftlab.report.learning_table` returns: columns task, model, variant, prompt, arm, labels, kind
            ("eval" or "train"), step, tokens_generated, tokens, flops, seconds, value in [0, 1]; means over seeds.
        x: step, tokens_generated, tokens, flops or seconds.
    """
    if table.empty:
        return nothing("no cell was evaluated along the way, or recorded a reward")
    budgets = sorted(table["labels"].unique())
    keys = ("task", "model", "variant", "prompt")
    if len(budgets) == 1 and len(arms(table)) > _TOGETHER:
        return _panel_an_arm(table, keys, x)
    rows, high = _shelves(facets(table, keys), len(budgets)), 2.9
    figure = ShownFigure(figsize=(3.8 * len(budgets) + 0.8, high * len(rows) + 1.2), layout="constrained")
    for number, row in enumerate(rows):
        for place, (part, labels) in enumerate(row):
            ax = figure.add_subplot(len(rows), len(budgets), number * len(budgets) + place + 1)
            for arm, curve in arms(pick(part, labels=labels)):
                _curve(ax, arm, curve, x)
            ax.set_title(f"{labels} labels")
            percent_axis(ax)
            longest = pick(table, labels=labels)[x].max()
            ax.set_xlim(-0.04 * longest, 1.04 * longest or 1)
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            if labels == part["labels"].min():
                name_row(ax, table, part, keys, high)
            if number + 1 == len(rows) or place >= len(rows[number + 1]):
                ax.set_xlabel(title(x))
    legend(figure, table, note="solid: accuracy on development items; dashed: training reward")
    return figure


def _shelves(parts: Sequence[pd.DataFrame], across: int) -> list[list[tuple[pd.DataFrame, int]]]:
    """Rows of (facet, label budget): each facet's budgets stand in one row, and a row takes as many facets as fit."""
    rows: list[list[tuple[pd.DataFrame, int]]] = [[]]
    for part in parts:
        found = [(part, int(labels)) for labels in sorted(part["labels"].unique())]
        if len(rows[-1]) + len(found) > across:
            rows.append([])
        rows[-1] += found
    return rows


def _curve(ax: Axes, arm: str, curve: pd.DataFrame, x: str) -> None:
    colour, marker = look(arm)
    reward, accuracy = pick(curve, kind="train"), pick(curve, kind="eval")
    ax.plot(reward[x], reward["value"], ls=(0, (3, 2)), lw=1.3, color=colour, alpha=0.65)
    ax.plot(accuracy[x], accuracy["value"], color=colour, marker=marker, ms=7, lw=2.2, clip_on=False)


def _panel_an_arm(table: pd.DataFrame, keys: Sequence[str], x: str) -> Figure:
    parts, across = [(part, arms(part)) for part in facets(table, keys)], 5
    down = [-(-len(curves) // across) for _, curves in parts]
    figure = ShownFigure(figsize=(2.6 * across, 2.3 * sum(down) + 0.8), layout="constrained")
    axes = figure.subplots(sum(down), across, squeeze=False, sharex=True, sharey=True)
    for number, (part, curves) in enumerate(parts):
        rows = axes[sum(down[:number]) : sum(down[: number + 1])]
        rows[0, 0].set_ylabel("\n".join(str(part[key].iloc[0]) for key in keys if part[key].iloc[0]), weight="bold")
        for place, ax in enumerate(rows.flat):
            if place >= len(curves):
                ax.set_axis_off()
                continue
            for _, other in curves:
                accuracy = pick(other, kind="eval")
                ax.plot(accuracy[x], accuracy["value"], color="#CCCCCC", lw=1)
            arm, curve = curves[place]
            _curve(ax, arm, curve, x)
            ax.set_title(title(arm), color=look(arm)[0])
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.xaxis.set_major_locator(MaxNLocator(4))
            percent_axis(ax)
    below(
        figure,
        f"x: {title(x)}; {table['labels'].iloc[0]} labels; solid: accuracy on development items; dashed: training "
        "reward; grey: the other methods' accuracy",
    )
    return figure


@styled
def signals(table: pd.DataFrame) -> Figure:
    """What the trainer saw over its steps: a column a signal, a row a task and prompt, a line an arm.

    Args:
        table: as `rftlab.report.signal_table` returns: columns task, model, variant, prompt, arm, signal, step, value;
            means over seeds.
    """
    if table.empty:
        return nothing("no signal was recorded")
    names = sorted(table["signal"].unique(), key=lambda name: (not name.startswith("part"), name))
    figure, axes = panels(
        table, names, keys=("task", "model", "variant", "prompt"), width=3.1, height=2.1, sharey=False
    )
    for row, part in enumerate(facets(table, ("task", "model", "variant", "prompt"))):
        for ax, name in zip(axes[row], names, strict=True):
            for arm, line in arms(pick(part, signal=name).assign(labels=1)):
                ax.plot(line["step"], line["value"], color=look(arm)[0], lw=1.8, gid=f"arm.{arm}.{row}.{name}")
            if not name.startswith("length"):
                ax.set_ylim(-0.02, 1.02)
            bottom_label(ax, title("step"))
    legend(figure, table.assign(labels=1), note="as the trainer saw them, means over seeds")
    return figure


@styled
def accuracy_vs_cost(table: pd.DataFrame, *, axes_of_cost: Sequence[str] = ("flops", "tokens", "seconds")) -> Figure:
    """Accuracy against what training cost, on log axes; one mark a label budget, joined from few labels to many.

    Args:
        table: greedy accuracy rows with the columns named in ``axes_of_cost`` (mean over seeds) beside mean, low, high.
        axes_of_cost: one column of panels each.
    """
    keys = ("task", "model", "variant", "prompt")
    budgets = sorted(pd.concat([table.iloc[:0], *(line for _, line in arms(table))])["labels"].unique())
    if not budgets:
        return nothing("no trained cell has finished")
    sizes = dict(zip(budgets, range(30, 1000, 40), strict=False))
    figure, axes = panels(table, [title(cost) for cost in axes_of_cost], keys=keys, width=4.1)
    for row, part in enumerate(facets(table, keys)):
        for ax, cost in zip(axes[row], axes_of_cost, strict=True):
            base_line(ax, part)
            for arm, line in arms(part):
                colour, marker = look(arm)
                line = line[line[cost] > 0].sort_values("labels")
                ax.plot(line[cost], line["mean"], color=colour, lw=1.2, alpha=0.8)
                area = [sizes[n] for n in line["labels"]]
                ax.scatter(line[cost], line["mean"], area, color=colour, marker=marker, clip_on=False)
            ax.set_xscale("log")
            ax.margins(x=0.12)
            # Rows share the axis of their column.
            ax.xaxis.set_major_locator(_log_ticks(table.loc[table[cost] > 0, cost]))
            # Of seconds 3m would be read as minutes; a thousand million FLOPs are better read as 1G.
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}") if cost == "seconds" else EngFormatter(sep=""))
            ax.xaxis.set_minor_locator(NullLocator())
            percent_axis(ax)
    grown = f"larger marks: more labels ({budgets[0]} to {budgets[-1]})"
    legend(figure, table, note=grown if len(budgets) > 1 else f"{budgets[0]} labels")
    return figure


def _log_ticks(spent: pd.Series) -> Locator:
    """Ticks of a log axis that do not run into each other: over less than a factor of 10 it may have a single one."""
    span = spent.max() / spent.min()
    if span <= 10:
        return MaxNLocator(4)
    return LogLocator(subs=(1, 3) if span < 300 else (1,), numticks=6)


@styled
def training_curve(trace: pd.DataFrame, *, method: str = "") -> Figure:
    """One run: training reward and accuracy along the way on the left, the loss on the right.

    Args:
        trace: rows of a trace: step, and any of `train/reward`, `train/loss`, `eval/accuracy`, `eval/ood_accuracy`.
        method: gives the run its method's colour; dark grey without.

    Returns:
        A figure that says so if the trace has nothing to draw.
    """
    colour = look(method)[0] if method else "#333333"
    drawn: dict[str, dict[str, Any]] = {
        "eval/accuracy": {"marker": "o", "ms": 8, "lw": 2.4, "label": "accuracy, development items"},
        "eval/ood_accuracy": {
            "marker": "s",
            "ms": 6,
            "mfc": "white",
            "lw": 1.2,
            "label": "accuracy, out of distribution",
        },
        "train/reward": {"ls": (0, (3, 2)), "lw": 1.4, "alpha": 0.75, "label": "training reward"},
        "train/loss": {"lw": 1.4, "label": "training loss"},
    }
    series = {name: trace[["step", name]].dropna() for name in drawn if name in trace}
    rates = [name for name in series if name != "train/loss" and len(series[name])]
    losses = [name for name in series if name == "train/loss" and len(series[name])]
    sides = [names for names in (rates, losses) if names]
    if not sides:
        return nothing("no training, and no evaluation along the way")
    figure = ShownFigure(figsize=(5.4 * len(sides), 3.8), layout="constrained")
    for number, names in enumerate(sides, start=1):
        ax = figure.add_subplot(1, len(sides), number)
        for name in names:
            ax.plot(series[name]["step"], series[name][name], color=colour, **drawn[name])
        ax.set_xlabel(title("step"))
        if names is rates:
            percent_axis(ax)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=10.5)
    return figure
