"""Cells that failed, at the end of a run and in `rftlab status`: each error once, each cell with its log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rftlab.screen import say

if TYPE_CHECKING:
    from rftlab.execute.one_cell import Outcome


def say_failures(failed: Sequence["Outcome"], *, most: int | None = None, file: TextIO | None = None) -> None:
    """Print what failed, with its log; of those that failed alike the error once, and at most so many of them.

    Args:
        failed: outcomes that failed.
        most: cells named of those that failed alike; None for all.
        file: where to; standard output by default.
    """
    from rftlab.execute.alike import kind_of_error

    alike: dict[str, list[Outcome]] = {}
    for outcome in failed:
        alike.setdefault(kind_of_error(outcome.error), []).append(outcome)
    for first, *others in alike.values():
        if not others:
            say(failure(first), file=file)
            continue
        group = [first, *others]
        say(f"{len(group)} cells failed: {first.error}", file=file)
        say(*(f"  {outcome.cell.label}{_log(outcome)}" for outcome in group[:most]), file=file)
        if most and len(group) > most:
            say(f"  and {len(group) - most} more, which rftlab status names", file=file)


def failure(outcome: "Outcome") -> str:
    """One cell that failed: its error, and where its log is."""
    return f"failed: {outcome.cell.label}: {outcome.error}{_log(outcome)}"


def _log(outcome: "Outcome") -> str:
    return f"; see {outcome.folder / 'notebook.ipynb'}" if outcome.folder else ""
