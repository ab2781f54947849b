"""Facts that a task tells without a model: labels, prompts, rationales, who judges.

A task and a verifier may be the user's code: they are loaded in a process of their own.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rftlab.advise.check import loaded, request_of, requests_of
from rftlab.advise.facts import Facts, make
from rftlab.advise.new import FOLDS, MODEL, Unanswered, from_grid, in_folds, sniff, study
from rftlab.advise.of_rows import Unlabelled, comparisons, prompts
from rftlab.cell import Cell, task_name
from rftlab.contract import SEEDS
from rftlab.grid import Grid
from rftlab.grid.written import alike
from rftlab.registry import trains
from rftlab.tasks.base import Task
from rftlab.tasks.tables import SUFFIXES
from rftlab.user_code import child

_GRADES = ("judge", "reward-model")
_PATHS = ("path", "test_path", "prompts_path", "ood_path")
# What a study of its own decides anew.
_SWEPT = frozenset(
    {"method", "preset", "settings", "labels", "prompts", "development", "cot", "cot_eval", "learning_rates",
     "tuned_by", "start_from", "started_by", "digests", "task", "task_settings", "verifier", "verifier_settings",
     "answer_format", "model", "evaluation.test_items", *SEEDS}
)  # fmt: skip


class Subject(NamedTuple):
    """A task that advice is about.

    Attributes:
        name: what people call it.
        facts: that it tells.
        values: how a grid names it, model and all.
        said: comments on these, as `grid_text` takes them.
        held_out: test items, of each seed where rows are tested by folds.
        notes: what was found, in words.
        folds: parts that rows are tested in, one a seed; 0 where test items are apart.
        preferred: task settings that take what was preferred as the answer; empty without a file of comparisons.
        pairs: that file, as a grid names it; "" where methods cannot read it as it is.
    """

    name: str
    facts: Facts
    values: Mapping[str, Any]
    said: Mapping[str, str]
    held_out: int
    notes: tuple[str, ...]
    folds: int = 0
    preferred: Mapping[str, Any] = MappingProxyType({})
    pairs: str = ""

    @property
    def judged(self) -> bool:
        """Whether it says who judges an answer."""
        return self.facts.verifier is not None


def subjects(name: str, *, model: str = "", beside: Path | None = None, limit: float = child.LIMIT_S) -> list[Subject]:
    """What a data file, a task, or each task of a grid tells.

    Args:
        name: as `rftlab check` takes it.
        model: the base; empty takes the grid's, or a default.
        beside: where a grid will be written; paths in it are relative to that.
        limit: seconds each step in a user's code may take.

    Raises:
        RftlabError: it cannot be read, or its task or verifier cannot be made.
    """
    if name.endswith(SUFFIXES):
        return [_of_file(Path(name).expanduser(), model or MODEL, beside or Path.cwd() / "advice.yaml")]
    if not is_grid(name):
        values = {"task": name, **({"model": model} if model else {})}
        return [_of_request(request_of(name), values, limit)]
    grid = Grid.load(name)
    found = []
    for request in requests_of(grid):
        cells = [cell for cell in grid.cells if judged(cell) == request]
        values = {"task": request["name"], **({"model": model} if model else {"model": cells[0].model})}
        values |= {
            key: request[key]
            for key, default in (("verifier", ""), ("verifier_settings", {}), ("answer_format", "strict"))
            if request[key] != default
        }
        values |= {"task_settings": request["settings"]} if request["settings"] else {}
        subject = _of_request(
            request, values | alike([cell for cell in cells if trains(cell.method)] or cells, _SWEPT), limit
        )
        available = grid.plan.labels_available
        found.append(subject._replace(facts=Facts(labels=available).over(subject.facts)) if available else subject)
    return found


def measured(request: Mapping[str, Any]) -> dict[str, Any]:
    """Facts and figures of a task, as JSON; runs the user's code in this process."""
    task, judge, chosen = loaded(request)
    verifier = "judge" if chosen in _GRADES else "gold" if judge.needs_gold else "no_gold"
    facts = {**_of_labels(task), "verifier": verifier, "partial": bool(judge.graded)}
    return {"facts": facts, "test": len(task.test), "verifier": chosen}


def _of_labels(task: Task) -> dict[str, Any]:
    rationales = [bool(example.rationale) for example in task.train]
    return {
        "labels": len(task.train),
        "prompts": len(task.prompts),
        **({"rationales": all(rationales)} if rationales else {}),
    }


def _of_request(request: Mapping[str, Any], values: Mapping[str, Any], limit: float) -> Subject:
    found = child.call(f"{__name__}:measured", request, limit=limit)
    facts = make(found["facts"])
    folds = int(request["settings"].get("folds") or 0)
    notes = (_sizes(facts, found["test"], folds), f"judged by {found['verifier']}")
    return Subject(task_name(request["name"], request["settings"]), facts, values, {}, found["test"], notes, folds)


def _of_file(path: Path, model: str, grid: Path) -> Subject:
    if compared := comparisons(path):
        return _of_rows(compared, path, model, grid)
    try:
        found = sniff(path)
    except Unanswered as error:
        return _of_rows(prompts(path, error), path, model, grid)
    folds, held_out = in_folds(found), len(found.task.test)
    values, said = study(found, grid, model, folds=folds)
    facts = make({**_of_labels(found.task), "verifier": "gold"})
    if folds:
        rows = len(found.task.train) + held_out
        held_out = rows // FOLDS
        facts = replace(facts, labels=rows - -(-rows // FOLDS))
    notes = (_sizes(facts, held_out, FOLDS * folds), f"judged by {found.verifier}: {found.why}")
    name = task_name("file", {"path": str(path)})
    return Subject(name, facts, values, said, held_out, notes, FOLDS * folds)


def _of_rows(rows: Unlabelled, path: Path, model: str, grid: Path) -> Subject:
    asked, preferred = (
        {name: from_grid(grid, Path(value)) if name in _PATHS else value for name, value in settings.items()}
        for settings in (rows.settings, rows.preferred)
    )
    said = {
        "task_settings.prompts_path": "prompts without labels",
        "task_settings.path": "what was preferred is read as the answer; held-out prompts are left out of the pairs",
        "task_settings.verifier": "who says what is right",
    }
    values = {"model": model, "task": "file", "task_settings": asked}
    notes = (rows.told, "the rows do not say who judges an answer")
    pairs = from_grid(grid, Path(rows.pairs)) if rows.pairs else ""
    name = task_name("file", {"path": str(path)})
    return Subject(name, rows.facts, values, said, rows.held_out, notes, preferred=preferred, pairs=pairs)


def _sizes(facts: Facts, test: int, folds: int) -> str:
    prompts = f", {facts.prompts} prompts without labels" if facts.prompts else ""
    steps = {True: " with rationales", False: " without rationales"}.get(facts.rationales, "")  # type: ignore[arg-type]
    held_out = f"{test} of each of {folds} folds" if folds else f"{test} held out"
    return f"{facts.labels} labels{steps}{prompts}, {held_out} to test on"


def judged(cell: Cell) -> dict[str, Any]:
    """The request of `requests_of` that a cell of a grid belongs to."""
    return request_of(
        cell.task, cell.task_settings, verifier=cell.verifier, verifier_settings=cell.verifier_settings,
        answer_format=cell.answer_format,
    )  # fmt: skip


def absolute(settings: Mapping[str, Any], beside: Path) -> dict[str, Any]:
    """A task's settings with the files they name found from everywhere; they start from the folder ``beside``."""
    return {name: str(beside / value) if name in _PATHS and value else value for name, value in settings.items()}


def is_grid(name: str) -> bool:
    """Whether a name is that of a grid: a YAML file, or a packaged one."""
    from rftlab.files.paths import packaged_grids

    return Path(name).suffix in (".yaml", ".yml") or name in packaged_grids()
