"""Cells that would not fit into a machine's memory, said before they start."""

import json
from collections.abc import Sequence

from rftlab.advise.architecture import HELPS, first_that_fits
from rftlab.advise.hardware import Hardware, found
from rftlab.advise.memory import estimate, told
from rftlab.advise.work import Device, work_of
from rftlab.cell import Cell
from rftlab.policy.anatomy import Anatomy
from rftlab.policy.hub import TINY_BASE
from rftlab.user_code import child

_LIMIT_S = 900.0


def lacking(cells: Sequence[Cell], workers: int, *, hardware: Hardware | None = None) -> list[str]:
    """A sentence for each model and method whose cells would take more memory than there is, with what would help.

    Estimates are within some 15 % (docs/architecture.md), so that this warns and refuses nothing. The tiny base is not
    looked at: it takes half a gigabyte, most of it Python's.

    Args:
        cells: that are to run.
        workers: of them at once; 0 counts as one.
        hardware: by default this machine.
    """
    large = {_kind(cell): cell for cell in cells if cell.model != TINY_BASE}
    if not large:
        return []
    hardware, several = hardware or found(), max(1, workers)
    device, room = Device.of(hardware.kind), hardware.bytes / several
    request = {
        "cells": [cell.model_dump(mode="json") for cell in large.values()],
        "half": hardware.kind == "gpu",
        "configs": {},
        "methods": [{"method": c.method, "preset": c.preset, "settings": c.settings} for c in large.values()],
        "texts": [cell.model_dump(mode="json") for cell in large.values()],
    }
    read = child.call("rftlab.experiment.architecture:read", request, limit=_LIMIT_S)
    said = []
    for cell, counted, settings, lengths in zip(
        large.values(), read["anatomies"], read["settings"], read["lengths"], strict=True
    ):
        if isinstance(counted, str):
            continue
        anatomy, work = Anatomy(**counted), work_of(cell, lengths)
        peak = estimate(anatomy, cell.method, settings, work, device).peak
        if peak <= room:
            continue
        own, smaller, _ = first_that_fits(anatomy, cell.method, settings, work, device, room)
        each = f", {several} of them at once {told(several * peak)}" if several > 1 else ""
        helps = [f"settings {json.dumps(own)} ({told(smaller.peak)})"] if own and smaller.peak <= room else []
        helps += ["--workers 1"] if several > 1 and peak <= hardware.bytes else []
        said.append(
            f"cells of {cell.method} on {cell.model} would take about {told(peak)}{each}, and {hardware.name} has "
            f"{told(hardware.bytes)}: give {' or '.join(helps or [HELPS])}"
        )
    return list(dict.fromkeys(said))


def _kind(cell: Cell) -> str:
    """What memory depends on, as far as a grid sweeps it."""
    names = (
        "task", "task_settings", "model", "precision", "method", "preset", "settings", "adapter", "cot", "decoding",
        "labels",
    )  # fmt: skip
    return json.dumps({name: value for name, value in cell.model_dump(mode="json").items() if name in names})
