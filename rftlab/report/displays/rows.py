"""A row an arm: differences around zero, and what an arm reaches on several kinds of items or prompts."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from rftlab.answer.decisions import Decision, Decisions
from rftlab.answer.folder import study_of
from rftlab.answer.results import PANEL, measured
from rftlab.errors import RftlabError
from rftlab.plots.forest import draw_forest, rows_of_forest
from rftlab.plots.labels import GAP, PROMPTS, by_prompt
from rftlab.plots.look import Order, by_family
from rftlab.plots.marks import Kinds, draw_marks, row_names
from rftlab.plots.names import title
from rftlab.report.displays.display import Display, Palette, points_of
from rftlab.report.displays.source import Source, require_arms
from rftlab.report.tables import ASKED_BY
from rftlab.report.verdicts import shown

_OOD = {
    "ood_accuracy": "accuracy",
    "ood_rule_accuracy": "accuracy",
    "ood_surface_accuracy": "accuracy",
    "ood_score": "score",
}
"""Measure on items out of distribution -> the same on test items."""


class _Marks(Display):
    """Rows of marks, one for each arm and label budget."""

    def _lines(self, rows: pd.DataFrame) -> float:
        return 1.9 * rows["row"].nunique() + 2

    @abstractmethod
    def _kinds(self, measure: str) -> Kinds:
        """What stands in a row: measure -> how its mark is told and drawn."""

    def _draw(self, ax: Axes, rows: pd.DataFrame, measure: str, palette: Palette | None) -> None:
        handles = draw_marks(ax, rows, self._kinds(measure), palette=palette, bars=True)
        budgets = rows.loc[rows["labels"] > 0, "labels"].unique()
        one = f", {budgets[0]} labels" if len(budgets) == 1 else ""
        ax.set_xlabel(f"{title(self._axis(measure))}{one}")
        ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(handles), borderaxespad=0.2)

    def _axis(self, measure: str) -> str:
        return measure


class _OnePrompt(_Marks):
    """Marks of a single panel."""

    @classmethod
    def from_results(
        cls, results: Any, *, labels: int | Iterable[int] | None = None, task: str | None = None,
        model: str | None = None, variant: str | None = None, prompt: str | None = None,
        methods: Iterable[str] | None = None,
    ) -> Self:  # fmt: skip
        """Choose what is drawn, as `AccuracyVsLabels.from_results`.

        Args:
            results: as there.
            labels: label budgets; by default all.
            task: as there.
            model: as there.
            variant: as there.
            prompt: as there.
            methods: as there.

        Raises:
            RftlabError: as there; or nothing was trained on so many labels.
        """
        source = Source.of(results).choose(task=task, model=model, variant=variant, prompt=prompt)
        return cls(source.of_arms(methods).of_labels(labels))


class GeneralisationGap(_OnePrompt):
    """Train beside test, a row each arm and label budget: the distance is the generalisation gap.

    `data` has the columns of `rftlab.report.summary`, row and name. `measure` is accuracy or score.
    """

    def _known(self) -> list[str]:
        found = measured(self.source.cells)
        if "train_accuracy" not in found:
            raise RftlabError(f"GeneralisationGap: train accuracy was not measured ({ASKED_BY['train_accuracy'][1]})")
        return [name for name in ("accuracy", "score") if {name, f"train_{name}"} <= {*found}]

    def _kinds(self, measure: str) -> Kinds:
        train, test = GAP["train_accuracy"], GAP["accuracy"]
        return {f"train_{measure}": train, measure: test}

    def _rows(self, measure: str) -> pd.DataFrame:
        rows = self.source.means([f"train_{measure}", measure])
        return _named(rows[rows["labels"] > 0])


class OutOfDistribution(_OnePrompt):
    """Test items beside items out of distribution, a row each arm and label budget.

    `data` has the columns of `rftlab.report.summary`, row and name. `measure` is ood_accuracy, ood_rule_accuracy (the
    rule changed), ood_surface_accuracy (the wording changed) or ood_score.
    """

    _measure: ClassVar[str] = "ood_accuracy"

    def _known(self) -> list[str]:
        return [name for name in measured(self.source.cells) if name in _OOD]

    def _kinds(self, measure: str) -> Kinds:
        told = {"ood_rule_accuracy": "rule changed", "ood_surface_accuracy": "wording changed"}
        return {_OOD[measure]: ("test", "", True), measure: (told.get(measure, "out of distribution"), "", False)}

    def _rows(self, measure: str) -> pd.DataFrame:
        return _named(self.source.means([_OOD[measure], measure]))

    def _axis(self, measure: str) -> str:
        return _OOD[measure]


class CotVsDirect(_Marks):
    """Asked directly beside asked for chain-of-thought: 2 x 2 where both trainings were asked both ways.

    A row each arm and label budget that was asked both ways; arms that were asked alike after both trainings have a row
    for each training. `data` has the columns of `rftlab.report.summary`, row, name, and trained; its measure is how
    they were asked.
    """

    @classmethod
    def from_results(
        cls, results: Any, *, labels: int | Iterable[int] | None = None, task: str | None = None,
        model: str | None = None, variant: str | None = None, methods: Iterable[str] | None = None,
    ) -> Self:  # fmt: skip
        """Choose what is drawn, as `AccuracyVsLabels.from_results`; all prompts are.

        Args:
            results: as there.
            labels: label budgets; by default all.
            task: as there.
            model: as there.
            variant: as there.
            methods: as there.

        Raises:
            RftlabError: as there; or nothing was trained on so many labels.
        """
        source = Source.of(results).choose(task=task, model=model, variant=variant)
        return cls(source.of_arms(methods).of_labels(labels))

    def _kinds(self, measure: str) -> Kinds:
        return PROMPTS

    def _nothing(self, measure: str) -> str:
        return f"no arm was asked both directly and for chain-of-thought, with {title(measure)} measured"

    def _rows(self, measure: str) -> pd.DataFrame:
        means = self.source.means([measure])
        rows = by_prompt(means)
        both = rows.groupby("row")["measure"].transform("nunique") > 1
        kept = means.loc[rows.index[both]]
        return by_prompt(kept, labels=_several(kept))


class Differences(Display):
    """Decided differences with their simultaneous intervals, a row each; grey: smaller than what matters.

    The decisions are those of the whole study, as on its page: filtering a table chooses which of them are shown.
    `data` has the columns labels, arm, against, measure, difference, low, high, word, family and name.
    """

    def __init__(self, source: Source, decisions: Decisions, against: str | None) -> None:
        super().__init__(source)
        self.decisions, self.against = decisions, against

    @classmethod
    def from_results(
        cls, results: Any, *, against: str | None = None, labels: int | Iterable[int] | None = None,
        task: str | None = None, model: str | None = None, variant: str | None = None, prompt: str | None = None,
        methods: Iterable[str] | None = None,
    ) -> Self:  # fmt: skip
        """Choose what is drawn, as `AccuracyVsLabels.from_results`.

        Args:
            results: as there.
            against: an arm that all others are held against; by default what the page shows first: the differences
                between the arms that the plan names, and those of all others against the untrained base.
            labels: label budgets; by default all.
            task: as there.
            model: as there.
            variant: as there.
            prompt: as there.
            methods: as there; differences between two of them.

        Raises:
            RftlabError: as there; or no such arm or label budget.
        """
        source = Source.of(results).choose(task=task, model=model, variant=variant, prompt=prompt)
        source = source.of_arms(methods).of_labels(labels)
        if against is not None:
            require_arms([against], source.cells["arm"], "against")
        return cls(source, study_of(source.where)[1], against)

    def _known(self) -> list[str]:
        return list(dict.fromkeys(each.measure for each in self.decisions.decisions))

    def _nothing(self, measure: str) -> str:
        return f"no two of these arms are compared by {title(measure)}, with a seed in common"

    def _rows(self, measure: str) -> pd.DataFrame:
        panel = tuple(self.source.panel[name] for name in PANEL)
        cells = self.source.cells
        there, arms = set(cells["labels"]), set(cells["arm"])
        margin = self.decisions.plan.smallest_effect
        rows = []
        for each in self.decisions.decisions:
            if each.place[:4] != panel or each.axis != "method" or each.measure != measure or not each.difference.seeds:
                continue
            if self.against in (each.first, each.second):
                other = each.second if each.first == self.against else each.first
                each = each.seen_from(other, margin)
            elif self.against or not self._first_shown(each, measure):
                continue
            if each.place.labels in there and {each.first, each.second} <= arms:
                rows.append(
                    {"labels": each.place.labels, "arm": each.first, "against": each.second, "measure": measure,
                     "difference": each.difference.estimate, "low": each.difference.low, "high": each.difference.high,
                     "word": each.word, "family": each.family}
                )  # fmt: skip
        return pd.DataFrame(rows, columns=_COLUMNS)

    def _first_shown(self, each: Decision, measure: str) -> bool:
        return measure != self.decisions.decides or each in shown(self.decisions, each.place)

    def _ordered(self, rows: pd.DataFrame, order: Order, measure: str) -> pd.DataFrame:
        rows = super()._ordered(rows.sort_values("labels"), order, measure)
        return rows.sort_values("against", key=lambda column: column.map(by_family), kind="stable")

    def _lines(self, rows: pd.DataFrame) -> float:
        return 1.5 * rows_of_forest(_forest(rows)) + 1

    def _draw(self, ax: Axes, rows: pd.DataFrame, measure: str, palette: Palette | None) -> None:
        budgets = rows.loc[rows["labels"] > 0, "labels"].unique()
        note = f", {budgets[0]} labels" if len(budgets) == 1 else ", by label budget"
        with mpl.rc_context({"font.size": points_of("xtick.labelsize")}):
            draw_forest(ax, _forest(rows), margin=self.decisions.plan.smallest_effect, palette=palette, note=note)


_COLUMNS = ["labels", "arm", "against", "measure", "difference", "low", "high", "word", "family"]


def _forest(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `rftlab.plots.forest`, below what they are held against."""
    several = _several(rows)
    names = zip(rows["arm"], rows["labels"], strict=True)
    return rows.assign(
        name=[f"{title(arm)}, {labels}" if several and labels else title(arm) for arm, labels in names],
        group=["against " + title(other) for other in rows["against"]],
        estimate=rows["difference"],
        text=rows["word"],
    )


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows from few labels to many, with their names: without the label budget where there is but one."""
    return rows.assign(row=row_names(rows, labels=_several(rows))).sort_values("labels", kind="stable")


def _several(rows: pd.DataFrame) -> bool:
    return rows.loc[rows["labels"] > 0, "labels"].nunique() > 1
