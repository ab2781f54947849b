"""One cell trained by several processes: this one, and others that it starts, feeds, and ends with the training.

The others are started fresh, not forked: this one holds torch's threads, and on a GPU a context that no fork survives.
They load what the cell names, as this one did, and make the same steps (`rftlab.experiment.peer`).
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.files.staging import scratch
from rftlab.methods.peers import ALONE, Peers, joined
from rftlab.policy.device import nth, require
from rftlab.user_code.child import Child

FOREVER_S = 30 * 86400.0
"""What a training may take as far as its processes are concerned."""
# A process that ended is heard of within this time after its connections are gone.
_HEARD_S = 5.0


@contextlib.contextmanager
def together(cell: Cell, device: torch.device) -> Iterator[Peers]:
    """While inside, as many processes as the cell says train it together; this is the first of them.

    Args:
        cell: with its caps worked out.
        device: where this process computes.

    Raises:
        RftlabError: another process could not start or ended early; the sentence says why.
    """
    if cell.processes == 1:
        yield ALONE
        return
    require(cell.device, cell.processes)
    with scratch() as folder, contextlib.ExitStack() as running:
        others = []
        for rank in range(1, cell.processes):
            others.append(_Other(cell, rank, folder / "rendezvous", device.type))
            running.callback(others[-1].end)
        for other in others:
            other.wait_until_ready()
        try:
            with joined(0, cell.processes, folder / "rendezvous", device.type) as peers:
                yield peers
        except Exception as error:
            reason = _reason(others) if _is_lost_connection(error) else None
            if reason is None:
                raise
            raise reason from error
        for other in others:
            other.finish()


class _Other:
    """A process that trains a cell beside this one."""

    def __init__(self, cell: Cell, rank: int, rendezvous: Path, device: str) -> None:
        self._name = f"process {rank + 1} of {cell.processes} that train {cell.label}"
        self._ready, self.ended, self.error = threading.Event(), threading.Event(), ""
        threads = max(1, torch.get_num_threads() // cell.processes)
        request = {
            "cell": cell.model_dump(mode="json"), "rank": rank, "rendezvous": str(rendezvous), "device": device,
        }  # fmt: skip
        environment = nth(rank) if device == "cuda" else {"OMP_NUM_THREADS": str(threads)}
        self._child = Child("rftlab.experiment.peer:train", request, FOREVER_S, self._heard, environment)
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_until_ready(self) -> None:
        """Wait until it has loaded all it needs.

        Raises:
            RftlabError: it ended before.
        """
        self._ready.wait()
        self._raise()

    def finish(self) -> None:
        """Wait for its end.

        Raises:
            RftlabError: it did not end well.
        """
        self.ended.wait(_HEARD_S)
        self._raise()

    def end(self) -> None:
        """End it now."""
        self._child.end()

    def _raise(self) -> None:
        if self.error:
            raise RftlabError(self.error)

    def _heard(self, _: Any) -> None:
        self._ready.set()

    def _listen(self) -> None:
        try:
            self._child.answer()
        except RftlabError as error:
            self.error = f"{self._name}: {error}"
            self._give_up_waiting()
        finally:
            self.ended.set()
            self._ready.set()

    def _give_up_waiting(self) -> None:
        """Let this process's collectives on a GPU fail; on a CPU they do when a connection is gone."""
        world = dist.group.WORLD
        if world is not None and "nccl" in str(dist.get_backend_config()):
            with contextlib.suppress(RuntimeError):
                world.abort()


def _is_lost_connection(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, is that another process has gone."""
    while error is not None:
        if isinstance(error, RuntimeError) and (isinstance(error, dist.DistError) or "gloo" in str(error)):
            return True
        error = error.__cause__
    return False


def _reason(others: Sequence[_Other]) -> RftlabError | None:
    """Why a connection was lost: what the first of the others that ended early says."""
    for other in others:
        other.ended.wait(_HEARD_S / len(others))
    said = [other.error for other in others if other.error]
    return RftlabError(min(said, key=lambda text: "Connection closed" in text)) if said else None
