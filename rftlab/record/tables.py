"""Finished cells as tables: one row a cell, or one a line of their traces and samples."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftlab.cell import task_name
from rftlab.errors import RftlabError
from rftlab.naming import short_names
from rftlab.record import Record, cells_dir, read_all, read_lines
from rftlab.record.short_paths import flat_values

if TYPE_CHECKING:
    import pandas as pd


FROM = "results"
"""Key of a table's `attrs`: the results folder or archive that its rows are from, wherever they are filtered to."""


def load(results: str | Path) -> "pd.DataFrame":
    """One row per finished cell: the cell's parameters (`adapter.r`, ...), metrics, cost, `id`, `contract_hash`.

    A file of the user's is named without its folders (`short_paths`), a task after its file (`cell.task_name`), unless
    two files would give two tasks one name, a method of the user's own likewise after its class. Among the columns:
    task, model, method, labels, cot, cot_eval, seed, accuracy, sampled_accuracy, train_accuracy, ood_accuracy,
    generalisation_gap, seconds, tokens_generated, tokens_trained, flops, learning_rate.

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
    flats = flat_values([each.parameters for each in records])
    methods = short_names(flat["method"] for flat in flats)
    tasks = _task_names(flats)
    rows = [
        {
            "id": record.id,
            **parameters,
            "task": task,
            "method": methods[parameters["method"]],
            **record.metrics,
            **record.cost,
            "contract_hash": record.contract_hash,
            "warnings": "; ".join(record.warnings),
        }
        for record, parameters, task in zip(records, flats, tasks, strict=True)
    ]
    frame = pd.DataFrame(rows)
    frame.attrs[FROM] = os.path.abspath(results)
    return frame.sort_values(["task", "model", "method", "labels", "cot", "seed", "id"], ignore_index=True)


def _task_names(flats: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each row's task is called; two of one name have their files' paths as far as those tell them apart."""
    names = [task_name(flat["task"], flat["task_settings"]) for flat in flats]
    data = [_place(flat["task_settings"]) if flat["task"] == "file" else flat["task"] for flat in flats]
    meant: dict[str, set[str]] = {}
    for name, each in zip(names, data, strict=True):
        meant.setdefault(name, set()).add(each)
    return [each if len(meant[name]) > 1 else name for name, each in zip(names, data, strict=True)]


def _place(settings: Mapping[str, Any]) -> str:
    return str(settings.get("path") or settings.get("prompts_path") or "")


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
