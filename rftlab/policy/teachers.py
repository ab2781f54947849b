"""The teacher that a method learns from: which policy or model its cell names, and what that one was trained with.

A teacher is the kept policy of a finished cell (its folder, or the beginning of its id), or a model: a folder or a hub
id. Never imports torch.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.policy import weights
from rftlab.policy.hub import PACKAGED, TINY_BASE

SETTING = "teacher"


class Training(NamedTuple):
    """What a teacher was trained with, those that it went on from and its own teachers counted as well.

    Attributes:
        labels: labelled examples.
        flops: of training.
        seconds: of training; 0 of records without.
    """

    labels: int
    flops: float
    seconds: float = 0.0


def named(settings: Any) -> Iterator[str]:
    """Every teacher that a method's settings name, those of the stages of a sequence too."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from [value] if name == SETTING and isinstance(value, str) and value else named(value)
    elif isinstance(settings, list | tuple):
        for each in settings:
            yield from named(each)


def kept_by(teacher: str, *, near: Path | None = None) -> Path | None:
    """Folder of the finished cell whose policy is the teacher; None where it is a model.

    Args:
        teacher: as a cell names it.
        near: folder that relative paths are looked for in first; by default the working folder alone.

    Raises:
        RftlabError: it is neither a folder nor a hub id (organisation/name), and there is no such cell.
    """
    for place in [near, Path()] if near else [Path()]:
        path = place / Path(teacher).expanduser()
        if path.is_dir():
            is_model = (path / "config.json").is_file() and not (path / weights.MANIFEST).is_file()
            return None if is_model else weights.find_cell(teacher, near=near)
    is_hub_id = teacher.count("/") == 1 and not teacher.startswith((".", "~", "/"))
    return None if is_hub_id or teacher in (TINY_BASE, *PACKAGED) else weights.find_cell(teacher, near=near)


def trained_with(folder: Path) -> Training:
    """What the policy of a finished cell was trained with, those that it started from, and their teachers.

    Raises:
        RftlabError: one of them holds no record.
    """
    found = record.read(folder)
    if found is None:
        raise RftlabError(f"{folder} holds no record; give the folder of a finished cell")
    labels = found.parameters.labels + int(found.cost.get("teacher_labels") or 0)
    flops, seconds = (
        float(found.cost.get(axis) or 0.0) + float(found.cost.get(f"teacher_training_{axis}") or 0.0)
        for axis in ("flops", "seconds")
    )
    if found.parameters.start_from:
        before = trained_with(weights.find_cell(found.parameters.start_from))
        return Training(labels + before.labels, flops + before.flops, seconds + before.seconds)
    return Training(labels, flops, seconds)


def told(cell: Cell) -> str:
    """A cell's teachers and what each was trained with, in words; "none" if it has none.

    Example: `cell 3fa0c2d41b7e (word sft n=1000 cot seed 0): 1000 labels, 3.1e+10 FLOPs`.
    """
    return "; ".join(map(_said, named(cell.settings))) or "none"


def cost_of(cell: Cell) -> dict[str, float]:
    """Entries of a record's cost: what a cell's teachers were trained with, where it is known."""
    folders = [kept_by(teacher) for teacher in named(cell.settings)]
    trainings = [trained_with(folder) for folder in folders if folder]
    if not folders or len(trainings) < len(folders):
        return {}
    return {
        "teacher_labels": float(sum(each.labels for each in trainings)),
        "teacher_training_flops": sum(each.flops for each in trainings),
        "teacher_training_seconds": sum(each.seconds for each in trainings),
    }


def _said(teacher: str) -> str:
    folder = kept_by(teacher)
    if folder is None:
        return f"model {Path(teacher).name if Path(teacher).is_dir() else teacher}: labels unknown"
    cell, training = weights.cell_of(folder), trained_with(folder)
    return f"cell {cell.id} ({cell.label}): {training.labels} labels, {training.flops:.2g} FLOPs"
