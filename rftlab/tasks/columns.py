"""Texts out of the columns of a row: by name, by a template, and whatever kind of value stands there."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rftlab.errors import RftlabError, printable
from rftlab.registry import suggest

Row = Mapping[str, Any]

CLASSES = "classes"
"""The one placeholder that is no column: the list of classes."""
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def value_of(row: Row, column: str) -> Any:
    """What stands in a column; None where there is no such column, or nothing in it (NaN, as tables have it).

    A dotted name reaches into an object: `reward_model.ground_truth`.
    """
    value: Any = row.get(column)
    if column not in row and "." in column:
        value = row
        for part in column.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return None if value is None or (isinstance(value, float) and value != value) else value


def text_of(value: Any) -> str:
    """A value as a text: a text as it is, all else as JSON (`12`, `true`, `{"total": 3}`); dates as they print.

    Raises:
        RftlabError: it holds half a character, or a number that is none.
    """
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
        except (ValueError, RecursionError) as error:
            raise RftlabError(f"a {type(value).__name__} that is no JSON ({error}); mend the row") from None
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = printable(value[error.start : error.end])
        raise RftlabError(f"half a character ({half}); mend the row") from None
    return str(value)


def placeholders(template: str) -> list[str]:
    """The names in braces, each once.

    Raises:
        RftlabError: a brace that opens or closes nothing.
    """
    found: dict[str, None] = {}
    for each in _PLACEHOLDER.finditer(template):
        if each[0] in ("{", "}") or each[1] == "":
            raise RftlabError(
                f"task_settings.prompt: {each[0]} at character {each.start() + 1} names no column; "
                "write {{ or }} for a brace of the text"
            )
        if each[1]:
            found[each[1]] = None
    return list(found)


def filled(template: str, row: Row, classes: Sequence[str]) -> str:
    """The template with each `{column}` replaced by the row's text there, and `{classes}` by their list.

    What a column holds is never read as a template. A column that is called classes goes before their list.

    Raises:
        RftlabError: no such column.
    """

    def put(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0][0]
        if name == CLASSES and name not in row:
            return listed_classes(classes)
        value = value_of(row, name)
        if value is None and name not in row and "." not in name:
            raise RftlabError(f"no column {name!r}, which task_settings.prompt names{suggest(name, map(str, row))}")
        return "" if value is None else text_of(value)

    return _PLACEHOLDER.sub(put, template)


def listed_classes(classes: Sequence[str]) -> str:
    """The classes as they are put to the model: `billing, login, other`."""
    return ", ".join(classes)
