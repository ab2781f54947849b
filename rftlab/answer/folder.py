"""A results folder's study, read and decided once for all who ask: page, notebook, command line and widgets."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from rftlab import record
from rftlab.answer.contracts import waivers
from rftlab.answer.decisions import Decisions, decide
from rftlab.answer.results import Results, read_results
from rftlab.files.archive import opened


def study_of(results: str | Path, waive: str | Iterable[str] = ()) -> tuple[Results, Decisions]:
    """The study of a results folder or an archive, and its decisions; both again as soon as a file of it changes.

    Args:
        results: a grid's results folder, or an archive.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    where = Path(results)
    return _study_of(where, waivers(waive), tuple(_state(opened(where))))


@lru_cache(maxsize=2)
def _study_of(results: Path, waive: frozenset[str], _state: object) -> tuple[Results, Decisions]:
    study = read_results(results, waive)
    return study, decide(study)


def _state(results: Path) -> Iterator[tuple[str, int, int, int]]:
    """What all files are now that a study is read from: those of the grid, and those of its cells."""
    cells = record.cells_dir(results)
    folders = [results, *(folder for folder in cells.iterdir() if folder.is_dir())] if cells.is_dir() else [results]
    for folder in folders if results.is_dir() else []:
        for path in folder.iterdir():
            if path.is_file():
                at = path.stat()
                yield str(path), at.st_ino, at.st_size, at.st_mtime_ns
