"""Figures over label budgets: accuracy, chain-of-thought against direct, train against test."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rftlab.plots.look import line_of, look, rank
from rftlab.plots.marks import Kinds, draw_marks, row_axis, row_names
from rftlab.plots.names import title
from rftlab.plots.panels import (
    arms,
    base_line,
    below,
    facets,
    label_axis,
    legend,
    nothing,
    on_axis,
    panels,
    percent_axis,
    pick,
    seed_marks,
    untrained,
)
from rftlab.plots.style import ShownFigure, styled

PROMPTS: Kinds = {"direct": ("direct", "", False), "chain-of-thought": ("chain-of-thought", "", True)}
"""How a policy was asked."""
GAP: Kinds = {"train_accuracy": ("train", "", False), "accuracy": ("test", "", True)}
"""What lies at the ends of the generalisation gap."""


@styled
def accuracy_vs_labels(
    table: pd.DataFrame,
    *,
    points: pd.DataFrame | None = None,
    measures: Sequence[str] = ("accuracy", "sampled_accuracy"),
) -> Figure:
    """Accuracy against the label budget, one line a method: rows are tasks, columns prompts, greedy beside sampled.

    With one label budget in the whole table there is no line to draw: then every method is a row of its own.

    Args:
        table: as in the module's docstring.
        points: single seeds, drawn small; the table's columns with `value` for mean, low, high, n.
        measures: the columns of panels within each prompt; those that were not measured are left out.
    """
    measures = [measure for measure in measures if (table["measure"] == measure).any()]
    if not measures:
        return nothing("it was not measured")
    columns = [(prompt, measure) for prompt in _prompts(table["prompt"]) for measure in measures]
    heads = [f"{prompt}\n{title(measure)}" for prompt, measure in columns]
    names = [arm for arm, _ in arms(table)]
    one_budget = len({n for _, line in arms(table) for n in line["labels"]}) == 1 and len(names) > 2
    figure, axes = panels(table, heads, height=_rows_height(names) if one_budget else 2.9)
    for row, part in enumerate(facets(table)):
        for column, (prompt, measure) in enumerate(columns):
            ax = axes[row][column]
            panel = pick(part, prompt=prompt, measure=measure)
            seeds = pick(_same(points, part), prompt=prompt, measure=measure)
            if one_budget:
                _rows(ax, panel, seeds, names)
                continue
            base_line(ax, panel)
            _dots(ax, seeds, table)
            for place, (arm, line) in enumerate(arms(panel)):
                _line(ax, on_axis(line["labels"], table), line, arm, place)
            label_axis(ax, table)
            percent_axis(ax)
    if one_budget:
        below(
            figure,
            f"{table['labels'].max()} labels; dashed: untrained base; bars: 95 % t-interval over seeds; "
            "small marks: single seeds",
        )
        return figure
    legend(
        figure,
        table,
        note="bars: 95 % t-interval over seeds (wide for two or three); small marks: single seeds; dotted: 100 labels",
    )
    return figure


@styled
def cot_vs_direct(table: pd.DataFrame, *, measure: str = "accuracy") -> Figure:
    """Every method and budget as one row: open mark = direct prompt, filled = chain-of-thought, joined by a line.

    Where policies were also asked otherwise than they were trained, those of each training have a row of their own.
    """
    parts = [by_prompt(part) for part in facets(pick(table, measure=measure))]
    if not parts:
        return nothing(f"{title(measure)} was not measured")
    rows = [part["row"].nunique() for part in parts]
    figure = ShownFigure(figsize=(8.6, 0.33 * sum(rows) + 0.9 * len(rows) + 0.9), layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False, sharex=True, height_ratios=[count + 1 for count in rows])
    for ax, part in zip(axes[:, 0], parts, strict=True):
        handles = draw_marks(ax, part, PROMPTS)
        shown = [key for key in ("task", "model", "variant") if key == "task" or table[key].nunique() > 1]
        ax.set_title(", ".join(part[key].iloc[0] for key in shown if part[key].iloc[0]), loc="left", weight="bold")
    axes[-1, 0].set_xlabel(title(measure))
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def by_prompt(part: pd.DataFrame, *, labels: bool = True) -> pd.DataFrame:
    """Rows of one facet for `draw_marks`: how a policy was asked as the measure, how it was trained in the row's name.

    Args:
        part: means of one measure with the columns prompt, arm, labels.
        labels: name the label budgets.

    Returns:
        The same rows with the columns row, trained ("" where it says nothing) and measure, in the order of methods.
    """
    asked = [
        "direct" if prompt.endswith(("direct", "asked directly")) else "chain-of-thought" for prompt in part["prompt"]
    ]
    trained = ["direct" if prompt.startswith("direct") else "CoT" for prompt in part["prompt"]]
    rows = part.assign(measure=asked, trained=trained, row=row_names(part, labels=labels))
    several = rows.groupby(["arm", "labels"])["trained"].transform("nunique") > 1
    rows["trained"] = rows["trained"].where(several & _twice(rows) & (rows["labels"] > 0), "")
    suffix = {"": "", "direct": ", trained direct", "CoT": ", trained with CoT"}
    rows["row"] += rows["trained"].map(suffix)
    rows = rows.drop_duplicates(["row", "labels", "measure"])
    return rows.sort_values(["labels", "arm", "trained"], key=_ranked)


@styled
def generalisation_gap(table: pd.DataFrame) -> Figure:
    """Train accuracy (dashed) above test accuracy (solid); the shaded distance is the generalisation gap.

    One column a method, one row a task and prompt; measures `train_accuracy` and `accuracy` of the table. With one
    label budget every method is a row instead: open mark = train, filled = test, joined by the gap.
    """
    trained = table[table["labels"] > 0]
    if trained.empty:
        return nothing("no trained cell has finished")
    arms = sorted(trained["arm"].unique(), key=rank)
    keys = ("task", "model", "variant", "prompt")
    if trained["labels"].nunique() == 1 and len(arms) > 2:
        return _gap_rows(trained, arms, keys)
    figure, axes = panels(trained, [title(arm) for arm in arms], keys=keys, width=3.1)
    for row, part in enumerate(facets(trained, keys)):
        for ax, arm in zip(axes[row], arms, strict=True):
            colour, marker = look(arm)
            wide = pick(part, arm=arm).pivot_table(index="labels", columns="measure", values="mean")
            if {"accuracy", "train_accuracy"} <= set(wide):
                ax.fill_between(wide.index, wide["accuracy"], wide["train_accuracy"], color=colour, alpha=0.15, lw=0)
            for measure, style, face in (("accuracy", "-", colour), ("train_accuracy", "--", "white")):
                if measure in wide:
                    ax.plot(wide.index, wide[measure], style, color=colour, marker=marker, mfc=face, ms=7, lw=2)
            label_axis(ax, trained)
            percent_axis(ax)
    lines = [Line2D([], [], color="#333333", ls=ls, lw=2, label=text) for ls, text in (("-", "test"), ("--", "train"))]
    figure.legend(handles=lines, loc="outside upper center", ncols=2)
    return figure


def _gap_rows(trained: pd.DataFrame, arms: Sequence[str], keys: Sequence[str]) -> Figure:
    figure, axes = panels(
        trained, [f"{trained['labels'].iloc[0]} labels"], keys=keys, width=7, height=_rows_height(arms)
    )
    for (ax,), part in zip(axes, facets(trained, keys), strict=True):
        draw_marks(ax, part.assign(row=part["arm"].map(title)).sort_values("arm", key=_ranked), GAP)
    below(figure, "open: train; filled: test; joined: the generalisation gap")
    return figure


def _twice(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows belong to arms that were asked one way after both trainings."""
    return (
        rows.duplicated(["arm", "labels", "measure"], keep=False)
        .groupby([rows["arm"], rows["labels"]])
        .transform("any")
    )


def _rows_height(names: Sequence[str]) -> float:
    return 0.3 * len(names) + 0.6


def _same(points: pd.DataFrame | None, part: pd.DataFrame) -> pd.DataFrame:
    if points is None:
        return part.iloc[:0].assign(value=0.0)
    first = part.iloc[0]
    return pick(points, task=first["task"], model=first["model"], variant=first["variant"])


def _ranked(column: pd.Series) -> pd.Series:
    return column.map(rank) if column.name == "arm" else column


def _prompts(prompts: pd.Series) -> list[str]:
    return sorted(prompts.unique(), key=lambda prompt: (not prompt.startswith("direct"), prompt))


def _dots(ax: Axes, points: pd.DataFrame, table: pd.DataFrame) -> None:
    for place, (arm, seeds) in enumerate(arms(points)):
        seed_marks(ax, _dodge(on_axis(seeds["labels"], table), place), seeds["value"], *look(arm))


def _rows(ax: Axes, panel: pd.DataFrame, seeds: pd.DataFrame, names: Sequence[str]) -> None:
    """One method a row, accuracy along the x axis."""
    bases: Iterable[Any] = untrained(panel).itertuples()
    for base in bases:
        if not pd.isna(base.low):
            ax.axvspan(base.low, base.high, color=look(str(base.arm))[0], alpha=0.13, lw=0)
        ax.axvline(base.mean, color=look(str(base.arm))[0], lw=1.8, ls=(0, (5, 2)))
    for arm, line in arms(panel):
        colour, marker = look(arm)
        place = names.index(arm)
        single = pick(seeds, arm=arm)["value"]
        seed_marks(ax, single, [place] * len(single), colour, marker)
        ax.hlines([place] * len(line), line["low"], line["high"], color=colour, lw=2, alpha=0.45)
        ax.plot(line["mean"], [place] * len(line), marker=marker, color=colour, ms=8, ls="", clip_on=False, zorder=3)
    row_axis(ax, [title(name) for name in names])


def _line(ax: Axes, x: pd.Series, line: pd.DataFrame, arm: str, place: int) -> None:
    colour, marker = look(arm)
    at = _dodge(x, place)
    ax.vlines(at, line["low"], line["high"], color=colour, lw=1.6, alpha=0.45)
    ax.plot(at, line["mean"], color=colour, marker=marker, ls=line_of(arm), clip_on=False, zorder=3)


def _dodge(labels: pd.Series, place: int) -> pd.Series:
    """Set the marks of several methods a little apart on the log axis."""
    return labels * 1.07 ** ((place + 1) // 2 * (-1 if place % 2 else 1))
