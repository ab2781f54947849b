"""A kept policy evaluated again, on its own task or on another, beside its untrained base."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rftlab import record, stats
from rftlab.cell import Cell
from rftlab.digests import changes, describe, file_of, kind_of, texts_of, with_digests
from rftlab.errors import RftlabError
from rftlab.evaluate import Outcome
from rftlab.evaluate import evaluate as measure
from rftlab.experiment import Experiment
from rftlab.experiment.environment import environment
from rftlab.policy import weights
from rftlab.policy.seen import items_asked, seen
from rftlab.record.outcomes import worth
from rftlab.tasks.base import Task
from rftlab.tasks.tables import SUFFIXES

_METRICS = (
    "accuracy", "score", "sampled_accuracy", "sampled_score", "train_accuracy", "development_accuracy", "ood_accuracy",
    "ood_rule_accuracy", "ood_surface_accuracy", "retention_accuracy", "apart_accuracy", "reward_hacking_gap",
    "format_rate", "truncation_rate", "completion_tokens", "kl_to_base", "kl_from_base",
)  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """A kept policy and its base, evaluated on a task.

    Attributes:
        cell: id of the cell that trained the policy.
        digest: of the policy.
        task: the task's name, with its settings where it has any.
        test_items: how many items accuracy is of.
        metrics: who ("policy", "base") -> metric -> value.
        intervals: who -> 95 % interval of the accuracy over items, low and high.
        notes: what a reader has to know.
    """

    cell: str
    digest: str
    task: str
    test_items: int
    metrics: Mapping[str, Mapping[str, float | None]]
    intervals: Mapping[str, tuple[float, float]]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f"cell {self.cell} on {self.task}, {self.test_items} test items",
            f"{'':<20}{'policy':>18}{'base':>18}",
        ]
        for name in _METRICS:
            values = [self.metrics[who].get(name) for who in ("policy", "base")]
            if values != [None, None]:
                shown = (self._shown(who, name, value) for who, value in zip(("policy", "base"), values, strict=True))
                lines.append(_row(name, *shown))
        return "\n".join([*lines, *self.notes])

    def write(self, path: Path) -> Path:
        """Write it as JSON; the file appears whole or not at all.

        Raises:
            RftlabError: it cannot be written.
        """
        try:
            return record.write_atomically(path, json.dumps(vars(self), indent=1, sort_keys=True) + "\n")
        except OSError as error:
            raise RftlabError(f"cannot write {path}: {error.strerror}; give another file with --out") from None

    def _shown(self, who: str, name: str, value: float | None) -> str:
        if value is None:
            return "-"
        if name in ("completion_tokens", "kl_to_base", "kl_from_base"):
            return f"{value:.3g}"
        limits = (
            "[{:.0f}, {:.0f}]".format(*(100 * limit for limit in self.intervals[who])) if name == "accuracy" else ""
        )
        return f"{100 * value:.1f} % {limits}".strip()


def evaluate_kept(
    cell: str | Path,
    task: str = "",
    task_settings: Mapping[str, Any] | None = None,
    *,
    verifier: str = "",
    items: int = 0,
    results: str | Path | None = None,
) -> Evaluation:
    """A kept policy and its base on the test items of a task, with the decoding of the policy's cell.

    Args:
        cell: folder of a finished cell, or the beginning of its id.
        task: registered task, path.py:function or a data file; empty takes the cell's own, and then the policy scores
            exactly what its record says, on the same machine.
        task_settings: of that task.
        verifier: judge with this one, not with the task's own.
        items: how many test items; 0 takes as many as the cell did.
        results: results folder an id is looked for in; by default every folder of `results/`.

    Raises:
        RftlabError: as `rftlab.policy.kept.load_kept`, or as the task says.
    """
    folder = weights.find_cell(str(cell), Path(results) if results else None)
    manifest, trained = weights.read_manifest(folder), weights.as_evaluated(folder)
    asked = _asked(trained, task, dict(task_settings or {}), verifier, items)
    own = not (task or task_settings or verifier or items)
    _same_threads(folder)
    try:
        experiment = Experiment(asked, kept=folder)
    except RftlabError as error:
        moved = "; if its project was moved, run its grid there once, and files are found where they are now"
        raise RftlabError(f"{error}{moved if own and not _has_its_files(trained) else ''}") from None
    outcomes = {"policy": _measure(experiment)}
    found_seen = seen(str(folder), items_asked(asked, experiment.task), "items")
    notes = [
        *(_against_record(folder, outcomes["policy"]) if own else ()),
        *found_seen,
        *(() if own else _held_out(asked, experiment.task)),
    ]
    del experiment.policy  # before the base is loaded: two may not fit
    outcomes["base"] = _measure(Experiment(_untrained(asked)))
    rewards = {who: _test_rewards(found) for who, found in outcomes.items()}
    intervals = {who: stats.items_interval(values) for who, values in rewards.items()}
    return Evaluation(
        cell=manifest.cell,
        digest=manifest.digest,
        task=" ".join([asked.task, *(f"{name}={value}" for name, value in asked.task_settings.items())]),
        test_items=len(rewards["policy"]),
        metrics={who: found.metrics for who, found in outcomes.items()},
        intervals={who: (interval.low, interval.high) for who, interval in intervals.items()},
        notes=tuple(notes),
    )


def _row(name: str, policy: str, base: str) -> str:
    return f"{name:<20}{policy:>18}{base:>18}"


def _asked(cell: Cell, task: str, settings: dict[str, Any], verifier: str, items: int) -> Cell:
    """The cell whose evaluation is asked for: its own one, or on a task of which it has no labels."""
    asked = cell.unstarted()
    if task.endswith(SUFFIXES):
        task, settings = "file", {"path": str(Path(task).expanduser().resolve()), **settings}
    if task or settings:
        other = {"task": task or cell.task, "task_settings": settings, "verifier": "", "verifier_settings": {}}
        asked = _untrained(Cell.make({**asked.model_dump(), **other}))
    changed = {**({"verifier": verifier} if verifier else {}), **({"evaluation.test_items": items} if items else {})}
    return Cell.make({**asked.flat(), **changed}) if changed else asked


def _has_its_files(cell: Cell) -> bool:
    named = ((kind_of(name, text), text) for name, text in texts_of(cell))
    files = (file_of(kind, text) for kind, text in named if kind in ("code", "file"))
    return all(file.exists() for file in files)


def _held_out(asked: Cell, task: Task) -> Iterator[str]:
    """Of a data file without a test part of its own only a share is asked."""
    if task.folds:
        yield (
            f"{len(task.test)} of the {task.folds.rows} rows are the fold of seed {asked.seed}; for more of them leave "
            "folds out and give a file that is named as test_path."
        )
    elif asked.task == "file" and not {"test_path", "test_split"} & set(asked.task_settings):
        rows = len(task.train) + len(task.test)
        yield (
            f"{len(task.test)} of the {rows} rows are held out as test items; for more of them "
            """--task-settings '{"test_share": 0.99}', or a file that is named as test_path."""
        )


def _measure(experiment: Experiment) -> Outcome:
    return measure(experiment.policy, experiment.task, experiment.labels, experiment.verifier, experiment.cell)


def _test_rewards(outcome: Outcome) -> list[float]:
    return [worth(row) for row in outcome.samples if row["part"] == "test"]


def _same_threads(folder: Path) -> None:
    """As many compute threads as the record had: large products are rounded by how they are shared out."""
    found = record.read(folder)
    if found is not None and (threads := found.environment.get("threads")):
        torch.set_num_threads(int(threads))


def _against_record(folder: Path, outcome: Outcome) -> Iterator[str]:
    """Whether a cell's own evaluation came out as its record says, and if not, what may be the reason."""
    found = record.read(folder)
    if found is None:
        return
    then = found.metrics
    differing = [name for name, value in outcome.metrics.items() if name in then and then[name] != value]
    if not differing:
        yield "Every metric equals the record's."
        return
    cell, own = weights.cell_of(folder), weights.cell_of(folder).unstarted()
    edited = changes(
        *({k: v for k, v in d.items() if k != "start_from"} for d in (cell.digests, with_digests(own).digests))
    )
    now = environment()
    moved = [name for name in ("libraries", "platform", "gpu", "threads") if found.environment.get(name) != now[name]]
    why = ", ".join([*(f"{describe(cell, name)} changed" for name in edited), *(f"other {name}" for name in moved)])
    name = differing[0]
    yield (
        f"Not what the record says: {name} was {then[name]}, is {outcome.metrics[name]}"
        f"{f'; since then: {why}' if why else ''}."
    )


def _untrained(cell: Cell) -> Cell:
    """The untrained base asked as the cell asks, without labels."""
    values = {**cell.model_dump(), "method": "base", "preset": "", "settings": {}, "labels": 0}
    return Cell.make({**values, "evaluation": {**values["evaluation"], "along_the_way": 0}})
