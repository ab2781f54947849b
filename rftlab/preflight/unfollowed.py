"""Files that the user's code reads although no digest of a cell follows them: an edit of one would not be noticed."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from rftlab.cell import Cell
from rftlab.digests import Files, files_of, texts_of
from rftlab.user_code.opened import Opened
from rftlab.user_code.sources import places

_NAMED = 3


def folders(cells: Iterable[Cell]) -> list[Path]:
    """Where the code of the users' cells lies and may find files by a name; nothing for cells without any."""
    mains = {main for files in _files(cells) for main in files.code}
    return list(dict.fromkeys(place for main in sorted(mains) for place in places(main.parent)))


def notes(cells: Sequence[Cell], opened: Opened) -> list[str]:
    """Sentences on what the user's code reads and no digest follows, and on what it writes although one does."""
    files = _files(cells)
    followed = {os.path.realpath(path) for each in files for path in each.followed}
    written = {os.path.realpath(path) for path in opened.written}
    written |= {os.path.realpath(path) for each in files for path in each.written}
    found: dict[tuple[str, bool], list[str]] = {}
    for path, reader in opened.read.items():
        real = Path(os.path.realpath(path))
        if real.is_file() and not any(str(each) in followed for each in (real, *real.parents)):
            found.setdefault((reader, str(real) in written), []).append(Path(path).name)
    changing = [Path(path).name for path in sorted(opened.written) if os.path.realpath(path) in followed]
    return [
        *(_sentence(reader, names, own=own) for (reader, own), names in found.items()),
        *(
            f"{name} is written while the code runs, but its digest follows it: name it where it is written, or cells "
            "are refused once it has changed"
            for name in changing
        ),
    ]


def _files(cells: Iterable[Cell]) -> list[Files]:
    """`files_of` cells, once for those that name the same."""
    return [files_of(cell) for cell in {tuple(texts_of(cell)): cell for cell in cells}.values()]


def _sentence(reader: str, names: Sequence[str], *, own: bool) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    named = ", ".join(names[:_NAMED]) + more
    if own:
        return f"{reader} writes and reads {named}: that is no part of a cell, edits to it will not be noticed"
    return (
        f"{reader} reads {named}, which its digest does not follow: name it in a text of the code, or edits to it "
        "will not be noticed"
    )
