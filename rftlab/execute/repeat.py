"""A finished cell run again from its record alone, in a folder for a while, and held against what it measured then."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rftlab import record
from rftlab.cell import Cell
from rftlab.digests import changes, describe, missing, with_digests
from rftlab.errors import RftlabError
from rftlab.execute.kernels import DAY_S, KernelSettings, cores
from rftlab.execute.local import Unheard, run_cells
from rftlab.execute.one_cell import notebook_of
from rftlab.files.staging import scratch
from rftlab.policy import weights
from rftlab.record import Damage, Record
from rftlab.record.machine import BF16, FP32
from rftlab.record.same import Held, held_against
from rftlab.screen import busy

_POLICY = "policy"


@dataclass(frozen=True)
class Repeated:
    """What came of repeating a cell.

    Attributes:
        cell: the cell.
        held: its record against the new one.
    """

    cell: Cell
    held: Held

    @property
    def matched(self) -> bool:
        """Whether all that is measured came out the same, bit for bit."""
        return not self.held.differing

    def __str__(self) -> str:
        *parts, last = self.held.parts
        who, otherwise = f"{self.cell.id} ({self.cell.label})", "; ".join(self.held.ran_on)
        if self.matched:
            ran = f"; what ran it differs: {otherwise}" if otherwise else ""
            return f"matched: {', '.join(parts)} and {last} of {who} are equal{ran}"
        lines = [f"did not match: {who}", *(f"  {each}" for each in self.held.differing)]
        told = f"what ran it differs: {otherwise}" if otherwise else "nothing that records name of what ran it differs"
        return "\n".join([*lines, told])


def repeat(cell: str | Path, *, results: str | Path | None = None, timeout: int | None = None) -> Repeated:
    """Run a finished cell again, with the compute threads and the precision of its record, and compare the records.

    Nothing is read but the record and the files that the cell names: what the cells of a grid share is made anew. All
    that it writes lies in a temporary folder.

    Args:
        cell: folder of a finished cell, or the beginning of its id.
        results: results folder an id is looked for in; by default every folder of `results/`.
        timeout: limit in seconds for one cell of a notebook; by default a day.

    Raises:
        RftlabError: no such cell, it is damaged, a file or kept policy that it was made of is gone or another by now,
            or it fails.
        Interrupted: SIGINT, SIGTERM or SIGHUP.
    """
    folder = weights.find_cell(str(cell), Path(results) if results else None)
    then, wanted = _recorded(folder)
    kept = _policy(folder)
    settings = KernelSettings(
        threads=then.environment.get("threads") or cores(),
        keep="all" if kept else "none",
        precision=BF16 if "bfloat16" in str(then.contract.get("match", {}).get("precision")) else FP32,
        cell_timeout=timeout or DAY_S,
    )
    with scratch() as again:
        with busy(f"repeating {wanted.id} ({wanted.label})", aloud=True):
            (outcome,) = run_cells([wanted], again, Unheard(), workers=1, settings=settings)
        if outcome.folder is None or (now := record.read(outcome.folder)) is None or outcome.status != "done":
            raise RftlabError(f"{wanted.id} could not be repeated: {outcome.error or outcome.status}")
        return Repeated(wanted, _with_policy(held_against(then, folder, now, outcome.folder), kept, outcome.folder))


def _recorded(folder: Path) -> tuple[Record, Cell]:
    """The record of a cell that can be repeated, and the cell with its files where they are now.

    Raises:
        RftlabError: as `repeat`.
    """
    found = record.examine(folder)
    if isinstance(found, Damage):
        if not found.misplaced:
            _refuse(folder, found.reason)
        found = record.read(folder)
    assert found is not None  # find_cell saw a record
    cell = weights.cell_of(folder)
    try:
        now = dict(with_digests(cell).digests)
        notebook_of(cell)
    except RftlabError as error:
        _refuse(folder, str(error))
    then = cell.digests
    if gone := [describe(cell, name) for name in missing(then, now)]:
        _refuse(folder, f"{', '.join(gone)} is not where it was; put it back")
    if other := [describe(cell, name) for name in changes(then, now)]:
        _refuse(folder, f"{', '.join(other)} is another by now; put back what it was made with")
    return found, cell


def _refuse(folder: Path, why: str) -> NoReturn:
    raise RftlabError(f"{folder.name} cannot be repeated: {why}") from None


def _policy(folder: Path) -> str:
    """Digest of the policy that a cell kept; "" if it kept none, or it is damaged."""
    with suppress(RftlabError):
        return weights.digest(folder) if weights.has_policy(folder) else ""
    return ""


def _with_policy(held: Held, kept: str, again: Path) -> Held:
    if not kept:
        return held
    same = _policy(again) == kept
    said = [] if same else ["policy: other weights than were kept then"]
    return Held([*held.parts, _POLICY], [*held.differing, *said], held.ran_on)
