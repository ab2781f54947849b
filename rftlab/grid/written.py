"""The text of a grid, or of a part of one: the one place that writes them, for all who do.

What is written is read back as the same values: plain where YAML leaves a text alone, quoted as JSON elsewhere.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError, one_line

_PLAIN = re.compile(r"[A-Za-z_][\w./+-]*( [\w./+-]+)*", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_FLOW = 60


def grid_text(values: Mapping[str, Any], *, head: Sequence[str] = (), said: Mapping[str, str] | None = None) -> str:
    """A grid's text.

    Args:
        values: its keys in order, with JSON values; lists of mappings (`include`) are written as blocks.
        head: lines of comment above it.
        said: key -> comment behind its line; a key inside a mapping is dotted (`task_settings.verifier`).
    """
    lines = [f"# {line}".rstrip() for line in head]
    lines += _mapping(values, "", {name: one_line(text) for name, text in (said or {}).items()})
    return "\n".join(lines) + "\n"


def alike(cells: Sequence[Cell], without: Collection[str] = ()) -> dict[str, Any]:
    """Parameters that all cells have at one value, where it is not the default, but for those in ``without``."""
    defaults = Cell.make({}).flat()
    first, *others = [cell.flat() for cell in cells] or [{}]
    return {
        name: value
        for name, value in first.items()
        if name not in without and value != defaults[name] and all(each[name] == value for each in others)
    }


def _mapping(values: Mapping[str, Any], path: str, said: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        key, dotted = _scalar(name), f"{path}{name}"
        comment = f"   # {said[dotted]}" if dotted in said else ""
        inside = any(each.startswith(f"{dotted}.") for each in said)
        if isinstance(value, Mapping) and value and (inside or len(_flow(value)) > _FLOW):
            yield f"{key}:{comment}"
            yield from (f"  {line}" for line in _mapping(value, f"{dotted}.", said))
        elif isinstance(value, Sequence) and value and all(isinstance(each, Mapping) and each for each in value):
            yield f"{key}:{comment}"
            for entry in value:
                first, *rest = _mapping(entry, f"{dotted}.", said)
                yield from (f"  - {first}", *(f"    {line}" for line in rest))
        else:
            yield f"{key}: {_flow(value)}{comment}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_scalar(name)}: {_flow(each)}' for name, each in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
        return value
    # JSON's escapes are YAML's, but for characters beyond 16 bits, which stand for themselves.
    return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(value, ensure_ascii=False))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def require_grid_name(path: Path) -> None:
    """Raise unless a file of this name would be taken for a grid.

    Raises:
        RftlabError: it does not end in .yaml or .yml.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise RftlabError(f"{path} is no name of a grid; give one that ends in .yaml, such as {path.name}.yaml")
