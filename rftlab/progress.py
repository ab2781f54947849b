"""How a notebook tells what it is doing: one display that updates, which the batch executor reads too."""

import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from rftlab.shown.progress import bar, seconds_left

MIME = "application/vnd.rftlab.progress+json"
BATCH = "RFTLAB_BATCH"
"""Environment variable of a kernel that nobody watches: what is redrawn there is shown once, as it is in the end."""


class Progress:
    """A bar in the notebook ("train 12/40 reward 0.31") that updates in place; silent outside Jupyter.

    It stands under the cell that is running. The same message carries its numbers under a MIME type of ours, which the
    executor shows for every running cell and keeps out of the saved notebook.
    """

    def __init__(self) -> None:
        self._display_id, self._under = "", -1
        self._phase, self._began = "", 0.0

    def __call__(
        self,
        phase: str,
        step: float,
        total: float,
        *,
        reward: float | None = None,
        loss: float | None = None,
        warning: str = "",
        at_most: bool = False,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        """Show progress.

        Args:
            phase: what runs: load, train, trial 1/3, evaluate.
            step: done so far, in the unit of the budget.
            total: all of it.
            reward: last mean training reward, if there is one.
            loss: last training loss, if there is one.
            warning: what goes wrong, in few words; "" if nothing does.
            at_most: whether ``total`` is a cap, before which it may end.
            beside: more for whoever reads the messages, JSON values.
        """
        shell = kernel_shell()
        if shell is None:
            return
        from IPython.display import display

        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._began = phase, now
        new = shell.execution_count != self._under
        if new:
            self._display_id, self._under = f"rftlab-{uuid.uuid4().hex}", shell.execution_count
        numbers = f"{phase} {step:g}{' of at most ' if at_most else '/'}{total:g}"
        numbers += f" reward {reward:.3f}" if reward is not None else f" loss {loss:.3f}" if loss is not None else ""
        numbers += f", {warning}" if warning else ""
        payload = {
            "phase": phase,
            "step": step,
            "total": total,
            "reward": reward,
            "loss": loss,
            "warning": warning,
            "at_most": at_most,
            **(beside or {}),
        }
        share = step / total if total else 1.0
        said = bar(f"{numbers}, {_time(now - self._began, share)}", share)
        shown = {"text/plain": numbers, "text/html": said, MIME: payload}
        display(shown, raw=True, display_id=self._display_id, update=not new)


def kernel_shell() -> Any:
    """IPython's shell where the code runs in a notebook's kernel, else None."""
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


def is_watched() -> bool:
    """Whether the code runs in a notebook that somebody may be looking at."""
    return kernel_shell() is not None and not os.environ.get(BATCH)


def _time(spent: float, share: float) -> str:
    return f"{spent:.0f} s" if share >= 1 or not share else seconds_left(spent * (1 - share) / share)
