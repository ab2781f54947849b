"""Tasks, verifiers and methods of installed packages, by dotted name (`my_pkg.games:load`) or by an entry point's name.

A package offers its own under the entry-point groups `rftlab.tasks`, `rftlab.verifiers` and `rftlab.methods`. Nothing
here imports what it finds: modules are located through the import system's finders, then read and parsed.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, distributions
from pathlib import Path

from rftlab.errors import told
from rftlab.user_code import DATA_SUFFIXES, digest

GROUPS: Mapping[str, str] = {"task": "rftlab.tasks", "verifier": "rftlab.verifiers", "method": "rftlab.methods"}
_NAME = r"[^\W\d]\w*"
_DOTTED = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*")
_CODE_SUFFIXES = (".py", ".so", ".pyd")


@dataclass(frozen=True)
class Offer:
    """An entry point of an installed package.

    Attributes:
        name: what grids call it.
        target: "module:attribute".
        package: the distribution and its version.
        problem: why it cannot be used, in a sentence; empty if nothing is known against it.
    """

    name: str
    target: str
    package: str
    problem: str = ""


def is_dotted(name: str) -> bool:
    """Whether a name is `package.module:attribute`, not a file's (`checks.py:score`)."""
    return ".py:" not in name and bool(_DOTTED.fullmatch(name))


def offers(kind: str) -> Mapping[str, Offer]:
    """What installed packages offer as tasks, verifiers or methods, by name, in order; nothing for other kinds."""
    return _offers(GROUPS[kind], tuple(sys.path)) if kind in GROUPS else {}


@lru_cache(maxsize=16)
def _offers(group: str, _path: tuple[str, ...]) -> dict[str, Offer]:
    found: dict[str, Offer] = {}
    seen = set()
    for package in distributions():
        if f"[{group}]" not in (package.read_text("entry_points.txt") or ""):
            continue
        name = _called(package)
        if name in seen:  # once more, further down the path
            continue
        seen.add(name)
        for offer in _offered(package, group, name):
            other = found.get(offer.name)
            if other and other.target != offer.target:
                both = f"{other.package} and {offer.package} both offer it"
                offer = replace(other, problem=f"{both}; name {other.target} or {offer.target}")
            found[offer.name] = offer
    return dict(sorted(found.items()))


def _offered(package: Distribution, group: str, called: str) -> Iterator[Offer]:
    try:
        points = package.entry_points.select(group=group)
    except Exception as error:
        yield Offer(called, "", called, f"its entry_points.txt cannot be read ({told(error)})")
        return
    for point in points:
        target = "".join(point.value.partition("[")[0].split())  # extras stand in brackets
        wrong = "" if is_dotted(target) else f"{point.value!r} is not of the form package.module:attribute"
        wrong = "its name has a slash, which stands before variants" if "/" in point.name else wrong
        yield Offer(point.name, target, called, wrong)


def _called(package: Distribution) -> str:
    try:
        return f"{package.metadata['Name']} {package.version}"
    except Exception:  # its METADATA is missing or damaged
        return "a package without metadata"


def problem(target: str) -> str:
    """Why "module:attribute" cannot be there, in a sentence; empty where it is, or where only importing it can tell."""
    return _read(target)[1]


def summary(target: str) -> str:
    """The first line of the docstring of "module:attribute"; empty if there is none."""
    return _read(target)[0]


def content(target: str) -> str:
    """Digest of the code and data files of the package that "module:attribute" lies in; empty if it is not installed.

    Raises:
        OSError: one cannot be read.
    """
    for spec in _specs(target.partition(":")[0]):
        if spec is not None and spec.has_location and spec.origin:
            file = Path(spec.origin)
            folder = file.parent
            return digest(_package_files(folder) if spec.submodule_search_locations else [file], folder)
    return ""


def _read(target: str) -> tuple[str, str]:
    module, _, attribute = target.partition(":")
    *_, spec = _specs(module)
    if spec is None:
        return "", f"there is no module {module} among what is installed here"
    if not (spec.origin or "").endswith(".py"):
        return "", ""
    try:
        tree = ast.parse(Path(spec.origin or "").read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "", f"{module} cannot be read: {told(error)}"
    name = attribute.partition(".")[0]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0], ""
    known = set(_bound(tree))
    return "", "" if known & {name, "*", "__getattr__"} else f"{module} has no {name}"


def _bound(tree: ast.Module) -> Iterator[str]:
    """Names that anything in a module is given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _specs(module: str) -> Iterator[ModuleSpec | None]:
    """Where each package that a module lies in is, from the outermost, then the module; ends with None if one is not.

    Unlike `importlib.util.find_spec` this imports none of them.
    """
    path: list[str] | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = _spec(name, path)
        yield spec
        if spec is None:
            return
        try:
            path = list(spec.submodule_search_locations or [])
        except KeyError:  # a folder without __init__.py in another such looks its parent up among what is imported
            path = [os.path.join(place, part) for place in path or []]


def _spec(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except (ImportError, AttributeError):
            continue
        if spec is not None:
            return spec
    return None


def _package_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        yield from (Path(place, name) for name in names if name.endswith((*_CODE_SUFFIXES, *DATA_SUFFIXES)))
