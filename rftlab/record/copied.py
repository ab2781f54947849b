"""A finished cell copied into another folder: its record as it is, and what the numbers of a report stand on."""

import json
import shutil
from collections.abc import Container
from pathlib import Path

from rftlab.files import checksums
from rftlab.record import DATA, RECORD, SAMPLES, Record, read_lines
from rftlab.record.excerpt import NAME, Excerpt

FAILED, ERROR = "failed", "error.txt"
"""Where a results folder says why a cell failed when it was last run: `failed/<id>/error.txt`."""
TEXTS = ("prompt", "completion", "answer", "extracted", "detail")
"""What a row of samples.jsonl says in words: no number of a report is computed from it."""


def copy_cell(record: Record, folder: Path, target: Path, *, completions: int | None = None) -> None:
    """Copy a cell's record, trace and samples; what else its record names is left out, and said to be.

    Args:
        record: the cell's.
        folder: where it lies.
        target: the new folder.
        completions: items of each part whose texts are kept; None keeps all. The outcomes of the others stay.

    Raises:
        OSError: the disk is full or a file cannot be read.
    """
    target.mkdir(parents=True)
    for name in (RECORD, *DATA):
        shutil.copyfile(folder / name, target / name)
    before = Excerpt.of(folder)
    left_out = [name for name in record.files if name not in DATA]
    shortened = dict(before.shortened)
    if completions is not None and (text := _shortened(target / SAMPLES, completions)):
        (target / SAMPLES).write_text(text, encoding="utf-8")
        shortened[SAMPLES] = {"written": record.files.get(SAMPLES), "kept": checksums.of_text(text)}
    if left_out or shortened:
        (target / NAME).write_text(Excerpt(left_out, shortened).text(), encoding="utf-8")


def copy_failures(results: Path, target: Path, *, without: Container[str] = ()) -> None:
    """Copy the reasons why cells of a results folder failed, but for those that have finished."""
    for reason in sorted((results / FAILED).glob(f"*/{ERROR}")):
        if reason.parent.name[0] != "." and reason.parent.name not in without:
            (target / FAILED / reason.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(reason, target / FAILED / reason.parent.name / ERROR)


def _shortened(samples: Path, completions: int) -> str:
    """samples.jsonl with the texts of so many items of each part; "" if it has no more."""
    seen: dict[str, dict[str, None]] = {}
    rows, fewer = [], False
    for row in read_lines(samples):
        items = seen.setdefault(row["part"], {})
        if len(items) < completions:
            items[row["item"]] = None
        if row["item"] not in items and any(name in row for name in TEXTS):
            row = {name: value for name, value in row.items() if name not in TEXTS}
            fewer = True
        rows.append(json.dumps(row, sort_keys=True) + "\n")
    return "".join(rows) if fewer else ""
