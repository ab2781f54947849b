"""Checksums of what a finished cell left: what is read later is what was written then.

They notice accidents and edits, not forgery: whoever can write a folder can write its checksums too.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

Checksums = Mapping[str, Mapping[str, Any]]
"""File name -> its `sha256` (64 hex digits) and `bytes`."""


def digest(body: Any) -> str:
    """SHA-256 of a JSON value, whatever its layout and the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def of_text(text: str) -> dict[str, Any]:
    """Checksum of a text that is written as UTF-8."""
    content = text.encode()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def of_file(path: Path) -> dict[str, Any]:
    """Checksum of a file."""
    at = path.stat()
    return {"sha256": _sha256(path, at.st_ino, at.st_size, at.st_mtime_ns), "bytes": at.st_size}


@lru_cache(maxsize=100_000)
def _sha256(path: Path, *_state: int) -> str:
    """Once a process, as long as the file is the same: a report reads every record several times."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def problem(folder: Path, names: Iterable[str], checksums: Checksums) -> str:
    """What is wrong with the first of these files that is not as it was written, "" if none is.

    A file without a checksum only has to be there.
    """
    for name in names:
        written = checksums.get(name)
        try:
            found = of_file(folder / name) if written else (folder / name).stat()
            if written and found != dict(written):
                return f"its {name} was changed after the run"
        except FileNotFoundError:
            return f"its {name} is missing"
        except OSError as error:
            return f"its {name} cannot be read ({error.strerror})"
    return ""
