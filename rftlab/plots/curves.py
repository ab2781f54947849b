"""Figures over time and cost: learning curves, accuracy against what training cost, one run's training curve."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from rftlab.plots.look import (
    ShownFigure,
    arms,
    base_line,
    bottom_label,
    facets,
    legend,
    look,
    panels,
    percent_axis,
    pick,
    styled,
    title,
)


@styled
def learning_curves(table: pd.DataFrame, *, x: str = "step") -> Figure:
    """Accuracy on test items during training (solid) and the training reward (dashed): one column a label budget.

    Args:
        table: columns task, model, variant, prompt, arm, labels, kind ("eval" or "train"), step, tokens, flops,
            seconds, value in [0, 1]; means over seeds.
        x: step, tokens, flops or seconds.
    """
    budgets = sorted(table["labels"].unique())
    keys = ("task", "model", "variant", "prompt")
    figure, axes = panels(table, [f"{labels} labels" for labels in budgets], keys=keys, width=3.8)
    for row, part in enumerate(facets(table, keys)):
        for ax, labels in zip(axes[row], budgets, strict=True):
            for arm, curve in arms(pick(part, labels=labels)):
                colour, marker = look(arm)
                reward, accuracy = pick(curve, kind="train"), pick(curve, kind="eval")
                ax.plot(reward[x], reward["value"], ls=(0, (3, 2)), lw=1.3, color=colour, alpha=0.65)
                ax.plot(accuracy[x], accuracy["value"], color=colour, marker=marker, ms=7, lw=2.2)
            bottom_label(ax, title(x))
            percent_axis(ax)
    legend(figure, table, note="solid: accuracy on test items; dashed: training reward")
    return figure


@styled
def accuracy_vs_cost(table: pd.DataFrame, *, axes_of_cost: Sequence[str] = ("flops", "tokens", "seconds")) -> Figure:
    """Accuracy against what training cost, on log axes; one mark a label budget, joined from few labels to many.

    Args:
        table: greedy accuracy rows with the columns named in ``axes_of_cost`` (mean over seeds) beside mean, low, high.
        axes_of_cost: one column of panels each.
    """
    keys = ("task", "model", "variant", "prompt")
    budgets = sorted(table.loc[table["labels"] > 0, "labels"].unique()) or [0]
    sizes = dict(zip(budgets, range(30, 1000, 40), strict=False))
    figure, axes = panels(table, [title(cost) for cost in axes_of_cost], keys=keys, width=4.1)
    for row, part in enumerate(facets(table, keys)):
        for ax, cost in zip(axes[row], axes_of_cost, strict=True):
            base_line(ax, part)
            for arm, line in arms(part):
                colour, marker = look(arm)
                line = line[line[cost] > 0].sort_values("labels")
                ax.plot(line[cost], line["mean"], color=colour, lw=1.2, alpha=0.8)
                ax.scatter(line[cost], line["mean"], [sizes[n] for n in line["labels"]], color=colour, marker=marker)
            ax.set_xscale("log")
            ax.margins(x=0.12)
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=6))
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.xaxis.set_minor_locator(NullLocator())
            percent_axis(ax)
    legend(figure, table, note=f"larger marks: more labels ({budgets[0]} to {budgets[-1]})")
    return figure


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
        "eval/accuracy": {"marker": "o", "ms": 8, "lw": 2.4, "label": "accuracy, test items"},
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
    figure = ShownFigure(figsize=(5.4 * max(len(sides), 1), 3.8), layout="constrained")
    if not sides:
        figure.text(0.5, 0.5, "no training: nothing to draw", ha="center", va="center")
    for number, names in enumerate(sides, start=1):
        ax = figure.add_subplot(1, len(sides), number)
        for name in names:
            ax.plot(series[name]["step"], series[name][name], color=colour, **drawn[name])
        ax.set_xlabel(title("step"))
        if names is rates:
            percent_axis(ax)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=10.5)
    return figure
