"""The notebooks that grids execute, and whether their code is as it was packaged.

A packaged notebook is part of rftlab and known by the version of the methods it runs; one that a user has edited, in a
clone, is a file of theirs. What was packaged is pinned in `notebooks.json`, which `renew` renews.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from rftlab.errors import RftlabError
from rftlab.files import paths
from rftlab.record import write_atomically
from rftlab.registry import METHODS

PINS = Path(__file__).with_name("notebooks.json")
# A method of the user's own has no notebook named for it; this one shows rewards as well as losses.
_USERS_NOTEBOOK = "20_rft.ipynb"


def notebook_path(method: str) -> Path:
    """The notebook a grid executes for a method, registered or the user's own."""
    entry = METHODS.get(method)
    return paths.notebooks_dir() / (entry.notebook if entry and entry.notebook else _USERS_NOTEBOOK)


def notebook_digest(path: Path) -> str:
    """12 hex digits of a notebook's code, the parameters cell and all outputs left out.

    Raises:
        RftlabError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        code = [
            "".join(cell["source"]).strip()
            for cell in json.loads(text)["cells"]
            if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", [])
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RftlabError(f"cannot read the notebook {path}: {error}") from None
    return hashlib.sha256(json.dumps([source for source in code if source]).encode()).hexdigest()[:12]


def edited(path: Path) -> str:
    """The notebook's digest, "" where its code is that of a packaged one.

    Raises:
        RftlabError: it cannot be read.
    """
    found = notebook_digest(path)
    return "" if found in pins().values() else found


@cache
def pins() -> dict[str, str]:
    """Digest of each packaged notebook that grids execute, as it was shipped."""
    return dict(json.loads(PINS.read_text(encoding="utf-8")))


def renew() -> Path:
    """Pin the notebooks as they are in this checkout."""
    names = sorted({entry.notebook for entry in METHODS.values()})
    found = {name: notebook_digest(paths.notebooks_dir() / name) for name in names}
    return write_atomically(PINS, json.dumps(found, indent=1) + "\n")
