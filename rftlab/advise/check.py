"""Whether data and verifier can be trusted, before anyone trains on them; imports torch only for a reward model.

A verifier must give full marks to the gold answers and none to what only looks like one, to other examples' answers, to
silence, or to a list of all candidates. Data must not repeat itself across splits. What is found is a list of findings,
each with its evidence.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rftlab import preflight, trackers
from rftlab.advise.check_data import check_conflicts, check_data
from rftlab.advise.check_verifier import check_verifier
from rftlab.advise.finding import Finding
from rftlab.errors import RftlabError, about
from rftlab.grid import Grid
from rftlab.grid.tuning import prototypes
from rftlab.naming import short_name
from rftlab.preflight.checks import HUB_LIMIT_S, key, require_same_again, task_key
from rftlab.preflight.data import Announced
from rftlab.tasks.base import Task, load_task
from rftlab.tasks.tables import SUFFIXES
from rftlab.user_code import child
from rftlab.user_code.child import announce
from rftlab.verifiers.base import make_verifier


@dataclass(frozen=True)
class Report:
    """What the check of a task, or of a grid as a whole (`verifier` ""), found; `str(report)` is for people."""

    task: str
    verifier: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(finding.level != "FAIL" for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"{self.task} with verifier {short_name(self.verifier)}" if self.verifier else self.task]
        for finding in self.findings:
            lines.append(f"{finding.level:>4}  {finding.what}: {finding.text}")
            lines += [f"        {text}" for text in finding.evidence]
        failed = sum(finding.level == "FAIL" for finding in self.findings)
        return "\n".join([*lines, "passed" if self.ok else f"{failed} check{'s' * (failed > 1)} failed"])


def check(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    verifier: str = "",
    verifier_settings: Mapping[str, Any] | None = None,
    answer_format: str = "strict",
    limit: float = child.LIMIT_S,
) -> Report:
    """Check a task's data and its verifier, in a process of its own: both may be the user's code.

    Args:
        name: registered task, path.py:function, or a data file (.jsonl, .json, .csv, .tsv, .parquet).
        settings: the task's settings; for a data file such as `columns`.
        verifier: judge with this one instead of the task's own.
        verifier_settings: its settings, on top of the task's where the verifier is the task's own.
        answer_format: strict or lenient, as in a grid.
        limit: seconds each step in a user's code may take (loading the task, scoring one example).

    Raises:
        RftlabError: the task or the verifier cannot be made, such as data whose test items are also training items; or
            what they do ended the process or came to no end.
    """
    request = request_of(
        name, settings, verifier=verifier, verifier_settings=verifier_settings, answer_format=answer_format
    )
    return _checked(request, limit)


def request_of(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    verifier: str = "",
    verifier_settings: Mapping[str, Any] | None = None,
    answer_format: str = "strict",
) -> dict[str, Any]:
    """What `loaded` takes, a JSON object: a task, and who judges it; arguments as of `check`."""
    settings = dict(settings or {})
    if name.endswith(SUFFIXES):
        name, settings = "file", {"path": str(Path(name).expanduser().resolve()), **settings}
    return {
        "name": name, "settings": settings, "verifier": verifier, "verifier_settings": verifier_settings or {},
        "answer_format": answer_format,
    }  # fmt: skip


def requests_of(grid: Grid) -> list[dict[str, Any]]:
    """Each task of a grid with each verifier that judges it there."""
    judged = {(task_key(c), c.verifier, key(c.verifier_settings), c.answer_format): c for c in grid.cells}
    return [
        request_of(
            c.task, c.task_settings, verifier=c.verifier, verifier_settings=c.verifier_settings,
            answer_format=c.answer_format,
        )
        for c in judged.values()
    ]  # fmt: skip


def _checked(request: Mapping[str, Any], limit: float) -> Report:
    found = child.call(f"{__name__}:findings", request, limit=limit)
    return Report(found["task"], found["verifier"], tuple(Finding(**finding) for finding in found["findings"]))


def check_grid(path: Path, *, limit: float = child.LIMIT_S) -> list[Report]:
    """`check` of every task and verifier that a grid names, with the settings they have there; then of the grid.

    Raises:
        RftlabError: as `check`, or a grid that cannot be read.
    """
    grid = Grid.load(path)
    with grid.lines_named():
        reports = [_checked(request, limit) for request in requests_of(grid)]
    return [*reports, _before_a_run(grid, limit)]


def _before_a_run(grid: Grid, limit: float) -> Report:
    """What a run of the grid would say or refuse before it begins: budgets, caps, prompts that fit, models."""
    try:
        trackers.require(grid.report_to)
        with grid.lines_named():
            notes = preflight.check([*grid.cells, *prototypes(grid)], limit=limit).notes
        found = [Finding("note" if "cut" in note else "ok", "before a run", note) for note in notes]
    except RftlabError as error:
        found = [Finding("FAIL", "before a run", str(error))]
    return Report(f"grid {grid.name}", "", tuple(found))


def findings(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `check` reports, as JSON; runs the user's code in this process."""
    task, judge, chosen = loaded(request)
    read = [Finding("ok", "rows", note) for note in task.notes]
    read += [Finding("ok", "verifier", judge.told)] if judge.told else []
    found = [*read, *check_verifier(judge, task), *check_conflicts(judge, task), *check_data(judge, task)]
    return {"task": task.name, "verifier": chosen, "findings": [asdict(finding) for finding in found]}


def loaded(request: Mapping[str, Any]) -> tuple[Task, Announced, str]:
    """The task of a request, who judges it, and his name; runs the user's code in this process."""
    announce(f"loading task {request['name']!r}", limit=HUB_LIMIT_S if "dataset" in request["settings"] else None)
    with about("task_settings", request["settings"]):
        task = load_task(request["name"], request["settings"])
        require_same_again(task, request["name"], request["settings"])
    asked = request["verifier_settings"]
    chosen, options = (
        (request["verifier"], asked) if request["verifier"] else (task.verifier, {**task.verifier_settings, **asked})
    )
    announce(f"loading verifier {chosen!r}")
    with about("verifier_settings", options):
        judge = Announced(make_verifier(chosen, answer_format=request["answer_format"], settings=options), chosen)
    return task, judge, chosen
