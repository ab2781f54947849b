"""Which definitions of rftlab.methods a method uses: what its page may say of code that it shares with others."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rftlab.registry import METHODS

ROOT = Path(__file__).parents[1]
_PACKAGE = "rftlab.methods"
_BASE = f"{_PACKAGE}.base"


class Used(NamedTuple):
    """What a method uses.

    Attributes:
        others: methods whose code it uses, by name.
        definitions: (module, top-level name) of its own module and of those that are no method's; "" stands for code
            outside every definition.
    """

    others: list[str]
    definitions: frozenset[tuple[str, str]]


class _Module(NamedTuple):
    """Top-level definitions by name, and imported names with the module and the name there ("" for all of it)."""

    definitions: dict[str, list[ast.stmt]]
    imports: dict[str, tuple[str, str]]


def used_by(method: str) -> Used:
    """What a method's class names, and so on; the code of another method is not looked into."""
    own, _, attribute = METHODS[method].target.partition(":")
    methods: dict[str, list[str]] = {}
    for name, entry in METHODS.items():
        methods.setdefault(entry.target.partition(":")[0], []).append(name)
    queue, found, others = [(own, attribute)], {(own, "")}, set[str]()
    while queue:
        module, name = queue.pop()
        if (module, name) in found or module == _BASE:
            continue
        if module != own and module in methods:
            others |= {*methods[module]}
            continue
        found |= {(module, name), (module, "")}
        queue += _named(module, name)
    return Used(sorted(others), frozenset(found))


def enclosing(module: str, line: int) -> str:
    """The top-level definition that a line (from 1) of a module stands in; "" for none."""
    for name, nodes in _read(module).definitions.items():
        if any(node.lineno <= line <= (node.end_lineno or 0) for node in nodes):
            return name
    return ""


def _named(module: str, name: str) -> list[tuple[str, str]]:
    """What of rftlab.methods a definition names; all definitions of a module where ``name`` is ""."""
    read = _read(module)
    if not name:
        return [(module, each) for each in read.definitions]
    if name not in read.definitions:
        return [read.imports[name]] if name in read.imports else []
    words = {
        node.id for of in read.definitions[name] for node in ast.walk(of) if isinstance(node, ast.Name)
    }  # fmt: skip
    here = [(module, word) for word in words if word in read.definitions]
    return here + [read.imports[word] for word in words if word in read.imports]


@cache
def _read(module: str) -> _Module:
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    definitions: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            definitions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    definitions.setdefault(target.id, []).append(node)
    imports = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (of := node.module or "").startswith(_PACKAGE):
            for each in node.names:
                target = (f"{of}.{each.name}", "") if of == _PACKAGE else (of, each.name)
                imports[each.asname or each.name] = target
    return _Module(definitions, imports)
