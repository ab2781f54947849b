"""Arms that go on from the policies of another arm of their grid, each seed from the one of its own.

Such cells say by which arm (`Cell.started_by`) and wait until `rftlab.execute.starts` names the policy itself.
"""

import hashlib
import json
from collections.abc import Sequence

from rftlab.cell import Cell
from rftlab.contract import SEEDS
from rftlab.errors import RftlabError
from rftlab.registry import METHODS, find


def arm_of(cell: Cell) -> str:
    """The arm of a cell in words, with a digest that tells apart arms of the same words; equal for all of its seeds.

    Neither files of the user's nor rates that a tuning stage chooses enter it: both are known only later.
    """
    values = cell.model_dump(mode="json", exclude={*SEEDS, "digests", "tuned_by"})
    if cell.tuned_by:
        values["learning_rates"] = []
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:6]
    return f"{cell.label.rpartition(' seed ')[0]}, {digest}"


def going_on(cell: Cell, arms: Sequence[Cell]) -> Cell:
    """The cell, waiting for the policy of the one of these cells that has its seeds, its model and its adapter.

    Args:
        cell: without a start.
        arms: cells of the grid that the file's values single out.

    Raises:
        RftlabError: there is none, or there are several, or it is untrained; its policy has another shape.
    """
    seeds = f"seed {cell.seed}"
    found = [each for each in arms if all(getattr(each, name) == getattr(cell, name) for name in SEEDS)]
    trained = [each for each in found if find(METHODS, each.method, "method")[0].trains]
    fitting = [each for each in trained if each.model == cell.model and each.adapter == cell.adapter]
    if not found:
        raise RftlabError(f"no cell of this grid with {seeds} is of that arm; add its rows, or mend the values")
    if not trained:
        raise RftlabError(f"{found[0].label} is the untrained base and keeps no policy; name a trained arm")
    if not fitting:
        raise RftlabError(f"{trained[0].label} has another model or adapter than {cell.label}; they must be equal")
    if len(fitting) > 1:
        raise RftlabError(
            f"{len(fitting)} cells of this grid with {seeds} are of that arm: "
            f"{', '.join(Cell.labels_apart(fitting).values())}; give more values"
        )
    return Cell.make({**cell.model_dump(), "started_by": arm_of(fitting[0])})
