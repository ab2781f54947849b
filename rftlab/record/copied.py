"""A finished cell copied elsewhere, into a folder or an archive: its record as it is, and what its numbers stand on."""

import json
from collections.abc import Container, Iterable
from pathlib import Path

from rftlab.errors import RftlabError
from rftlab.files import checksums, names
from rftlab.record import DATA, RECORD, SAMPLES, TUNING, Record, cells_dir, examine, read_lines
from rftlab.record.excerpt import NAME, Excerpt

FAILED, ERROR = "failed", "error.txt"
"""Where a results folder says why a cell failed when it was last run: `failed/<id>/error.txt`."""
TEXTS = ("prompt", "completion", "answer", "extracted", "detail")
"""What a row of samples.jsonl says in words: no number of a report is computed from it."""
_IS_DATA = (".json", ".jsonl")


def files_of(
    record: Record, folder: Path, made: Path, *, completions: int | None = None, policies: bool = False
) -> dict[str, Path]:
    """The files of a finished cell that a copy holds: record, trace, samples and whatever else is data.

    What else its record names, notebook and log, is left out, and said to be.

    Args:
        record: the cell's.
        folder: where it lies.
        made: a folder, made if need be, for files that the copy has in place of the cell's own.
        completions: items of each part whose texts are kept; None keeps all. The outcomes of the others stay.
        policies: its kept policy too.

    Returns:
        Name in the copy -> where the file lies.

    Raises:
        OSError: the disk is full or a file cannot be read.
    """
    before = Excerpt.of(folder)
    left_out = [name for name in record.files if not name.endswith(_IS_DATA) or name in before.left_out]
    data = [name for name in record.files if name not in left_out]
    files = {name: folder / name for name in (RECORD, *DATA, *data)}
    shortened = dict(before.shortened)
    if completions is not None and (text := _shortened(folder / SAMPLES, completions)):
        files[SAMPLES] = _write(made / SAMPLES, text)
        shortened[SAMPLES] = {"written": record.files.get(SAMPLES), "kept": checksums.of_text(text)}
    if left_out or shortened:
        files[NAME] = _write(made / NAME, Excerpt(left_out, shortened).text())
    if policies:
        inner = [path for path in sorted((folder / "policy").rglob("*")) if path.is_file()]
        named = {path.relative_to(folder).as_posix(): path for path in inner}
        files |= {name: path for name, path in named.items() if not any(part[0] == "." for part in name.split("/"))}
    return files


def require_inside(files: Iterable[Path], *folders: Path) -> None:
    """Raise if a file that is about to be copied is a link out of a results folder, which may be somebody else's.

    Args:
        files: to be copied.
        folders: the results folder, and others that they may lie in.

    Raises:
        RftlabError: naming the first.
    """
    homes = [folder.resolve() for folder in folders]
    for file in files:
        if not any(file.resolve().is_relative_to(home) for home in homes):
            raise RftlabError(f"{file} leads out of {folders[0]}; put the file itself there, or remove the link")


def lists_of(results: Path) -> dict[str, Path]:
    """What a results folder says of the study as a whole (its grid, its tuning, ...): name -> where it lies."""
    found = [path for path in sorted(results.iterdir()) if path.is_file() and names.LIST.fullmatch(path.name)]
    return {path.name: path for path in found}


def failures_of(results: Path, *, without: Container[str] = ()) -> dict[str, Path]:
    """Why cells of a results folder failed, but for some: name in a copy -> where the file lies."""
    found = sorted((results / FAILED).glob(f"*/{ERROR}"))
    wanted = [path for path in found if path.parent.name[0] != "." and path.parent.name not in without]
    return {f"{FAILED}/{path.parent.name}/{ERROR}": path for path in wanted}


def tuning_cells(results: Path, *, without: Container[str] = ()) -> list[Record]:
    """The sound records that a grid's tuning stands on, but for some; they are no cells of the grid."""
    try:
        ids = json.loads((results / TUNING).read_text(encoding="utf-8"))["ids"]
        found = [examine(cells_dir(results) / name) for name in ids if names.is_file_name(name) and name not in without]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [each for each in found if isinstance(each, Record)]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _shortened(samples: Path, completions: int) -> str:
    """samples.jsonl with the texts of so many items of each part; "" if it has no more."""
    seen: dict[str, dict[str, None]] = {}
    rows, fewer = [], False
    for row in read_lines(samples):
        items = seen.setdefault(row["part"], {})
        if len(items) < completions:
            items[row["item"]] = None
        if row["item"] not in items and any(name in row for name in TEXTS):
            row = {name: value for name, value in row.items() if name not in TEXTS}
            fewer = True
        rows.append(json.dumps(row, sort_keys=True) + "\n")
    return "".join(rows) if fewer else ""
