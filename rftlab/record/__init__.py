"""What a cell leaves behind: record.json (written last, atomically), trace.jsonl and samples.jsonl.

A record holds a digest of itself and checksums of the files beside it. One that was changed, cannot be read or lies in
another cell's folder is kept out of everything, by name; nothing here deletes or overwrites it.
"""

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError, RftlabWarning, one_line
from rftlab.files import checksums, names, told_paths
from rftlab.files.archive import opened
from rftlab.files.staging import set_aside, swap_in, whole_file
from rftlab.json_values import unread
from rftlab.record import excerpt

RECORD, TRACE, SAMPLES, NOTEBOOK = "record.json", "trace.jsonl", "samples.jsonl", "notebook.ipynb"
GRID, TUNING = "grid.json", "tuning.json"
SCHEMA = 2
"""Of the records written now. Schema 1 has no digest and no checksums, and is read without them."""
# What the numbers stand on: without either of these a record does not count.
DATA = (TRACE, SAMPLES)


@dataclass(frozen=True)
class Record:
    """Everything one cell measured; the only thing that later stages read.

    Attributes:
        cell: the cell's parameters, as JSON values.
        id: the cell's id.
        contract: what must match between runs that are compared, and what must be shown (see `rftlab.contract`).
        metrics: numbers in their own units (accuracies and rates in [0, 1]); None where undefined.
        cost: optimizer_steps, tokens_generated, tokens_trained, flops, seconds, verifier_calls, peak_memory_bytes.
        tuning: one row per learning-rate trial; the chosen one is marked.
        environment: library versions, hardware, threads, git commit, sandbox level.
        warnings: sentences the reader of a plot has to know (truncation, verifier errors, ...).
        schema: of the file it was read from, or is written to.
        files: checksum of each file beside it, weights apart; filled in when it is written.
    """

    cell: Mapping[str, Any]
    id: str
    contract: Mapping[str, Any]
    metrics: Mapping[str, float | None]
    cost: Mapping[str, float | None]
    tuning: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    schema: int = SCHEMA
    files: checksums.Checksums = field(default_factory=dict, compare=False)

    @cached_property
    def parameters(self) -> Cell:
        """The cell as a value.

        Raises:
            ValueError: it has parameters or values that this rftlab does not know.
        """
        return Cell.model_validate_json(json.dumps(dict(self.cell)))

    @cached_property
    def contract_hash(self) -> str:
        """12 hex digits of the SHA-256 of what must match between methods, as canonical JSON."""
        must_match = dict(self.contract.get("match", self.contract))
        return hashlib.sha256(json.dumps(must_match, sort_keys=True).encode()).hexdigest()[:12]

    def write(self, folder: Path, *, trace: Iterable[Mapping[str, Any]], samples: Iterable[Mapping[str, Any]]) -> Path:
        """Write trace, samples and then the record into ``folder``; each file appears whole or not at all.

        Returns:
            Path of record.json.
        """
        folder.mkdir(parents=True, exist_ok=True)
        texts = {TRACE: _json_lines(trace), SAMPLES: _json_lines(samples)}
        for name, text in texts.items():
            write_atomically(folder / name, text)
        return self._write(folder, {name: checksums.of_text(text) for name, text in texts.items()})

    def seal(self, folder: Path) -> Path:
        """Write the record again, with checksums of the files that came after it: notebook and log, weights apart."""
        beside = [path for path in folder.iterdir() if path.is_file() and names.is_file_name(path.name)]
        later = [path for path in beside if path.name not in (RECORD, *self.files)]
        return self._write(folder, {**self.files, **{path.name: checksums.of_file(path) for path in sorted(later)}})

    def changed_files(self, folder: Path) -> list[str]:
        """Names of files with a checksum that are missing or not as they were written.

        Raises:
            RftlabError: what was left out of a copy cannot be read.
        """
        wanted = excerpt.expected(folder, self.files)
        return [name for name in wanted if checksums.problem(folder, [name], wanted)]

    def _write(self, folder: Path, files: checksums.Checksums) -> Path:
        told = {"cell": told_paths.of_cell(self.cell), "warnings": told_paths.below_home(list(self.warnings))}
        body = {**asdict(self), **told, "schema": SCHEMA, "files": files, "contract_hash": self.contract_hash}
        # Through JSON once, so that what is digested is what will be read.
        body = json.loads(json.dumps(body))
        text = json.dumps({**body, "digest": checksums.digest(body)}, indent=1, sort_keys=True)
        return write_atomically(folder / RECORD, text + "\n")


def write_atomically(path: Path, text: str) -> Path:
    """Write ``text`` so that ``path`` holds either its old content or all of the new one, after any crash.

    Raises:
        OSError: the disk is full or not writable; the old file, if any, is untouched.
    """
    with whole_file(path) as file:
        file.write(text.encode())
    return path


def require_folder_of(path: Path) -> None:
    """Raise unless the folder that a file is to be written into is there.

    Raises:
        RftlabError: it is not.
    """
    if not path.resolve().parent.is_dir():
        raise RftlabError(f"cannot write {path}: there is no folder {path.parent}; make it, or name another")


def read(folder: Path) -> Record | None:
    """The record in a cell's folder, or None if it has none yet. The files beside it are not looked at.

    Raises:
        RftlabError: the file is there but cannot be read, is not a record, was changed after it was written, or was
            written by a newer rftlab.
    """
    path = folder / RECORD
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RftlabError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RftlabError(f"{path} is not a record ({unread(error)})") from None
    if not isinstance(body, dict):
        raise RftlabError(f"{path} is not a record (it holds {type(body).__name__}, not an object)")
    if isinstance(body.get("schema"), int) and body["schema"] > SCHEMA:
        raise RftlabError(
            f"{path} was written by a newer rftlab (record schema {body['schema']}; this one reads up to {SCHEMA})"
        )
    if body.get("schema") != 1 and body.pop("digest", None) != checksums.digest(body):
        raise RftlabError(f"{path} is not a record, or was changed after it was written: its digest does not match")
    try:
        contract_hash = body.pop("contract_hash")
        record = Record(**{**body, "tuning": tuple(body["tuning"]), "warnings": tuple(body["warnings"])})
        if contract_hash != record.contract_hash:
            raise ValueError("its contract is not the one it was written with")
        for name, value in (*record.metrics.items(), *record.cost.items()):
            if value is not None and type(value) not in (int, float):
                raise ValueError(f"its {name} is {value!r}, no number")
        if strange := [name for name in record.files if not names.is_file_name(name)]:
            raise ValueError(f"it names {strange[0][:80]!a}, which is no file of a cell's folder")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RftlabError(f"{path} is not a record ({error})") from None
    return record


@dataclass(frozen=True)
class Damage:
    """A folder among the finished cells that must not be counted, why, and whether it is another cell's."""

    folder: Path
    reason: str
    misplaced: bool = False

    def __str__(self) -> str:
        return f"{self.folder}: {self.reason}"

    def seen_from(self, opened_in: Path, place: Path) -> "Damage":
        """The same, said of the archive rather than of the folder it is unpacked in for a while."""
        reason = self.reason.replace(str(opened_in), str(place))
        return Damage(place / self.folder.relative_to(opened_in), reason, self.misplaced)


def examine(folder: Path) -> Record | Damage | None:
    """The record in a finished cell's folder, named by its id, or why it must not be counted; None if there is none."""
    try:
        found = read(folder)
    except RftlabError as error:
        return Damage(folder, str(error))
    if found is None:
        return None
    if found.id != folder.name:
        return Damage(folder, f"it holds the record of cell {found.id}", misplaced=True)
    try:
        _ = found.parameters
    except ValueError as error:
        return Damage(folder, f"its cell has parameters this rftlab does not know ({one_line(str(error))})")
    try:
        problem = checksums.problem(folder, DATA, excerpt.expected(folder, found.files))
    except RftlabError as error:
        problem = str(error)
    return Damage(folder, problem) if problem else found


def put_in_place(folder: Path, final: Path) -> None:
    """Rename a folder that holds a finished record to its cell's own place.

    An earlier record of the cell is replaced; what does not count there may be all that is left of somebody's work, and
    is set aside.
    """
    if final.exists() and not isinstance(examine(final), Record):
        set_aside(final)
    swap_in(folder, final)


def scan(results: str | Path) -> tuple[list[Record], list[Damage]]:
    """The finished records of a results folder or an archive, in order of id, and what lies there but must not count.

    Where a grid was run, of its cells alone, and of folders that are no cell's.

    Raises:
        RftlabError: there is no such folder, or its `grid.json` is damaged: nobody knows then which cells count.
    """
    cells = cells_dir(Path(results))
    if not cells.is_dir() and Path(results).is_file():
        raise RftlabError(f"{results} holds no cells: it is an archive of a study in which none had finished")
    if not cells.is_dir():
        raise RftlabError(f"no results in {results}: there is no folder {cells}; run a grid first")
    wanted = planned(Path(results))
    found = examine_all(cells)
    records = [one for one in found if isinstance(one, Record) and (wanted is None or one.id in wanted)]
    damaged = [one.seen_from(cells.parent, Path(results)) for one in found if isinstance(one, Damage)]
    return records, [d for d in damaged if wanted is None or d.misplaced or d.folder.name in wanted]


def examine_all(cells: Path) -> list[Record | Damage]:
    """What `examine` finds in the folders of finished cells, in order of id, whichever grid they are of."""
    folders = [folder for folder in sorted(cells.iterdir()) if folder.is_dir() and folder.name[0] != "."]
    return [found for folder in folders if (found := examine(folder)) is not None]


def cells_dir(results: Path) -> Path:
    """Folder of the finished cells of a grid's results; of an archive, where it is unpacked."""
    return opened(results) / "cells"


def planned(results: Path) -> frozenset[str] | None:
    """Ids of the cells of the grid last run in a results folder; None where no grid was, and every record counts.

    Raises:
        RftlabError: its list is damaged.
    """
    try:
        body = json.loads((opened(results) / GRID).read_text(encoding="utf-8"))
        ids = body.get("ids") or [Cell.make(values).id for values in body["cells"]]
        if not isinstance(body["name"], str) or len(ids) != len(body["cells"]):
            raise ValueError("it does not list cells with an id each")
        return frozenset(ids)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RftlabError(
            f"{results / GRID} cannot be read ({error}), so nobody knows which cells are the study's; run the grid "
            "again, which writes it"
        ) from None


def planned_cell(results: Path, cell_id: str) -> Cell | None:
    """A cell of the grid last run in a results folder, as that grid names it; None if it is not one of them.

    A cell's id does not depend on where its files lie: in a project that was moved this cell has the paths of now,
    and the cell in the record those of then.
    """
    try:
        body = json.loads((opened(results) / GRID).read_text(encoding="utf-8"))
        cell = Cell.make(body["cells"][body["ids"].index(cell_id)])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    return cell if cell.id == cell_id else None


def read_all(results: str | Path) -> list[Record]:
    """Every finished record below a results folder, in order of id; of its grid's cells alone, if a grid was run there.

    A warning names what is kept out because it was changed, cannot be read, or lies in another cell's folder.

    Raises:
        RftlabError: there is no such folder, or none of its records can be read.
    """
    return read_sound(results)[0]


def read_sound(results: str | Path) -> tuple[list[Record], list[Damage]]:
    """`scan`, with the warning and the errors of `read_all`."""
    records, damaged = scan(results)
    if damaged and not records:
        raise RftlabError(f"no record in {results} can be read: {damaged[0]}; run the grid again")
    if damaged:
        warnings.warn(kept_out(damaged), RftlabWarning, stacklevel=3)
    return records, damaged


def kept_out(damaged: Sequence[Damage]) -> str:
    """One sentence on folders that are not counted."""
    more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
    cells = "1 cell is" if len(damaged) == 1 else f"{len(damaged)} cells are"
    return f"{cells} not counted: {damaged[0]}{more}; run the grid again, or see `rftlab status --verify`"


def read_lines(path: Path, containing: str = "") -> Iterator[dict[str, Any]]:
    """Rows of a trace.jsonl or samples.jsonl, or of its lines that contain a text.

    Raises:
        RftlabError: it is damaged.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if containing in line)
    except (OSError, ValueError) as error:
        raise RftlabError(f"{path} cannot be read ({error}); run the grid again") from None


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(dict(row), sort_keys=True) + "\n" for row in rows)
