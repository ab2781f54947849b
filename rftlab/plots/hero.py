"""The main figure: one measure against the label budget, a panel a task and prompt, lines named at their ends."""

from collections.abc import Collection, Mapping
from math import isnan

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rftlab.plots.canvas import TEXT, WIDTH, box, canvas, widest
from rftlab.plots.ends import End, name_ends
from rftlab.plots.look import QUIET, SOFT, colour_of, line_of, look
from rftlab.plots.names import title
from rftlab.plots.panels import (
    arms,
    facets,
    label_axis,
    nothing,
    on_axis,
    pick,
    seed_marks,
    share_axis,
    untrained,
)
from rftlab.plots.style import styled

_KEYS = ("task", "model", "variant", "prompt")
_LEFT, _TOP, _BOTTOM = 58, 34, 52
_LEADER = 28
_SPREAD = 6
"""More arms than this stand no further apart together than as many do, and have fainter bars."""


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
    with mpl.rc_context({"font.size": TEXT, "xtick.labelsize": TEXT, "axes.labelsize": TEXT}):
        figure = canvas(rows * (_TOP + high + _BOTTOM))
        wide = WIDTH / columns
        right = _LEADER + widest(f"{_short(title(arm))} 100 %" for arm in table["arm"].unique())
        for number, part in enumerate(parts):
            row, column = divmod(number, columns)
            left = column * wide + _LEFT
            ax = box(figure, left, row * (_TOP + high + _BOTTOM) + _TOP, wide - _LEFT - right, high)
            first = part.iloc[0]
            same = {key: first[key] for key in _KEYS}
            draw_over_labels(ax, part, pick(points, **same), loud=loud, whole=whole, values=True)
            shown = [key for key in _KEYS if key in ("task", "prompt") or table[key].nunique() > 1]
            name = ", ".join(str(first[key]) for key in shown if first[key])
            ax.set_title(name, loc="left", fontsize=TEXT, weight="bold", pad=8)
    return figure


def draw_over_labels(
    ax: Axes,
    part: pd.DataFrame,
    points: pd.DataFrame | None = None,
    *,
    loud: Collection[str] = (),
    whole: bool = False,
    values: bool = False,
    palette: Mapping[str, str] | None = None,
) -> None:
    """Draw one panel of `over_labels` on given axes.

    Args:
        ax: to draw on; the sizes of lines, marks and text are matplotlib's settings of the moment.
        part: rows of one panel and measure.
        points: its single seeds; None draws none.
        loud: as in `over_labels`.
        whole: as in `over_labels`.
        values: write the last mean of a line behind its name.
        palette: as in `colour_of`.
    """
    wide = mpl.rcParams["lines.linewidth"]
    colours = {arm: colour_of(arm, palette) if not loud or arm in loud else QUIET for arm in part["arm"].unique()}
    label_axis(ax, part)
    ax.set_xlabel("labels")
    share_axis(
        ax, [part["mean"], part["low"], part["high"], *([] if points is None else [points["value"]])], whole=whole
    )
    ends: list[End] = []

    def end(arm: str, x: float | None, mean: float) -> None:
        text = f"{_short(title(arm))} {100 * mean:.0f} %" if values else _short(title(arm))
        colour = colours[arm]
        ends.append(End(arm, text, x, mean, colour, SOFT if colour == QUIET else colour))

    bases = untrained(part)
    for arm, low, high, mean in zip(bases["arm"], bases["low"], bases["high"], bases["mean"], strict=True):
        if not isnan(low):
            ax.axhspan(low, high, color=colours[arm], alpha=0.12, lw=0)
        ax.axhline(mean, color=colours[arm], lw=0.8 * wide, ls=line_of(arm), gid=f"arm.{arm}.line")
        end(str(arm), None, mean)
    lines = arms(part)
    for place, (arm, line) in enumerate(sorted(lines, key=lambda pair: bool(loud) and pair[0] in loud)):
        line = line.sort_values("labels")
        # Marks of several arms a little apart on the log axis.
        shift = 1.05 ** (_SPREAD * (place - (len(lines) - 1) / 2) / max(len(lines), _SPREAD))
        if points is not None:
            seeds = pick(points, arm=arm)
            seed_marks(ax, on_axis(seeds["labels"], part) * shift, seeds["value"], colours[arm], look(arm)[1])
        x = on_axis(line["labels"], part) * shift
        ax.vlines(
            x, line["low"], line["high"], color=colours[arm], lw=0.8 * wide, alpha=0.5 if len(lines) <= _SPREAD else 0.3
        )
        ax.plot(
            x, line["mean"], color=colours[arm], marker=look(arm)[1], ls=line_of(arm), zorder=3, clip_on=False,
            gid=f"arm.{arm}.line",
        )  # fmt: skip
        end(arm, float(x.iloc[-1]), float(line["mean"].iloc[-1]))
    name_ends(ax, ends)


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
