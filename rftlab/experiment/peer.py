"""A further process of a cell: loads what the cell names and makes the same steps as the first, without a record."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.experiment.together import FOREVER_S
from rftlab.methods.peers import joined
from rftlab.user_code.child import announce, hand


def train(request: Mapping[str, Any]) -> None:
    """Train as one of several; see `rftlab.experiment.together`.

    Args:
        request: `cell` with its caps, `rank` of this process, `rendezvous`, the file they meet by, and the type of
            their `device`, all JSON values.

    Raises:
        RftlabError: as `Experiment` and `Experiment.train`.
    """
    cell = Cell.make(request["cell"])
    announce(f"loading {cell.label}", limit=FOREVER_S)
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(cell, out=folder)
        hand("ready")
        announce(f"training {cell.label}", limit=FOREVER_S)
        with joined(request["rank"], cell.processes, Path(request["rendezvous"]), request["device"]) as peers:
            experiment.train_with(peers)
