"""A notebook that leaves a record without training anything, and a driver that runs it over a few cells.

What it does is told by `task_settings`: {"do": "fail" | "exit" | "crash" | "die" | "forget" | "wrong" |
"sleep", "seconds": s}; it crashes in a file `crash.py` in the folder "beside".
"""

import sys
from pathlib import Path

import nbformat

from rftlab.cell import Cell
from rftlab.execute.kernels import KernelSettings, default_kernel

BODY = """
import json, os, time
import rftlab
from rftlab.progress import Progress
from rftlab.record import Record
cell = rftlab.Cell.from_parameters(globals())
do, seconds = cell.task_settings.get("do"), cell.task_settings.get("seconds", 0)
progress = Progress()
for step in range(3):
    progress("train", step, 2, reward=0.5, beside={"trace": [{"step": step, "train/reward": 0.5}]})
    time.sleep(seconds / 3)
""", """
print("about to", do)
if do == "fail":
    raise RuntimeError("told to fail\\nsecond line")
if do == "exit":
    import sys; sys.exit(0)
if do == "crash":
    import sys; sys.path.insert(0, cell.task_settings["beside"]); import crash
if do == "die":
    os.kill(os.getpid(), 9)
seen = {name: os.environ.get(name) for name in
        ("OMP_NUM_THREADS", "PYTHONHASHSEED", "MPLBACKEND", "RFTLAB_AUTO_PRECISION")}
seen |= {"cwd": os.getcwd(), "executable": __import__("sys").executable}
""", """
if do != "forget":
    Record(cell=cell.model_dump(mode="json"), id="wrong" if do == "wrong" else cell.id, contract={"n": cell.labels},
           metrics={"accuracy": cell.seed / 7}, cost={"seconds": 0.0}, environment=seen if do == "look" else {}).write(
        __import__("pathlib").Path(out), trace=[{"step": 1}], samples=[])
"""  # fmt: skip


def write_stub(path: Path, *, extra: str = "") -> Path:
    """Write the stub notebook; ``extra`` is a further line of its parameters cell."""
    values = {**Cell.make({}).to_parameters(), "out": ""}
    lines = [f"{name}: {type(value).__name__} = {value!r}" for name, value in values.items()]
    parameters = nbformat.v4.new_code_cell("\n".join([*lines, extra]).strip(), metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(
        cells=[parameters, *(nbformat.v4.new_code_cell(source.strip()) for source in BODY)],
        metadata={"kernelspec": {"name": "no-such-kernel", "display_name": "x", "language": "python"}},
    )
    nbformat.write(notebook, path)
    return path


def cells(count: int, **settings) -> list[Cell]:
    return [Cell.make({"seed": seed, "task_settings": settings}) for seed in range(count)]


# Kernels that start in a third of a second, where how they start is not what is tested.
QUICK = KernelSettings(kind=default_kernel(), modules=("rftlab.record",))


class Quiet:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.progress, self.outcomes, self.begun, self.notes = [], [], [], []

    def started(self, cell) -> None:
        self.begun.append(cell)

    def progressed(self, cell, progress) -> None:
        self.progress.append((cell, dict(progress)))

    def finished(self, outcome) -> None:
        self.outcomes.append(outcome)

    def noted(self, text) -> None:
        self.notes.append(text)


def drive(notebook: str, results: str, count: str, seconds: str, kind: str) -> int:
    """Run as a program: a driver to be killed."""
    from rftlab.execute import local, on_ray
    from rftlab.execute.interrupts import Interrupted

    run_cells = on_ray.run_cells if kind == "ray" else local.run_cells
    wanted = cells(int(count), do="sleep", seconds=float(seconds))
    settings = KernelSettings(kind="warm" if kind == "warm" else "cold", modules=("rftlab.record",))
    left = [cell for cell in wanted if not (Path(results) / "cells" / cell.id / "record.json").exists()]
    try:
        outcomes = run_cells(
            left, Path(results), Quiet(), workers=2, settings=settings, notebooks={"sft": Path(notebook)}
        )
    except Interrupted as error:
        return error.exit_code
    return int(any(outcome.status != "done" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(drive(*sys.argv[1:]))
