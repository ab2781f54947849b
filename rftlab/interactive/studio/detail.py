"""One cell in full, for a page: how it trained, what it answered, and what its notebook and kernel left to read.

All texts are plain: what a model or a library wrote is never markup, and what shows them must not make it so.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rftlab import plots, record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.folders import KERNEL_LOG
from rftlab.execute.trace_so_far import read_trace, trace_so_far
from rftlab.files.staging import RUNNING
from rftlab.interactive.studio.cells import State
from rftlab.record.copied import ERROR, FAILED

SAMPLES = 30
_TEXTS = ("prompt", "completion", "extracted", "answer")
_MOST_CHARS = 2_000
_MOST_LOG = 20_000
_METRICS = (
    "accuracy", "sampled_accuracy", "train_accuracy", "ood_accuracy", "retention_accuracy", "format_rate",
    "truncation_rate", "kl_to_base", "learning_rate",
)  # fmt: skip


class Sample(NamedTuple):
    """A test item that was asked: at most 2 000 characters of each text."""

    prompt: str
    completion: str
    extracted: str
    answer: str
    reward: float


class Detail(NamedTuple):
    """A cell in full.

    Attributes:
        facts: name and value of what was measured, as people read it.
        curve: a PNG of its trace, of one that runs or has failed as far as it came; empty where there is none.
        samples: the first test items, at most `SAMPLES`.
        log: error, traceback, warnings and what the kernel wrote, as far as there is any.
    """

    facts: tuple[tuple[str, str], ...]
    curve: bytes
    samples: tuple[Sample, ...]
    log: str


def detail(cell: Cell, results: Path, state: State) -> Detail:
    """What a results folder holds of a cell, in whichever state it is; never raises on what it finds there."""
    folder = record.cells_dir(results) / cell.id
    if state.kind == "done":
        try:
            found = record.read(folder)
        except RftlabError as error:
            return Detail((), b"", (), str(error))
        if found is not None:
            facts = tuple(_facts(found))
            log = "\n".join([*found.warnings, _tail(folder / KERNEL_LOG)]).strip()
            return Detail(facts, _curve(folder, cell), tuple(_samples(folder)), log)
    if state.kind == "running":
        logs = sorted(folder.parent.glob(f".{cell.id}.*{RUNNING}/{KERNEL_LOG}"))
        return Detail((), _curve_so_far(results, cell), (), "\n".join(map(_tail, logs)).strip())
    failed = results / FAILED / cell.id
    why = _tail(failed / ERROR)
    parts = ("" if why == state.said else why, _traceback(failed / record.NOTEBOOK), _tail(failed / KERNEL_LOG))
    log = "\n\n".join(filter(None, parts)) or state.said
    return Detail((), _curve_so_far(results, cell) if state.kind == "failed" else b"", (), log)


def _facts(found: record.Record) -> Iterator[tuple[str, str]]:
    for name in _METRICS:
        value = found.metrics.get(name)
        if value is not None:
            share = name.endswith(("accuracy", "rate")) and name != "learning_rate"
            yield plots.title(name).replace("_", " "), f"{100 * value:.1f} %" if share else f"{value:.3g}"
    for name, unit in (("seconds", "s"), ("optimizer_steps", ""), ("tokens_generated", ""), ("flops", "")):
        if (value := found.cost.get(name)) is not None:
            yield name.replace("_", " "), f"{value:.3g} {unit}".strip()


def _curve(folder: Path, cell: Cell) -> bytes:
    try:
        return _drawn(record.read_lines(folder / record.TRACE), cell.method)
    except RftlabError:
        return b""


def _curve_so_far(results: Path, cell: Cell) -> bytes:
    try:
        path = trace_so_far(results, cell.id)
        return _drawn_once(path, path.stat().st_mtime_ns, cell.method) if path else b""
    except OSError:  # it has ended meanwhile
        return b""


@lru_cache(maxsize=4)
def _drawn_once(path: Path, _changed: int, method: str) -> bytes:
    """Of a file that has not changed the same picture: a cell that runs is looked at every second."""
    return _drawn(read_trace(path), method)


def _drawn(rows: Iterable[dict[str, Any]], method: str) -> bytes:
    trace = pd.DataFrame(list(rows))
    if trace.empty or "step" not in trace:
        return b""
    return plots.to_bytes(plots.training_curve(trace, method=method), "png", dpi=80)


def _samples(folder: Path) -> Iterator[Sample]:
    try:
        found = 0
        for row in record.read_lines(folder / record.SAMPLES, '"test"'):
            if row.get("part") == "test" and found < SAMPLES:
                found += 1
                prompt, completion, extracted, answer = (_cut(row.get(name)) for name in _TEXTS)
                yield Sample(prompt, completion, extracted, answer, float(row.get("reward") or 0.0))
    except (RftlabError, TypeError, ValueError):
        return


def _cut(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]} ... ({len(text)} characters)"


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MOST_LOG))
            return file.read().decode("utf-8", errors="replace").strip()
    except OSError:
        return ""


def _traceback(notebook: Path) -> str:
    """The traceback that a notebook shows where it failed, without its colours."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ()) if output["output_type"] == "error"]
        return _uncoloured("\n".join(outputs[-1]["traceback"]))[-_MOST_LOG:] if outputs else ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def _uncoloured(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
