"""The short cells by which a base is asked, which of them other studies have answered already, and their answers."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rftlab import preflight, record
from rftlab.advise.measured import newest_first
from rftlab.advise.of_task import Subject, absolute
from rftlab.advise.probes import Failures
from rftlab.cell import OF_ROWS, Cell
from rftlab.digests import with_all_digests
from rftlab.errors import RftlabError
from rftlab.execute.kernels import KernelSettings, default_kernel, default_workers, kernel_settings, preheat
from rftlab.execute.local import run_cells
from rftlab.execute.one_cell import Outcome
from rftlab.json_values import without_folders
from rftlab.policy.hub import by_folder
from rftlab.record.outcomes import worth
from rftlab.registry import METHODS

WAYS = {"cot": "with chain-of-thought", "direct": "without it", "shots": "with examples before it",
        "taught": "after the short SFT"}  # fmt: skip
"""Names of the cells, as people are told them."""
ITEMS, SAMPLED, SAMPLES, STEPS = 100, 32, 16, 16
"""Prompts that are asked greedily, those of them that are sampled, how often each, and steps of the short SFT."""
MOST_LABELS = 100
"""Labels that the short SFT sees, where there are more."""
_SHOTS = METHODS["base-few-shot"].shots
# What a grid says of how its models are asked; the rest of it is swept, or is about training.
_KEPT = frozenset({"model", "task", "task_settings", "verifier", "verifier_settings", "answer_format", "template",
                   "system", "decoding", "adapter"})  # fmt: skip
# What the answers of an untrained base do not depend on.
_UNASKED = (
    "seed", *OF_ROWS, "development", "cot", "settings", "preset", "learning_rates", "tuned_by", "start_from",
    "started_by", "adapter.", "budget.", "tuning.", "evaluation.",
)  # fmt: skip


class Sizes(NamedTuple):
    """How much is asked.

    Attributes:
        items: prompts that are asked greedily.
        sampled: those of them that are sampled.
        samples: completions of each of these.
        steps: optimiser steps of the short SFT; 0 leaves it out.
    """

    items: int = ITEMS
    sampled: int = SAMPLED
    samples: int = SAMPLES
    steps: int = STEPS


@dataclass(frozen=True)
class Answer:
    """What one cell left.

    Attributes:
        cell: the cell.
        rows: of its samples.jsonl.
        losses: of its training, step by step, in nats per token; the first one is the base's.
        known: the results folder it was found in; None where it was run for this.
    """

    cell: Cell
    rows: tuple[Mapping[str, Any], ...]
    losses: tuple[float, ...]
    known: Path | None = None

    def wrong(self, most: int) -> list[Mapping[str, Any]]:
        """Some greedy answers that are not right, those that differ first."""
        found = [row for row in self.rows if row["part"] == "test" and worth(row) < 1]
        unlike = {row["completion"]: row for row in reversed(found)}
        return [*reversed(unlike.values())][:most]


def questions(subject: Subject, *, cot: bool, sizes: Sizes, beside: Path) -> dict[str, Cell]:
    """The cells that are asked, by name: `cot` and `direct` (the base), `shots` (with labels before it), `taught`.

    Args:
        subject: the task, and how a grid names it and asks.
        cot: whether the way that is planned is with chain-of-thought: examples are shown and taught that way.
        sizes: how much is asked.
        beside: where the subject's paths start from.
    """
    values = {name: value for name, value in subject.values.items() if name.partition(".")[0] in _KEPT}
    values["task_settings"] = absolute(values.get("task_settings", {}), beside)
    values["model"] = by_folder(str(values.get("model", Cell.model_fields["model"].default)))
    values["evaluation"] = {
        "test_items": sizes.items, "sampled_items": sizes.sampled, "samples": sizes.samples, "train_items": 1,
        "ood_items": 0, "retention": "", "along_the_way": 0,
    }  # fmt: skip
    there = subject.facts.labels or 0
    labels = min(there, MOST_LABELS)
    found = {
        "cot": {**values, "method": "base", "labels": 0, "cot": True},
        "direct": {**values, "method": "base", "labels": 0, "cot": False},
    }
    taught = {**values, "cot": cot}
    if there >= _SHOTS and (subject.facts.rationales or not cot):
        greedy = {**taught["evaluation"], "sampled_items": 0}
        found["shots"] = {**taught, "method": "base-few-shot", "labels": _SHOTS, "evaluation": greedy}
    if labels and sizes.steps and (subject.facts.rationales or not cot):
        found["taught"] = {**taught, "method": "sft", "labels": labels, "budget.amount": float(sizes.steps)}
    return dict(zip(found, with_all_digests(map(Cell.make, found.values())), strict=True))


def refused(cells: Mapping[str, Cell], way: str, limit: float) -> tuple[dict[str, str], tuple[str, ...]]:
    """Why cells cannot run, by name, and what is to be said of those that can.

    Args:
        cells: of `questions`.
        way: the one that is planned; where it cannot run, no other is looked at.
        limit: seconds each step in a user's code may take.
    """
    try:
        return {}, _told(preflight.check(cells.values(), limit=limit).notes)
    except RftlabError:
        pass  # of one of them, which it does not name
    problems: dict[str, str] = {}
    notes: dict[str, None] = {}
    for name in sorted(cells, key=lambda name: name != way):
        try:
            notes |= dict.fromkeys(_told(preflight.check([cells[name]], limit=limit).notes))
        except RftlabError as error:
            problems[name] = str(error)
            if name == way:
                break
    return problems, tuple(notes)


def _told(notes: Sequence[str]) -> tuple[str, ...]:
    """Those about the task and its caps; the label budgets of short cells are nobody's."""
    return tuple(note for note in notes if ": " in note)


def warm_up(cells: Mapping[str, Cell]) -> None:
    """Begin to start what cells are run in, while they are being checked; `rftlab.execute.kernels.cool` ends it."""
    preheat(_kernels(cells)[1])


def _kernels(cells: Mapping[str, Cell]) -> tuple[int, KernelSettings]:
    workers = default_workers([*cells.values()])
    return workers, replace(kernel_settings(default_kernel(), workers, keep="none"), stay_warm=True)


class _Heard(Failures):
    """Says which cells are done, and keeps what failed."""

    def __init__(self, names: Mapping[str, str], say: Callable[[str], None]) -> None:
        super().__init__()
        self._names, self._say, self._done = names, say, 0

    def finished(self, outcome: Outcome) -> None:
        """One more."""
        super().finished(outcome)
        self._done += 1
        self._say(f"{self._done} of {len(self._names)}: {WAYS[self._names[outcome.cell.id]]}, {outcome.status}")


def answers(
    cells: Mapping[str, Cell], known: Mapping[str, Answer], folder: Path, say: Callable[[str], None] = lambda _: None
) -> tuple[dict[str, Answer], dict[str, str]]:
    """What the cells left, those that are not known run; and why some of them failed.

    Args:
        cells: that can run; what they are run in stays warm for the next.
        known: of them, those that need not.
        folder: where they run; those that an interrupted call has left are not run again. Gone once all are known.
        say: told what happens.

    Raises:
        RftlabError: another process asks the same in that folder.
        Interrupted: SIGINT, SIGTERM or SIGHUP.
    """
    if not cells.keys() - known.keys():
        return dict(known), {}
    found = {**known, **_left(cells, folder)}
    todo = {name: cell for name, cell in cells.items() if name not in found}
    if begun := len(found) - len(known):
        say(f"{begun} of {begun + len(todo)} had been asked before it was interrupted")
    names = {cell.id: name for name, cell in todo.items()}
    heard = _Heard(names, say)
    workers, settings = _kernels(cells)
    run_cells([*todo.values()], folder, heard, workers=workers, settings=settings)
    found |= _left(todo, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return found, {names[outcome.cell.id]: outcome.error for outcome in heard.failed}


def _left(cells: Mapping[str, Cell], folder: Path) -> dict[str, Answer]:
    """Answers of the cells that have run in a folder, whole and undamaged."""
    places = {name: record.cells_dir(folder) / cell.id for name, cell in cells.items()}
    read = {name: record.examine(place) for name, place in places.items()}
    return {name: _answer(left, places[name]) for name, left in read.items() if isinstance(left, record.Record)}


def known_answers(cells: Mapping[str, Cell], places: Sequence[Path]) -> dict[str, Answer]:
    """Of untrained cells those that some study has answered, on at least as many items.

    Args:
        cells: of `questions`.
        places: results folders, and archives of some.
    """
    wanted = {name: key(cell) for name, cell in cells.items() if name in ("cot", "direct")}
    found: dict[str, Answer] = {}
    for folder in newest_first(places):
        if len(found) == len(wanted):
            break
        try:
            read = record.read(folder)
            if read is None or read.cell.get("method") != "base":
                continue
            names = [name for name in wanted if name not in found and key(read.parameters) == wanted[name]]
            enough = [name for name in names if _covers(read.parameters, cells[name])]
            if enough and isinstance(record.examine(folder), record.Record):
                found[enough[0]] = _answer(read, folder, folder.parent.parent)
        except (RftlabError, ValueError, KeyError, OSError):
            continue  # damaged, which `rftlab status` says
    return found


def key(cell: Cell) -> dict[str, Any]:
    """All that an untrained base's answers depend on but for how many it gives."""
    flat = without_folders(cell.flat(), cell.digests)
    flat = {name: value for name, value in flat.items() if not name.startswith(_UNASKED)}
    return {**flat, "cot_eval": cell.cot_eval, "apart": cell.evaluation.part}


def _covers(known: Cell, wanted: Cell) -> bool:
    ours, theirs = wanted.evaluation, known.evaluation
    return all(getattr(theirs, name) >= getattr(ours, name) for name in ("test_items", "sampled_items", "samples"))


def _answer(read: record.Record, folder: Path, known: Path | None = None) -> Answer:
    losses = [row["train/loss"] for row in record.read_lines(folder / record.TRACE) if "train/loss" in row]
    rows = tuple(record.read_lines(folder / record.SAMPLES))
    return Answer(read.parameters, rows, tuple(losses), known)
