"""The command line: each verb calls one function."""

import io
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

from rftlab.cli.parser import make_parser
from rftlab.errors import RftlabError, RftlabWarning, printable, told
from rftlab.execute.interrupts import Interrupted, raised
from rftlab.screen import complain, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0; 1 if a cell failed; 2 for bad input or a fault (one sentence on standard error); 130 after Ctrl-C,
        143 after SIGTERM, 129 after SIGHUP.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that this terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    options = make_parser().parse_args(arguments)
    try:
        with warnings.catch_warnings(), raised():
            warnings.showwarning = _Say()
            return int(options.verb(options))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Interrupted as error:
        complain("interrupted; run the same command again to go on")
        return error.exit_code
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        complain(printable(_sentence(error)))
        return 2


def _sentence(error: Exception) -> str:
    if isinstance(error, RftlabError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:  # a full disk, a folder that is read-only
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}; what was finished before is kept"
    if isinstance(error, MemoryError):
        return "out of memory; what was finished before is kept"
    return (
        f"unexpected {told(error)}; run again with --debug for the traceback, which belongs in a report of this fault"
    )


class _Say:
    """Prints a warning of ours as a sentence, once, and another one as Python does."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        ours = issubclass(category, RftlabWarning)
        text = f"rftlab: {message}" if ours else warnings.formatwarning(message, category, filename, lineno).rstrip()
        if text not in self._said:
            self._said.add(text)
            say(text, file=sys.stderr)
