"""What cells have taken on this machine: read from the folders that finished cells leave, here or of a probe."""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rftlab import record
from rftlab.cell import OF_ROWS, Cell
from rftlab.errors import RftlabError
from rftlab.policy.hub import TINY_BASE
from rftlab.policy.weights import POLICY
from rftlab.record.machine import is_here

_MOST = 24
"""Cells of one kind that are read, the newest first."""
# What does not make a cell another kind of work: amounts, by which is scaled, and what leaves the work as it is.
_SCALED = frozenset({
    "seed", "seed_data", "seed_init", "seed_sampling", *OF_ROWS, "budget.amount", "budget.unit", "learning_rates",
    "tuned_by", "start_from", "digests",
})  # fmt: skip
_PART = re.compile(r'"part": "(\w+)"')  # in a text of a sample the quotes would be escaped
_NOT_ASKED = ("mark",)


@dataclass(frozen=True)
class Measured:
    """What one cell took, in seconds, tokens, FLOPs and bytes.

    Attributes:
        cell: the cell.
        wall: from the start of its kernel to the end of its notebook.
        train: training, trials of learning rates included.
        along: evaluations along the way and at marks.
        evaluation: the last evaluation.
        steps: optimiser steps.
        tokens_generated: in training.
        tokens_trained: in training.
        flops: of training, trials included.
        peak_bytes: most memory of its process; of its GPU where there is one.
        sample_bytes: of samples.jsonl.
        other_bytes: of its other files, a kept policy apart.
        asked: completions of the last evaluation, by part.
    """

    cell: Cell
    wall: float
    train: float
    along: float
    evaluation: float
    steps: float
    tokens_generated: float
    tokens_trained: float
    flops: float
    peak_bytes: float
    sample_bytes: float
    other_bytes: float
    asked: Mapping[str, int]

    @property
    def start(self) -> float:
        """Seconds of all the rest: kernel, model, task, figures."""
        return max(0.0, self.wall - self.train - self.along - self.evaluation)

    def to_json(self) -> dict[str, Any]:
        """As `of_json` reads it."""
        return {**asdict(self), "cell": self.cell.model_dump(mode="json")}

    @staticmethod
    def of_json(values: Mapping[str, Any]) -> "Measured":
        """From `to_json`.

        Raises:
            RftlabError, TypeError, KeyError: it is something else.
        """
        return Measured(**{**values, "cell": Cell.model_validate_json(json.dumps(values["cell"]))})


def kind_of(cell: Cell) -> tuple[str, str]:
    """What makes two cells the same work but for amounts: of training, and of evaluation."""
    flat = cell.flat()
    work = {
        name: value
        for name, value in flat.items()
        if name not in _SCALED and not name.startswith("evaluation.") and not name.startswith("budget.patience")
    }
    work["digests"] = {name: text for name, text in cell.digests.items() if name != "start_from"}
    if cell.budget.until == "plateau":
        work["patience"] = cell.budget.patience / max(1, cell.evaluation.along_the_way)
    asked = [flat[f"evaluation.{name}"] for name in ("part", "verifier", "retention")]
    return json.dumps(work, sort_keys=True), json.dumps(asked)


def known_cells(cells: Iterable[Cell], places: Sequence[Path], threads: int) -> list[Measured]:
    """Finished cells that are of the kind of one of ``cells``, and ran on this machine with so many threads each.

    Args:
        cells: that are to be run.
        places: results folders, and archives of some.
        threads: compute threads a cell is given.
    """
    wanted = {kind_of(cell)[0] for cell in cells}
    found: dict[str, Measured] = {}
    times: Counter[str] = Counter()
    for folder in newest_first(places):
        try:
            read = record.read(folder)
            if read is None or read.id in found:
                continue
            if not is_here(read.environment, 1 if read.parameters.model == TINY_BASE else threads):
                continue  # the tiny base takes one thread, whatever it is given
            kind = "".join(kind_of(read.parameters))
            if kind_of(read.parameters)[0] not in wanted or times[kind] >= _MOST:
                continue
            found[read.id] = _measured(read, folder)
        except (RftlabError, ValueError, KeyError, TypeError, OSError):
            continue  # it was run by hand, or is damaged, which `rftlab status` says
        times[kind] += 1
    return list(found.values())


def measured(results: Path, cells: Iterable[Cell]) -> list[Measured]:
    """What these cells of a results folder have taken; those that have not finished, or do not say, are left out."""
    found = []
    for cell in cells:
        folder = record.cells_dir(results) / cell.id
        with contextlib.suppress(RftlabError, KeyError, ValueError, OSError):
            if (read := record.read(folder)) is not None:
                found.append(_measured(read, folder))
    return found


def newest_first(places: Sequence[Path]) -> list[Path]:
    """Folders of finished cells of results folders and archives, that of the newest record first."""
    folders = [
        folder
        for place in dict.fromkeys(place.resolve() for place in places)
        if (cells := record.cells_dir(place)).is_dir()
        for folder in cells.iterdir()
        if folder.name[0] != "." and (folder / record.RECORD).is_file()
    ]
    return sorted(folders, key=lambda folder: (folder / record.RECORD).stat().st_mtime, reverse=True)


def _measured(read: record.Record, folder: Path) -> Measured:
    """Of a finished cell.

    Raises:
        KeyError, ValueError, OSError: it was not run as a notebook by an executor, or something is not there.
    """
    notebook = json.loads((folder / record.NOTEBOOK).read_text(encoding="utf-8"))
    samples = (folder / record.SAMPLES).read_text(encoding="utf-8")
    cost = {name: float(value or 0.0) for name, value in read.cost.items()}
    others = [path for path in folder.rglob("*") if path.is_file() and POLICY not in path.relative_to(folder).parts]
    size = sum(path.stat().st_size for path in others)
    sample_bytes = (folder / record.SAMPLES).stat().st_size
    return Measured(
        cell=read.parameters,
        wall=float(notebook["metadata"]["papermill"]["duration"]),
        train=cost["seconds"] + cost.get("tuning_seconds", 0.0),
        along=cost["along_seconds"],
        evaluation=cost["evaluation_seconds"],
        steps=cost["optimizer_steps"],
        tokens_generated=cost["tokens_generated"],
        tokens_trained=cost["tokens_trained"],
        flops=cost["flops"] + cost.get("tuning_flops", 0.0),
        peak_bytes=cost["peak_memory_bytes"],
        sample_bytes=sample_bytes,
        other_bytes=size - sample_bytes,
        asked={part: n for part, n in Counter(_PART.findall(samples)).items() if part not in _NOT_ASKED},
    )
