"""What the studio does with a study's files: its grid written, run, widened; what is asked of a run that goes on."""

from collections.abc import Sequence
from pathlib import Path

from rftlab.advise.design import is_ours
from rftlab.answer.settle import further_seeds
from rftlab.errors import RftlabError
from rftlab.execute import requests
from rftlab.execute.results import GRID_FILE
from rftlab.files.paths import packaged_grids
from rftlab.grid import Grid
from rftlab.grid.widened import widened
from rftlab.grid.written import require_grid_name
from rftlab.interactive.background import Run
from rftlab.record import require_folder_of, write_atomically


class Desk:
    """A grid file and its results folder. Whatever is done says so in a sentence.

    Args:
        grid: the file; None where that is not known: such a study can be watched, but not run.
        results: the folder; by default `results/NAME` beside the grid.
    """

    def __init__(self, grid: Path | None, results: Path | None = None) -> None:
        self.grid = grid.expanduser().resolve() if grid else None
        self.run = Run(self.grid, results) if self.grid else None
        self.results = self.run.results if self.run else (results or Path("results")).expanduser().resolve()

    @classmethod
    def of_results(cls, results: Path) -> "Desk":
        """The desk of a results folder that a terminal filled, with its grid if that is found as it was run."""
        return cls(grid_of(results), results)

    @property
    def text(self) -> str:
        """What the grid file holds; "" where there is none."""
        try:
            return self.grid.read_text(encoding="utf-8") if self.grid else ""
        except (OSError, UnicodeDecodeError):
            return ""

    @property
    def going(self) -> bool:
        """Whether a run works in the results folder."""
        return self.run is not None and self.run.going

    def write(self, text: str) -> str:
        """Write the grid; one that a person has written is left alone.

        Raises:
            RftlabError: it is somebody's, has no name of a grid, or cannot be written.
        """
        path = self._file("write")
        require_grid_name(Path(path.name))
        require_folder_of(path)
        if path.exists() and self.text != text and not is_ours(self.text):
            raise RftlabError(f"{path.name} is there already and was written by hand; give another name")
        self._put(text)
        return f"written to {path.name}; in a terminal: rftlab run {path.name}"

    def start(self, *, until_decided: bool = False) -> str:
        """Run what is left of the grid, in a process of its own.

        Raises:
            RftlabError: there is no grid, or a run works in its results already.
        """
        self._file("run")
        assert self.run is not None
        self.run.start(*(("--until", "decided") if until_decided else ()))
        return f"running; results go to {self.results}, and go on when this page is closed"

    def stop(self) -> str:
        """Ask the run to stop.

        Raises:
            RftlabError: the results folder cannot be written.
        """
        if self.run is None:
            requests.ask_to_stop(self.results)
        else:
            self.run.stop()
        return "stopping; what has ended stays, and running again goes on"

    def act(self, what: str, cell_id: str) -> str:
        """Skip or retry a cell; where no run goes on, a retry begins one.

        Raises:
            RftlabError: the results folder cannot be written; or as `start`.
        """
        if what == "skip":
            requests.ask_to_skip(self.results, cell_id)
            return "left out until it is retried"
        requests.ask_to_retry(self.results, cell_id)
        return "asked for again" if self.going or self.run is None else self.start()

    def add_seeds(self, count: int = 1) -> str:
        """Give every arm further seeds, in the grid's file.

        Raises:
            RftlabError: the file cannot be widened in place (`rftlab.grid.widened`).
        """
        path = self._file("widen")
        seeds = {cell.seed for cell in Grid.load(path).cells}
        more = [seed for seed in further_seeds(seeds) if seed not in seeds][:count]
        self._put(widened(path, self.text, seeds=more))
        return f"seed {', '.join(map(str, more))} added to {path.name}"

    def add_labels(self, labels: Sequence[int]) -> str:
        """Give every arm further label budgets, in the grid's file.

        Raises:
            RftlabError: as `add_seeds`; or the grid has all of them.
        """
        path = self._file("widen")
        wider = widened(path, self.text, labels=labels)
        if len(Grid.load(path, wider).cells) == len(Grid.load(path).cells):
            raise RftlabError(f"{path.name} has budget {', '.join(map(str, labels))} already; give another")
        self._put(wider)
        return f"budget {', '.join(map(str, labels))} added to {path.name}"

    def _put(self, text: str) -> None:
        path = self._file("write")
        try:
            write_atomically(path, text)
        except OSError as error:
            raise RftlabError(f"cannot write {path}: {error.strerror}") from None

    def _file(self, what: str) -> Path:
        if self.grid is None:
            raise RftlabError(f"the grid of {self.results} is not known, so there is nothing to {what}; name its file")
        return self.grid


def grid_of(results: Path) -> Path | None:
    """The file that a results folder was run from, if one is found that holds what was run; a packaged one too."""
    try:
        text = (results / GRID_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    home = results.resolve()
    near = [
        folder / f"{home.name}{suffix}" for folder in (home.parent.parent, home.parent) for suffix in (".yaml", ".yml")
    ]
    for path in (*near, packaged_grids().get(home.name)):
        try:
            if path and path.read_text(encoding="utf-8") == text:
                return path
        except (OSError, UnicodeDecodeError):
            continue
    return None
