"""What is installed for development is what constraints.txt pins; `make constraints` renews it."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def needed(name: str, extras: frozenset[str], seen: dict[tuple[str, frozenset[str]], str]) -> None:
    """Names and versions of a distribution and all that it needs here, its extras included."""
    if (name, extras) in seen:
        return
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return  # not installed, so it cannot be of another version
    seen[name, extras] = found.version
    for text in found.requires or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            needed(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)


def test_everything_that_development_installs_is_pinned_and_is_at_its_pin() -> None:
    pins: dict[str, set[str]] = {}
    for line in CONSTRAINTS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition(" ;")[0].partition("==")
            pins.setdefault(canonicalize_name(name), set()).add(version)
    installed: dict[tuple[str, frozenset[str]], str] = {}
    needed("rftlab", frozenset({"dev"}), installed)
    assert len(installed) > 100
    local = {name: version.partition("+")[0] for (name, _), version in installed.items() if name != "rftlab"}
    assert {name: version for name, version in local.items() if version not in pins.get(name, set())} == {}
