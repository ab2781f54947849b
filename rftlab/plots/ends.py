"""Names at the ends of lines, in place of a legend."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform

from rftlab.plots.canvas import spread

_LEAD, _SPACE, _APART, _LINE = 1.2, 0.35, 1.25, 1.18
"""In letters: the slanted end of a leader, what is free before a name, and how far names stand apart, at the least."""


class End(NamedTuple):
    """A line's end in the axes' data, and how it is named; one whose x is None goes on to the axes' edge."""

    arm: str
    text: str
    x: float | None
    y: float
    line_colour: str
    text_colour: str


def name_ends(ax: Axes, ends: Sequence[End]) -> "EndNames":
    """Write names to the right of an axes, near the ends of their lines and never over each other.

    Thin dotted lines tie them. They are put in place whenever the figure is drawn: axes may be moved and resized, and
    a constrained layout leaves room for them. Names that the axes is too low for stand out of it at both ends.
    """
    names = EndNames(ends)
    ax.add_artist(names)
    return names


class EndNames(Artist):
    """The names of `name_ends`; their texts are its children."""

    zorder = 5

    def __init__(self, ends: Sequence[End]) -> None:
        super().__init__()
        self._ends = list(ends)
        size = mpl.rcParams["xtick.labelsize"]
        still: Any = {"transform": IdentityTransform()}
        self.texts = [
            Text(0, 0, end.text, color=end.text_colour, fontsize=size, va="center", gid=f"arm.{end.arm}.name", **still)
            for end in ends
        ]
        self._leaders = [Line2D([], [], color=end.line_colour, lw=0.7, ls=":", **still) for end in ends]
        self.set_clip_on(False)

    def get_children(self) -> list[Artist]:
        """Leaders and texts."""
        return [*self._leaders, *self.texts]

    def set_figure(self, fig: Any) -> None:
        """As of any artist, children included."""
        super().set_figure(fig)
        for child in self.get_children():
            child.set_figure(fig)

    def draw(self, renderer: RendererBase) -> None:
        """Place and draw."""
        if self.get_visible():
            self._place(renderer)
            for child in self.get_children():
                child.draw(renderer)
        self.stale = False

    def get_window_extent(self, renderer: RendererBase | None = None) -> Bbox:
        """Where the names stand, in pixels."""
        renderer = renderer or self.axes.figure._get_renderer()  # type: ignore[union-attr]
        self._place(renderer)
        return Bbox.union([text.get_window_extent(renderer) for text in self.texts] or [self.axes.bbox])  # type: ignore[union-attr]

    def get_tightbbox(self, renderer: RendererBase | None = None) -> Bbox:
        """As `get_window_extent`: a layout keeps room for all of it."""
        return self.get_window_extent(renderer)

    def _place(self, renderer: RendererBase) -> None:
        if not self._ends:
            return
        ax = self.axes
        assert isinstance(ax, Axes)
        letter = float(str(renderer.points_to_pixels(self.texts[0].get_fontsize())))
        at = ax.transData.transform([(ax.get_xlim()[1] if end.x is None else end.x, end.y) for end in self._ends])
        right = ax.bbox.x1
        # Half a letter inside, so that none is cut at the axes' edge; more names than fit stand out at both ends.
        low, high = ax.bbox.y0 + letter / 2, ax.bbox.y1 - letter / 2
        gap = min(_APART * letter, max(_LINE * letter, (high - low) / max(1, len(self._ends) - 1)))
        lacking = max(0.0, gap * (len(self._ends) - 1) - (high - low)) / 2
        places = spread(list(at[:, 1]), gap, low - lacking, high + lacking)
        for (x, y), place, leader, text in zip(at, places, self._leaders, self.texts, strict=True):
            leader.set_data([x, right, right + _LEAD * letter], [y, y, place])
            text.set_position((right + (_LEAD + _SPACE) * letter, place))
