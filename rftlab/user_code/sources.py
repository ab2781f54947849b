"""What a Python file of the user's consists of, found by parsing; nothing is executed.

Imports resolve as Python would resolve them: a package, then a module, then a folder without `__init__.py`; beside the
file, in the two folders above it (where a grid lies that has its code in a folder), in the working folder and, where
the code extends `sys.path`, in the folders it names. Texts (`"words.txt"`; `"data"` and `"en"` and `"words.txt"`,
joined in whichever way) name files beside the code, in the two folders above it, in a neighbour's package or in the
working folder. Too much is found rather than too little.
"""

import ast
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from rftlab.user_code.written import texts_in, written_texts

_MAX_NAME = 255
_MAX_FOLDERS = 200
_ABOVE = 2
_NEVER_BESIDE = "rftlab"
_FROM_TEXT = re.compile(rb"import_module|__import__|run_module|find_spec")
_EXTENDS_PATH = re.compile(rb"sys\s*\.\s*path|from\s+sys\s+import.*path|addsitedir")
_MAGIC = re.compile(r"^(\s*)[%!](.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Sources:
    """What a user's file is made of.

    Labels are paths relative to the file's folder, those of packages with a slash behind them.

    Attributes:
        main: the file.
        modules: label -> Python files, for what it imports or names.
        data: label -> the other files that a text names.
        written: label -> files that a text names and that the code itself writes, such as a cache: no part of it.
        imports: dotted names that any of its Python files imports, also of what is installed.
        texts: short texts that stand in any of them.
    """

    main: Path
    modules: dict[str, tuple[Path, ...]]
    data: dict[str, tuple[Path, ...]]
    written: dict[str, tuple[Path, ...]]
    imports: frozenset[str]
    texts: frozenset[str]

    @property
    def beside(self) -> dict[str, tuple[Path, ...]]:
        """Label -> files of all it is made of but itself."""
        return {**self.modules, **self.data}

    @property
    def above(self) -> list[str]:
        """The folders above the file that hold modules it imports, the nearest first."""
        folder = self.main.parent
        holding = {Path(os.path.normpath(folder / label)).parent for label in self.modules}
        return [str(each) for each in folder.parents[:_ABOVE] if each in holding]

    @property
    def files(self) -> set[Path]:
        """All it is made of."""
        return {self.main, *(each for files in self.beside.values() for each in files)}


@dataclass(frozen=True)
class _Said:
    """What Python code says: imports, short texts, which of them it writes to, whether it extends `sys.path`."""

    imports: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    extends_path: bool = False


def sources_of(path: Path) -> Sources:
    """What the Python file ``path`` consists of; a file that does not parse consists of itself."""
    main = path.expanduser().resolve()
    return _gathered(main, {main: _said(_read(main))})


def sources_of_module(sources: Sources, label: str) -> Sources:
    """What one module of a user's file consists of in its turn, as seen from that file's folder."""
    return _gathered(sources.main, {file: _said(_read(file)) for file in sources.modules[label]})


def sources_of_cells(notebook: Path, cells: Iterable[str]) -> Sources:
    """What the code cells of a notebook consist of; magics count as texts."""
    main = notebook.expanduser().resolve()
    each = [_said(_MAGIC.sub(lambda found: found[1] + repr(found[2].split()), cell).encode()) for cell in cells]
    together = _Said(
        frozenset().union(*(said.imports for said in each)),
        frozenset().union(*(said.texts for said in each)),
        frozenset().union(*(said.written for said in each)),
        any(said.extends_path for said in each),
    )
    return _gathered(main, {main: together})


def places(folder: Path) -> list[Path]:
    """Where texts in code that lies in ``folder`` may name files from: there, the two above, the working folder."""
    return list(dict.fromkeys([folder, *folder.parents[:_ABOVE], Path.cwd()]))


def _gathered(main: Path, scans: dict[Path, _Said]) -> Sources:
    """Follow imports and texts of what was scanned until nothing new is found."""
    folder = main.parent
    modules: dict[str, tuple[Path, ...]] = {}
    while True:
        said = scans.values()
        texts = frozenset().union(*(each.texts for each in said))
        bases = [place for each in dict.fromkeys(file.parent for file in scans) for place in places(each)]
        after_stem = {f"{file.stem}{text}" for file, each in scans.items() for text in each.texts if text[0] == "."}
        folders, named = _named([*places(folder), *bases], texts | after_stem)
        roots = [folder, *(folders if any(each.extends_path for each in said) else ()), Path.cwd()]
        tops = {name.partition(".")[0] for each in said for name in each.imports}
        found = [_module([*roots, *_above(folder, name)], name) for name in sorted(tops - {_NEVER_BESIDE})]
        found += [(path, (path,)) for path in named if path.suffix == ".py"]
        new: list[Path] = []
        for where, files in found:
            others = tuple(file for file in files if file not in scans)
            if others:
                modules[_label(where, folder)] = tuple(file for file in files if file != main)
                scans |= {file: _said(_read(file)) for file in others}
                new += others
        if not new:
            break
    own = {os.path.basename(text) for each in scans.values() for text in each.written}
    beside = [path for path in named if path not in scans]
    imports = frozenset().union(*(each.imports for each in scans.values()))
    return Sources(
        main,
        dict(sorted(modules.items())),
        _labelled((path for path in beside if path.name not in own), folder),
        _labelled((path for path in beside if path.name in own), folder),
        imports,
        texts,
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


@lru_cache(maxsize=512)
def _said(code: bytes) -> _Said:
    try:
        tree = ast.parse(code)
        written = written_texts(tree, code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Said()
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    texts = _short_texts(tree)
    if _FROM_TEXT.search(code):
        imports |= {text for text in texts if all(part.isidentifier() for part in text.split("."))}
    return _Said(frozenset(imports), frozenset(texts), frozenset(written), bool(_EXTENDS_PATH.search(code)))


def _short_texts(tree: ast.AST) -> set[str]:
    """The short texts in a piece of code, of `checks.py:score` also the file."""
    texts = {text for text in texts_in(tree) if len(text) <= _MAX_NAME}
    return texts | {text.rpartition(":")[0] for text in texts if ".py:" in text}


def _above(folder: Path, name: str) -> list[Path]:
    """The folders above in which ``name`` is looked for last: none for what comes with Python or is installed."""
    return [] if name in sys.stdlib_module_names or _is_installed(name) else list(folder.parents[:_ABOVE])


@lru_cache(maxsize=512)
def _is_installed(name: str) -> bool:
    where = [place for place in sys.path if place.endswith(("site-packages", "dist-packages"))]
    return PathFinder.find_spec(name, where) is not None


def _module(roots: Iterable[Path], name: str) -> tuple[Path, tuple[Path, ...]]:
    """Place and Python files of the module or package ``name``; a package is taken whole."""
    for root in roots:
        if (root / name / "__init__.py").is_file():
            return root / name, _python_files(root / name)
        if (root / f"{name}.py").is_file():
            return root / f"{name}.py", (root / f"{name}.py",)
    for root in roots:
        if inside := _python_files(root / name):
            return root / name, inside
    return Path(name), ()


def _python_files(folder: Path) -> tuple[Path, ...]:
    found, known = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [name for name in folders if name[0] != "." and name != "site-packages" and real not in known]
        known.add(real)
        found += [path for name in names if name.endswith(".py") and (path := Path(place, name)).is_file()]
    return tuple(sorted(found))


def _named(bases: Iterable[Path], texts: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """Folders and files that texts name, one or several behind each other, from one of ``bases``."""
    by_first: dict[str, list[Path]] = {}
    for text in {*texts, *(text.lstrip("/") for text in texts)}:  # f"{HERE}/words.txt" is a text that begins so
        if text.isprintable() and (parts := Path(text).parts):
            by_first.setdefault(parts[0], []).append(Path(text))
    given = list(dict.fromkeys(bases))
    folders: dict[Path, None] = dict.fromkeys(given)
    files: dict[Path, None] = {}
    waiting = list(given)
    while waiting:
        base = waiting.pop(0)
        try:
            firsts = set(os.listdir(base)) & by_first.keys()
        except OSError:
            continue
        if base in given:
            firsts |= {first for first in by_first if first == ".." or first[0] == "~" or Path(first).is_absolute()}
        for path in (path for first in sorted(firsts) for path in by_first[first]):
            path = Path(os.path.normpath(base / os.path.expanduser(path)))
            if _holds(path, "is_file") and not _is_the_systems(path):
                files[path] = None
            elif path not in folders and len(folders) < _MAX_FOLDERS and path.name and _holds(path, "is_dir"):
                folders[path] = None
                waiting.append(path)
    return list(folders), list(files)


def _is_the_systems(path: Path) -> bool:
    return path.parts[1:2] in (("proc",), ("sys",), ("dev",), ("run",)) or "bin" in path.parts[:-1]


def _labelled(paths: Iterable[Path], folder: Path) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for path in sorted(paths):
        label = _label(path, folder)
        found[label] = (*found.get(label, ()), path)
    return found


def _label(path: Path, folder: Path) -> str:
    """Relative to the folder, so that a project can move; of what lies elsewhere the name alone."""
    name = Path(os.path.relpath(path, folder)).as_posix() if path.anchor == folder.anchor else path.name
    name = path.name if name.count("../") > _ABOVE else name
    return f"{name}/" if path.suffix != ".py" and path.is_dir() else name


def _holds(path: Path, test: str) -> bool:
    try:
        return bool(getattr(path, test)())
    except (OSError, ValueError):
        return False
