"""What all displays have in common: from results to one drawn axes, with the numbers that were drawn."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, ClassVar, Self

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from rftlab.answer.results import MEASURES, measured
from rftlab.errors import RftlabError
from rftlab.plots.look import FAMILIES, STYLES, Order, by_family
from rftlab.plots.names import method_of, title
from rftlab.plots.style import ShownFigure
from rftlab.registry import suggest
from rftlab.report import tables
from rftlab.report.displays.source import Source, require_arms

Palette = Mapping[str, str]
"""Arm, method or family -> colour; what it does not name keeps its own."""


class Display(ABC):
    """A figure of one axes.

    Attributes:
        data: the numbers that were drawn, a row each, in the order in which arms are listed; empty before `plot`.
        axes_: what they were drawn on.
        figure_: the figure it belongs to.
    """

    _measure: ClassVar[str] = "accuracy"
    data: pd.DataFrame
    axes_: Axes
    figure_: Figure

    def __init__(self, source: Source) -> None:
        self.source = source
        self.data = pd.DataFrame()
        self._found: dict[str, pd.DataFrame] = {}

    def plot(
        self,
        ax: Axes | None = None,
        *,
        measure: str | None = None,
        palette: Palette | None = None,
        order: Order = "family",
    ) -> Self:
        """Draw, and return the display.

        Args:
            ax: to draw on; by default a new figure, as large as matplotlib's settings say and high enough for its text.
            measure: column of `rftlab.load` to draw; by default the display's own, which is greedy accuracy for most.
            palette: arm, method or family (sft, rft, hybrid, preference, base, control, own) -> colour.
            order: of rows and data: by "family", by "result" (largest mean first), or arms one by one.

        Raises:
            RftlabError: the measure is unknown or was not measured; the palette or the order names what is not there.
        """
        measure = self._measure if measure is None else measure
        self._require(measure)
        if measure not in self._found:
            self._found[measure] = self._rows(measure)
        rows = self._found[measure]
        if rows.empty:
            raise RftlabError(f"{type(self).__name__}: {self._nothing(measure)}")
        _require_palette(palette, rows["arm"])
        rows = self._ordered(rows, order, measure)
        if ax is None:
            ax = self._figure(rows).subplots()
        # Names are the user's: two dollar signs in a path are no formula.
        with mpl.rc_context({"text.parse_math": False}):
            self._draw(ax, rows, measure, palette)
        self.data = rows.assign(name=rows["arm"].map(title)).reset_index(drop=True)
        figure = ax.get_figure(root=True)
        assert figure is not None
        self.axes_, self.figure_ = ax, figure
        return self

    def _known(self) -> Sequence[str]:
        """Measures that can be drawn."""
        return measured(self.source.cells)

    def _require(self, measure: str) -> None:
        known, who = self._known(), type(self).__name__
        if measure in known:
            return
        listed = f"there are {', '.join(known)}" if known else "there is none"
        if measure in MEASURES:
            why = f" ({tables.ASKED_BY[measure][1]})" if measure in tables.ASKED_BY else ""
            raise RftlabError(f"{who} does not find the measure {measure} in these results{why}; {listed}")
        near = difflib.get_close_matches(str(measure), known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise RftlabError(f"{who} knows no measure {measure!r}; {listed}{hint}")

    def _ordered(self, rows: pd.DataFrame, order: Order, measure: str) -> pd.DataFrame:
        """Rows with their arms in order; those of one arm stay as they are."""
        arms = list(dict.fromkeys(rows["arm"]))
        if order == "family":
            arms.sort(key=by_family)
        elif order == "result":
            # Of train beside test, the test decides.
            decisive = rows[rows["measure"] == measure] if measure in {*rows.get("measure", ())} else rows
            best = decisive.groupby("arm")[_value(rows)].max()
            arms.sort(key=lambda arm: (-best.get(arm, -inf), by_family(arm)))
        elif isinstance(order, str):
            raise RftlabError(f"order is {order!r}; give family, result, or a list of arms")
        else:
            require_arms(order, arms, "order")
            given = list(order)
            arms.sort(key=lambda arm: (given.index(arm) if arm in given else len(given), by_family(arm)))
        return rows.sort_values("arm", key=lambda column: column.map(arms.index), kind="stable")

    @abstractmethod
    def _rows(self, measure: str) -> pd.DataFrame:
        """The numbers to draw, with a column arm."""

    @abstractmethod
    def _draw(self, ax: Axes, rows: pd.DataFrame, measure: str, palette: Palette | None) -> None:
        """Draw them."""

    def _nothing(self, measure: str) -> str:
        """Why there is nothing to draw."""
        return f"{title(measure)} was not measured in any cell that is left"

    def _lines(self, rows: pd.DataFrame) -> float:
        """How many lines of tick labels need to stand one above the other."""
        return 1.25 * rows["arm"].nunique()

    def _figure(self, rows: pd.DataFrame) -> Figure:
        """A new figure, as wide as the settings say; no lower than they say, and high enough for its lines of text."""
        wide, high = mpl.rcParams["figure.figsize"]
        small = points_of("xtick.labelsize")
        needed = (self._lines(rows) * small + 5 * points_of("font.size")) / 72
        return ShownFigure(figsize=(wide, max(high, needed)), layout="constrained")


def points_of(setting: Any) -> float:
    """A size of text in points; "medium" and the like are worked out."""
    return FontProperties(size=mpl.rcParams[setting]).get_size_in_points()


def _require_palette(palette: Palette | None, arms: "pd.Series[str]") -> None:
    known = {*STYLES, *FAMILIES, *arms, *(method_of(arm)[0] for arm in arms)}
    for name, colour in (palette or {}).items():
        if name not in known:
            raise RftlabError(f"palette names {name!r}, no arm, method or family{suggest(str(name), sorted(known))}")
        if not is_color_like(colour):
            raise RftlabError(f"palette gives {name} the colour {colour!r}, which matplotlib does not know")


def _value(rows: pd.DataFrame) -> str:
    return next(name for name in ("mean", "difference", "value") if name in rows)
