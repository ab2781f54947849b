"""A grid without rftlab: papermill over the stock notebook, one cell after the other, ordinary kernels."""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import nbformat
import papermill

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.files.paths import data_dir
from rftlab.tasks.base import Example, load_task
from rftlab.tasks.template import TEMPLATES

# The first rate of each method's ladder, which is what rftlab's cells train with.
LEARNING_RATES = {"base": 0.0, "sft": 1e-3, "grpo": 5e-4}
_SOURCE = Path(__file__).with_name("stock_notebook.py")


def run_stock(cells: Sequence[Cell], folder: Path, *, threads: int) -> list[Path]:
    """Execute the stock notebook for each cell in turn, with so many compute threads; the executed notebooks."""
    folder.mkdir(parents=True)
    notebook = folder / "stock.ipynb"
    nbformat.write(as_notebook(_SOURCE.read_text(encoding="utf-8")), notebook)
    executed = []
    for cell in cells:
        target = folder / f"{cell.id}.ipynb"
        parameters = {
            "method": cell.method,
            "model_dir": str(data_dir() / "tiny_base"),
            "data_file": str(_write_data(cell, folder / f"{cell.id}.data.json")),
            "learning_rate": LEARNING_RATES[cell.method],
            "steps": int(cell.budget.amount),
            "max_new_tokens": cell.max_new_tokens or _cap(cell.task, cell.cot_eval),
            "samples": cell.evaluation.samples,
            "along_the_way": cell.evaluation.along_the_way,
            "along_items": cell.evaluation.along_items,
            "seed": cell.seed,
            "out": str(folder / cell.id),
        }
        with mock.patch.dict(os.environ, {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}):
            papermill.execute_notebook(
                str(notebook), str(target), parameters=parameters, kernel_name="python3", progress_bar=False
            )
        executed.append(target)
    return executed


@functools.cache
def _cap(task: str, cot: bool) -> int:
    """The completion cap that our cells work out."""
    return Experiment(Cell.make({"task": task, "method": "base", "labels": 0, "cot": cot})).capped.max_new_tokens


def as_notebook(source: str) -> nbformat.NotebookNode:
    """A notebook whose cells are the parts of a script that begin with `# %% name`; `parameters` becomes a tag."""
    cells = []
    for part in source.split("\n# %% ")[1:]:
        name, _, body = part.partition("\n")
        tags = ["parameters"] if name == "parameters" else [f"phase-{name}"]
        cells.append(nbformat.v4.new_code_cell(body.strip(), metadata={"tags": tags}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _write_data(cell: Cell, path: Path) -> Path:
    task, template, asked = load_task(cell.task, cell.task_settings), TEMPLATES["qa"], cell.evaluation
    labelled = task.labels(cell.labels, seed=cell.seed_data).train if cell.method != "base" else ()

    def rows(examples: Sequence[Example], *, cot: bool, labels: bool = False) -> list[dict[str, str]]:
        return [
            {
                "prompt": template.prompt(example, cot=cot),
                "completion": template.completion(example, cot=cot) if labels else "",
                "answer": example.answer,
            }
            for example in examples
        ]

    beyond = [example for examples in task.ood_asked(asked.ood_items).values() for example in examples]
    parts = {
        "train": rows(labelled, cot=cell.cot, labels=True),
        "test": rows(task.test[: max(5, asked.along_items)], cot=cell.cot_eval),
        "ood": rows(task.ood_along(asked.ood_items, asked.along_items), cot=cell.cot_eval),
        "test_evaluated": rows(task.test[: asked.test_items], cot=cell.cot_eval),
        "train_evaluated": rows(labelled[: asked.train_items], cot=cell.cot_eval),
        "ood_evaluated": rows(beyond, cot=cell.cot_eval),
        "sampled": rows(task.test[: asked.sampled_items], cot=cell.cot_eval),
    }
    path.write_text(json.dumps(parts), encoding="utf-8")
    return path
