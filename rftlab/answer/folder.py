"""A results folder's study, read and decided once for all who ask: page, notebook, command line and widgets."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

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
    return _study_of(*_key(results, waive))


def results_of(results: str | Path, waive: str | Iterable[str] = ()) -> Results:
    """The study of `study_of`, not decided yet.

    Raises:
        RftlabError: as `study_of`.
    """
    return _read(*_key(results, waive))


def read_cells(results: str | Path, waive: str | Iterable[str] = ()) -> pd.DataFrame:
    """`rftlab.load` with the columns the report groups by: prompt, arm and variant.

    prompt says in words how a policy was trained and asked. Cells that agree on task, model, method, labels, cot and
    seed but not in another parameter must not be averaged: if several methods sweep that parameter it goes into
    ``variant`` (`adapter.r=8`), if one alone does, into that method's ``arm`` (`grpo [preset=deepseek]`). Cells whose
    contracts refuse a comparison get other variants too, so that nothing shows them side by side.

    Args:
        results: a grid's results folder.
        waive: fields of the contract whose being unknown is accepted, as names or as a text with commas.

    Raises:
        RftlabError: as `rftlab.load`; or no such field to waive.
    """
    return results_of(results, waive).cells.copy()


@lru_cache(maxsize=2)
def _study_of(*key: Any) -> tuple[Results, Decisions]:
    study = _read(*key)
    return study, decide(study)


@lru_cache(maxsize=2)
def _read(results: Path, waive: frozenset[str], _state: object) -> Results:
    return read_results(results, waive)


def _key(results: str | Path, waive: str | Iterable[str]) -> tuple[Path, frozenset[str], object]:
    where = Path(results)
    return where, waivers(waive), tuple(_state(opened(where)))


def _state(results: Path) -> Iterator[tuple[str, int, int, int]]:
    """What all files are now that a study is read from: those of the grid, and those of its cells."""
    cells = record.cells_dir(results)
    folders = [results, *(folder for folder in cells.iterdir() if folder.is_dir())] if cells.is_dir() else [results]
    for folder in folders if results.is_dir() else []:
        for path in folder.iterdir():
            if path.is_file():
                at = path.stat()
                yield str(path), at.st_ino, at.st_size, at.st_mtime_ns
