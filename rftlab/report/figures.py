"""Which figures a report has, what each is drawn from and how it is read."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from rftlab import plots
from rftlab.answer.results import is_base
from rftlab.report import tables


class Drawing(NamedTuple):
    """A figure of the report; ``figure`` is None where the cells cannot show it, and ``caption`` then says why."""

    name: str
    heading: str
    caption: str
    figure: Figure | None


def draw_all(cells: pd.DataFrame, results: str | Path) -> list[Drawing]:
    """Every figure of the report, in reading order.

    Args:
        cells: from `read_cells`.
        results: the grid's folder, for traces and per-item outcomes.
    """
    table = tables.summary(cells, results)
    return [draw(cells, table, results) for draw in (_accuracy, _prompts, _gap, _learning, _cost)]


def _accuracy(cells: pd.DataFrame, table: pd.DataFrame, results: str | Path) -> Drawing:
    caption = (
        "One line per method; the dashed line is the untrained base. Greedy accuracy is the one best answer, sampled "
        "accuracy the mean over answers drawn at the cell's temperature: more labels often show only there. "
        "Bars are 95 % intervals for new seeds and new test items, each for itself; small marks are the single seeds. "
        "Overlapping bars do not mean equal: read the decisions."
    )

    def figure() -> Figure:
        points = tables.seed_points(cells, ["accuracy", "sampled_accuracy"])
        return plots.accuracy_vs_labels(table, points=points)

    return _drawing("accuracy_vs_labels", "Accuracy against the label budget", caption, figure, _trained(cells))


def _prompts(cells: pd.DataFrame, table: pd.DataFrame, results: str | Path) -> Drawing:
    caption = (
        "The longer the line, the more chain-of-thought changes. Means over seeds; the cap on a completion goes with "
        "the prompt."
    )
    enough = cells.groupby(["task", "model"])["prompt"].nunique().max() > 1
    lacking = "" if enough else "only one kind of prompt has been run"
    return _drawing(
        "cot_vs_direct", "Chain-of-thought against direct prompts", caption, lambda: plots.cot_vs_direct(table), lacking
    )


def _gap(cells: pd.DataFrame, table: pd.DataFrame, results: str | Path) -> Drawing:
    caption = (
        "Dashed, open marks: accuracy on the labelled examples that were trained on; solid, filled marks: on held-out "
        "test items. "
        "The shaded distance is the generalisation gap: wide means memorised, not learned."
    )
    lacking = _trained(cells) or ("" if cells["train_accuracy"].notna().any() else "no train accuracy was measured")
    return _drawing(
        "generalisation_gap", "Train against test accuracy", caption, lambda: plots.generalisation_gap(table), lacking
    )


def _learning(cells: pd.DataFrame, table: pd.DataFrame, results: str | Path) -> Drawing:
    caption = (
        "Solid: accuracy on the development items, measured along the way; dashed: the reward the trainer saw. "
        "Seeds are read at equal shares of what each spent, so that the last point is the mean of final values. "
        "Reward that rises while accuracy does not is reward hacking or memorising. Steps of different methods cost "
        "differently: see accuracy against cost."
    )
    curves = tables.learning_table(cells, results)
    lacking = "" if len(curves) else "no cell was evaluated along the way, or recorded a reward"
    if len(curves) and not (curves["kind"] == "eval").any():
        caption = f"No cell was evaluated along the way: only the reward is drawn. {caption}"
    x = tables.learning_axis(cells)
    return _drawing("learning_curves", "Learning curves", caption, lambda: plots.learning_curves(curves, x=x), lacking)


def _cost(cells: pd.DataFrame, table: pd.DataFrame, results: str | Path) -> Drawing:
    caption = (
        "Up and to the left is better. FLOPs are estimated from tokens; tokens count what was generated and what was "
        "trained on; seconds are wall time without evaluation. Learning-rate trials are not included."
    )
    return _drawing(
        "accuracy_vs_cost", "Accuracy against what training cost", caption,
        lambda: plots.accuracy_vs_cost(tables.cost_table(cells, table)), _trained(cells),
    )  # fmt: skip


def _trained(cells: pd.DataFrame) -> str:
    return "no trained cell has finished yet" if is_base(cells).all() else ""


def _drawing(name: str, heading: str, caption: str, figure: Callable[[], Figure], lacking: str) -> Drawing:
    return Drawing(name, heading, f"Not drawn: {lacking}." if lacking else caption, None if lacking else figure())
