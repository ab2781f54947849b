"""Where the notebooks and the shipped data lie: beside the package in a clone, inside it in an installed wheel."""

import os
import sysconfig
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def _shipped(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


def notebooks_dir() -> Path:
    """Folder that holds the parameterized notebooks and `grids/`."""
    return _shipped("notebooks")


def data_dir() -> Path:
    """Folder that holds the tiny base model and the small data sets the package ships."""
    return _shipped("data")


def import_path() -> dict[str, str]:
    """Environment that lets a child process, whatever its working folder, import the rftlab that runs here."""
    root = str(_PACKAGE.parent)
    if root in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
