"""What lies in a results folder beside the finished cells: leftovers of runs that died, and what is set aside."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rftlab import record
from rftlab.cell import Cell
from rftlab.files.staging import OLD, RUNNING, put_back, remove_if_left, set_aside, sweep_scratch
from rftlab.policy.weights import CHECKPOINTS
from rftlab.record.copied import ERROR, FAILED

SHARED = "shared"
KERNEL_LOG = "kernel.log"
REPORT = ".report-"
"""Beginning of the folders in which reports are built."""
_NAMED = 3


def sweep(results: Path) -> None:
    """Remove what runs that died left half-written and put back what they moved away; what a living run uses stays.

    Called by whoever holds the results folder.
    """
    for leftover in (*record.cells_dir(results).glob(".*"), *(results / FAILED).glob(".*")):
        if leftover.suffix in (RUNNING, OLD) and leftover.is_dir():
            (put_back if leftover.suffix == OLD else remove_if_left)(leftover)
    for checkpoint in (results / SHARED / CHECKPOINTS).glob("*"):
        if checkpoint.name.startswith(".") or (record.cells_dir(results) / checkpoint.stem / record.RECORD).is_file():
            checkpoint.unlink(missing_ok=True)
    # Files that were being written: only kernels of a run write them, and none is running yet.
    for leftover in (*results.glob(".*.*.*"), *(results / SHARED).glob(".*.json.*")):
        if re.fullmatch(r"\..+\.(json|yaml)\.[a-z0-9_]{8}", leftover.name):
            leftover.unlink(missing_ok=True)
    sweep_scratch(results, REPORT)
    sweep_scratch()


def failed_with(cell: str, results: Path) -> str | None:
    """What the cell with this id failed with when it was last run; None if it did not."""
    try:
        return (results / FAILED / cell / ERROR).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files that came from elsewhere (relative path -> content) into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def clear_the_way(cells: Sequence[Cell], results: Path) -> list[str]:
    """Set aside what lies where cells are about to be filed, and records in folders that are not their cell's.

    What cannot be read (written by a newer rftlab, damaged, changed by hand) may be all that is left of somebody's
    work: a run never overwrites it.

    Returns:
        Sentences on what was set aside, and why.
    """
    folder = record.cells_dir(results)
    if not folder.is_dir():
        return []
    in_the_way = [folder / cell.id for cell in cells if (folder / cell.id).exists()]
    found = [record.examine(path) or record.Damage(path, "it holds no record") for path in in_the_way]
    damaged = [each for each in record.examine_all(folder) if isinstance(each, record.Damage)]
    found += [each for each in damaged if each.misplaced and each.folder not in in_the_way]
    moved = [(set_aside(each.folder), each) for each in found if isinstance(each, record.Damage)]
    lines = [f"set aside as {target}: {damage.reason}" for target, damage in moved]
    return (
        lines
        if len(lines) <= _NAMED
        else [*lines[: _NAMED - 1], f"{lines[_NAMED - 1]} (and {len(lines) - _NAMED} more like it)"]
    )
