"""Every notebook's parameters with values that cannot be, given as papermill gives them."""

import ast
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import nbformat
import papermill

from rftlab.files.paths import notebooks_dir
from tests.proof.inputs_tried import MODEL_S, PATIENCE, listing, used
from tests.proof.proof import Case

# An empty text is "not set"; what names a file that a form or a later run looks for is said there.
_METHOD = {
    "task": ("arithmetic/wrod", 7, "none.py:load"),
    "model": ("./none", 7),
    "method": ("gpro", 7),
    "labels": ("many", -1, 1.5, 10**9),
    "cot": ("perhaps", 3),
    "seed": ("x", -2, 1.5),
    "steps": ("many", -1),
    "learning_rate": ("fast", -0.1),
    "adapter_r": (0, "x"),
    "settings": ("{", "[1]", '{"betta": 1}'),
    "out": (7,),
    "report_to": (7, "tensorbored"),
    "evaluation_test_items": (0, "x"),
}
_GRID = {"grid": ("scenario_none", "none.yaml", 7, "")}
_STUDY = {"results": ("none", 7, ""), "waive": (7,), "other": ("none",)}
_VALUES: dict[str, dict[str, tuple[Any, ...]]] = {
    "00_start_here": {
        "task": ("arithmetic/wrod", 7),
        "labels": ("many", -1, 10**9),
        "steps": ("many", 0),
        "seeds": ("x", 0),
    },
    "05_studio": {"grid": ("",)},
    "10_sft": _METHOD,
    "20_rft": _METHOD,
    "30_compare": _STUDY,
    "40_advisor": {
        "task": ("wrod",),
        "results": ("none",),
        "hardware": ("toaster",),
        "facts": ("{", "[1]", '{"lables": 1}'),
    },
    "50_label_pairs": {
        "task": ("wrod", 7),
        "task_settings": ("{", 7),
        "model": ("./none",),
        "labels": ("x", -1),
        "pairs": ("x", -1, 0),
        "path": (7, ""),
        "simulate_noise": ("x", 2.0),
        "again": ("none.jsonl", 7),
        "study": ("none", 7),
    },
    "60_code": _GRID,
    "61_math": _GRID,
    "62_medical": _GRID,
    "63_qa": _GRID,
    "64_creative": {**_GRID, "pairs": ("x", -1), "pairs_file": (7,)},
    "65_own_data": {"data": ("none.csv",), "model": ("none",)},
    "90_train_tiny_base": {
        "steps": ("x", 0, -1),
        "batch_texts": ("x", 0),
        "threads": ("x", 0),
        "lesson_share": ("x", 2.0),
        "seed": ("x",),
        "examples": ("x", 0),
        "out_dir": (7,),
    },
}


@dataclass(frozen=True)
class Given:
    """A value that a parameter of a notebook is given."""

    notebook: str
    name: str
    value: Any

    def __str__(self) -> str:
        return f"{self.notebook} with {self.name} = {self.value!r}"


# What is of another type than a parameter is declared to be.
_OTHER: dict[str, tuple[Any, ...]] = {"str": (7, None), "int": ("x", 1.5, None), "float": ("x", None), "bool": ("x", 3)}


def _declared(notebook: str) -> dict[str, str]:
    """Kinds of a notebook's parameters."""
    cells = json.loads((notebooks_dir() / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    (source,) = ("".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    nodes = (node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign))
    return {ast.unparse(node.target): ast.unparse(node.annotation) for node in nodes}


def _values(notebook: str) -> dict[tuple[str, str], Given]:
    """What it is given: of each parameter another type and what the table says, and a name that it does not have."""
    other = {name: _OTHER[kind] for name, kind in _declared(notebook).items()}
    every = [
        (name, value)
        for names in (other, _VALUES[notebook], {"sede": (1,)})
        for name, values in names.items()
        for value in values
    ]
    return {(name, repr(value)): Given(notebook, name, value) for name, value in every}


NOTEBOOKS = [given for notebook in _VALUES for given in _values(notebook).values()]


def run(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Try so many of them, one of each notebook first."""
    first = {given.notebook: given for given in chance.sample(NOTEBOOKS, len(NOTEBOOKS))}
    others = [given for given in NOTEBOOKS if first[given.notebook] is not given]
    wanted = [*first.values(), *chance.sample(others, len(others))][:count]
    for number, given in enumerate(wanted):
        work = folder / str(number)
        work.mkdir()
        yield str(given), _tried(given, work)


def _tried(given: Given, work: Path) -> str:
    """How it fell short: the notebook has to stop at one error of one sentence, and to leave nothing behind."""
    made = work.with_name(f"{work.name}.ipynb")
    source = notebooks_dir() / f"{given.notebook}.ipynb"
    before, began, here = listing(work), (used(), time.monotonic()), Path.cwd()
    os.chdir(work)
    try:
        papermill.execute_notebook(str(source), str(made), {given.name: given.value}, progress_bar=False, cwd=str(work))
    except papermill.PapermillExecutionError:
        pass
    else:
        return "it ran to its end"
    finally:
        os.chdir(here)
    seconds, wall = used() - began[0], time.monotonic() - began[1]
    errors = [
        output
        for cell in nbformat.read(made, as_version=4).cells
        if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    _keep(given, errors, seconds, wall)
    return _fell_short(errors, seconds, wall) or _traces(before, listing(work))


def _fell_short(errors: list[Any], seconds: float, wall: float) -> str:
    if len(errors) != 1:
        return f"{len(errors)} errors"
    (error,) = errors
    if error.ename != "RftlabError":
        return f"{error.ename}: {error.evalue[:200]}"
    if len(error.traceback) != 1 or "\n" in error.traceback[0].strip():
        return f"a traceback of {len(error.traceback)} lines: {error.evalue[:200]}"
    if seconds > MODEL_S:
        return f"took {seconds:.1f} s of the processor, more than {MODEL_S:g}"
    return f"took {wall:.1f} s, more than {PATIENCE * MODEL_S:g}" if wall > PATIENCE * MODEL_S else ""


def _traces(before: dict[str, str], after: dict[str, str]) -> str:
    left = sorted(after.keys() ^ before.keys())
    return f"wrote {', '.join(left[:5])}" if left else ""


def _keep(given: Given, errors: list[Any], seconds: float, wall: float) -> None:
    if path := os.environ.get("RFTLAB_PROOF_SAID"):
        with open(path, "a", encoding="utf-8") as file:
            said = "; ".join(f"{error.ename}: {error.evalue}" for error in errors)
            print(f"{given} in {seconds:.1f} s, {wall:.1f} of the wall\n    {ascii(said)[1:-1][:800]}", file=file)
