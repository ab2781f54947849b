"""What is printed, as wide as the terminal it is printed on: wrapped at words there, and as it is anywhere else.

Colour and the line that moves while something takes its time are rich's, which keeps to NO_COLOR and TERM.
"""

import contextlib
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from rftlab.errors import printable_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.spinner import Spinner

# Where a further column of a line begins: what is broken off stands under it.
_COLUMN = re.compile(r"(?<=\S)  +(?=\S)")
# A number and its unit stay together, by a space that is not broken at.
_UNIT = re.compile(r"(?<=\d) (?=(?:%|s|min|h|points?|MB|GB|kB|M|B)(?![\w/]))")
_KEPT = "\N{NO-BREAK SPACE}"
# A column that begins further right would be too narrow.
_DEEPEST = 2 / 3
# A line that begins as far right is the column of a table alone.
_ALONE = 24


def say(*texts: object, file: TextIO | None = None) -> None:
    """Print texts, each from a new line, on standard output or ``file``."""
    stream = file or sys.stdout
    print(fitted("\n".join(map(str, texts)), stream), file=stream, flush=True)


def fitted(text: str, stream: TextIO) -> str:
    """A text as it is printed on a stream: `wrapped` on a terminal, else as it is, with nothing a terminal acts on."""
    return wrapped(text, width()) if stream.isatty() else printable_lines(text)


def complain(sentence: str, who: str = "rftlab") -> None:
    """Print what is wrong on standard error, begun by ``who`` says it."""
    if not sys.stderr.isatty():
        print(f"{who}: {sentence}", file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    text = Text(wrapped(f"{who}: {sentence}", width()))
    text.stylize("bold red", 0, len(who) + 1)
    Console(stderr=True).print(text, soft_wrap=True)


def width() -> int:
    """Columns of the terminal, COLUMNS before all."""
    return max(20, shutil.get_terminal_size().columns)


def wrapped(text: str, columns: int) -> str:
    """A text whose lines are at most so many columns wide, broken at words alone, with nothing a terminal acts on.

    What is broken off a line stands under its last column, if that is not too far right; of prose, two columns further
    right than the line. A word that is wider, such as a path, stays whole.
    """
    return "\n".join(_wrapped(line, columns) for line in printable_lines(text).split("\n"))


def row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """A row of a table, two spaces further right than its title.

    Args:
        cells: the last one is as long as it is.
        widths: of the others; what stands behind one that is wider begins in its own column of a new line.
    """
    *columns, last = cells
    lines, line, end = list[str](), "", 0
    for cell, wide in zip(columns, widths, strict=True):
        line, end = line + cell, end + wide + 2
        if len(line) + 2 > end:
            lines.append(line)
            line = ""
        line = line.ljust(end)
    return "\n".join(f"  {each}".rstrip() for each in (*lines, line + last) if each.strip())


def _wrapped(line: str, columns: int) -> str:
    if len(line) <= columns:
        return line
    indent = len(line) - len(line.lstrip(" "))
    begins = [found.end() for found in _COLUMN.finditer(line) if found.end() <= _DEEPEST * columns]
    kept = _UNIT.sub(_KEPT, line) if _KEPT not in line else line
    broken = textwrap.fill(
        kept,
        columns,
        subsequent_indent=" " * (begins[-1] if begins else indent if indent >= _ALONE else indent + 2),
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return broken if kept is line else broken.replace(_KEPT, " ")


@contextlib.contextmanager
def busy(doing: str, *, aloud: bool = False) -> Iterator[None]:
    """Show that something takes its time, on a terminal, as long as the body runs; prints of the body appear above.

    Args:
        doing: what does.
        aloud: elsewhere, such as in a log, print it too, once.
    """
    if not sys.stdout.isatty():
        if aloud:
            say(doing)
        yield
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    both = sys.stderr.isatty()
    with Live(spinner(doing, console), console=console, transient=True, refresh_per_second=8, redirect_stderr=both):
        yield


def spinner(doing: str, console: "Console") -> "Spinner":
    """A sign that moves before what is done, drawn with what the terminal can show."""
    from rich.spinner import Spinner

    return Spinner("line" if console.options.ascii_only else "dots", doing)
