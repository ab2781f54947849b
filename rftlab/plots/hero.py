"""The main figure: one measure against the label budget, a panel a task and prompt, lines named at their ends."""

from collections.abc import Collection
from math import isnan

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from rftlab.plots.canvas import TEXT, WIDTH, box, canvas, spread
from rftlab.plots.look import (
    QUIET,
    SOFT,
    arms,
    facets,
    label_axis,
    look,
    nothing,
    on_axis,
    percent,
    pick,
    seed_marks,
    styled,
    title,
    untrained,
)

_KEYS = ("task", "model", "variant", "prompt")
_LEFT, _TOP, _BOTTOM, _GAP = 58, 34, 52, 17
_LETTER = 8
_LEAST = 0.1
"""Smallest range drawn, so that chance does not look like a landslide."""


@styled
def over_labels(
    table: pd.DataFrame, points: pd.DataFrame, *, loud: Collection[str] = (), whole: bool = False
) -> Figure:
    """A measure in [0, 1] against the label budget; bars are the table's intervals, small marks single seeds.

    Args:
        table: as in the module's docstring of `rftlab.plots`, of one measure.
        points: single seeds: the table's columns with `value` for mean, low, high, n.
        loud: arms in colour; the others are grey. Empty means all.
        whole: from 0 to 100 %; by default each panel shows the range of its data.

    Returns:
        1 040 pixels wide, two panels a row; elements of an arm have the gid `arm.NAME.NUMBER`.
    """
    parts = facets(table, _KEYS)
    if not parts:
        return nothing("it was not measured")
    columns = min(2, len(parts))
    rows = -(-len(parts) // columns)
    high = 330 if len(parts) == 1 else 250
    figure = canvas(rows * (_TOP + high + _BOTTOM))
    wide = WIDTH / columns
    right = 60 + _LETTER * max(len(_short(title(arm))) for arm in table["arm"].unique())
    for number, part in enumerate(parts):
        row, column = divmod(number, columns)
        left = column * wide + _LEFT
        ax = box(figure, left, row * (_TOP + high + _BOTTOM) + _TOP, wide - _LEFT - right, high)
        first = part.iloc[0]
        same = {key: first[key] for key in _KEYS}
        _panel(ax, part, pick(points, **same), loud, whole)
        shown = [key for key in _KEYS if key in ("task", "prompt") or table[key].nunique() > 1]
        name = ", ".join(str(first[key]) for key in shown if first[key])
        ax.set_title(name, loc="left", fontsize=TEXT, weight="bold", pad=8)
        ax.set_xlabel("labels", fontsize=TEXT)
    return figure


def _panel(ax: Axes, part: pd.DataFrame, points: pd.DataFrame, loud: Collection[str], whole: bool) -> None:
    label_axis(ax, part)
    _range(ax, part, points, whole)
    ends: list[tuple[str, float, str, float]] = []
    bases = untrained(part)
    for arm, low, high, mean in zip(bases["arm"], bases["low"], bases["high"], bases["mean"], strict=True):
        colour = _colour(arm, loud)
        if not isnan(low):
            ax.axhspan(low, high, color=colour, alpha=0.12, lw=0)
        ax.axhline(mean, color=colour, lw=1.8, ls=(0, (5, 2)), gid=f"arm.{arm}.line")
        ends.append((str(arm), mean, colour, ax.get_xlim()[1]))
    lines = arms(part)
    for place, (arm, line) in enumerate(sorted(lines, key=lambda pair: bool(loud) and pair[0] in loud)):
        colour, marker = _colour(arm, loud), look(arm)[1]
        line = line.sort_values("labels")
        # Marks of several arms a little apart on the log axis.
        shift = 1.05 ** (place - (len(lines) - 1) / 2)
        seeds = pick(points, arm=arm)
        x = on_axis(line["labels"], part) * shift
        seed_marks(ax, on_axis(seeds["labels"], part) * shift, seeds["value"], colour, marker)
        ax.vlines(x, line["low"], line["high"], color=colour, lw=1.8, alpha=0.5)
        ax.plot(
            x, line["mean"], color=colour, marker=marker, ms=8, lw=2.2, zorder=3,
            clip_on=False, gid=f"arm.{arm}.line",
        )  # fmt: skip
        ends.append((arm, float(line["mean"].iloc[-1]), colour, float(x.iloc[-1])))
    _name_ends(ax, ends)


def _colour(arm: str, loud: Collection[str]) -> str:
    return look(arm)[0] if not loud or arm in loud else QUIET


def _range(ax: Axes, part: pd.DataFrame, points: pd.DataFrame, whole: bool) -> None:
    if whole:
        ax.set_ylim(-0.02, 1.02)
        ax.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    else:
        seen = pd.concat([part["mean"], part["low"], part["high"], points["value"]]).dropna()
        low, high = float(seen.min()), float(seen.max())
        missing = max(0.0, _LEAST - (high - low)) / 2
        margin = 0.05 * max(high - low, _LEAST)
        ax.set_ylim(max(low - missing - margin, -0.02), min(high + missing + margin, 1.02))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
    ax.yaxis.set_major_formatter(percent)


def _name_ends(ax: Axes, ends: list[tuple[str, float, str, float]]) -> None:
    """Names at the right edge, near the ends of their lines and never over each other, tied to them by a thin line."""
    low, high = ax.get_ylim()
    height = 72 * ax.get_position().height * ax.figure.get_size_inches()[1]  # type: ignore[union-attr]
    pixel = (high - low) / height
    places = spread([end[1] for end in ends], _GAP * pixel, low, high)
    right = ax.get_xlim()[1]
    wide = 72 * ax.get_position().width * ax.figure.get_size_inches()[0]  # type: ignore[union-attr]
    for (arm, mean, colour, x), place in zip(ends, places, strict=True):
        ax.plot([x, right], [mean, mean], color=colour, lw=0.7, ls=":", clip_on=False)
        ax.plot(
            [1, 1 + 16 / wide], [(mean - low) / (high - low), (place - low) / (high - low)],
            transform=ax.transAxes, color=colour, lw=0.7, ls=":", clip_on=False,
        )  # fmt: skip
        ax.text(
            1 + 20 / wide, (place - low) / (high - low), f"{_short(title(arm))} {100 * mean:.0f} %",
            transform=ax.transAxes, color=colour if colour != QUIET else SOFT, fontsize=TEXT, va="center",
            gid=f"arm.{arm}.name",
        )  # fmt: skip


def _short(name: str, most: int = 19) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
