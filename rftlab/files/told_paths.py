"""Paths as what is kept tells them: below the grid's folder from there, below home with `~`, so that no user is named.

Whoever reads them opens `~/checks.py` as any path; one from the grid's folder is told of a file whose content is in the
cell's digests, and is found by the list of the study's cells (`rftlab.record.planned_cell`).
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from rftlab.json_values import with_texts

GRID_FOLDER = "RFTLAB_GRID_FOLDER"
"""Environment variable of a run's kernels: the folder of its grid."""
# Where a path may begin in a text: at its start, after a space, a quote or bracket, markup, or a terminal's colour.
_BEGINS = r"(?:(?<=[\s,;:'\"(\[=>`])|(?<=\x1b\[\dm)|(?<=\x1b\[\d\dm)|(?<=\x1b\[\d;\d\dm)|(?<!.))"
# What is looked up again by what a record says alone.
_FOUND_BY_RECORD = ("start_from", "settings.teacher")


def below_home(values: Any) -> Any:
    """JSON values, or a text, in which paths below home begin with `~`."""
    return with_texts(values, lambda _, text: _homeless(text))


def of_cell(values: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's JSON values: paths of files below the grid's folder begin with `./`, others below home with `~`."""
    folder = os.environ.get(GRID_FOLDER, "")
    inner = _inside(folder) if folder else None

    def told(name: str, text: str) -> str:
        if inner is not None and name not in _FOUND_BY_RECORD:
            text = inner.sub("./", text)
        return _homeless(text)

    found: dict[str, Any] = with_texts(values, told)
    return found


def of_notebook(values: Any, folder: Path, others: Iterable[Path] = ()) -> Any:
    """JSON values, or a text, of a notebook that was executed in ``folder``: told from there, else below home with `~`.

    Args:
        values: all that it says, or what is kept beside it.
        folder: where it lies.
        others: further folders; those that ``folder`` lies in are told with `..`, those that it does not with `.`.
    """
    named = {each: os.path.relpath(folder, each) for each in others}
    told = {each: os.path.relpath(each, folder) if name[:2] != ".." else "." for each, name in named.items()}
    inner = [(str(each), _itself(str(each)), name) for each, name in {folder: ".", **told}.items() if each.name]
    inner.sort(key=lambda one: -len(one[0]))

    def tell(_: str, text: str) -> str:
        for named, pattern, name in inner:
            text = pattern.sub(name, text) if named in text else text
        return _homeless(text)

    return with_texts(values, tell)


def _homeless(text: str) -> str:
    for home in _homes():
        text = _inside(home).sub("~/", text) if home in text else text
    return text


@cache
def _homes() -> tuple[str, ...]:
    """The home folder, as it is named and as it is; none where that is the root of all."""
    try:
        home = Path.home()
    except RuntimeError:
        return ()
    return tuple(dict.fromkeys(str(each) for each in (home, home.resolve()) if each.is_absolute() and each.name))


@cache
def _inside(folder: str) -> re.Pattern[str]:
    """How a path below a folder begins, where a path may begin in a text."""
    return re.compile(rf"{_BEGINS}{re.escape(folder.rstrip('/'))}/", re.DOTALL)


@lru_cache(maxsize=16)
def _itself(folder: str) -> re.Pattern[str]:
    """A folder, or how a path below it begins, likewise."""
    return re.compile(rf"{_BEGINS}{re.escape(folder)}(?![\w.-])", re.DOTALL)
