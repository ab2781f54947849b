"""What has been run by hand, beside the run at hand: one row a record, and what stands between them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rftlab.answer import contracts
from rftlab.progress import BATCH
from rftlab.record import Record, read_sound
from rftlab.shown.tables import TextTable, measured

if TYPE_CHECKING:
    from rftlab.experiment import Experiment

_MEASURES = ("accuracy", "train_accuracy", "ood_accuracy", "generalisation_gap")


def runs(experiment: "Experiment", results: str | Path = "") -> TextTable:
    """The evaluated run at hand, and under it the records of a results folder.

    Args:
        experiment: a run that has been evaluated.
        results: the folder; empty takes the one the run's own record belongs to. A notebook of a grid, which many
            others run beside, reads none.

    Returns:
        Index: what each was. Columns: budget, learning rate, measures in percent or points, what must match to compare
        it with the run at hand and does not, and its id.

    Raises:
        RftlabError: the run has not been evaluated.
    """
    own = experiment.record()
    place = Path(results) if results else experiment.folder.parents[1]
    found = [] if os.environ.get(BATCH) else [each for each in read_sound(place)[0] if each.id != own.id]
    rows = [_row(own, own), *(_row(each, own) for each in found)]
    return TextTable(rows).set_index("run")


def _row(record: Record, own: Record) -> dict[str, str]:
    cell = record.parameters
    refused = () if record is own else contracts.check(record, own).refused
    rate = record.metrics.get("learning_rate")
    return {
        "run": f"{'this run: ' if record is own else ''}{cell.label}",
        "budget": f"{cell.budget.amount:g} {cell.budget.unit}",
        "learning rate": f"{rate:g}" if rate else "",
        **{name.replace("_", " "): _measured(record, name) for name in _MEASURES},
        "not to be compared for": ", ".join(str(each) for each in refused),
        "id": record.id,
    }


def _measured(record: Record, name: str) -> str:
    value = record.metrics.get(name)
    return "" if value is None else measured(name, value)
