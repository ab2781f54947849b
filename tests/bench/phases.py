"""Where the time of executed notebooks went, from the durations papermill leaves in them."""

from collections.abc import Mapping
from pathlib import Path

import nbformat

from rftlab import record

# Phase -> what a cell of rftlab's notebooks begins with or contains; the first that fits.
_OURS = {
    "load": "rftlab.Experiment",
    "train": "experiment.train()",
    "evaluate": "experiment.evaluate()",
    "write": "experiment.save(",
    "show": "experiment.",
}


def of_rftlab(folder: Path, wall: float) -> dict[str, float]:
    """Seconds per phase of one finished cell; ``wall`` is its outcome's, kernel start and end included."""
    spent = _durations(folder / record.NOTEBOOK, _phase_of_ours)
    found = record.read(folder)
    assert found is not None
    training = float(found.cost["seconds"] or 0.0)
    spent["evaluate"] = spent.get("evaluate", 0.0) + max(0.0, spent["train"] - training)
    spent["train"] = min(training, spent["train"])
    return {"kernel": max(0.0, wall - sum(spent.values())), **spent}


def of_stock(notebook: Path) -> dict[str, float]:
    """Seconds per phase of one executed stock notebook; evaluation along the way is part of `train`."""
    spent = _durations(notebook, _phase_of_stock)
    whole = float(nbformat.read(notebook, as_version=4).metadata["papermill"]["duration"])
    imports = spent.pop("imports", 0.0)
    return {"kernel": max(0.0, whole - sum(spent.values()) - imports), "imports": imports, **spent}


def _durations(notebook: Path, phase_of) -> dict[str, float]:
    spent: dict[str, float] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            phase = phase_of(cell)
            spent[phase] = spent.get(phase, 0.0) + float(cell.metadata.get("papermill", {}).get("duration") or 0.0)
    return spent


def _phase_of_ours(cell: Mapping) -> str:
    return next((phase for phase, text in _OURS.items() if text in cell["source"]), "show")


def _phase_of_stock(cell: Mapping) -> str:
    tags = cell["metadata"].get("tags", [])
    phase = next((tag.removeprefix("phase-") for tag in tags if tag.startswith("phase-")), "show")
    return "show" if phase in ("before", "after") else phase
