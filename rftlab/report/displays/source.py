"""What displays are drawn from: the chosen panel of a study's cells, and where their outcomes lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from rftlab.answer.folder import results_of
from rftlab.answer.results import PANEL, is_base
from rftlab.errors import RftlabError
from rftlab.plots.names import method_of
from rftlab.record.tables import FROM
from rftlab.registry import suggest
from rftlab.report import tables


@dataclass(frozen=True, eq=False)
class Source:
    """Cells of a study.

    Attributes:
        cells: with the columns of `rftlab.report.read_cells`; once a panel is chosen, its own and the untrained ones.
        where: their results folder or archive.
        panel: the columns of `PANEL` that were chosen, with their values.
    """

    cells: pd.DataFrame
    where: Path
    panel: dict[str, str]

    @classmethod
    def of(cls, results: Any) -> "Source":
        """What `rftlab.load` or `rftlab.report.read_cells` returned, rows of it, or a results folder or archive.

        Raises:
            RftlabError: it is something else, or a table that has no rows or does not say where it was loaded from; or
                as `rftlab.load`.
        """
        if isinstance(results, str | Path):
            return cls(results_of(results).cells, Path(results), {})
        if not isinstance(results, pd.DataFrame):
            raise RftlabError(
                f"results is a {type(results).__name__}; give what rftlab.load returns, or a results folder or archive"
            )
        if FROM not in results.attrs or "id" not in results:
            raise RftlabError(
                "this table does not say which results it was loaded from, as one that was merged or read from a file; "
                "give rows of what rftlab.load returned, or the results folder or archive"
            )
        if results.empty:
            raise RftlabError("results has no rows; loosen what you filtered by")
        where = Path(results.attrs[FROM])
        if not {*PANEL, "arm"} <= set(results):
            cells = results_of(where).cells
            results = cells[cells["id"].isin(results["id"])]
        return cls(results, where, {})

    def choose(self, **values: str | None) -> "Source":
        """The part with these values of `PANEL`; a column without one must have a single value.

        Raises:
            RftlabError: there is no such value, or there are several to choose from.
        """
        cells, chosen = self.cells, dict(self.panel)
        for name, value in values.items():
            trained = cells[~is_base(cells)]
            found = sorted((trained if len(trained) else cells)[name].unique())
            if value is None and len(found) > 1:
                told = ", ".join(repr(each) for each in found)
                raise RftlabError(
                    f"these results hold {len(found)} {name}s: {told}; choose one, as {name}={found[0]!r}"
                )
            if value is not None and value not in found:
                raise RftlabError(f"no {name} {value!r} in these results{suggest(value, found)}")
            chosen[name] = found[0] if value is None else value
            keep = cells[name] == chosen[name]
            # Untrained cells stand in several variants, and have no prompt of training.
            cells = cells[keep | is_base(cells)] if name in ("variant", "prompt") else cells[keep]
        return replace(self, cells=cells, panel=chosen)

    def of_arms(self, names: Iterable[str] | None) -> "Source":
        """The cells of these arms, or of all arms of these methods; None keeps all.

        Raises:
            RftlabError: an arm is neither called so, nor is its method.
        """
        if names is None:
            return self
        names = [names] if isinstance(names, str) else list(names)
        require_arms(names, self.cells["arm"], "methods")
        return replace(self, cells=self.cells[[bool({arm, method_of(arm)[0]} & {*names}) for arm in self.cells["arm"]]])

    def of_labels(self, labels: int | Iterable[int] | None) -> "Source":
        """The cells of these label budgets and the untrained ones; None keeps all.

        Raises:
            RftlabError: nothing was trained on as many.
        """
        if labels is None:
            return self
        wanted = [labels] if isinstance(labels, int) else list(labels)
        found = sorted(int(n) for n in self.cells.loc[~is_base(self.cells), "labels"].unique())
        if lacking := [n for n in wanted if n not in found]:
            raise RftlabError(
                f"nothing was trained on {lacking[0]} labels; the budgets are {', '.join(map(str, found))}"
            )
        return replace(self, cells=self.cells[self.cells["labels"].isin(wanted) | is_base(self.cells)])

    def means(self, measures: Sequence[str]) -> pd.DataFrame:
        """Rows of `rftlab.report.summary` of the chosen panel: means with intervals of these measures."""
        rows = tables.summary(self.cells, self.where, list(measures))
        for name, value in self.panel.items():
            rows = rows[rows[name] == value]
        return rows


def require_arms(wanted: Iterable[str], found: Iterable[str], what: str) -> None:
    """Refuse names that no arm has.

    Raises:
        RftlabError: an arm is neither called so, nor is its method.
    """
    arms = sorted({*found})
    methods = {method_of(arm)[0] for arm in arms}
    for name in wanted:
        if name not in arms and name not in methods:
            raise RftlabError(f"{what} names {name!r}, which these results do not hold{suggest(str(name), arms)}")
