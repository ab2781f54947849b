"""Figures laid out in pixels: 1 040 wide with 13-pixel text, so that an SVG in a page reads like the page."""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from rftlab.plots.look import INK, LINE
from rftlab.plots.style import ShownFigure

WIDTH = 1040
TEXT = 13


def canvas(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of so many pixels; an SVG has 72 to the inch."""
    return ShownFigure(figsize=(width / 72, height / 72))


def box(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place given in pixels from the upper left corner."""
    across, down = (72 * side for side in figure.get_size_inches())
    ax = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    ax.tick_params(labelsize=TEXT, length=3)
    return ax


def widest(texts: Iterable[str]) -> float:
    """Pixels that the longest of some texts takes, with a little to spare for a page's other font."""
    font = FontProperties(size=TEXT)
    widths = [text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] for text in texts]
    return 1.05 * max(widths, default=0.0)


def beside_row(ax: Axes, y: float, left: str, right: str, colour: str = INK) -> None:
    """Text to the left and to the right of a row of bars."""
    for side, text, align in ((-10, left, "right"), (10, right, "left")):
        ax.annotate(
            text, (float(side > 0), y), (side, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
            fontsize=TEXT, ha=align, va="center", color=colour,
        )  # fmt: skip


def bare_rows(ax: Axes, count: int) -> None:
    """So many rows from top to bottom, whose names stand beside them."""
    ax.set_ylim(count - 0.4, -0.6)
    ax.set_yticks([])
    ax.grid(True, axis="x", color=LINE)
    ax.spines["left"].set_visible(False)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, in their order, at least ``gap`` apart and within low and high if there is room."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed: list[float] = []
    for i in order:
        placed.append(max(wanted[i], low, *(place + gap for place in placed[-1:])))
    for at in reversed(range(len(placed))):
        limit = high if at == len(placed) - 1 else placed[at + 1] - gap
        placed[at] = min(placed[at], limit)
    found = [0.0] * len(wanted)
    for i, place in zip(order, placed, strict=True):
        found[i] = place
    return found
