"""What a cell logs while it runs, handed to trackers too: TensorBoard, trackio.

The same rows as in the trace, whichever method trains, with what a trainer of TRL's logs beside; in the end the
record's own figures, as `final/...`. Nothing is read back. Neither numbers nor random generators are touched, and the
time it takes is not charged. A tracker that fails is left out from then on, with a warning in the end: hours of
training shall not hang on it.
"""

import contextlib
import contextvars
import io
import math
import os
import random
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

from rftlab import trackers
from rftlab.cell import Cell
from rftlab.errors import RftlabWarning, told

FOLDER = "tensorboard"
"""Of event files, in a cell's folder."""
# By these trackio sends what it is given elsewhere; without them it writes here.
_ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


class Tracker(Protocol):
    """Where numbers go."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take the metrics of a step."""

    def close(self) -> None:
        """All has been logged."""


class Reports:
    """Hands numbers to trackers, opened with the first of them.

    Args:
        names: of `rftlab.trackers.TRACKERS`.
        cell: whose run is reported.
        folder: for event files; what it holds of an earlier run is removed.
    """

    def __init__(self, names: Sequence[str], cell: Cell, folder: Path) -> None:
        self._names, self._cell, self._folder = list(names), cell, folder
        self._open: dict[str, Tracker] = {}
        self._broken: list[str] = []

    def __call__(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Report the finite numbers among ``metrics`` at an optimiser step."""
        numbers = {name: float(value) for name, value in metrics.items() if _is_number(value)}
        for name in list(self._names):
            with self._spared(name):
                if name not in self._open:
                    self._open[name] = _KINDS[name](self._cell, self._folder)
                self._open[name].log(step, numbers)

    def close(self) -> None:
        """Have all written, and say which tracker failed; what is reported later begins another run."""
        for name in list(self._open):
            with self._spared(name):
                self._open.pop(name).close()
        while self._broken:
            warnings.warn(self._broken.pop(0), RftlabWarning, stacklevel=2)

    @contextlib.contextmanager
    def _spared(self, name: str) -> Iterator[None]:
        drawn = random.getstate()  # a library may draw from it as it is imported
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            self._names.remove(name)
            self._open.pop(name, None)
            self._broken.append(f"{name} was reported to no longer: {told(error)}")  # trainers silence warnings
        finally:
            random.setstate(drawn)


class TensorBoard:
    """Event files, in a folder that is named for the cell."""

    def __init__(self, cell: Cell, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Its path is the run's name in TensorBoard: so runs can be chosen by method or seed.
        place = folder / re.sub(r"[^\w.=-]+", "-", cell.label)
        shutil.rmtree(place, ignore_errors=True)
        self._writer = SummaryWriter(log_dir=str(place))
        self._writer.add_text("cell", "\n".join(f"    {name}: {value}" for name, value in cell.flat().items()))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write at once: what is there survives the process."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class Trackio:
    """A run of trackio, in a project for each task."""

    def __init__(self, cell: Cell, folder: Path) -> None:
        import trackio
        import trackio.run

        here = not any(os.environ.get(name) for name in _ELSEWHERE)
        # It would ask the hub who the user is, although all stays here.
        asks = hasattr(trackio.run, "_get_default_namespace") and here
        quiet = mock.patch.object(trackio.run, "_get_default_namespace", str) if asks else contextlib.nullcontext()
        with quiet:
            # In a context of its own: a run that the user has open stays his.
            self._run = contextvars.Context().run(
                trackio.init,
                project=re.sub(r"[^\w.-]+", "-", f"rftlab-{cell.task_name.rpartition('/')[2]}"),
                name=f"{cell.label} {cell.id}",
                group=cell.method_name,
                config=cell.flat(),
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand over; trackio writes from a thread of its own."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Wait until all is written."""
        self._run.finish()


_KINDS: Mapping[str, Any] = {"tensorboard": TensorBoard, "trackio": Trackio}
assert _KINDS.keys() == trackers.TRACKERS.keys()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
