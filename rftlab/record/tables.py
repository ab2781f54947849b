"""Finished cells as tables: one row a cell, or one a line of their traces and samples."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rftlab.errors import RftlabError
from rftlab.record import Record, cells_dir, read_all, read_lines
from rftlab.record.short_paths import flat_values

if TYPE_CHECKING:
    import pandas as pd


def load(results: str | Path) -> "pd.DataFrame":
    """One row per finished cell: the cell's parameters (`adapter.r`, ...), metrics, cost, `id`, `contract_hash`.

    A file of the user's is named without its folders (`short_paths`), and a task after its file (`cell.task_name`),
    unless two files would give two tasks one name. Among the columns: task, model, method, labels, cot, cot_eval, seed,
    accuracy, sampled_accuracy, train_accuracy, ood_accuracy, generalisation_gap, seconds, tokens_generated,
    tokens_trained, flops, learning_rate.

    Args:
        results: a results folder, or an archive of `rftlab export`.

    Raises:
        RftlabError: as `read_all`; or no cell has finished.
    """
    return table(read_all(results), results)


def table(records: Sequence[Record], results: str | Path) -> "pd.DataFrame":
    """`load`, of records that have been read already.

    Raises:
        RftlabError: there are none; ``results`` is named.
    """
    import pandas as pd

    if not records:
        raise RftlabError(f"no cell has finished in {results}; run the grid, or look at `rftlab status {results}`")
    parts = list(zip(records, flat_values([each.parameters for each in records]), strict=True))
    alike: dict[str, set[str]] = {}
    for record, parameters in parts:
        alike.setdefault(record.parameters.task_name, set()).add(parameters["task"])
    rows = [
        {
            "id": record.id,
            **parameters,
            "task": _called(record.parameters.task_name, parameters["task"], alike),
            **record.metrics,
            **record.cost,
            "contract_hash": record.contract_hash,
            "warnings": "; ".join(record.warnings),
        }
        for record, parameters in parts
    ]
    frame = pd.DataFrame(rows)
    return frame.sort_values(["task", "model", "method", "labels", "cot", "seed", "id"], ignore_index=True)


def _called(name: str, task: str, alike: Mapping[str, Collection[str]]) -> str:
    """The task's name, or what tells it from others of that name."""
    return name if task == "file" or len(alike[name]) == 1 else task


def load_lines(results: str | Path, name: str) -> "pd.DataFrame":
    """All rows of every finished cell's trace.jsonl or samples.jsonl, with the cell's `id` as a column.

    Raises:
        RftlabError: as `read_all`.
    """
    import pandas as pd

    rows = []
    for record in read_all(results):
        rows += [{"id": record.id, **line} for line in read_lines(cells_dir(Path(results)) / record.id / name)]
    return pd.DataFrame(rows)
