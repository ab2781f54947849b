"""Seconds a notebook costs that only imports the training stack: in an ordinary kernel and in one forked warm."""

import tempfile
import time
from pathlib import Path

import nbformat

from rftlab.execute import warm
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.notebook import NotebookRun
from tests.bench.measure import Row, ratios, row, seconds, take_turns

IMPORTS = """
import matplotlib.pyplot, pandas, peft, torch, transformers
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer
import rftlab.experiment, rftlab.plots
"""

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def run(quick: bool = False) -> dict[str, Row]:
    """At most five rounds within a minute (one if quick); the process to fork from is started before, timed apart."""
    settings = {kind: KernelSettings(kind=kind, threads=1) for kind in ("warm", "cold")}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        notebook = Path(scratch) / "imports.ipynb"
        cells = [
            nbformat.v4.new_code_cell("turn: int = 0", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(IMPORTS.strip()),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), notebook)

        def execute(kind: str) -> float:
            target = Path(scratch) / f"{kind}{time.monotonic_ns()}.ipynb"
            return seconds(NotebookRun(notebook, target, {"turn": 1}, settings[kind], lambda _: None).execute)

        try:
            zygote = seconds(
                lambda: warm.zygote_for(settings["warm"].modules, settings["warm"].environment()).wait_until_ready()
            )
            took = take_turns(1 if quick else 5, {"warm": lambda: execute("warm"), "cold": lambda: execute("cold")})
        finally:
            warm.close_all()
    return {
        "notebook_overhead": ratios(took["cold"], took["warm"]),
        "notebook_overhead.warm": row(took["warm"], "s/cell"),
        "notebook_overhead.cold": row(took["cold"], "s/cell"),
        "notebook_overhead.warm_start_once": row([zygote], "s"),
    }
