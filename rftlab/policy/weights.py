"""The weights that finished cells leave: where they lie, what they are, and whether a cell may start from them.

`cells/<id>/policy` holds a policy as PEFT (an adapter) or transformers (a whole model) writes it, with manifest.json,
which says what it is and what each file has to be. It stands apart from the record's own files: a policy that was
removed is no damage. Never imports torch.
"""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.registry import METHODS, find

POLICY, MANIFEST = "policy", "manifest.json"
PROMPT = "prompt.json"
"""The file of a policy that is the base under a prompt, and has no weights of its own."""
# A policy being removed is named so until all its files are gone.
_DOOMED = f".{POLICY}.removed"
# Which policies a run keeps, told to its kernels; where nothing is told, a policy is kept for good.
KEEP = "RFTLAB_KEEP"
Keep = Literal["none", "best", "all"]
KEEP_CHOICES: tuple[Keep, ...] = get_args(Keep)
DEFAULT_KEEP: Keep = "best"
# Folder, in the one that a grid's cells share, of what cells can go on from that are still training; and how often that
# is written, in seconds, told to a run's kernels; where nothing is told, it is not.
CHECKPOINTS, CHECKPOINT_S = "checkpoints", "RFTLAB_CHECKPOINT_S"
_SHAPE = ("kind", "r", "alpha", "target_modules")
_ID = re.compile(r"[0-9a-f]{3,12}")


@dataclass(frozen=True)
class Manifest:
    """What a kept policy is.

    Attributes:
        cell: id of the cell that trained it.
        model: its base, by a name that holds on any machine: `tiny-base`, a hub id, or the last part of a folder.
        identity: hashes of the base's files (`rftlab.policy.identity`).
        adapter: the cell's adapter: kind, r, alpha, ...
        dtype: number format it was trained in, such as `float32` or `float32, products in bfloat16`.
        device: cpu or cuda.
        keep: "best" may be removed in favour of a better seed, "all" stays.
        max_new_tokens: the cap on its completions when it was evaluated.
        parent: digest of the policy it started from, "" for the base.
        files: name -> {"bytes", "sha256"}.
    """

    cell: str
    model: str
    identity: Mapping[str, str]
    adapter: Mapping[str, Any]
    dtype: str
    device: str
    keep: str
    max_new_tokens: int
    parent: str
    files: Mapping[str, Mapping[str, Any]]

    @property
    def digest(self) -> str:
        """12 hex digits of the policy: its weights or prompt, the base they sit on, and how an adapter is scaled."""
        own = (".safetensors", PROMPT)
        weights = {name: each["sha256"] for name, each in self.files.items() if name.endswith(own)}
        shape = {name: self.adapter[name] for name in _SHAPE} if self.adapter["kind"] == "lora" else "full"
        content = json.dumps([dict(self.identity), shape, weights], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def is_prompt(self) -> bool:
        """Whether it is the base under a prompt, without weights of its own."""
        return PROMPT in self.files

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(each["bytes"] for each in self.files.values())

    def write(self, folder: Path) -> None:
        """Write manifest.json into a policy's folder."""
        record.write_atomically(folder / MANIFEST, json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")


def digest(folder: str | Path) -> str:
    """12 hex digits of the policy kept in a cell's folder: equal digits, equal policy, wherever the folder lies.

    Raises:
        RftlabError: as `read_manifest`.
    """
    return read_manifest(Path(folder)).digest


def files_of(policy: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file of a policy's folder but its manifest."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(policy.iterdir())
        if path.is_file() and path.name != MANIFEST
    }


def has_policy(folder: Path) -> bool:
    """Whether a cell's folder holds a policy."""
    return (folder / POLICY / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """What the policy in a cell's folder is.

    Raises:
        RftlabError: it holds none, and why; or its manifest cannot be read.
    """
    path = folder / POLICY / MANIFEST
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise RftlabError(_why_none(folder)) from None
    except (ValueError, TypeError) as error:
        raise RftlabError(f"{path} cannot be read ({error}); {_again(folder)}") from None


def verify(folder: Path) -> Manifest:
    """The manifest of a cell's policy, all of whose files have been compared with it.

    Raises:
        RftlabError: as `read_manifest`; or a file is missing or another.
    """
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        path = folder / POLICY / name
        if not path.is_file() or path.stat().st_size != expected["bytes"] or _sha256(path) != expected["sha256"]:
            problem = "is not the file that was saved" if path.is_file() else "is missing"
            raise RftlabError(f"{path} {problem}; {_again(folder)}")
    return manifest


def find_cell(cell: str, results: Path | None = None, *, near: Path | None = None) -> Path:
    """Folder of a finished cell.

    Args:
        cell: the folder, or the beginning of the cell's id (at least 3 digits, enough to name one).
        results: results folder an id is looked for in; None for every folder of `results/`.
        near: folder that relative paths and `results/` are looked for in first; by default the working folder alone.

    Raises:
        RftlabError: no such cell, more than one, or a folder that holds no record.
    """
    places = [near, Path()] if near else [Path()]
    for place in places:
        folder = place / Path(cell).expanduser()
        if _is_folder(folder):
            folder = folder.parent if folder.name == POLICY else folder
            if _read(folder) is None:
                raise RftlabError(f"{folder} holds no record; give the folder of a finished cell, or its id")
            return folder.resolve()
    if not _ID.fullmatch(cell):
        raise RftlabError(
            f"there is no folder {cell}; give the folder of a finished cell, or at least 3 characters of its id"
        )
    found = {
        path.resolve()
        for home in ([results] if results else [each for place in places for each in place.glob("results/*")])
        for path in record.cells_dir(home).glob(f"{cell}*")
        if (path / record.RECORD).is_file()
    }
    where = str(results or "results/*")
    if not found:
        raise RftlabError(f"no finished cell {cell} in {where}; give its folder, or the results folder with --results")
    if len(found) > 1:
        raise RftlabError(f"{cell} is the beginning of several cells: {', '.join(sorted(map(str, found)))}; give more")
    return found.pop()


def _read(folder: Path) -> record.Record | None:
    try:
        return record.read(folder)
    except RftlabError as error:
        raise RftlabError(f"{error}; run its grid again") from None


def cell_of(folder: Path) -> Cell:
    """The cell whose record a folder holds, with the paths of the grid last run there.

    Raises:
        RftlabError: no record.
    """
    found = record.read(folder)
    if found is None:
        raise RftlabError(f"{folder} holds no record; give the folder of a finished cell")
    return record.planned_cell(folder.parent.parent, found.id) or found.parameters


def as_evaluated(folder: Path) -> Cell:
    """The cell that kept a policy, its cap on completions as a number; its id is not that of the cell.

    Raises:
        RftlabError: as `read_manifest`.
    """
    cell, cap = cell_of(folder), read_manifest(folder).max_new_tokens
    name = "decoding.max_new_tokens" if cell.cot_eval else "decoding.max_new_tokens_direct"
    return Cell.make({**cell.flat(), name: cap})


def require_same_shape(manifest: Manifest, cell: Cell) -> None:
    """Raise unless a cell can go on from a kept policy: the same kind of adapter, of the same shape and scale.

    Raises:
        RftlabError: naming the first field that differs.
    """
    own = cell.adapter.model_dump(mode="json")
    for name in _SHAPE if cell.adapter.kind == manifest.adapter["kind"] == "lora" else _SHAPE[:1]:
        if manifest.adapter[name] != own[name]:
            raise RftlabError(
                f"start_from: cell {manifest.cell} has adapter.{name} {manifest.adapter[name]!r}, this one has "
                f"{own[name]!r}; to go on from its policy they must be equal"
            )


def require_weights(manifest: Manifest, wanted: str) -> None:
    """Raise if a kept policy is a prompt.

    Args:
        manifest: of it.
        wanted: what takes weights, for the sentence.

    Raises:
        RftlabError: as said.
    """
    if manifest.is_prompt:
        raise RftlabError(
            f"{wanted} takes weights, and cell {manifest.cell} keeps a prompt for its base: {POLICY}/{PROMPT} in its "
            "folder holds it"
        )


def require_same_base(manifest: Manifest, identity: Mapping[str, str], model: str) -> None:
    """Raise unless a kept policy sits on this very base.

    Raises:
        RftlabError: naming what differs.
    """
    parts = [part for part in manifest.identity if manifest.identity[part] != identity.get(part)]
    if parts:
        raise RftlabError(
            f"the policy of cell {manifest.cell} was trained on another base than {model}: {manifest.model}, with "
            f"other {', '.join(parts)}; give the model it was trained on"
        )


def remove(folder: Path) -> None:
    """Remove a cell's policy: gone at once under its name, then file by file."""
    doomed = folder / _DOOMED
    shutil.rmtree(doomed, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        (folder / POLICY).rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def sweep(results: Path) -> None:
    """Finish what a run that died left half-removed."""
    for doomed in record.cells_dir(results).glob(f"*/{_DOOMED}"):
        shutil.rmtree(doomed, ignore_errors=True)


def _why_none(folder: Path) -> str:
    cell = cell_of(folder)
    entry = find(METHODS, cell.method, "method")[0]
    if not (entry.trains or entry.keeps_prompt):
        return f"cell {cell.id} ({cell.label}) keeps no policy: it is the untrained base"
    for other in _siblings(folder, cell):
        return f"cell {cell.id} ({cell.label}) keeps no policy: its study kept the best of its arm, cell {other}"
    return f"cell {cell.id} ({cell.label}) keeps no policy; {_again(folder)} --keep all"


def _again(folder: Path) -> str:
    return f"to have its policy: rftlab run GRID.yaml --rerun {folder.name}"


def _siblings(folder: Path, cell: Cell) -> Iterator[str]:
    for other in sorted(folder.resolve().parent.iterdir()):
        if has_policy(other):
            with contextlib.suppress(RftlabError):
                found = cell_of(other)
                if found.variant == cell.variant and found.id != cell.id:
                    yield found.id


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a text too long to be a path
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
