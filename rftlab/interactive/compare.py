"""ipywidgets over the figures of `rftlab.plots`: choose what is drawn, look, choose again.

The first picture is drawn when the view is made, so that a notebook executed without a browser is complete.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd
from matplotlib.figure import Figure

from rftlab import plots, report

_FIGURES = {
    "accuracy vs labels": "labels",
    "chain-of-thought vs direct": "prompts",
    "train vs test": "gap",
    "learning curves": "learning",
    "accuracy vs cost": "cost",
}


def compare(results: str | Path, waive: str | Iterable[str] = ()) -> ipywidgets.VBox:
    """A view of a grid's results: choose figure, metric, tasks, methods and prompts.

    Args:
        results: a grid's results folder.
        waive: fields of the contract whose being unknown is accepted.

    Returns:
        The controls, a sentence on what is shown, and the picture (an `ipywidgets.Image`), in this order.

    Raises:
        RftlabError: as `report.read_cells`.
    """
    cells = report.read_cells(results, waive)
    table = report.summary(cells, results)
    controls = _controls(cells, table)
    said, picture = ipywidgets.HTML(), ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%"))

    def redraw(_: Any = None) -> None:
        chosen = {name: control.value for name, control in controls.items()}
        kept = _filtered(cells, chosen)
        shown = _filtered(table, chosen)
        controls["metric"].disabled = chosen["figure"] not in {"labels", "prompts"}
        if kept.empty or not len(shown):
            said.value, picture.value = "Nothing matches: choose at least one task, method and prompt.", b""
            return
        figure = _draw(chosen["figure"], chosen["metric"], kept, shown, results)
        picture.value = plots.to_bytes(figure, "png", dpi=90)
        said.value = f"{len(kept)} of {len(cells)} cells"

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    rows = [
        ipywidgets.HBox([controls[n] for n in names]) for names in (("figure", "metric"), ("tasks", "arms", "prompts"))
    ]
    return ipywidgets.VBox([*rows, said, picture])


def _controls(cells: pd.DataFrame, table: pd.DataFrame) -> Mapping[str, Any]:
    measured = [(plots.title(m), m) for m in table["measure"].unique() if m in set(table["measure"])]
    several = {"tasks": ("task", "tasks"), "arms": ("arm", "methods"), "prompts": ("prompt", "prompts")}
    lists = {}
    for name, (column, label) in several.items():
        values = sorted(cells[column].unique())
        lists[name] = ipywidgets.SelectMultiple(
            options=[(plots.title(v) if name == "arms" else v, v) for v in values],
            value=values,
            description=label,
            rows=min(max(len(values), 2), 8),
        )
    figure = ipywidgets.Dropdown(options=list(_FIGURES.items()), description="figure")
    return {"figure": figure, "metric": ipywidgets.Dropdown(options=measured, description="metric"), **lists}


def _filtered(table: pd.DataFrame, chosen: Mapping[str, Any]) -> pd.DataFrame:
    kept = table["task"].isin(chosen["tasks"]) & table["prompt"].isin(chosen["prompts"])
    return table[kept & table["arm"].isin(chosen["arms"])]


def _draw(kind: str, metric: str, cells: pd.DataFrame, table: pd.DataFrame, results: str | Path) -> Figure:
    draw: dict[str, Callable[[], Figure]] = {
        "labels": lambda: plots.accuracy_vs_labels(
            table, measures=[metric], points=report.seed_points(cells, [metric])
        ),
        "prompts": lambda: plots.cot_vs_direct(table, measure=metric),
        "gap": lambda: plots.generalisation_gap(table),
        "learning": lambda: plots.learning_curves(report.learning_table(cells, results), x=report.learning_axis(cells)),
        "cost": lambda: plots.accuracy_vs_cost(report.cost_table(cells, table)),
    }
    return draw[kind]()
