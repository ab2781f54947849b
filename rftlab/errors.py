"""The one error a user is meant to read, and how somebody else's error is put into one line."""

import inspect
import os
import re
import sysconfig
import traceback
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_OURS = str(Path(__file__).resolve().parent) + os.sep
_STANDARD = tuple(str(Path(sysconfig.get_path(name)).resolve()) + os.sep for name in ("stdlib", "platstdlib"))
_MAX_CHARS = 300
_FRAME = re.compile(r'\s*File "(.*)", line (\d+)')

# What a user's code may raise without ending this process: everything but Ctrl-C, `sys.exit` included.
CAUGHT = (Exception, SystemExit, GeneratorExit)


class RftlabError(ValueError):
    """Bad input, said in one sentence: what is wrong, where, and how to mend it.

    The command line prints the sentence alone and exits with code 2; a notebook shows it without a traceback.

    Attributes:
        about: the dotted parameter of a cell that is wrong, where that is known (`task_settings.train`); a grid that
            holds it names its line.
        value: what was given for it, a JSON value.
    """

    about: str = ""
    value: Any = None

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


@contextmanager
def about(group: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """Let an error of ours that names one of ``settings`` be about it, as `group.name`; else about the group, if any.

    An error that is about something already stays as it is.
    """
    try:
        yield
    except RftlabError as error:
        if settings and not error.about:
            text = str(error)
            told_of = {name: found.start() for name in settings if (found := _named(name, group).search(text))}
            name = min(told_of, key=lambda each: told_of[each], default="")
            error.about = ".".join(filter(None, (group, name)))
            error.value = settings[name] if name else dict(settings)
        raise


def _named(name: str, group: str) -> re.Pattern[str]:
    """A setting as sentences name it: in quotes, with its group, before what it is, or where a key stands."""
    word = re.escape(name)
    return re.compile(rf"['`]{word}['`.]|{group}\.{word}\b|(?:^|: ){word} (?:is|has|holds|needs|names)\b|\b{word}=")


class RftlabWarning(UserWarning):
    """What a person should know although the work goes on, in one sentence; the command line prints it alone."""


def told(error: BaseException) -> str:
    """An error of code that is not ours in one line, with the place in the user's own files it came from, if any.

    Example: `KeyError: 'x' (checks.py, line 3)`.
    """
    # Python writes the place of a syntax error into its text, too.
    said = error.msg if isinstance(error, SyntaxError) and error.filename else str(error)
    name, text, place = type(error).__name__, one_line(said), place_of(error)
    missing = error.filename if isinstance(error, FileNotFoundError) else None
    if place and isinstance(missing, str | Path) and not Path(missing).is_absolute():
        beside = f"Path(__file__).parent / {str(missing)!r}"
        return f"{name}: {text}{place}; a relative path starts from the working folder, write {one_line(beside)}"
    return f"{name}: {text}{place}" if text else f"{name}{place}"


def came_from_user(error: BaseException) -> bool:
    """Whether the error passed through a line of the user's own files."""
    return bool(place_of(error))


def placed(error: BaseException) -> str:
    """The text of an error of ours, with the place in the user's own files that led to it, if any."""
    text, place = str(error), place_of(error)
    return text if place in text else f"{text}{place}"


def defined_at(thing: Any) -> str:
    """` (checks.py, line 3)` for a function, a class or an object of one that stands in a file of the user's own."""
    thing = inspect.unwrap(getattr(thing, "func", thing))  # of a partial, what it calls
    thing = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    with suppress(OSError, TypeError, IndexError, SyntaxError):
        return users_line([(inspect.getsourcefile(thing) or "", inspect.getsourcelines(thing)[1])])
    return ""


def place_of(error: BaseException) -> str:
    """` (checks.py, line 3)`: where in the user's own files an error comes from; "" if it comes from none."""
    if isinstance(error, SyntaxError) and error.filename:
        return users_line([(error.filename, error.lineno or 0)])
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return users_line((frame.filename, frame.lineno or 0) for frame in frames)


def users_line(frames: Iterable[tuple[str, int]]) -> str:
    """` (checks.py, line 3)` for the first of ``frames`` (file, line) in a file of the user's own; "" if none is.

    Own is what is neither rftlab's, nor the standard library's, nor installed.
    """
    for file, line in frames:
        if "site-packages" in file or file.startswith(("<", _OURS, *_STANDARD)):
            continue
        return f" ({Path(file).name}, line {line})"
    return ""


def line_in_dump(lines: Iterable[str]) -> str:
    """` (checks.py, line 3)`: where the user's own code was, in what `faulthandler` wrote of a process that ended."""
    # Of a notebook's own cell, in a file that is none, a line says nothing.
    frames = (found for line in lines if "ipykernel_" not in line and (found := _FRAME.match(line)))
    return users_line((found[1], int(found[2])) for found in frames)


def one_line(text: str) -> str:
    """The first line of a text that says anything, at most 300 characters, with nothing a terminal would act on.

    A line that ends in a colon says what the next one is about: both are taken.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1])
    return printable(line if len(line) <= _MAX_CHARS else f"{line[:_MAX_CHARS]}...")


def printable(text: str) -> str:
    r"""The text with control characters and lone surrogates written as `\x1b`, so that it can be printed anywhere."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def storable(text: str) -> str:
    r"""The text with lone surrogates, which no UTF-8 file can hold, written as `\ud800`; all else as it is."""
    return text.encode("utf-8", "backslashreplace").decode()


def printable_lines(text: str) -> str:
    """The text as `printable` writes it, its lines left lines and its spaces, of whatever width, spaces."""
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or unicodedata.category(c) == "Zs" else printable(c) for c in text)
