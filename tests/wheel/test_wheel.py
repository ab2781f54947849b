"""What the wheel holds and declares, and what works in an empty folder once it is installed."""

import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import rftlab

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PLACES = {"notebooks": "rftlab/_notebooks", "data": "rftlab/_data", "docs": "rftlab/_docs", "rftlab": "rftlab"}


@pytest.fixture(scope="module")
def members(wheel: Path) -> dict[str, bytes]:
    """Everything in the wheel, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_brings_all_that_is_run_or_read_and_nothing_else(wheel, members):
    expected = {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, place in PLACES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & {*path.parts}
    }
    about = {name for name in members if name.startswith(f"rftlab-{rftlab.__version__}.dist-info/")}
    assert members.keys() - about == expected
    assert wheel.stat().st_size < 4e6


def test_the_wheel_brings_the_licence_s_text(members):
    (name,) = [name for name in members if name.endswith(".dist-info/licenses/LICENSE")]
    assert members[name] == (ROOT / "LICENSE").read_bytes()
    assert b"Apache License" in members[name]


def test_an_installation_of_the_wheel_asks_for_what_the_project_needs(members):
    (name,) = [name for name in members if name.endswith(".dist-info/METADATA")]
    said = Parser().parsestr(members[name].decode())
    needed = {str(Requirement(text)) for text in said.get_all("Requires-Dist") if "extra ==" not in text}
    assert {text.replace("_", "-").replace(".", "-") for text in map(_name, needed)} == {
        _name(text).replace("_", "-").replace(".", "-") for text in PROJECT["dependencies"]
    }
    assert said["Requires-Python"] == PROJECT["requires-python"]
    assert {*said.get_all("Provides-Extra")} == PROJECT["optional-dependencies"].keys()
    (points,) = [text.decode() for name, text in members.items() if name.endswith(".dist-info/entry_points.txt")]
    assert "rftlab = rftlab.cli:main" in points
    assert "rftlab-warm = rftlab.execute.warm:WarmProvisioner" in points


def _name(text: str) -> str:
    return Requirement(text).name.lower()


def test_in_an_empty_folder_everything_is_there_by_name(newcomer):
    assert newcomer.types("rftlab --version") == f"rftlab {rftlab.__version__}\n"
    assert "example: rftlab run demo" in newcomer.types("rftlab --help")
    for kind, one in (("tasks", "file"), ("verifiers", "numeric"), ("methods", "grpo")):
        assert one in newcomer.types(f"rftlab {kind}")
    assert "An example row of a file" in newcomer.types("rftlab verifiers numeric")
    assert "evaluation.test_items" in newcomer.types("rftlab parameters")
    copied = newcomer.types("rftlab notebooks mine")
    assert "mine/grids: answers.yaml, answers_teacher.yaml, demo.yaml" in copied
    assert copied.endswith("open them: jupyter lab mine\n")
    assert (newcomer.folder / "mine" / "docs" / "your_data.md").is_file()
    assert "demo: 39 cells" in newcomer.types("rftlab run demo --dry-run")
    assert "there is no folder results/demo" in newcomer.types("rftlab status results/demo", expect=2)
    assert "run a grid first" in newcomer.types("rftlab report results/demo", expect=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_packaged_grid_is_ready_or_says_what_to_do(newcomer):
    newcomer.types("rftlab notebooks mine")
    for grid in sorted((newcomer.folder / "mine" / "grids").glob("*.yaml")):
        real = "smollm2" in grid.stem
        if grid.stem == "answers":
            assert "no finished cell" in newcomer.types("rftlab run answers --dry-run", expect=2)
            newcomer.types("rftlab run answers_teacher")
        said = newcomer.types(f"rftlab run {grid.stem} --dry-run", expect=2 if real else 0)
        assert not real or ("`rftlab fetch smollm2`" in said and said.count("\n") == 1), said


@pytest.mark.slow
def test_the_demo_is_shown_and_checked_by_its_name(newcomer):
    assert "gold completion, 32 tokens: reward 1" in newcomer.types("rftlab show demo --examples 1")
    checked = newcomer.types("rftlab check demo")
    assert "arithmetic/rare with verifier exact" in checked
    assert checked.endswith("passed\n")
