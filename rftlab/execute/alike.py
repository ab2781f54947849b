"""A grid whose cells all fail alike is stopped: the next cell would fail in the same way."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rftlab.cell import Cell

if TYPE_CHECKING:
    from rftlab.execute.local import Listener
    from rftlab.execute.one_cell import Outcome

# So many failures in a row with one error stop the grid.
IN_A_ROW = 3
# What differs between cells in one and the same error: ids, counts, places in memory.
_OF_A_CELL = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{12}\b|\d+(\.\d+)?")


def kind_of_error(error: str) -> str:
    """What two errors have in common if they are one and the same in different cells."""
    return _OF_A_CELL.sub("#", error)


class Alike:
    """Listens in place of ``listener``, and says when to begin no further cell.

    Attributes:
        stopped: why no further cell is to begin, "" as long as cells may.
    """

    def __init__(self, listener: "Listener", *, keep_going: bool = False) -> None:
        self.stopped = ""
        self._listener, self._keep_going = listener, keep_going
        self._last, self._count = "", 0

    def started(self, cell: Cell) -> None:
        """A cell has been given a worker."""
        self._listener.started(cell)

    def progressed(self, cell: Cell, progress: Mapping[str, Any]) -> None:
        """A running cell says where it is."""
        self._listener.progressed(cell, progress)

    def noted(self, text: str) -> None:
        """Something about the whole run."""
        self._listener.noted(text)

    def finished(self, outcome: "Outcome") -> None:
        """A cell has ended; a third failure in a row with the same error stops the grid."""
        self._listener.finished(outcome)
        if outcome.status in ("stopped", "skipped"):
            return
        error = kind_of_error(outcome.error) if outcome.status == "failed" else ""
        self._count = self._count + 1 if error and error == self._last else int(bool(error))
        self._last = error
        if self._count >= IN_A_ROW and not self._keep_going and not self.stopped:
            self.stopped = outcome.error
            self._listener.noted(
                f"the last {IN_A_ROW} cells failed alike, so no further one is begun; mend it and run the same command "
                "again, or go on with --keep-going"
            )
