"""What a cell depends on beside its parameters: the content of the user's own files, and versions of packaged parts.

`with_digests` notes both in `Cell.digests`, by dotted parameter name, and they enter the cell's id in place of the
folders the files lie in: an edited file makes another cell, a moved or copied project does not. Counted are

- data files (settings named `path`, `..._path`, `..._file`, or ending like a data file),
- a task, verifier or method of the form `path.py:attribute`, wherever it is named, with what it imports beside it and
  the files there that it names in a text, except those it writes itself,
- the package of an installed task, verifier or method: its code and data files,
- a model's local folder: every file that decides what the model says,
- the kept policy that a cell starts from, and the one that it learns from (`settings.teacher`),
- the notebook that would be executed, where its code is not the packaged one, with what it imports and names likewise,
- the version of a packaged task, verifier, method or preset, where it is above 1.

Models and data sets of a hub are known by name only.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from rftlab.cell import Cell
from rftlab.digests.notebooks import edited, notebook_path
from rftlab.errors import RftlabError
from rftlab.json_values import is_version
from rftlab.policy import teachers, weights
from rftlab.policy.hub import by_folder
from rftlab.policy.identity import identity_hash, model_identity
from rftlab.registry import METHODS, TASKS, VERIFIERS, Entry, installed_target
from rftlab.user_code import DATA_SUFFIXES, digest, installed, sources_of

NOTEBOOK = "notebook"
_INSTALLED = "installed "
_REGISTRIES: Mapping[str, Mapping[str, Entry]] = {"task": TASKS, "verifier": VERIFIERS, "method": METHODS}
_FILE_SETTING = re.compile(r"(\w+_)?(path|file)")
_PROSE_SETTING = re.compile(r"task_settings\.(prompt|instructions)")
_MODEL_SETTING = re.compile(r"(\w+_)?model")
_PARTS = (
    "task", "task_settings", "verifier", "verifier_settings", "model", "start_from", "method", "settings",
    "evaluation.verifier", "evaluation.verifier_settings", "pass_rates_path",
)  # fmt: skip
# The tasks asked beside a cell's own are named in one text.
_RETENTION = "evaluation.retention"


def with_digests(cell: Cell) -> Cell:
    """The cell with the digests of what it depends on now; any it had are forgotten.

    Raises:
        RftlabError: a file cannot be read.
    """
    return with_all_digests([cell])[0]


def with_all_digests(cells: Iterable[Cell]) -> list[Cell]:
    """`with_digests` of each cell, in order; each file is read once."""
    known: dict[tuple[str, str], dict[str, str]] = {}
    filled = []
    for cell in cells:
        found = _digests(cell, known)
        filled.append(cell if found == cell.digests else Cell.make({**cell.model_dump(), "digests": found}))
    return filled


def settled(cell: Cell) -> Cell:
    """The cell as it is to be run here: checked against the digests it has, or given them if it has none.

    Raises:
        RftlabError: as `require_unchanged`.
    """
    if not cell.digests:
        # By hand a policy may be an id, or relative, and a fetched model a name.
        start_from = str(weights.find_cell(cell.start_from)) if cell.start_from else ""
        found = {"start_from": start_from, "model": by_folder(cell.model)}
        return with_digests(Cell.make({**cell.model_dump(), **found}))
    require_unchanged(cell)
    return cell


def require_unchanged(cell: Cell) -> None:
    """Raise unless the files that are about to be run are those the cell's digests were taken of.

    The notebook, which only an executor knows, is left out.

    Raises:
        RftlabError: naming what differs.
    """
    now = {name: text for name, text in with_digests(cell).digests.items() if name != NOTEBOOK}
    then = {name: text for name, text in cell.digests.items() if name != NOTEBOOK}
    differing = changes(then, now)
    gone = [describe(cell, name) for name in missing(then, now) if ":" not in name]
    if gone:
        raise RftlabError(f"{', '.join(gone)} is not where it was when the grid was read; this machine may not see it")
    if differing:
        named = ", ".join(describe(cell, name) for name in differing)
        raise RftlabError(
            f"{named} changed after the grid was read, before this cell was run; run the grid again, so that its "
            "record gets the id of what it measured"
        )


def data_of(cell: Cell) -> dict[Path, str]:
    """The data files that the cell's code names, which it may read at any time, and what is in them now.

    Code and the files of settings are left out: they are loaded when a cell starts.

    Raises:
        RftlabError: a file cannot be read.
    """
    return {path: _content("file", str(path)).get("", "") for path in files_of(cell).data}


def require_data_unchanged(cell: Cell, then: Mapping[Path, str]) -> None:
    """Raise if a data file is not as it was when the cell was started.

    Args:
        cell: the cell.
        then: its `data_of` at that time.

    Raises:
        RftlabError: naming what differs.
    """
    differing = [path.name for path, text in then.items() if _content("file", str(path)).get("", "") != text]
    if differing:
        named = ", ".join(main.name for main in files_of(cell).code)
        raise RftlabError(
            f"{', '.join(differing)} changed while this cell ran, and {named} may have read either; run the cell again"
        )


class Files(NamedTuple):
    """The user's own files of a cell.

    Attributes:
        code: the files of `path.py:attribute`.
        data: those that its code names, other code left out.
        followed: files and folders whose content is in its digests.
        written: those that its code names and writes itself, which are in none.
    """

    code: tuple[Path, ...]
    data: tuple[Path, ...]
    followed: tuple[Path, ...]
    written: tuple[Path, ...]


def files_of(cell: Cell) -> Files:
    """Which files the cell's digests follow now."""
    named = [(kind_of(name, value), value) for name, value in texts_of(cell)]
    code = [sources_of(file_of(kind, value)) for kind, value in named if kind == "code"]
    others = (file_of(kind, value) for kind, value in named if kind in ("file", "model", "policy", "teacher"))
    return Files(
        tuple(sources.main for sources in code),
        tuple(path for sources in code for files in sources.data.values() for path in files),
        (*others, *(path for sources in code for path in sorted(sources.files))),
        tuple(path for sources in code for files in sources.written.values() for path in files),
    )


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names whose digests differ, in order."""
    return [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]


def missing(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of digests of files that are not where they were, in order."""
    return [name for name in changes(then, now) if name not in now and not is_version(then[name])]


def notebook_changed(cell: Cell, notebook: Path) -> bool:
    """Whether the notebook that is about to be executed is not the one the cell's digests were taken of."""
    return edited(notebook) != cell.digests.get(NOTEBOOK, "")


def describe(cell: Cell, name: str) -> str:
    """What the digest ``name`` of a cell is of, in words: `checks.py`, `method grpo`, `the notebook`."""
    parameter, colon, beside = name.partition(":")
    if name == NOTEBOOK:
        return "the notebook"
    if colon:
        return beside.removesuffix("/")
    value = _value(cell, parameter)
    if ".py:" in value:
        return Path(value.rpartition(":")[0]).name
    last = parameter.rpartition(".")[2]
    if last in _REGISTRIES:
        return f"{last} {value or 'of the task'}"
    return Path(value).name


def identity_of(cell: Cell) -> dict[str, str]:
    """What was run, by role: `task`, `verifier`, `method` and every further digest of the cell, as name and content.

    A packaged part is named with its version (`grpo version 1`), a user's with the digest of its file
    (`checks.py:score 0f3a...`); nothing depends on where files lie.
    """
    identity = {}
    for role, registry in _REGISTRIES.items():
        value = getattr(cell, role)
        entry = _entry(registry, value)
        identity[role] = f"{value} version {entry.version}" if entry else ""
    if cell.evaluation.verifier:
        identity["evaluation.verifier"] = cell.evaluation.verifier
    for name, text in cell.digests.items():
        value = "" if ":" in name or is_version(text) else os.path.basename(_value(cell, name))
        identity[name] = f"{value} {text}".strip()
    return dict(sorted(identity.items()))


def _digests(cell: Cell, known: dict[tuple[str, str], dict[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in texts_of(cell):
        key = (kind_of(name, value), value)
        if key[0] not in ("", *_REGISTRIES) and key not in known:
            known[key] = _content(*key)
        found |= _version(key[0], name, value) if key[0] in _REGISTRIES else {}
        found |= {f"{name}{inside}": text for inside, text in known.get(key, {}).items()}
    found |= _own_verifiers(cell) | _presets(cell)
    key = (NOTEBOOK, cell.method)
    if key not in known:
        known[key] = _notebook(notebook_path(cell.method))
    return dict(sorted({**found, **known[key]}.items()))


def texts_of(cell: Cell) -> Iterator[tuple[str, str]]:
    """Every text among the parameters that may name a file or a packaged part, by dotted name."""
    waiting: list[tuple[str, Any]] = [(part, attrgetter(part)(cell)) for part in _PARTS]
    waiting.append((_RETENTION, cell.evaluation.retention_names))
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [(f"{name}.{key}", each) for key, each in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(f"{name}.{index}", each) for index, each in enumerate(value)]
        elif isinstance(value, str) and value:
            yield name, value


def kind_of(name: str, value: str) -> str:
    """What a text among the parameters names, "" for nothing.

    That is "code", "file", "model", "policy", "teacher", "task", "verifier" or "method", of an installed package
    "installed task" and so on.

    Args:
        name: its dotted name.
        value: the text.
    """
    last = name.rpartition(".")[2]
    if name == "start_from":
        return "policy"
    if last == teachers.SETTING and name.startswith("settings."):
        return "teacher"
    if _PROSE_SETTING.fullmatch(name) and re.search(r"[\s{]", value):  # words that may speak of files
        return ""
    if ".py:" in value:
        return "code"
    role = "task" if name.startswith(f"{_RETENTION}.") else last
    if role in _REGISTRIES:
        return f"{_INSTALLED}{role}" if _installed_target(role, value) else role
    if is_file_setting(name) or (("/" in value or "." in value) and value.endswith(DATA_SUFFIXES)):
        return "file"
    if name == "model" and value == "tiny-base":
        return ""
    return "model" if _MODEL_SETTING.fullmatch(last) else ""


def is_file_setting(name: str) -> bool:
    """Whether a parameter is a file's path, by its dotted name: `task_settings.test_path`, `settings.pairs_file`."""
    return bool(_FILE_SETTING.fullmatch(name.rpartition(".")[2]))


def _content(kind: str, value: str) -> dict[str, str]:
    """Digests of what a value names, by what is put behind the parameter's name; nothing for what is not there."""
    if kind == "policy":
        return {"": weights.digest(weights.find_cell(value))}
    if kind == "teacher":
        return _teacher(value)
    path = file_of(kind, value)
    try:
        if kind.startswith(_INSTALLED):
            target = _installed_target(kind.removeprefix(_INSTALLED), value)
            found = installed.content(target)
            return {"": hashlib.sha256(f"{target} {found}".encode()).hexdigest()[:12]} if found else {}
        if kind == "model":
            there = path.is_dir() and (path / "config.json").is_file()
            return {"": identity_hash(model_identity(str(path)))} if there else {}
        if not path.is_file():
            return {}
        return _code(path) if kind == "code" else {"": digest([path], path)}
    except OSError as error:
        raise RftlabError(f"cannot read {path}: {error.strerror}; mend it, or take it out of the grid") from None


def _teacher(value: str) -> dict[str, str]:
    try:
        folder = teachers.kept_by(value)
        return {"": weights.digest(folder)} if folder else _content("model", value)
    except RftlabError:  # one that is not there is told where it is to be
        return {}


def _code(path: Path) -> dict[str, str]:
    sources = sources_of(path)
    folder = sources.main.parent
    found = {"": digest([sources.main], folder)}
    found |= {f":{label}": digest(files, folder) for label, files in sources.beside.items()}
    for registry in _REGISTRIES.values():
        for name, entry in registry.items():
            used = name in sources.texts or entry.target.partition(":")[0] in sources.imports
            if used and entry.version > 1:
                found[f":{name}"] = _said(name, entry)
    return found


def _installed_target(role: str, value: str) -> str:
    try:
        return installed_target(_REGISTRIES[role], value, role)
    except RftlabError:  # an entry point that cannot be used is told where it is to be
        return ""


def _version(kind: str, name: str, value: str) -> dict[str, str]:
    entry = _entry(_REGISTRIES[kind], value)
    return {name: _said(value, entry)} if entry and entry.version > 1 else {}


def _own_verifiers(cell: Cell) -> dict[str, str]:
    """Versions of the verifiers that a packaged task is judged by where the cell names none."""
    entry = _entry(TASKS, cell.task)
    if entry is None or cell.verifier or "verifier" in cell.task_settings:
        return {}
    variant = cell.task.partition("/")[2]
    names = entry.verifiers.get(variant, entry.verifiers.get("*", ()))
    raised = [_said(name, VERIFIERS[name]) for name in names if VERIFIERS[name].version > 1]
    return {"verifier": ", ".join(raised)} if raised else {}


def _presets(cell: Cell) -> dict[str, str]:
    """Versions of the presets of packaged methods, a sequence's stages among them."""
    stages = cell.settings.get("stages")
    named = {"preset": (cell.method, cell.preset)}
    for index, stage in enumerate(stages if isinstance(stages, list | tuple) else ()):
        if isinstance(stage, Mapping):
            named[f"settings.stages.{index}.preset"] = (str(stage.get("method")), str(stage.get("preset")))
    found: dict[str, str] = {}
    for name, (method, preset) in named.items():
        entry = _entry(METHODS, method)
        version = entry.preset_versions.get(preset, 1) if entry else 1
        found |= {name: f"{preset} version {version}"} if version > 1 else {}
    return found


def _entry(registry: Mapping[str, Entry], name: str) -> Entry | None:
    return registry.get(name) or registry.get(name.partition("/")[0])


def _said(name: str, entry: Entry) -> str:
    return f"{name} version {entry.version}"


def _notebook(path: Path) -> dict[str, str]:
    changed = edited(path) if path.is_file() else ""
    return {NOTEBOOK: changed} if changed else {}


def file_of(kind: str, value: str) -> Path:
    """The file or folder that a text of this `kind_of` names: of `path.py:attribute` the file."""
    return Path(value.rpartition(":")[0] if kind == "code" else value).expanduser()


def _value(cell: Cell, name: str) -> str:
    value: Any = cell
    if name.startswith(f"{_RETENTION}."):
        return dict(texts_of(cell)).get(name.partition(":")[0], "")
    for part in name.partition(":")[0].split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = getattr(value, part, None)
    return value if isinstance(value, str) else ""
