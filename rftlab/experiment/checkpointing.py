"""Whether a cell writes checkpoints while it trains, where, and what has to be equal to go on from one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.experiment.environment import here
from rftlab.methods.base import Settings
from rftlab.methods.checkpoints import Checkpoints
from rftlab.policy import base_answers, weights
from rftlab.registry import METHODS, find

_HAS_TO_BE_EQUAL = ("python", "platform", "libraries", "processor", "threads", "gpu")


def checkpoints_of(
    cell: Cell, settings: Settings, beside: Callable[[], Any], *, computes: str = ""
) -> Checkpoints | None:
    """The checkpoints of a cell that an executor runs; None for one run by hand, or for one that begins again.

    That is one of a method that does not go on, of several processes, whose generators no file holds, or with a
    curriculum, whose batches follow from how much of the budget is spent.

    Args:
        cell: whose id names the file, in the folder that the cells of a grid share.
        settings: of its method; a sequence goes on if each of its stages does.
        beside: as of `Checkpoints`.
        computes: in which number format its policy computes, and on what: neither is part of the cell's id.
    """
    shared, every_s = os.environ.get(base_answers.FOLDER), os.environ.get(weights.CHECKPOINT_S)
    methods = [cell.method, *(stage.method for stage in getattr(settings, "stages", ()))]
    alone = cell.processes == 1 and cell.curriculum == "none"
    goes_on = alone and all(find(METHODS, name, "method")[0].resumes for name in methods)
    if not shared or not every_s or not goes_on:
        return None
    found = here()
    return Checkpoints(
        Path(shared) / weights.CHECKPOINTS / f"{cell.id}.pt",
        every_s=float(every_s),
        made_by={"cell": cell.id, "computes": computes, **{name: found[name] for name in _HAS_TO_BE_EQUAL}},
        beside=beside,
    )
