"""Where notebooks, documentation and data lie: beside the package in a clone, inside it in an installed wheel."""

import os
import shutil
import sysconfig
from pathlib import Path

from rftlab.errors import RftlabError

_PACKAGE = Path(__file__).resolve().parents[1]


def _shipped(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


def notebooks_dir() -> Path:
    """Folder that holds the parameterized notebooks and `grids/`."""
    return _shipped("notebooks")


def packaged_grids() -> dict[str, Path]:
    """The grids beside the notebooks, by name, in order."""
    return {file.stem: file for file in sorted((notebooks_dir() / "grids").glob("*.yaml"))}


def copy_notebooks(target: Path) -> list[Path]:
    """Copy notebooks, `grids/` and `docs/` into a folder, made if need be.

    Returns:
        The copies.

    Raises:
        RftlabError: one of them is there already, or the folder cannot be written; nothing is overwritten.
    """
    source, pages = notebooks_dir(), _shipped("docs")
    files = [*sorted(source.glob("*.ipynb")), *packaged_grids().values()]
    copied = {file: target / file.relative_to(source) for file in files}
    copied |= {page: target / "docs" / page.name for page in sorted(pages.glob("*.md"))}
    copies = list(copied.values())
    if there := next((copy for copy in copies if copy.exists()), None):
        raise RftlabError(f"{there} is there already; name another folder")
    try:
        for file, copy in copied.items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    except OSError as error:
        raise RftlabError(f"cannot write {target}: {error.strerror}; name another folder") from None
    return copies


def data_dir() -> Path:
    """Folder that holds the tiny base model and the small data sets the package ships."""
    return _shipped("data")


def import_path() -> dict[str, str]:
    """Environment that lets a child process, whatever its working folder, import the rftlab that runs here."""
    root = str(_PACKAGE.parent)
    if root in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
