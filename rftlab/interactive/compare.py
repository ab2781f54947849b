"""A study to look at: choose what is drawn, point at a mark for its numbers, click it for the completions behind it.

The first picture is drawn when the view is made, so that a notebook executed without a browser is complete. A study is
read once; intervals of a choice of seeds are worked out once, and every other choice only filters them.
"""

import contextlib
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from rftlab import plots
from rftlab.answer.folder import results_of
from rftlab.answer.results import Results, measured
from rftlab.errors import RftlabError
from rftlab.files.staging import scratch
from rftlab.interactive.drawn import FIGURES, MOST, Drawn, draw, measures_of
from rftlab.interactive.page import module, style
from rftlab.interactive.selection import FILTERS, Rows, Selection, shown_as
from rftlab.record.joined import join
from rftlab.report import viewer
from rftlab.report.page import inert

_PANELS = 4
"""So many panels, from as many tasks, are drawn at first; the rest can be chosen."""
_WIDTH, _LEAST, _MOST = 1040, 420, 1400
_FILES = ("png", "svg", "pdf", "csv")


class Comparison(anywidget.AnyWidget):
    """The view; made by `compare`.

    Attributes:
        options: what there is to choose from, [value, name] each; of figures, measures and the `FILTERS`.
        chosen: what is chosen: figure, measure, seeds ("pooled" or "single"), width in pixels, and values by filter.
        view: what is shown: svg, width and height of the picture ("" and 0 where there is none), its marks, and what is
            said of it.
        answers: panels of completions, as of `report.viewer.samples`, and of what.
    """

    _esm = module("compare.js")
    _css = style("compare.css")
    options = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)

    def __init__(self, results: Results) -> None:
        super().__init__()
        self.results, self._selection = results, Selection(results)
        self._rows: Rows | None = None
        self._drawn: Drawn | None = None
        there = self._selection.options
        self.options = {
            "figure": [[name, told] for name, told in FIGURES.items()],
            "measure": [[name, plots.title(name)] for name in measured(results.cells)],
            "filters": [
                [name, told, [[value, shown_as(name, value)] for value in there[name]]]
                for name, told in FILTERS.items()
            ],
        }
        several = max(1, len(there["prompt"])) * max(1, len(there["model"])) * max(1, len(there["variant"]))
        at_first = {**there, "task": there["task"][: max(1, _PANELS // several)]}
        measure = self.options["measure"][0][0] if self.options["measure"] else "accuracy"
        self.chosen = {"figure": "labels", "measure": measure, "seeds": "pooled", "width": _WIDTH, **at_first}
        self.observe(lambda _: self._redraw(), names="chosen")
        self.on_msg(self._told)
        self._redraw()

    def choose(self, **changes: Any) -> None:
        """Choose something else: figure, measure, seeds, or values of a filter such as ``arm=["grpo"]``."""
        self.chosen = {**self.chosen, **changes}

    def open_mark(self, mark: int) -> None:
        """Show the completions of the cells behind a mark of the picture, by its number."""
        if self._drawn is None or not 0 <= mark < len(self._drawn.marks):
            return
        of = self._drawn.marks[mark]
        found = viewer.beside_base(self.results, of.cells)
        said = ", ".join((of.says[0], of.says[-1]))
        none = "" if found["panels"] else f"No answer to a test item was kept of {said}."
        self.answers = {"panels": found["panels"], "of": said, "none": none}

    def file(self, kind: str) -> bytes:
        """What is shown as a file: png, svg or pdf of the picture, csv of the rows that it shows.

        Raises:
            RftlabError: no such kind of file, or nothing is shown.
        """
        if kind not in _FILES:
            raise RftlabError(f"no file of kind {kind!r}; there are {', '.join(_FILES)}")
        if self._drawn is None:
            raise RftlabError("nothing is shown that could be saved; choose something first")
        if kind == "csv":
            return inert(self._drawn.rows).to_csv(index=False).encode("utf-8")
        return plots.to_bytes(self._drawn.figure, kind, dpi=200)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Beside the view a picture, for readers of a notebook that show no widgets."""
        made = super()._repr_mimebundle_(**kwargs)
        data = made[0] if isinstance(made, tuple) else made
        if data is not None and self._drawn is not None:
            data["image/png"] = plots.to_bytes(self._drawn.figure, "png", dpi=100)
        return made

    def _redraw(self) -> None:
        chosen = self.chosen
        figure, measure = chosen["figure"], chosen["measure"]
        filters = {name: chosen[name] for name in FILTERS if self._selection.options[name]}
        single = chosen["seeds"] == "single"
        self._rows = self._selection.rows(filters, measures_of(figure, measure), single=single and figure != "learning")
        width = min(max(int(chosen["width"]), _LEAST), _MOST)
        empty = self._rows.cells.empty
        curves = self._selection.curves(filters) if figure == "learning" and not empty else pd.DataFrame()
        self._drawn = None if empty else draw(figure, measure, self._rows, curves, width)
        self.view = {"number": self.view.get("number", 0) + 1, **self._picture(), "said": self._said(filters, single)}

    def _picture(self) -> dict[str, Any]:
        if self._drawn is None:
            return {"svg": "", "width": 0, "height": 0, "marks": []}
        wide, high = (round(72 * side) for side in self._drawn.figure.get_size_inches())
        svg = plots.to_bytes(self._drawn.figure, "svg").decode()
        marks = [
            [mark.x, mark.y, mark.wide, mark.high, list(mark.says), bool(mark.cells)] for mark in self._drawn.marks
        ]
        return {"svg": svg, "width": wide, "height": high, "marks": marks}

    def _said(self, filters: Mapping[str, Any], single: bool) -> str:
        assert self._rows is not None
        chosen = self.chosen
        if self._rows.cells.empty:
            return self._selection.missing(filters)
        if self._drawn is None:
            wanted = measures_of(chosen["figure"], chosen["measure"])
            lacking = [name for name in wanted if name not in set(self._rows.table["measure"])]
            what = f": {', '.join(map(plots.title, lacking))} was not measured in these cells" if lacking else ""
            return f"{FIGURES[chosen['figure']].capitalize()} has nothing to draw of what is chosen{what}."
        more = [
            *(["Learning curves pool the seeds."] if single and chosen["figure"] == "learning" else []),
            *([f"{MOST} of {self._drawn.panels} panels are drawn: choose less to see the others."]
              if self._drawn.panels > MOST else []),
        ]  # fmt: skip
        counted = (
            f"{len(self._rows.cells)} of {len(self.results.cells)} cells; the untrained base is always among them."
        )
        return " ".join([counted, *more])

    def _told(self, _: Any, content: Any, __: Any) -> None:
        """What the page sends: a mark that was clicked, or a file that is asked for."""
        if not isinstance(content, dict):
            return
        if isinstance(content.get("open"), int) and content.get("number") == self.view["number"]:
            self.open_mark(content["open"])
        elif "file" in content:
            try:
                kind = str(content["file"])
                self.send({"file": f"{self.chosen['figure']}.{kind}"}, [self.file(kind)])
            except RftlabError as error:
                self.send({"problem": str(error)})


def compare(results: str | Path, waive: str | Iterable[str] = (), *, other: str | Path = "") -> Comparison:
    """A view of a study's results: choose what is drawn, point for numbers, click for completions, save the figure.

    Args:
        results: a results folder, or an archive.
        waive: fields of the contract whose being unknown is accepted.
        other: a second one, shown with it: their cells are joined for as long as the view is there, as
            `rftlab report A B -o C` joins them, and what their contracts do not let stand side by side is told apart.

    Raises:
        RftlabError: as `report.read_cells`; or the two cannot be joined.
    """
    if not other:
        return Comparison(results_of(results, waive))
    kept = contextlib.ExitStack()
    where = kept.enter_context(scratch()) / "joined"
    try:
        view = Comparison(results_of(join([results, other], where), waive))
    except BaseException:
        kept.close()
        raise
    weakref.finalize(view, kept.close)
    return view
