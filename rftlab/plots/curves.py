"""Figures over time: learning curves, what the trainer saw, one run's training curve."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from rftlab.plots.look import Line, line_of, look
from rftlab.plots.names import title
from rftlab.plots.panels import arms, below, bottom_label, facets, legend, name_row, nothing, panels, percent_axis, pick
from rftlab.plots.style import ShownFigure, styled

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
                draw_curve(ax, curve, x, colour=look(arm)[0], marker=look(arm)[1], line=line_of(arm), size=0.9)
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


def draw_curve(
    ax: Axes, curve: pd.DataFrame, x: str, *, colour: str, marker: str, line: Line = "solid", size: float = 1.0
) -> None:
    """Draw one arm's learning curve on given axes: accuracy with marks, the training reward dashed.

    Args:
        ax: to draw on; the sizes of lines and marks are matplotlib's settings of the moment.
        curve: rows of one arm and budget of `learning_curves`.
        x: as in `learning_curves`.
        colour: of both.
        marker: of the accuracy.
        line: of the accuracy.
        size: of the marks, as a share of the setting's.
    """
    wide = mpl.rcParams["lines.linewidth"]
    reward, accuracy = pick(curve, kind="train"), pick(curve, kind="eval")
    ax.plot(reward[x], reward["value"], ls=(0, (3, 2)), lw=0.6 * wide, color=colour, alpha=0.65)
    ms = size * mpl.rcParams["lines.markersize"]
    ax.plot(accuracy[x], accuracy["value"], color=colour, marker=marker, ls=line, ms=ms, clip_on=False)


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
            draw_curve(ax, curve, x, colour=look(arm)[0], marker=look(arm)[1], size=0.9)
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
                ax.plot(line["step"], line["value"], color=look(arm)[0], ls=line_of(arm), lw=1.8,
                        gid=f"arm.{arm}.{row}.{name}")  # fmt: skip
            if not name.startswith("length"):
                ax.set_ylim(-0.02, 1.02)
            bottom_label(ax, title("step"))
    legend(figure, table.assign(labels=1), note="as the trainer saw them, means over seeds")
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
            alone = {"marker": "."} if len(series[name]) == 1 else {}  # a line of one point is none
            ax.plot(series[name]["step"], series[name][name], color=colour, **{**alone, **drawn[name]})
        ax.set_xlabel(title("step"))
        last = max(1, *(series[name]["step"].max() for name in names))
        ax.set_xlim(-0.04 * last, 1.04 * last)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if names is rates:
            percent_axis(ax)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=10.5)
    return figure
