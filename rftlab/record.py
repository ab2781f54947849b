"""What a cell leaves behind: record.json (written last, atomically), trace.jsonl and samples.jsonl."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftlab.cell import SCHEMA_VERSION, Cell
from rftlab.errors import RftlabError

if TYPE_CHECKING:
    import pandas as pd

RECORD, TRACE, SAMPLES, NOTEBOOK = "record.json", "trace.jsonl", "samples.jsonl", "notebook.ipynb"
GRID = "grid.json"


@dataclass(frozen=True)
class Record:
    """Everything one cell measured; the only thing that later stages read.

    Attributes:
        cell: the cell's parameters, as JSON values.
        id: the cell's id.
        contract: what must match between methods that are compared, field -> value or hash; None = not applicable.
        metrics: numbers in their own units (accuracies and rates in [0, 1]); None where undefined.
        cost: optimizer_steps, tokens_generated, tokens_trained, flops, seconds, verifier_calls, peak_memory_bytes.
        tuning: one row per learning-rate trial; the chosen one is marked.
        environment: library versions, hardware, threads, git commit, sandbox level.
        warnings: sentences the reader of a plot has to know (truncation, verifier errors, ...).
    """

    cell: Mapping[str, Any]
    id: str
    contract: Mapping[str, Any]
    metrics: Mapping[str, float | None]
    cost: Mapping[str, float | None]
    tuning: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    schema: int = SCHEMA_VERSION

    @property
    def contract_hash(self) -> str:
        """12 hex digits of the SHA-256 of the contract's canonical JSON."""
        return hashlib.sha256(json.dumps(dict(self.contract), sort_keys=True).encode()).hexdigest()[:12]

    def write(self, folder: Path, *, trace: Iterable[Mapping[str, Any]], samples: Iterable[Mapping[str, Any]]) -> Path:
        """Write trace, samples and then the record into ``folder``; each file appears whole or not at all.

        Returns:
            Path of record.json.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / TRACE, _json_lines(trace))
        write_atomically(folder / SAMPLES, _json_lines(samples))
        body = json.dumps({**asdict(self), "contract_hash": self.contract_hash}, indent=1, sort_keys=True)
        return write_atomically(folder / RECORD, body + "\n")


def write_atomically(path: Path, text: str) -> Path:
    """Write ``text`` so that ``path`` holds either its old content or all of the new one, after any crash.

    Raises:
        OSError: the disk is full or not writable; the old file, if any, is untouched.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def read(folder: Path) -> Record | None:
    """The record in a cell's folder, or None if it has none yet.

    Raises:
        RftlabError: the file is there but is not a record of this schema.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        body.pop("contract_hash")
        record = Record(**{**body, "tuning": tuple(body["tuning"]), "warnings": tuple(body["warnings"])})
    except (ValueError, KeyError, TypeError) as error:
        raise RftlabError(f"{path} is not a record ({error}); delete the folder to run the cell again") from None
    if record.schema != SCHEMA_VERSION:
        raise RftlabError(f"{path} has schema {record.schema}, this rftlab reads {SCHEMA_VERSION}; use another folder")
    return record


def cells_dir(results: Path) -> Path:
    """Folder of the finished cells of a grid's results."""
    return results / "cells"


def planned(results: Path) -> frozenset[str] | None:
    """Ids of the cells of the grid last run in a results folder; None where no grid was, and every record counts."""
    try:
        body = json.loads((results / GRID).read_text(encoding="utf-8"))
        return frozenset(body.get("ids") or (Cell.make(values).id for values in body["cells"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_all(results: str | Path) -> list[Record]:
    """Every finished record below a results folder, in order of id; of its grid's cells alone, if a grid was run there.

    Raises:
        RftlabError: there is no such folder, or one of the records cannot be read.
    """
    cells = cells_dir(Path(results))
    if not cells.is_dir():
        raise RftlabError(f"no results in {results}: there is no folder {cells}; run a grid first")
    wanted = planned(Path(results))
    folders = [folder for folder in sorted(cells.iterdir()) if folder.is_dir() and folder.name[0] != "."]
    records = (read(folder) for folder in folders if wanted is None or folder.name in wanted)
    return [record for record in records if record is not None]


def load(results: str | Path) -> "pd.DataFrame":
    """One row per finished cell: the cell's parameters (`adapter.r`, ...), metrics, cost, `id`, `contract_hash`.

    Among the columns: task, model, method, labels, cot, cot_eval, seed, accuracy, sampled_accuracy, train_accuracy,
    ood_accuracy, generalisation_gap, seconds, tokens_generated, tokens_trained, flops, learning_rate.

    Raises:
        RftlabError: as `read_all`; or no cell has finished.
    """
    import pandas as pd

    records = read_all(results)
    if not records:
        raise RftlabError(f"no cell has finished in {results}; run the grid, or look at `rftlab status {results}`")
    rows = [
        {
            "id": record.id,
            **Cell.model_validate_json(json.dumps(dict(record.cell))).flat(),
            **record.metrics,
            **record.cost,
            "contract_hash": record.contract_hash,
            "warnings": "; ".join(record.warnings),
        }
        for record in records
    ]
    frame = pd.DataFrame(rows)
    return frame.sort_values(["task", "model", "method", "labels", "cot", "seed", "id"], ignore_index=True)


def load_lines(results: str | Path, name: str) -> "pd.DataFrame":
    """All rows of every finished cell's trace.jsonl or samples.jsonl, with the cell's `id` as a column."""
    import pandas as pd

    rows = []
    for record in read_all(results):
        path = cells_dir(Path(results)) / record.id / name
        with path.open(encoding="utf-8") as lines:
            rows += [{"id": record.id, **json.loads(line)} for line in lines]
    return pd.DataFrame(rows)


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(dict(row), sort_keys=True) + "\n" for row in rows)
