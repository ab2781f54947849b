"""A study run by a process of its own, and watched: closing the page, or the kernel, stops nothing."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from rftlab.errors import RftlabError
from rftlab.execute.progress_file import Progress, read_progress

_SHOWN = 12
_MOST_READ = 20_000


class Run:
    """`rftlab run GRID` of a grid that is written, and what it says.

    Args:
        grid: the YAML file.
        results: where its results go; by default `results/NAME` beside it, NAME the file's.
    """

    def __init__(self, grid: Path, results: Path | None = None) -> None:
        self.grid = grid.expanduser().resolve()
        self.results = (results or self.grid.parent / "results" / self.grid.stem).expanduser().resolve()
        self.log = self.grid.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or go on with what is left.

        Raises:
            RftlabError: there is no such grid, or a run is working in its results already.
        """
        if not self.grid.is_file():
            raise RftlabError(f"there is no {self.grid}; write the grid first")
        if self.going:
            raise RftlabError(f"a run is working in {self.results} already; wait for it, or stop it")
        command = [sys.executable, "-m", "rftlab", "run", str(self.grid), "--results", str(self.results)]
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    command, cwd=self.grid.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise RftlabError(f"cannot run {self.grid}: {error.strerror}") from None

    def stop(self) -> None:
        """Ask it to stop, as Ctrl-C does: what has ended stays, and starting again goes on. Only of its own process."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    @property
    def going(self) -> bool:
        """Whether a run works in the results folder, whoever began it; another's is seen from its first cell on."""
        return (self._process is not None and self._process.poll() is None) or self.progress is not None

    @property
    def exit_code(self) -> int | None:
        """Of its own process: 0 done, 1 a cell failed, 2 bad input; None while it runs, or where it was not begun."""
        return None if self._process is None else self._process.poll()

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before its first cell has begun, and after the last has ended."""
        return read_progress(self.results)

    def last_lines(self) -> str:
        """The end of what it has printed: while it runs what happened last, then where the page is and the answer."""
        try:
            with self.log.open("rb") as log:
                log.seek(0, 2)
                log.seek(max(0, log.tell() - _MOST_READ))
                text = log.read().decode("utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-_SHOWN:])
