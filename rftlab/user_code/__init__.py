"""A Python file of the user's own: which files it consists of, and how it is loaded.

It consists of itself, of the modules and packages beside it or in the two folders above that it imports, and of the
files there that it names in a text (`"words.txt"`), found by parsing (`sources`). What is installed, and what is
imported or opened by a name made up at run time, is not found; `opened` sees it when it happens. `child` calls a
function in a process of its own.
"""

import ast
import hashlib
import importlib.machinery
import importlib.util
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType

from rftlab.user_code.sources import Sources, sources_of, sources_of_module

_INSTALLED = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".gz")


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
    """The module of a user's file, executed once for as long as nothing that it consists of changes, data included.

    While it is executed, what lies beside it is imported first; afterwards last, as is always what lies above it. Files
    of one name in different folders are different modules.

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
        state = digest(sources.files, file.parent)
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


def public_names(path: str, *, classes: bool) -> list[str]:
    """Functions (or classes) at the top of a Python file, but for `_private` ones; none if it cannot be read."""
    kind = ast.ClassDef if classes else ast.FunctionDef
    try:
        tree = ast.parse(Path(path).expanduser().read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [node.name for node in tree.body if isinstance(node, kind) and not node.name.startswith("_")]


_LOADING = threading.RLock()
# Top-level name of a module beside a user's file -> folder of that file, and digest of what the module consisted of
# when the file was executed.
_BESIDE: dict[str, tuple[Path, str]] = {}
# Folders of users' files and above them, at the end of `sys.path`: those of the file loaded last go first.
_LAST: list[str] = []


class _Fresh(importlib.machinery.SourceFileLoader):
    """Compiles anew: bytecode on disk is recognised by the second and the size of a file, which an edit can keep."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@contextmanager
def _importable(sources: Sources) -> Iterator[None]:
    """What lies beside the file can be imported; what was imported beside another file by that name is forgotten."""
    folder = sources.main.parent
    for label, files in sources.modules.items():
        name = label.removesuffix("/").removesuffix(".py").rpartition("/")[2]
        beside = sources_of_module(sources, label).files - {sources.main}
        state = (folder, digest({*beside, *files}, folder))
        if _BESIDE.get(name, state) != state:
            for known, module in list(sys.modules.items()):
                if (known == name or known.startswith(f"{name}.")) and not _is_installed(module):
                    del sys.modules[known]
        _BESIDE[name] = state
    silent, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    above = [place for place in sources.above if place in _LAST or place not in sys.path]
    sys.path[:] = [str(folder), *(place for place in sys.path if place not in _LAST), *above, *_LAST]
    _LAST[:] = dict.fromkeys([*above, *_LAST])
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = silent
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:  # a function that imports when it is called finds its neighbours too
            sys.path.append(str(folder))
            _LAST.append(str(folder))


def _is_installed(module: ModuleType) -> bool:
    """Whether a module comes with Python or an installed package, although a file beside the user's has its name."""
    file, spec = getattr(module, "__file__", None), getattr(module, "__spec__", None)
    if file is None:
        return getattr(spec, "origin", None) in ("built-in", "frozen")
    return any(Path(file).is_relative_to(place) for place in _INSTALLED)


def _content(file: Path) -> bytes:
    if file.suffix == ".py":
        return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).digest()
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
