"""The line below the form: how many cells at once, and as soon as that is reckoned what they take and can show."""

import threading
from collections.abc import Callable
from pathlib import Path

import ipywidgets

from rftlab.advise.design import glance
from rftlab.errors import RftlabError, told
from rftlab.grid import Grid
from rftlab.shown.texts import noted, wrong

_SETTLES_S = 0.8
_KIND = "rftlab-line"


class Line(ipywidgets.HTML):  # type: ignore[misc]
    """What is known of a grid before it runs. Only of the last of several changes more is said than its cells."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def about(self, grid: Callable[[], Grid], results: Path) -> None:
        """Say it of a grid.

        Args:
            grid: gives it; where that raises an RftlabError, its sentence is the line.
            results: where its results would go.
        """
        self._number += 1
        try:
            found = grid()
        except RftlabError as error:
            self.value = wrong(str(error))
            return
        count = f"{len(found.cells)} cell{'s' * (len(found.cells) != 1)}"
        self.value = noted(f"{count}; reckoning what they take and can show ...", _KIND)
        timer = threading.Timer(_SETTLES_S, self._reckon, (self._number, found, results))
        timer.daemon = True
        timer.start()

    def _reckon(self, number: int, grid: Grid, results: Path) -> None:
        if number != self._number:
            return
        try:
            found = glance(grid, results)
            unknown = found.seconds is None and grid.path is not None
            hint = f"; rftlab plan {grid.path.name} measures it" if unknown and grid.path else ""
            said = noted(f"{found}{hint}", _KIND)
        except RftlabError as error:
            said = wrong(str(error))
        except Exception as error:  # in a thread of its own nobody else would say so
            said = wrong(told(error))
        if number == self._number:
            self.value = said
