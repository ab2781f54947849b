"""Sizes, fonts and bytes of figures: the house style, and those for a paper's column, its page and slides."""

import io
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from rftlab.plots.cells import tidy
from rftlab.plots.look import INK, LINE, SOFT
from rftlab.plots.names import MEASURES

_HOUSE: Any = {
    "font.size": 12,
    "axes.titlesize": 12.5,
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LINE,
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "lines.linewidth": 2.2,
    "lines.markersize": 8,
    "svg.hashsalt": "rftlab",
    # Text stays text: it can be read aloud, found and selected.
    "svg.fonttype": "none",
    # TrueType: publishers refuse Type 3.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # Names are the user's: two dollar signs in a path are no formula.
    "text.parse_math": False,
}


def _sized(width: float, height: float, text: float, least: float, line: float, marker: float) -> Any:
    """A style of so many inches and points; ``least`` is the smallest text."""
    texts = dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize", "figure.titlesize"), text)
    small = dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), least)
    thin = dict.fromkeys(("axes.linewidth", "grid.linewidth", "xtick.major.width", "ytick.major.width"), 0.45 * line)
    ticks = {"xtick.major.size": 0.3 * text, "ytick.major.size": 0.3 * text}
    sizes = {
        "figure.figsize": (width, height),
        "lines.linewidth": line,
        "lines.markersize": marker,
        "lines.markeredgewidth": 0.12 * marker,
    }
    return {**_HOUSE, **texts, **small, **thin, **ticks, **sizes, "savefig.dpi": 300}


_STYLES: dict[str, Any] = {
    "paper": _sized(3.4, 2.4, 8, 7, 1.2, 4),
    "page": _sized(7.0, 3.2, 9, 8, 1.5, 5),
    "slides": _sized(10.0, 5.6, 18, 15, 2.8, 10),
}
P = ParamSpec("P")


def style(name: str) -> AbstractContextManager[None]:
    """Matplotlib's settings for where a figure will stand, while the context lasts.

    Make the axes, draw and save within it; figures that rftlab makes keep it afterwards. All of them embed TrueType
    fonts in PDF and leave the text of an SVG text.

    Args:
        name: "paper" (a column, 3.4 x 2.4 inches, text of 8 and 7 points), "page" (across both columns, 7 x 3.2 inches,
            9 and 8 points) or "slides" (10 x 5.6 inches, 18 and 15 points).

    Raises:
        ValueError: another name.
    """
    if name not in _STYLES:
        raise ValueError(f"no style {name!r}; give one of {', '.join(_STYLES)}")
    return mpl.rc_context(_STYLES[name])


class ShownFigure(Figure):
    """A Figure that a notebook shows as a picture although no pyplot is loaded.

    It is drawn and saved with the settings it was made with, whoever saves it: ticks and fonts are read when drawn.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings: Any = {name: mpl.rcParams[name] for name in _STYLES["paper"]}

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """As matplotlib's, but the same figure gives the same bytes: without dates and random ids."""
        kind = kwargs.get("format") or Path(str(fname)).suffix.removeprefix(".").lower() or "png"
        salted: Any = {**self._settings, "svg.hashsalt": self._settings["svg.hashsalt"] or "rftlab"}
        with mpl.rc_context(salted):
            metadata = {**_UNDATED.get(kind, {}), **kwargs.pop("metadata", {})} or None
            super().savefig(fname, metadata=metadata, **kwargs)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


_UNDATED: dict[str, dict[str, None]] = {
    "svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None},
}  # fmt: skip


def to_bytes(figure: Figure, format: str, *, dpi: int = 150, salt: str = "rftlab") -> bytes:
    """The figure as a file's content, e.g. `png`, `svg` or `pdf`; the same bytes for the same figure.

    Args:
        figure: what to save; one that rftlab did not make is saved with the settings of the moment.
        format: as matplotlib names it.
        dpi: of a picture.
        salt: makes the ids in an SVG differ from those of another one in the same page.
    """
    buffer = io.BytesIO()
    kept: Any = getattr(figure, "_settings", {"pdf.fonttype": 42, "ps.fonttype": 42})
    with mpl.rc_context({**kept, "svg.hashsalt": salt}), warnings.catch_warnings():
        # A name may hold anything; a box stands for what the font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        Figure.savefig(figure, buffer, format=format, dpi=dpi, metadata=_UNDATED.get(format))
    return buffer.getvalue()


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the house style, whatever the caller's matplotlib settings are; tables of cells become tables of means.

    The figure raises a ValueError that names the column which its table lacks.
    """

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        tables = [tidy(each, MEASURES) if isinstance(each, pd.DataFrame) else each for each in args]
        try:
            with mpl.rc_context(_HOUSE):
                return draw(*tables, **kwargs)  # type: ignore[arg-type]
        except KeyError as error:
            name = getattr(draw, "__name__", "figure")
            raise ValueError(
                f"{name}: the table has no column {error.args[0]!r}; help(rftlab.plots.{name}) says what it takes"
            ) from error

    return in_style
