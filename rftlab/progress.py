"""How a notebook tells what it is doing: one display that updates, which the batch executor reads too."""

import uuid
from typing import Any

MIME = "application/vnd.rftlab.progress+json"


class Progress:
    """A line in the notebook ("train 12/40 reward 0.31") that updates in place; silent outside Jupyter.

    The same message carries its numbers under a MIME type of ours, which the executor shows for every running cell and
    keeps out of the saved notebook.
    """

    def __init__(self) -> None:
        self._display_id = f"rftlab-{uuid.uuid4().hex}"
        self._shown = False

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
        """
        shell = _kernel_shell()
        if shell is None:
            return
        from IPython.display import display

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
        }
        display({"text/plain": numbers, MIME: payload}, raw=True, display_id=self._display_id, update=self._shown)
        self._shown = True


def _kernel_shell() -> Any:
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if shell is not None and hasattr(shell, "kernel") else None
