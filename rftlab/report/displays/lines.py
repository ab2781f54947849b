"""Lines named at their ends: over label budgets, over what training cost, and while training."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from rftlab.answer.results import is_base
from rftlab.errors import RftlabError
from rftlab.plots.cost import budgets_of, cost_axis, draw_costs, grown
from rftlab.plots.curves import draw_curve
from rftlab.plots.ends import End, name_ends
from rftlab.plots.hero import draw_over_labels
from rftlab.plots.look import colour_of, line_of, look
from rftlab.plots.names import title
from rftlab.plots.panels import share_axis, untrained
from rftlab.registry import suggest
from rftlab.report import tables
from rftlab.report.displays.display import Display, Palette
from rftlab.report.displays.source import Source

_COSTS = ("flops", "tokens", "seconds")
_ALONG = ("step", "tokens_generated", "tokens", "flops", "seconds")


class AccuracyVsLabels(Display):
    """A measure against the label budget, with 95 % intervals; the untrained base is a line with its band.

    `data` has the columns of `rftlab.report.summary`, and name.
    """

    @classmethod
    def from_results(
        cls, results: Any, *, task: str | None = None, model: str | None = None, variant: str | None = None,
        prompt: str | None = None, methods: Iterable[str] | None = None,
    ) -> Self:  # fmt: skip
        """Choose what is drawn; where the results hold a single task, model, variant and prompt, nothing needs to be.

        Args:
            results: what `rftlab.load` returned, rows of it, or a results folder or archive.
            task: as in its column.
            model: likewise.
            variant: likewise, of `rftlab.report.read_cells`.
            prompt: likewise: "direct", "chain-of-thought", ...
            methods: methods or arms; by default all.

        Raises:
            RftlabError: there are several to choose from, or none that is called so.
        """
        source = Source.of(results).choose(task=task, model=model, variant=variant, prompt=prompt)
        return cls(source.of_arms(methods))

    def _rows(self, measure: str) -> pd.DataFrame:
        return self.source.means([measure])

    def _draw(self, ax: Axes, rows: pd.DataFrame, measure: str, palette: Palette | None) -> None:
        draw_over_labels(ax, rows, palette=palette)
        ax.set_ylabel(title(measure))


class AccuracyVsCost(Display):
    """A measure against what training cost, on a log axis; marks grow with the label budget.

    `data` has the columns of `rftlab.report.summary`, the cost (mean over seeds), and name. The untrained base is
    a line with its band; other arms whose cost is 0 or unknown are left out.
    """

    def __init__(self, source: Source, cost: str) -> None:
        super().__init__(source)
        self.cost = cost

    @classmethod
    def from_results(
        cls, results: Any, *, cost: Literal["flops", "tokens", "seconds"] = "flops", task: str | None = None,
        model: str | None = None, variant: str | None = None, prompt: str | None = None,
        methods: Iterable[str] | None = None,
    ) -> Self:  # fmt: skip
        """Choose what is drawn, as `AccuracyVsLabels.from_results`.

        Args:
            results: as there.
            cost: training FLOPs, tokens generated and trained on, or seconds.
            task: as there.
            model: as there.
            variant: as there.
            prompt: as there.
            methods: as there.

        Raises:
            RftlabError: as there; or there is no such cost.
        """
        if cost not in _COSTS:
            raise RftlabError(f"AccuracyVsCost knows no cost {cost!r}{suggest(str(cost), _COSTS)}")
        source = Source.of(results).choose(task=task, model=model, variant=variant, prompt=prompt)
        return cls(source.of_arms(methods), cost)

    def _rows(self, measure: str) -> pd.DataFrame:
        rows = tables.cost_table(self.source.cells, self.source.means([measure]), measure)
        free, spent = rows.index.isin(untrained(rows).index), rows[self.cost] > 0
        kept = rows[spent | free] if spent.any() else rows[spent]
        return kept.drop(columns=[cost for cost in _COSTS if cost != self.cost])

    def _nothing(self, measure: str) -> str:
        return f"no trained cell with {title(measure)} recorded its {title(self.cost)}"

    def _draw(self, ax: Axes, rows: pd.DataFrame, measure: str, palette: Palette | None) -> None:
        budgets = budgets_of(rows)
        draw_costs(ax, rows, self.cost, budgets, palette=palette, bars=True)
        trained = rows.drop(untrained(rows).index)
        if len(trained):
            cost_axis(ax, trained[self.cost])
        share_axis(ax, [rows["mean"], rows["low"], rows["high"]])
        ax.set_xlabel(f"{title(self.cost)}\n{grown(budgets)}" if budgets else title(self.cost))
        ax.set_ylabel(title(measure))
        _name(ax, trained.sort_values("labels"), self.cost, "mean", palette, across=untrained(rows))


class LearningCurves(Display):
    """What is measured while training, mean over seeds; of one label budget, by default the largest.

    `data` has the columns of `rftlab.report.learning_table`, and name. Accuracy on the development items is drawn as
    the method's line, the training reward dashed.
    """

    _kinds: ClassVar[Mapping[str, str]] = {"accuracy": "eval", "reward": "train"}

    def __init__(self, source: Source, x: str) -> None:
        super().__init__(source)
        self.x = x

    @classmethod
    def from_results(
        cls, results: Any, *, labels: int | None = None, x: str | None = None, task: str | None = None,
        model: str | None = None, variant: str | None = None, prompt: str | None = None,
        methods: Iterable[str] | None = None,
    ) -> Self:  # fmt: skip
        """Choose what is drawn, as `AccuracyVsLabels.from_results`.

        Args:
            results: as there.
            labels: the label budget; by default the largest.
            x: step, tokens_generated, tokens, flops or seconds; by default the unit of the compute budget.
            task: as there.
            model: as there.
            variant: as there.
            prompt: as there.
            methods: as there.

        Raises:
            RftlabError: as there; or there is no such label budget or axis.
        """
        if x is not None and x not in _ALONG:
            raise RftlabError(f"LearningCurves knows no axis {x!r}{suggest(str(x), _ALONG)}")
        source = Source.of(results).choose(task=task, model=model, variant=variant, prompt=prompt).of_arms(methods)
        trained = source.cells[~is_base(source.cells)]
        if trained.empty:
            raise RftlabError("LearningCurves: no trained cell is left")
        source = source.of_labels(int(trained["labels"].max()) if labels is None else labels)
        return cls(source, x or tables.learning_axis(source.cells))

    def _known(self) -> list[str]:
        return list(self._kinds)

    def _rows(self, measure: str) -> pd.DataFrame:
        curves = tables.learning_table(self.source.cells, self.source.where)
        if curves.empty:
            return curves
        curves = curves[curves["kind"] == self._kinds[measure]]
        # What was measured once is no curve: an untrained base with labels in its prompt.
        return curves[curves.groupby("arm")["step"].transform("size") > 1]

    def _nothing(self, measure: str) -> str:
        why = {
            "accuracy": "no cell was evaluated along the way (evaluation.along_the_way is 0)",
            "reward": "no cell recorded a reward, as SFT alone does not",
        }
        return why[measure]

    def _draw(self, ax: Axes, rows: pd.DataFrame, measure: str, palette: Palette | None) -> None:
        for arm, curve in rows.groupby("arm", sort=False):
            name = str(arm)
            draw_curve(
                ax, curve, self.x, colour=colour_of(name, palette), marker=look(name)[1], line=line_of(name), size=0.8
            )
        share_axis(ax, [rows["value"]])
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.set_xlabel(f"{title(self.x)}, {rows['labels'].iloc[0]} labels")
        ax.set_ylabel({"accuracy": "development accuracy", "reward": "training reward"}[measure])
        _name(ax, rows, self.x, "value", palette)


def _name(
    ax: Axes, rows: pd.DataFrame, x: str, y: str, palette: Palette | None, across: pd.DataFrame | None = None
) -> None:
    """Name every arm at its last row, and those drawn across at the axes' edge."""
    last = rows.groupby("arm", sort=False).tail(1)
    found: list[tuple[str, float | None, float]] = [
        (str(row["arm"]), float(row[x]), float(row[y])) for _, row in last.iterrows()
    ]
    found += [
        (str(row["arm"]), None, float(row[y])) for _, row in (rows.iloc[:0] if across is None else across).iterrows()
    ]
    colours = {arm: colour_of(arm, palette) for arm, _, _ in found}
    name_ends(ax, [End(arm, title(arm), at, value, colours[arm], colours[arm]) for arm, at, value in found])
