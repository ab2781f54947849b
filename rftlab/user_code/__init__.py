"""A Python file of the user's own: which files it consists of, and how it is loaded.

It consists of itself, of the modules and packages in its folder that it imports, and of the data files beside it that
it names in a text (`"words.txt"`). All of that is found by parsing; nothing is executed. What is installed, and what
is imported by a name made up at run time, is not found.
"""

import ast
import hashlib
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".gz")
_MAX_NAME = 255
_NEVER_BESIDE = sys.stdlib_module_names | {"rftlab"}


@dataclass(frozen=True)
class Sources:
    """What a user's file is made of.

    Attributes:
        main: the file.
        modules: `helper.py` or `package/`, relative to its folder -> the Python files, for what it imports from there.
        data: name -> path of the data files beside it that a text names.
        imports: dotted names that any of its Python files imports, also of what is installed.
        texts: short texts that stand in any of them.
    """

    main: Path
    modules: dict[str, tuple[Path, ...]]
    data: dict[str, Path]
    imports: frozenset[str]
    texts: frozenset[str]


def sources_of(path: Path) -> Sources:
    """What the Python file ``path`` consists of; a file that does not parse consists of itself."""
    main = path.expanduser().resolve()
    modules: dict[str, tuple[Path, ...]] = {}
    data: dict[str, Path] = {}
    imports: set[str] = set()
    texts: set[str] = set()
    waiting = [main]
    while waiting:
        file = waiting.pop()
        imported, said = _scan(file)
        imports |= imported
        texts |= said
        data |= _data(main.parent, file.parent, said)
        for name in {name.partition(".")[0] for name in imported}:
            label, files = _module(main.parent, name)
            if label and label not in modules and main not in files:
                modules[label] = files
                waiting += files
    return Sources(
        main, dict(sorted(modules.items())), dict(sorted(data.items())), frozenset(imports), frozenset(texts)
    )


def digest(files: Iterable[Path], folder: Path) -> str:
    """12 hex digits of the names (relative to ``folder``) and contents of files; line ends of Python are levelled.

    Raises:
        OSError: one cannot be read.
    """
    whole = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
        whole.update(name.encode(errors="surrogateescape") + b"\0" + _content(file))
    return whole.hexdigest()[:12]


def load(path: str) -> ModuleType:
    """The module of a user's file, executed once for as long as neither it nor what it imports beside it changes.

    While it is executed, what lies beside it is imported first; afterwards last. Files of one name in different
    folders are different modules.

    Raises:
        FileNotFoundError: there is no such file.
        Exception: whatever the file raises.
    """
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    name = f"rftlab_user_{file.stem}_{hashlib.sha256(str(file).encode(errors='surrogateescape')).hexdigest()[:8]}"
    with _LOADING:
        sources = sources_of(file)
        beside = [each for files in sources.modules.values() for each in files]
        state = digest([file, *beside], file.parent)
        loaded = sys.modules.get(name)
        if loaded is not None and getattr(loaded, "__rftlab_state__", None) == state:
            return loaded
        loader = _Fresh(name, str(file))
        spec = importlib.util.spec_from_loader(name, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        module.__dict__["__rftlab_state__"] = state
        sys.modules[name] = module
        try:
            with _importable(sources):
                loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module


_LOADING = threading.RLock()
# Top-level name of a module that was imported beside a user's file -> its folder and the digest of its files then.
_BESIDE: dict[str, tuple[Path, str]] = {}


class _Fresh(importlib.machinery.SourceFileLoader):
    """Compiles anew: bytecode on disk is recognised by the second and the size of a file, which an edit can keep."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@contextmanager
def _importable(sources: Sources) -> Iterator[None]:
    """What lies beside the file can be imported; what was imported beside another file by that name is forgotten."""
    folder = sources.main.parent
    for label, files in sources.modules.items():
        name = label.removesuffix("/").removesuffix(".py")
        state = (folder, digest(files, folder))
        if _BESIDE.get(name, state) != state:
            for known in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
                del sys.modules[known]
        _BESIDE[name] = state
    silent, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = silent
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:  # a function that imports when it is called finds its neighbours too
            sys.path.append(str(folder))


def _content(file: Path) -> bytes:
    if file.suffix == ".py":
        return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).digest()
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _scan(file: Path) -> tuple[set[str], set[str]]:
    """Absolute names that a Python file imports, and the short texts in it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set(), set()
    imports: set[str] = set()
    texts: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) <= _MAX_NAME:
            texts.add(node.value)
    return imports, texts


def _module(folder: Path, name: str) -> tuple[str, tuple[Path, ...]]:
    """Label and Python files of the module or package ``name`` in ``folder``; a package is taken whole."""
    if name in _NEVER_BESIDE:
        return "", ()
    inside = sorted(path for path in (folder / name).rglob("*.py") if path.is_file())
    if inside:
        return f"{name}/", tuple(inside)
    module = folder / f"{name}.py"
    return (module.name, (module,)) if module.is_file() else ("", ())


def _data(folder: Path, own: Path, texts: set[str]) -> dict[str, Path]:
    """Data files that one of the texts names, or two of them as folder and file."""
    plain = sorted(text for text in texts if text.isprintable() and text.strip("./\\ "))
    bases = {folder, own}
    bases |= {base / text for base in (folder, own) for text in plain if _holds(base / text, "is_dir")}
    named = [base / text for base in sorted(bases) for text in plain if text.endswith(DATA_SUFFIXES)]
    return {
        (path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name): path
        for path in named
        if _holds(path, "is_file")
    }


def _holds(path: Path, test: str) -> bool:
    try:
        return bool(getattr(path, test)())
    except (OSError, ValueError):
        return False
