"""What speaks for and against each way to train, as advice weighs it."""

import pandas as pd
from matplotlib.figure import Figure

from rftlab.plots.canvas import TEXT, WIDTH, bare_rows, beside_row, box, canvas, widest
from rftlab.plots.look import FAMILIES, INK, QUIET, SOFT
from rftlab.plots.panels import nothing
from rftlab.plots.style import styled

_ROW = 30


@styled
def ranking(table: pd.DataFrame) -> Figure:
    """Bars to the right for, to the left against; the sum stands at the row's end, what is not possible in grey.

    Args:
        table: in order: columns title, pro (0 or more), con (0 or less), possible (bool).
    """
    if table.empty:
        return nothing("nothing was ranked")
    rows = table.to_dict("records")
    ends = [f"{row['pro'] + row['con']:+d}" if row["possible"] else "not possible" for row in rows]
    left, right, height = widest([row["title"] for row in rows]) + 28, widest(ends) + 28, _ROW * len(rows)
    figure = canvas(height + 58, max(WIDTH, left + right + 300))
    ax = box(figure, left, 8, figure.get_figwidth() * 72 - left - right, height)
    for y, (row, end) in enumerate(zip(rows, ends, strict=True)):
        pro, con = (FAMILIES["sft"], FAMILIES["rft"]) if row["possible"] else (QUIET, QUIET)
        ax.barh(y, row["pro"], height=0.55, color=pro, alpha=0.85)
        ax.barh(y, row["con"], height=0.55, color=con, alpha=0.85)
        beside_row(ax, y, row["title"], end, INK if row["possible"] else SOFT)
    most = max(1.0, *(table["pro"].abs()), *(table["con"].abs()))
    ax.set_xlim(min(-1.0, 1.08 * table["con"].min()), 1.08 * most)
    ax.axvline(0, color=SOFT, lw=1.2)
    bare_rows(ax, len(rows))
    ax.set_xlabel("weight against and for: 1 slight, 2 fair, 3 strong, 9 decides alone", fontsize=TEXT)
    return figure
