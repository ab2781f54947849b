"""The trace of a cell that runs, as far as its notebook has told it: a file where it works, for whoever watches.

The record's own trace is written when training has ended; this one says less, and goes when the cell is done.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rftlab import record
from rftlab.files.staging import RUNNING
from rftlab.record.copied import FAILED

FILE = "trace_so_far.json"
_MOST_ROWS = 1000


class TraceSoFar:
    """Rows heard from a notebook, kept in a folder; a disk that is full stops nobody.

    Args:
        folder: where the cell works.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._rows: list[Any] = []

    def hear(self, progress: Mapping[str, Any]) -> None:
        """Keep the rows of a progress message, if it has any; of a long training every second, fourth, ... one."""
        said = progress.get("trace")
        new = [row for row in said if _is_row(row)] if isinstance(said, list) else []
        if not new:
            return
        if self._rows and new[0]["step"] < self._rows[-1]["step"]:  # another training of the same cell
            self._rows = []
        self._rows += new
        while len(self._rows) > _MOST_ROWS:
            self._rows = self._rows[::2]
        with contextlib.suppress(OSError):
            record.write_atomically(self._path, json.dumps(self._rows))

    def remove(self) -> None:
        """The record holds the whole trace now."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def trace_so_far(results: Path, cell_id: str) -> Path | None:
    """The file of a cell that runs, or has failed; None where none is there, as before the first rows."""
    running = record.cells_dir(results).glob(f".{cell_id}.*{RUNNING}/{FILE}")
    return next((path for path in (*running, results / FAILED / cell_id / FILE) if path.is_file()), None)


def read_trace(path: Path) -> list[dict[str, Any]]:
    """Its rows, `step` and some of what a trace has; none where it cannot be read."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [row for row in rows if _is_row(row)] if isinstance(rows, list) else []


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("step"), int | float)
