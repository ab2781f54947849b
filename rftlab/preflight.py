"""Everything that can be checked before a grid runs: data, budgets, verifiers, models, settings. Writes nothing.

Loads each distinct task once and never imports torch; settings of methods are checked in a short process of its own,
because the methods do.
"""

import json
import subprocess
import sys
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.policy.hub import locate
from rftlab.registry import METHODS, find
from rftlab.tasks.base import Example, Task, load_task, require_rationales
from rftlab.verifiers.base import CLOSE_TAG, OPEN_TAG, make_verifier

GOLD_SAMPLE = 20


def check(cells: Iterable[Cell]) -> None:
    """Raise the first problem that would stop one of ``cells``; return in silence if there is none.

    Raises:
        RftlabError: test items among the training items, a label budget larger than the data, rationales missing where
            the method imitates them, a verifier that rejects gold answers, a model that is not there, settings a task,
            verifier or method does not take.
    """
    cells = list(cells)
    for model in _distinct(cell.model for cell in cells):
        locate(model)
    check_method_settings(cells)
    tasks: dict[Hashable, Task] = {}
    verified: set[Hashable] = set()
    drawn: set[Hashable] = set()
    for cell in cells:
        task_key = (cell.task, _key(cell.task_settings))
        if task_key not in tasks:
            tasks[task_key] = load_task(cell.task, cell.task_settings)
        task = tasks[task_key]
        verifier_key = (task_key, cell.verifier, _key(cell.verifier_settings), cell.answer_format)
        if verifier_key not in verified:
            check_gold(cell, task)
            verified.add(verifier_key)
        label_key = (task_key, cell.method, cell.labels, cell.cot, cell.seed_data, _validation_share(cell))
        if label_key not in drawn:
            check_labels(cell, task)
            drawn.add(label_key)


def check_labels(cell: Cell, task: Task) -> None:
    """Raise unless the task can give the cell its label budget, its validation part and the rationales it needs.

    Raises:
        RftlabError: as said.
    """
    method, _ = find(METHODS, cell.method, "method")
    if method.uses_labels and cell.labels < 1:
        raise RftlabError(f"method {cell.method!r} needs labels >= 1, not 0; use the method base for an untrained row")
    labels = task.labels(cell.labels, seed=cell.seed_data, validation_share=_validation_share(cell))
    if method.needs_rationales and cell.cot:
        require_rationales(labels.train + labels.validation, f"method {cell.method!r}")


def check_gold(cell: Cell, task: Task) -> None:
    """Raise unless the cell's verifier gives full reward to gold answers, on a sample spread over train and test.

    A graded verifier (a reward model, a judge) need not: its gold answers have no fixed reward.

    Raises:
        RftlabError: unknown verifier, settings it does not take, or a gold answer it rejects.
    """
    name, settings = verifier_of(cell, task)
    verifier = make_verifier(name, answer_format=cell.answer_format, settings=settings)
    sample = _spread(task.train, GOLD_SAMPLE // 2) + _spread(task.test, GOLD_SAMPLE // 2)
    scores = verifier.score([f"{OPEN_TAG}{example.answer}{CLOSE_TAG}" for example in sample], sample)
    for example, score in zip(sample, scores, strict=True):
        if score.reward < 1 and not verifier.graded:
            why = f" ({score.detail})" if score.detail else ""
            raise RftlabError(
                f"verifier {name!r} gives the gold answer {example.answer[:80]!r} of example {example.id} of task "
                f"{task.name!r} the reward {score.reward:g}, not 1{why}; choose another verifier or mend the data"
            )


def verifier_of(cell: Cell, task: Task) -> tuple[str, dict[str, Any]]:
    """Name and settings of the verifier a cell is judged by: its own, else the task's, the cell's settings on top."""
    if cell.verifier:
        return cell.verifier, dict(cell.verifier_settings)
    return task.verifier, {**task.verifier_settings, **cell.verifier_settings}


def check_method_settings(cells: Iterable[Cell]) -> None:
    """Raise unless every method takes its preset and settings; starts a process only if a cell has any.

    Raises:
        RftlabError: the method's own sentence.
    """
    asked = [{"method": c.method, "preset": c.preset, "settings": c.settings} for c in cells if c.preset or c.settings]
    if not asked:
        return
    texts = _distinct(json.dumps(each, sort_keys=True) for each in asked)
    answer = subprocess.run(
        [sys.executable, "-m", "rftlab.methods"], input=f"[{','.join(texts)}]", capture_output=True, text=True
    )
    last = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
    if answer.returncode == 2:
        raise RftlabError(last)
    if answer.returncode != 0:
        raise RftlabError(f"the settings of the methods cannot be checked ({last}); run `python -m rftlab.methods`")


def _validation_share(cell: Cell) -> float:
    return cell.tuning.validation_share if cell.tuning.trials > 1 else 0.0


def _spread(examples: Sequence[Example], count: int) -> list[Example]:
    step = max(1, len(examples) // count)
    return list(examples[::step][:count])


def _key(settings: Any) -> str:
    return json.dumps(settings, sort_keys=True, default=str)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
