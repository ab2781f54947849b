"""From a folder of records to what people read: tables, verdicts, figures, one self-contained page."""

from rftlab.answer.folder import read_cells
from rftlab.answer.items import item_table
from rftlab.answer.outcomes import outcomes
from rftlab.answer.results import PANEL, read_results
from rftlab.answer.survey import comparable
from rftlab.report.figures import draw_all
from rftlab.report.page import publish, write_report
from rftlab.report.remarks import happened
from rftlab.report.tables import (
    cost_table,
    learning_axis,
    learning_table,
    overview,
    seed_points,
    summary,
)
from rftlab.report.verdicts import card, verdicts

__all__ = [
    "PANEL", "card", "comparable", "cost_table", "draw_all", "happened", "item_table", "publish",
    "learning_axis", "learning_table", "outcomes", "overview", "read_cells", "read_results", "seed_points", "summary",
    "verdicts", "write_report",
]  # fmt: skip
