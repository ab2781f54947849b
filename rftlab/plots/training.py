"""One training as it goes, and several beside each other: what a notebook redraws while they run."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rftlab.plots.look import look
from rftlab.plots.names import title
from rftlab.plots.panels import nothing, percent_axis
from rftlab.plots.style import ShownFigure, styled

_PANELS = {
    "train/reward": "training reward",
    "train/loss": "training loss",
    "eval/accuracy": "accuracy, development items",
    "train/completion_tokens": "completion length, tokens",
    "train/zero_std_groups": "groups whose rewards are alike",
}
_SHARES = frozenset({"train/reward", "eval/accuracy", "train/zero_std_groups"})
_ACROSS = 2
_MOST_ACROSS = 3


@styled
def training_panels(trace: pd.DataFrame, *, method: str = "", steps: float = 0) -> Figure:
    """One run: reward, or loss where there is none, accuracy along the way, length, and groups there is nothing in.

    Args:
        trace: rows of a trace: step, and any of `train/reward`, `train/loss`, `eval/accuracy`, `eval/ood_accuracy`,
            `train/completion_tokens`, `train/zero_std_groups`.
        method: gives the run its method's colour; dark grey without.
        steps: where the step axis ends; 0 ends it at the last step.

    Returns:
        A figure that says so if the trace has nothing to draw.
    """
    found = {name: trace[["step", name]].dropna() for name in _PANELS if name in trace}
    if len(found.get("train/reward", ())):
        found.pop("train/loss", None)
    shown = {name: line for name, line in found.items() if len(line)}
    if not shown:
        return nothing("no training, and no evaluation along the way")
    down = -(-len(shown) // _ACROSS)
    figure = ShownFigure(figsize=(8.4, 2.5 * down), layout="constrained")
    colour = look(method)[0] if method else "#333333"
    for number, (name, line) in enumerate(shown.items(), start=1):
        ax = figure.add_subplot(down, min(_ACROSS, len(shown)), number)
        along = name.startswith("eval/")
        mark = {"lw": 2.2, "marker": "o", "ms": 7, "clip_on": False} if along else {"lw": 1.5}
        ax.plot(line["step"], line[name], color=colour, **mark)
        if along and "eval/ood_accuracy" in trace:
            beyond = trace[["step", "eval/ood_accuracy"]].dropna()
            ax.plot(beyond["step"], beyond["eval/ood_accuracy"], color=colour, lw=1, marker="s", ms=5, mfc="white",
                    clip_on=False)  # fmt: skip
            ax.set_xlabel("white squares: out of distribution", fontsize=10)
        ax.set_title(_PANELS[name])
        _step_axis(ax, steps)
        if name in _SHARES:
            percent_axis(ax)
        else:
            ax.set_ylim(bottom=0)
    return figure


@styled
def trainings_beside(
    traces: Mapping[str, Sequence[pd.DataFrame]], *, base: Mapping[str, float] = MappingProxyType({}), steps: float = 0
) -> Figure:
    """Accuracy on development items (solid) and training reward (dashed) of several arms, a panel each.

    Args:
        traces: arm (`grpo`, `grpo [100 labels]`) -> its runs' traces, one a seed: step, and `eval/accuracy`,
            `train/reward` where there are any.
        base: arm -> accuracy of the untrained base asked the same way, a dashed line across; none where it is missing.
        steps: how far the axis goes; 0 goes as far as the longest of the runs.
    """
    if not traces:
        return nothing("nothing is trained")
    # An axis of one point alone would have tenths of a step.
    steps = steps or max([1, *(trace["step"].max() for runs in traces.values() for trace in runs)])
    across = len(traces) if len(traces) <= _MOST_ACROSS else _ACROSS
    down = -(-len(traces) // across)
    figure = ShownFigure(figsize=(8.4, 3.0 if down == 1 else 2.4 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flat
    for ax, (arm, runs) in zip(axes, traces.items(), strict=False):
        colour, marker = look(arm)
        for trace in runs:
            for name, style in (("train/reward", {"ls": (0, (3, 2)), "lw": 1.2, "alpha": 0.6}),
                                ("eval/accuracy", {"lw": 2, "marker": marker, "ms": 6, "clip_on": False})):  # fmt: skip
                if name in trace:
                    line = trace[["step", name]].dropna()
                    ax.plot(line["step"], line[name], color=colour, **style)
        if arm in base:
            ax.axhline(base[arm], color=look("base")[0], lw=1.6, ls=(0, (5, 2)))
        ax.set_title(title(arm), color=colour)
        _step_axis(ax, steps)
        percent_axis(ax)
        ax.label_outer()
    for ax in axes[len(traces) :]:
        ax.set_axis_off()
    return figure


def _step_axis(ax: Axes, steps: float) -> None:
    ax.set_xlim(0, steps or None)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if not ax.get_xlabel():
        ax.set_xlabel(title("step"), fontsize=10)
