"""How the learning rates of a study came about: what its tuning stage found, what it cost, and what has to be said.

A rate is the method's default, given by hand, chosen once by the grid's tuning stage for all seeds of an arm, or chosen
anew in every cell by a tuner that is then part of the method.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rftlab import record
from rftlab.cell import NOT_YET, Cell
from rftlab.contract import Applies, rates_given
from rftlab.errors import RftlabError
from rftlab.files import archive
from rftlab.plots.cells import prompt_name
from rftlab.record import Record

OF_ARM = (
    "task", "model", "method", "preset", "settings", "labels", "cot", "cot_eval", "budget.unit", "budget.amount",
    "adapter.kind", "evaluation.decides", "rates_for_labels", "tuned_by",
)  # fmt: skip
OF_STAGE = ("stage", "interior", "undecided", "runner_up", "margin", "margin_error")
OF_RUNG = ("rate", "mean", "error", "sampled", "behind", "behind_error", "seeds", "stopped", "diverged")
_ARM = ("task", "method", "labels", "cot", "cot_eval", "stages")
_STAGE = ("stage", "chosen", "interior", "tuned", "added", "rungs")
_RUNG = ("rate", "mean", "sampled", "seeds", "diverged", "behind", "behind_error")
COLUMNS = (*OF_ARM, *OF_STAGE, *OF_RUNG, "chosen", "added")


class Tuning(NamedTuple):
    """What a tuning stage left in a results folder.

    Attributes:
        rungs: one row an arm, stage of its method and learning rate. `mean`, `error` (standard error over seeds and
            items) and `sampled` are of development items, in [0, 1]; `behind` is how far below the rate chosen, paired
            over items; `margin` that of the rate chosen above the `runner_up`, negative where the sampled accuracy
            decided; `undecided` where all rates scored alike, so that the one nearest to the default was taken.
            `rates_for_labels` are the label budgets of the study that train at the rate chosen.
        cost: of all its cells: cells, seconds, evaluation_seconds, flops, tokens_generated, tokens_trained,
            optimizer_steps, verifier_calls; empty where there was no stage.
    """

    rungs: pd.DataFrame
    cost: dict[str, float]


def read_tuning(results: str | Path) -> Tuning:
    """What the tuning stage of a study found; no rows where there was none.

    Raises:
        RftlabError: its file cannot be read.
    """
    body = _read(Path(results))
    rows = [
        {
            **{name: arm.get(name) for name in OF_ARM},
            **{name: stage.get(name) for name in OF_STAGE},
            **{name: rung.get(name) for name in OF_RUNG},
            "chosen": rung["rate"] == stage["chosen"],
            "added": rung["rate"] in stage["added"],
        }
        for arm in body.get("arms", ())
        for stage in arm["stages"]
        for rung in stage["rungs"]
    ]
    return Tuning(pd.DataFrame(rows, columns=list(COLUMNS)), body.get("cost", {}))


def costs_of_stage(results: str | Path) -> dict[str, dict[str, float]]:
    """What choosing each arm's learning rates took: `tuned_by` of its cells -> cost, as in `Tuning.cost`.

    Raises:
        RftlabError: its file cannot be read.
    """
    arms = _read(Path(results)).get("arms", ())
    return {str(arm["tuned_by"]): dict(arm.get("cost", {})) for arm in arms if arm.get("tuned_by")}


def arm_name(cell: Cell) -> str:
    """A cell's method as an arm is to be named: one whose learning rate is chosen in every cell includes its tuner."""
    return f"{cell.method_name} including its tuner" if cell.tuning.trials > 1 else cell.method_name


def limits(records: Sequence[Record], results: str | Path) -> list[str]:
    """What an answer has to say about where its learning rates come from, a sentence each; nothing if all is well.

    Args:
        records: of the study.
        results: its results folder.

    Raises:
        RftlabError: as `read_tuning`.
    """
    cells = [each.parameters for each in records if Applies.to(each.parameters.method).training]
    default = [cell for cell in cells if not _given(cell) and not cell.tuned_by and cell.tuning.trials == 1]
    given = [cell for cell in cells if _given(cell) and not cell.tuned_by]
    tuners = [cell for cell in cells if cell.tuning.trials > 1]
    said = []
    if default:
        said.append(
            f"Learning rates were not tuned: {_methods(default)} trained at the default; at another rate the order "
            "may be another."
        )
    if given:
        said.append(f"The learning rates of {_methods(given)} were given, not tuned here.")
    if tuners:
        said.append(
            f"{_methods(tuners)}: the method including its tuner, which chose a learning rate anew for each seed; "
            "that choice is part of the spread between seeds."
        )
    body = _read(Path(results))
    if not body and any(cell.tuned_by not in ("", NOT_YET) for cell in cells):
        said.append(f"How its learning rates were chosen is not known: {record.TUNING} is missing.")
    arms = list(_arms(body.get("arms", ())))
    return [*said, *_shared(cells), *_at_an_end(arms), *_undecided(arms)]


def _shared(cells: Iterable[Cell]) -> list[str]:
    found: dict[int, set[int]] = {}
    for cell in cells:
        tuned_at = _tuned_at(cell)
        if tuned_at is not None and tuned_at != cell.labels:
            found.setdefault(tuned_at, set()).add(cell.labels)
    return [
        f"Rates at {_listed(map(str, sorted(budgets)))} labels are those tuned at {tuned_at}."
        for tuned_at, budgets in sorted(found.items())
    ]


def _tuned_at(cell: Cell) -> int | None:
    """The label budget at which a stage chose a cell's rates."""
    if not cell.tuned_by or cell.tuned_by == NOT_YET:
        return None
    words = cell.tuned_by.split(", ")[-2].split() if ", " in cell.tuned_by else []
    return int(words[1]) if len(words) == 3 and words[1].isdigit() else None


class _Chosen(NamedTuple):
    """A stage of an arm, and where the arm stands: task and prompt, as far as there are several."""

    arm: dict[str, Any]
    where: str
    stage: dict[str, Any]


def _arms(arms: Sequence[dict[str, Any]]) -> Iterator[_Chosen]:
    """Every stage that chose a rate."""
    places = [(str(arm["task"]), prompt_name(arm["cot"], arm["cot_eval"])) for arm in arms]
    tasks, prompts = map(set, zip(*places, strict=True)) if places else (set(), set())
    for arm, (task, prompt) in zip(arms, places, strict=True):
        parts = [task] * (len(tasks) > 1) + [prompt] * (len(prompts) > 1)
        where = f" on {', '.join(parts)}" if parts else ""
        yield from (_Chosen(arm, where, stage) for stage in arm["stages"] if stage["chosen"] is not None)


def _at_an_end(chosen: Iterable[_Chosen]) -> list[str]:
    """What is to be said of single rates: those that won at an end of their ladder, and those that were alone on it."""
    ends: list[str] = []
    alone: list[str] = []
    for arm, where, stage in chosen:
        if not stage["interior"] and not stage["undecided"]:
            told = f"{arm['method']} at {arm['labels']} labels{where} ({stage['stage']}, {stage['chosen']:g})"
            (ends if stage["tuned"] else alone).append(told)
    said = []
    if ends:
        are = "is an end" if len(ends) == 1 else "are ends"
        said.append(f"The rate chosen for {_listed(ends)} {are} of what was tried: a better one may lie beyond.")
    if alone:
        ladder, it_was = ("ladder", "it was") if len(alone) == 1 else ("ladders", "they were")
        said.append(f"The {ladder} of {_listed(alone)} had one rate: {it_was} given, not tuned here.")
    return said


def _undecided(chosen: Iterable[_Chosen]) -> list[str]:
    """Where all rates scored alike, so that the rate taken is no better than another."""
    found: dict[tuple[int, str, str], list[str]] = {}
    for arm, where, stage in chosen:
        if stage["undecided"]:
            score = next(rung["mean"] for rung in stage["rungs"] if rung["rate"] == stage["chosen"])
            of = arm["method"] if len(arm["stages"]) == 1 else f"{arm['method']} ({stage['stage']})"
            found.setdefault((arm["labels"], where, f"{100 * score:.0f} %"), []).append(of)
    return [
        f"At {labels} labels{where}{',' * (',' in where)} all rates of {_listed(arms)} scored alike ({score}): the one "
        "nearest to the default was taken."
        for (labels, where, score), arms in found.items()
    ]


def _require(part: Any, names: Iterable[str]) -> None:
    if lacking := [name for name in names if name not in part]:
        raise ValueError(f"a part of it lacks {lacking[0]}")


def _scored_alike(stage: dict[str, Any]) -> bool:
    """Whether all rates of a stage scored alike, from what its file says of the rungs."""
    rungs = [rung for rung in stage["rungs"] if not rung["diverged"]]
    alike = {(rung["mean"], rung["sampled"], rung["seeds"]) for rung in rungs}
    # Equal means could be of other items; these are equal item by item.
    return len(rungs) > 1 and len(alike) == 1 and not any(rung["behind"] or rung["behind_error"] for rung in rungs)


def _given(cell: Cell) -> bool:
    return rates_given(cell) and cell.tuning.trials == 1


def _methods(cells: Iterable[Cell]) -> str:
    return _listed(dict.fromkeys(cell.method_name for cell in cells))


def _listed(texts: Iterable[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def _read(results: Path) -> dict[str, Any]:
    path = archive.opened(results) / record.TUNING
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict) or body.get("version") != 1:
            raise ValueError("it is not of this version")
        for arm in body["arms"]:
            _require(arm, _ARM)
            for stage in arm["stages"]:
                _require(stage, _STAGE)
                for rung in stage["rungs"]:
                    _require(rung, _RUNG)
                stage.setdefault("undecided", stage["chosen"] is not None and _scored_alike(stage))  # it came later
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RftlabError(f"{path} cannot be read ({error}); run the grid again, which writes it") from None
    return body
