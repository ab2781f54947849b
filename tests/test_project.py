"""What a project brings beside its code: licence, citation, one version everywhere."""

import tomllib
from pathlib import Path

from ruamel.yaml import YAML

import rftlab

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MOST_LINES = 400


def test_the_citation_has_what_its_format_requires_and_the_project_s_licence_and_version():
    cited = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == PROJECT["version"] == rftlab.__version__
    assert cited["license"] == PROJECT["license"] == "Apache-2.0"
    assert f"## {rftlab.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_no_file_of_the_package_is_longer_than_a_sitting_reads():
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in (ROOT / "rftlab").rglob("*.py")}
    assert len(lines) > 100
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
