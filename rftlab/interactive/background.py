"""A study run by a process of its own, and watched: closing the page, or the kernel, stops nothing."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from rftlab.errors import RftlabError
from rftlab.execute import requests
from rftlab.execute.progress_file import Progress, read_progress
from rftlab.record import write_atomically

_SHOWN = 12
_OURS = "rftlab: "
"""How the command line begins the sentence that it ends with."""
_MOST_READ = 20_000


class Run:
    """`rftlab run GRID` of a grid that is written, and what it says.

    Which process that is stands in a small file beside the grid, so that whoever comes later finds the run too.

    Args:
        grid: the YAML file.
        results: where its results go, with the log beside them; by default `results/NAME` beside the grid, NAME the
            file's, and the log beside that.
    """

    def __init__(self, grid: Path, results: Path | None = None) -> None:
        self.grid = grid.expanduser().resolve()
        self.results = (results or self.grid.parent / "results" / self.grid.stem).expanduser().resolve()
        home = self.grid if results is None else self.results
        self.log = home.with_name(f"{self.grid.stem if results is None else home.name}.log")
        self._mark = self.log.with_name(f".{self.log.stem}.run")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Begin, or go on with what is left.

        Args:
            more: flags of `rftlab run`, such as `--until`, `decided`.

        Raises:
            RftlabError: there is no such grid, or a run is working in its results already.
        """
        if not self.grid.is_file():
            raise RftlabError(f"there is no {self.grid}; write the grid first")
        if self.going:
            raise RftlabError(f"a run is working in {self.results} already; wait for it, or stop it")
        requests.forget_stop(self.results)
        command = [sys.executable, "-m", "rftlab", "run", str(self.grid), "--results", str(self.results), *more]
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    command, cwd=self.grid.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
            since = psutil.Process(self._process.pid).create_time()
            write_atomically(self._mark, json.dumps({"pid": self._process.pid, "since": since}))
        except OSError as error:
            raise RftlabError(f"cannot run {self.grid}: {error.strerror}") from None
        except psutil.Error:  # it has ended already
            self._mark.unlink(missing_ok=True)

    def stop(self) -> None:
        """Ask it to stop, as Ctrl-C does: what has ended stays, and starting again goes on; whoever began it.

        Raises:
            RftlabError: it is another's, and its results folder cannot be written.
        """
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
        elif self.going:
            requests.ask_to_stop(self.results)

    @property
    def going(self) -> bool:
        """Whether a run works in the results folder; one that a terminal began is seen from its first cell on."""
        if self._process is not None and self._process.poll() is None:
            return True
        return self._begun_before() or self.progress is not None

    def _begun_before(self) -> bool:
        """Whether the process that was begun for this grid by somebody else, such as this page before, still runs."""
        try:
            body = json.loads(self._mark.read_text(encoding="utf-8"))
            process = psutil.Process(body["pid"])
            return process.create_time() == body["since"] and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, TypeError, KeyError, psutil.Error):
            return False

    @property
    def exit_code(self) -> int | None:
        """Of its own process: 0 done, 1 a cell failed, 2 bad input; None while it runs, or where it was not begun."""
        return None if self._process is None else self._process.poll()

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before its first cell has begun, and after the last has ended."""
        return read_progress(self.results)

    def last_error(self) -> str:
        """The sentence that it ended with, where it could not be run or was interrupted; "" where it went well."""
        *_, last = self._printed().rstrip().splitlines() or [""]
        return last.removeprefix(_OURS) if last.startswith(_OURS) else ""

    def last_lines(self) -> str:
        """The end of what it has printed: while it runs what happened last, then where the page is and the answer."""
        return "\n".join(self._printed().splitlines()[-_SHOWN:])

    def _printed(self) -> str:
        """The end of the log."""
        try:
            with self.log.open("rb") as log:
                log.seek(0, 2)
                log.seek(max(0, log.tell() - _MOST_READ))
                return log.read().decode("utf-8", errors="replace")
        except OSError:
            return ""
