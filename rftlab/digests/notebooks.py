"""The notebooks that grids execute, and whether their code is as it was packaged.

A packaged notebook is part of rftlab and known by the version of the methods it runs; one that a user has edited, in a
clone, is a file of theirs, with the modules and data files beside it. What was packaged is pinned in `notebooks.json`,
which `renew` renews.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from rftlab.errors import RftlabError
from rftlab.files import paths
from rftlab.record import write_atomically
from rftlab.registry import METHODS
from rftlab.user_code import digest
from rftlab.user_code.sources import sources_of_cells

PINS = Path(__file__).with_name("notebooks.json")
# A method of the user's own has no notebook named for it; this one shows rewards as well as losses.
_USERS_NOTEBOOK = "20_rft.ipynb"


def notebook_path(method: str) -> Path:
    """The notebook a grid executes for a method, registered or the user's own."""
    entry = METHODS.get(method)
    return paths.notebooks_dir() / (entry.notebook if entry and entry.notebook else _USERS_NOTEBOOK)


def notebook_digest(path: Path) -> str:
    """12 hex digits of a notebook's code and tags, all outputs left out, and the values of its parameters.

    Raises:
        RftlabError: it cannot be read.
    """
    return _hash(_cells(path))


def edited(path: Path) -> str:
    """Digest of the notebook and of what it imports and names beside it, "" where its code is as it was packaged.

    Raises:
        RftlabError: it, or what it imports, cannot be read.
    """
    cells = _cells(path)
    found = _hash(cells)
    if found == pins().get(path.name):
        return ""
    sources = sources_of_cells(path, [source for source, _ in cells])
    folder = sources.main.parent
    try:
        beside = {label: digest(files, folder) for label, files in sources.beside.items()}
    except OSError as error:
        raise RftlabError(f"cannot read {error.filename}: {error.strerror}") from None
    return _hash([found, beside]) if beside else found


def _cells(path: Path) -> list[tuple[str, list[str]]]:
    """Source and tags of the code cells that are not empty."""
    try:
        cells = [
            ("".join(cell["source"]).strip(), sorted(cell["metadata"].get("tags", [])))
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RftlabError(f"cannot read the notebook {path}: {error}") from None
    cells = [(_beside_parameters(source) if "parameters" in tags else source, tags) for source, tags in cells]
    return [(source, tags) for source, tags in cells if source or tags]


def _beside_parameters(source: str) -> str:
    """What a parameters cell says beside its parameters, whose names and values are checked against the `Cell`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    return "\n".join(ast.unparse(node) for node in tree.body if not _is_parameter(node))


def _is_parameter(node: ast.stmt) -> bool:
    """Whether a statement is `name: type = literal`, the only kind that papermill fills in."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target, node.annotation]
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return all(isinstance(target, ast.Name) for target in targets)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


@cache
def pins() -> dict[str, str]:
    """Digest of each packaged notebook that grids execute, as it was shipped."""
    return dict(json.loads(PINS.read_text(encoding="utf-8")))


def renew() -> Path:
    """Pin the notebooks as they are in this checkout."""
    names = sorted({entry.notebook for entry in METHODS.values()})
    found = {name: notebook_digest(paths.notebooks_dir() / name) for name in names}
    return write_atomically(PINS, json.dumps(found, indent=1) + "\n")
