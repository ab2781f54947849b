"""Which of the texts in Python code lead to files that the code itself writes: its caches and logs."""

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MODE = re.compile(r"[rbt]*[wax+][rbtwax+]*")
_CHANGES_A_TABLE = re.compile(rb"(?i)insert\s+(or|into)|replace\s+into|create\s+table|delete\s+from|update\s+\w+\s+set")
_MAX_STEPS = 8


def texts_in(tree: ast.AST) -> set[str]:
    """The texts in a piece of code, bytes among them."""
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    plain = {value for value in found if isinstance(value, str)}
    return (plain | {os.fsdecode(value) for value in found if isinstance(value, bytes)}) - {""}


def written_texts(tree: ast.Module, code: bytes) -> set[str]:
    """Texts that stand where a file is written, or that the names there were given: by `=`, a call or a `return`."""
    places = list(_places(tree, "", ""))
    parameters = {
        _called(place.owner, place.node): [each.arg for each in place.node.args.args if each.arg not in ("self", "cls")]
        for place in places
        if isinstance(place.node, _FUNCTIONS)
    }
    gifts = [gift for place in places for gift in _gifts(place, parameters)]
    given: dict[tuple[str, str], set[str]] = defaultdict(set)
    for _ in range(_MAX_STEPS):
        before = sum(map(len, given.values()))
        for name, value in gifts:
            given[name] |= _leading(value, given)
        if sum(map(len, given.values())) == before:
            break
    written: set[str] = set()
    tables = bool(_CHANGES_A_TABLE.search(code))
    for place in places:
        target = _target(place.node, tables=tables) if isinstance(place.node, ast.Call) else None
        if target is not None:
            written |= _leading(place._replace(node=target), given)
    return written


class _Place(NamedTuple):
    """A node, with the class and the function that it stands in."""

    owner: str
    function: str
    node: ast.AST

    def names(self) -> Iterator[tuple[str, str]]:
        """Scope and name of all that the node names."""
        for part in ast.walk(self.node):
            if isinstance(part, ast.Name):
                yield from ((self.function, part.id), ("", part.id))
            elif isinstance(part, ast.Attribute):
                yield self.attribute(part)

    def attribute(self, node: ast.Attribute) -> tuple[str, str]:
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        return (f"{self.owner}." if own else "", node.attr)


_Gift = tuple[tuple[str, str], _Place]


def _places(node: ast.AST, owner: str, function: str) -> Iterator[_Place]:
    for child in ast.iter_child_nodes(node):
        yield _Place(owner, function, child)
        if isinstance(child, ast.ClassDef):
            yield from _places(child, child.name, function)
        else:
            yield from _places(child, owner, _called(owner, child) if isinstance(child, _FUNCTIONS) else function)


def _called(owner: str, function: ast.AST) -> str:
    """The name that a function is called by."""
    name = getattr(function, "name", "")
    return owner if name == "__init__" else name


def _gifts(place: _Place, parameters: dict[str, list[str]]) -> Iterator[_Gift]:
    """Which names are given what where."""
    node = place.node
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.For) and (value := _value(node)) is not None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                yield (place.function, target.id), place._replace(node=value)
            elif isinstance(target, ast.Attribute):
                yield place.attribute(target), place._replace(node=value)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ("", place.function), place._replace(node=node.value)
    elif isinstance(node, ast.Call) and (called := _name(node.func)) in parameters:
        named = [*zip(parameters[called], node.args, strict=False), *((each.arg, each.value) for each in node.keywords)]
        yield from (((called, name or ""), place._replace(node=value)) for name, value in named)


def _value(node: ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.For) -> ast.expr | None:
    return node.iter if isinstance(node, ast.For) else node.value


def _leading(place: _Place, given: dict[tuple[str, str], set[str]]) -> set[str]:
    """Texts in an expression, and in what its names were given."""
    return texts_in(place.node) | {text for name in place.names() for text in given.get(name, ())}


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _target(call: ast.Call, *, tables: bool) -> ast.AST | None:
    """The expression of the file that a call writes, None if it does not look like writing."""
    name, first = _name(call.func), call.args[0] if call.args else None
    before = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name in ("write_text", "write_bytes", "touch"):
        return before
    if name == "open":
        modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg in ("mode", "flag"))]
        if any(_writes(mode) for mode in modes):
            return first or before
        return before if _writes(first) else None
    if name.startswith("save"):
        return call.args[1] if before is not None and _name(before) == "torch" and len(call.args) > 1 else first
    if name.startswith("to_") or (name == "connect" and tables):
        return first
    if name in ("replace", "rename", "copy", "copyfile", "move"):
        return call.args[-1] if call.args else None
    return None


def _writes(mode: ast.AST | None) -> bool:
    return isinstance(mode, ast.Constant) and bool(_MODE.fullmatch(str(mode.value)))
