"""rftlab as a newcomer has it: its wheel, installed in an environment of its own, and an empty folder."""

import importlib.util
import os
import shlex
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.wheel.newcomer import Newcomer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The project's wheel, built here without a network."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and, by a path file, what the test environment holds beside rftlab."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True, with_pip=importlib.util.find_spec("pip") is None)
    (own,) = folder.glob("lib/python*/site-packages")
    others = [path for path in sys.path if Path(path).name == "site-packages"]
    (own / "others.pth").write_text("\n".join(others) + "\n")
    install = "-m pip install --quiet --no-deps --no-index --disable-pip-version-check"
    subprocess.run([folder / "bin" / "python", *shlex.split(install), wheel], check=True, capture_output=True)
    return folder


@pytest.fixture
def newcomer(environment: Path, tmp_path: Path) -> Newcomer:
    """Somebody in an empty folder who has the environment's commands, and no network."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    path = os.pathsep.join([str(environment / "bin"), os.environ["PATH"]])
    somebody = Newcomer(tmp_path, {**kept, "PATH": path, "HF_HUB_OFFLINE": "1", "COLUMNS": "120"})
    found = somebody.types("python -c 'import rftlab; print(rftlab.__file__)'")
    assert Path(found.strip()).is_relative_to(environment)
    return somebody
