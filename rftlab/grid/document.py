"""A YAML file as a document that is safe to walk: plain values, of bounded size, that can be written down again.

A file may be anything. What is refused here, with its line, would else end in a traceback, in another value than the
one that was written, or never: tags, dates, values that are not finite, control characters, keys that are no text,
nesting without end and aliases that multiply.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from rftlab.errors import RftlabError, one_line, printable

MAX_CHARS = 200_000
MAX_VALUES = 100_000
MAX_DEPTH = 20

_TOO_DEEP = f"nested more than {MAX_DEPTH} deep; write it flatter"
_OTHERWISE = "mend the line, or put the text that it means in quotes"
_CURES = {
    r"'\t'": "indent with spaces, not with tabs",
    "mapping values are not allowed": "put a text that holds a colon in quotes, each parameter on a line of its own",
    "duplicate key": "leave one of them out",
    "undefined alias": "mark with & what * stands for, or put the text in quotes",
    "unexpected end of stream": "close the quote",
    "<stream end>": "close the bracket",
    "another document": "a file is one document: take out the line ---",
    "incompatible YAML document": "take out the line %YAML",
}
"""A piece of what the parser says -> how to mend it."""
_SUCH_AS = "a mapping of parameters to values or lists, such as `method: [sft, grpo]`"
Fail = Callable[[int, str], NoReturn]


def read(
    path: Path, fail: Fail, *, text: str | None = None, what: str = "grid", such_as: str = _SUCH_AS
) -> CommentedMap:
    """The file's mapping; every value in it has passed `plain`.

    Args:
        path: a text file.
        fail: raises with a line (from 1) and a problem.
        text: what it will hold, where it is not written yet.
        what: the file is, in a word.
        such_as: what it holds, with an example.

    Raises:
        RftlabError: it cannot be read, or ``fail``'s.
    """
    text = _text(path, what) if text is None else text
    if len(text) > MAX_CHARS:
        fail(1, f"the file has more than {MAX_CHARS} characters; a {what} is a page")
    if (deep := _nested_beyond(text, 10 * MAX_DEPTH)) is not None:  # parsing that takes the square of the depth
        fail(deep, _TOO_DEEP)
    for number, line in enumerate(text.split("\n"), start=1):
        if unwritable := _unwritable(line.removesuffix("\r")):
            fail(number, f"the file holds {unwritable}; remove it")
    try:
        document = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = one_line(str(error.problem or error.context))
        fail(mark.line + 1 if mark else 1, f"not valid YAML: {problem}; {_cure(problem)}")
    except RecursionError:
        fail(1, _TOO_DEEP)
    except AttributeError:  # the parser's own way to stumble over a mapping that is merged into itself
        fail(1, "not valid YAML: an anchor (&) holds itself; write out what it stands for")
    except Exception as error:  # the parser stumbles over some texts in ways of its own
        fail(1, f"not valid YAML: {one_line(str(error)) or type(error).__name__}; {_OTHERWISE}")
    if not isinstance(document, CommentedMap) or not document:
        fail(1, f"a {what} is {such_as}")
    _Walk(fail).value(document, 1)
    return document


def _cure(problem: str) -> str:
    return next((cure for piece, cure in _CURES.items() if piece in problem), _OTHERWISE)


def line_of(node: CommentedMap | CommentedSeq, key: Any) -> int:
    """Line (from 1) of the entry ``key`` of a mapping or list."""
    return int((node.lc.data or {}).get(key, [node.lc.line])[0]) + 1


def written_at(path: Path, name: str, value: Any) -> int:
    """Line (from 1) of a grid file that gives a parameter, or the group it is in; 0 if none does.

    Args:
        path: of a grid that could be read.
        name: dotted, such as `task_settings.train`.
        value: what it gives; where several lines give the parameter, that of this value.
    """
    try:
        document = YAML().load(_text(path, "grid"))
    except (RftlabError, MarkedYAMLError):  # it was changed since
        return 0
    for wanted in (name, name.rpartition(".")[0]):
        found = [each for each in _given(document) if wanted and f".{each[0]}".endswith(f".{wanted}")]
        same = [each for each in found if each[2] == value]
        if found:
            return (same or found)[0][1]
    return 0


_BLOCKS = ("defaults", "include", "overrides", "set")


def _given(node: Any, prefix: str = "") -> Iterator[tuple[str, int, Any]]:
    """Dotted parameter, line and value of all that a document gives, a swept one once for each value."""
    if isinstance(node, CommentedSeq):
        for index, each in enumerate(node):
            if not isinstance(each, CommentedMap):
                yield prefix.removesuffix("."), line_of(node, index), plain(each)
            yield from _given(each, prefix)
    if isinstance(node, CommentedMap):
        for key, each in node.items():
            if prefix or key not in ("exclude", "when"):
                dotted = prefix if not prefix and key in _BLOCKS else f"{prefix}{key}."
                yield dotted.removesuffix("."), line_of(node, key), plain(each)
                yield from _given(each, dotted)


def plain(node: Any) -> Any:
    """The node as plain Python values: ruamel's own number and text classes would change the cell's JSON."""
    if isinstance(node, Mapping):
        return {str(key): plain(each) for key, each in node.items()}
    if isinstance(node, list):
        return [plain(each) for each in node]
    if isinstance(node, bool | ScalarBoolean):
        return bool(node)
    kind = next((kind for kind in (int, float, str) if isinstance(node, kind)), None)
    return node if kind is None else kind(node)


def _text(path: Path, what: str) -> str:
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "it is not a file")
        with path.open(encoding="utf-8", newline="") as file:
            return file.read(MAX_CHARS + 1)
    except OSError as error:
        raise RftlabError(f"cannot read the {what} {path}: {error.strerror}; give a YAML file") from None
    except UnicodeDecodeError:
        raise RftlabError(f"{path} is not a text file in UTF-8; give a YAML file") from None
    except ValueError as error:  # a NUL in the path
        raise RftlabError(f"cannot read the {what} {printable(str(path))}: {error}; give a YAML file") from None


def _nested_beyond(text: str, depth: int) -> int | None:
    """Line of the first bracket that is nested deeper, None if none is."""
    nested = 0
    for bracket in re.finditer(r"[\[{\]}]", text):
        nested += 1 if bracket[0] in "[{" else -1
        if nested > depth:
            return text.count("\n", 0, bracket.start()) + 1
    return None


class _Walk:
    """Goes through a document as it would be written out, aliases and all."""

    def __init__(self, fail: Fail) -> None:
        self._fail, self._seen = fail, 0

    def value(self, node: Any, line: int, depth: int = 0) -> None:
        self._seen += 1
        if self._seen > MAX_VALUES:
            self._fail(
                line, f"with its aliases written out the file holds more than {MAX_VALUES} values; take aliases out"
            )
        if depth > MAX_DEPTH:
            self._fail(line, _TOO_DEEP)
        if tag := getattr(getattr(node, "tag", None), "value", None):
            self._fail(line, f"YAML tags ({tag}) are not used here; take it out")
        for key, each, at in self._entries(node, line):
            if not isinstance(key, str | int) or (isinstance(node, Mapping) and not isinstance(key, str)):
                self._fail(at, f"the key {one_line(repr(key))} is not a text; put it in quotes")
            self.value(each, at, depth + 1)
        if not isinstance(node, Mapping | list):
            self._scalar(node, line)

    def _entries(self, node: Any, line: int) -> Iterator[tuple[Any, Any, int]]:
        if isinstance(node, CommentedMap):
            yield from ((key, each, line_of(node, key)) for key, each in node.items())
        elif isinstance(node, CommentedSeq):
            yield from ((index, each, line_of(node, index)) for index, each in enumerate(node))

    def _scalar(self, node: Any, line: int) -> None:
        if node is None or isinstance(node, bool | ScalarBoolean):
            return
        if isinstance(node, int):
            if abs(node) >= 2**63:
                self._fail(line, "a whole number of more than 18 digits; put it in quotes if it is a name")
        elif isinstance(node, float):
            if not math.isfinite(node):
                self._fail(line, f"{float(node)} is not a number a parameter can have; give one that is finite")
        elif isinstance(node, str):
            if unwritable := _unwritable(node):
                self._fail(line, f"a text holds {unwritable}; remove it")
        else:
            self._fail(line, f"a {type(node).__name__} is not a value a parameter can have; put it in quotes")


def _unwritable(text: str) -> str:
    """What in a text cannot be written down everywhere, in words; "" if nothing."""
    if text.isprintable():
        return ""
    for character in text:
        if character in "\n\t\r\ufeff":
            continue
        if "\ud800" <= character <= "\udfff":
            return f"half a character ({printable(character)})"
        if character < " " or "\x7f" <= character < "\xa0":
            return f"a control character ({printable(character)})"
    return ""
