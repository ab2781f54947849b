"""rftlab: for this task, this model and this many labels, SFT, RFT or both? An experiment instead of an opinion."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Cell", "Experiment", "Grid", "RftlabError", "load"]

if TYPE_CHECKING:
    from rftlab.cell import Cell
    from rftlab.errors import RftlabError
    from rftlab.experiment import Experiment
    from rftlab.grid import Grid
    from rftlab.record import load

_HOMES = {"Cell": "cell", "Experiment": "experiment", "Grid": "grid", "RftlabError": "errors", "load": "record"}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import rftlab` stays instant and the command line never loads torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rftlab' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"rftlab.{_HOMES[name]}"), name)
