"""Cells that would not fit into a machine's memory, said before they start."""

import json
from collections.abc import Sequence

from rftlab.advise.architecture import HELPS, counted, first_that_fits
from rftlab.advise.hardware import Hardware, found
from rftlab.advise.memory import estimate, told
from rftlab.advise.work import Device, work_of
from rftlab.cell import Cell
from rftlab.policy.anatomy import Anatomy
from rftlab.policy.hub import TINY_BASE
from rftlab.registry import METHODS, find

# What memory depends on, as far as a grid sweeps it: of the model, of the texts, and in all.
_OF_WEIGHTS = ("model", "adapter", "precision", "quantization")
_OF_TEXTS = ("task", "task_settings", "model", "template", "system", "cot", "decoding")
_OF_ALL = (
    "task", "task_settings", "model", "precision", "quantization", "processes", "gradient_checkpointing", "method",
    "preset", "settings", "adapter", "cot", "decoding", "labels",
)  # fmt: skip


def lacking(cells: Sequence[Cell], workers: int, *, hardware: Hardware | None = None) -> list[str]:
    """A sentence for each model and method whose cells would take more memory than there is, with what would help.

    Estimates are within some 15 % (docs/architecture.md), so that this warns and refuses nothing. The tiny base is not
    looked at: it takes half a gigabyte, most of it Python's.

    Args:
        cells: that are to run.
        workers: of them at once; 0 counts as one.
        hardware: by default this machine.
    """
    large = [*_apart([cell for cell in cells if cell.model != TINY_BASE], _OF_ALL).values()]
    if not large:
        return []
    hardware, several = hardware or found(), max(1, workers)
    device = Device.of(hardware.kind)
    methods = [{"method": cell.method, "preset": cell.preset, "settings": cell.settings} for cell in large]
    weights, texts = _apart(large, _OF_WEIGHTS), _apart(large, _OF_TEXTS)  # each is counted once, for all methods
    read = counted(hardware, [*weights.values()], methods, [*texts.values()])
    anatomies = dict(zip(weights, read["anatomies"], strict=True))
    lengths = dict(zip(texts, read["lengths"], strict=True))
    said = []
    for cell, settings in zip(large, read["settings"], strict=True):
        shape = anatomies[_key(cell, _OF_WEIGHTS)]
        if isinstance(shape, str):
            continue
        anatomy, work = Anatomy(**shape), work_of(cell, lengths[_key(cell, _OF_TEXTS)])
        # On a CPU the processes of a cell share its memory; each holds the whole model.
        processes = cell.processes if hardware.kind == "cpu" else 1
        room = hardware.bytes / several / processes
        peak = estimate(anatomy, cell.method, settings, work, device).peak
        if peak <= room:
            continue
        own, smaller, _ = first_that_fits(anatomy, cell.method, settings, work, device, room)
        each = f" in each of {processes} processes" if processes > 1 else ""
        each += f", {several} of them at once {told(several * processes * peak)}" if several > 1 else ""
        helps = [f"settings {json.dumps(own)} ({told(smaller.peak)})"] if own and smaller.peak <= room else []
        if not work.recomputes and find(METHODS, cell.method, "method")[0].recomputes:
            again = estimate(anatomy, cell.method, settings, work._replace(recomputes=True), device).peak
            helps += [f"gradient_checkpointing: true ({told(again)})"] if again <= room else []
        helps += ["--workers 1"] if several > 1 and processes * peak <= hardware.bytes else []
        said.append(
            f"cells of {cell.method} on {cell.model} would take about {told(peak)}{each}, and {hardware.name} has "
            f"{told(hardware.bytes)}: give {' or '.join(helps or [HELPS])}"
        )
    return list(dict.fromkeys(said))


def _apart(cells: Sequence[Cell], names: Sequence[str]) -> dict[str, Cell]:
    """One cell for each set of values that these parameters take."""
    return {_key(cell, names): cell for cell in cells}


def _key(cell: Cell, names: Sequence[str]) -> str:
    return cell.model_dump_json(include=set(names))
