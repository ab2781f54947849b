"""The checks in the order they run, in the child process; each raises the first problem it finds.

To add one: write `check(looked: Looked) -> None` in a module of its own and give it a line in `CHECKS`, with the cells
it is needed for. It reads `looked.cells` and `looked.task(cell)`, says by `child.announce` what it is about to
do where that runs a user's code or takes long, raises an RftlabError for what cannot work, adds a sentence to
`looked.notes` for what people should know, and leaves under a name of its own in `looked.facts` what the driver is to
have (`Findings.facts`). A module that imports torch is imported only if some cell needs it: a grid of the tiny base
with packaged methods as they are starts without.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rftlab.cell import NOT_YET, Cell
from rftlab.errors import RftlabError, about, defined_at, one_line
from rftlab.parts import AUTO
from rftlab.policy import teachers
from rftlab.policy.hub import TINY_BASE
from rftlab.preflight import unfollowed
from rftlab.registry import METHODS, TASKS, Entry, find, resolve
from rftlab.tasks.base import Task, load_task
from rftlab.tasks.folds import at
from rftlab.user_code.child import announce
from rftlab.user_code.opened import watched

# So many learning rates every packaged method has; asking it imports torch.
PACKAGED_RATES = 4
# Loading rows from a hub is the network's pace, not a mistake of the user's.
HUB_LIMIT_S = 3600.0


@dataclass
class Looked:
    """What the checks look at, and what they have found.

    Attributes:
        cells: those the check is needed for.
        limit: seconds a step in a user's code may take.
        here: whether the cells are to run on this machine.
        notes: what people should know, a sentence each.
        facts: what the driver is to have, by a name of the check's own; JSON values.
    """

    cells: Sequence[Cell]
    limit: float
    here: bool = True
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    tasks: dict[tuple[str, str], Task] = field(default_factory=dict)
    dealt: dict[tuple[str, str, int], Task] = field(default_factory=dict)

    def say(self, notes: Iterable[str]) -> None:
        """Add notes, each once."""
        self.notes += [note for note in dict.fromkeys(notes) if note not in self.notes]

    def task(self, cell: Cell) -> Task:
        """The cell's task, as its seed has it, loaded once for all cells that share it.

        Raises:
            RftlabError: it cannot be loaded.
        """
        key = task_key(cell)
        if key not in self.tasks:
            limit = HUB_LIMIT_S if cell.task_settings.get("dataset") else self.limit
            named = cell.task if ".py:" in cell.task else cell.task_name
            announce(f"loading task {named!r}", limit=limit)
            with about("task_settings", cell.task_settings):
                self.tasks[key] = load_task(cell.task, cell.task_settings)
                require_same_again(self.tasks[key], cell.task, cell.task_settings)
        loaded = self.tasks[key]
        if loaded.folds is None:
            return loaded
        return self.dealt.setdefault((*key, cell.seed), at(loaded, cell.seed))


class Check(NamedTuple):
    """A check and the cells it is needed for.

    Attributes:
        target: "module:function", imported only if it is needed.
        needed: whether a cell needs it.
    """

    target: str
    needed: Callable[[Cell], bool]


def _asks_the_method(cell: Cell) -> bool:
    trials = cell.tuning.trials > PACKAGED_RATES or 0 < len(cell.tuning.learning_rates) < cell.tuning.trials
    rates = (cell.learning_rates and not cell.tuned_by) or cell.tuned_by == NOT_YET
    given = cell.preset or cell.settings or cell.processes > 1 or cell.gradient_checkpointing
    return bool(rates) or bool(given) or cell.method not in METHODS or trials


def _tiny_as_it_is(cell: Cell) -> bool:
    return cell.model == TINY_BASE and (cell.adapter.kind == "full" or cell.adapter.target_modules == "all-linear")


def _learns_from_a_teacher(cell: Cell) -> bool:
    entry = METHODS.get(cell.method)
    return bool(entry and entry.teacher) or any(True for _ in teachers.named(cell.settings))


CHECKS = (
    Check("rftlab.preflight.data:check", lambda _: True),
    Check("rftlab.methods.preflight:check", _asks_the_method),
    Check("rftlab.policy.quantization:check", lambda cell: cell.quantization != "none"),
    Check("rftlab.policy.context:check", _tiny_as_it_is),
    Check("rftlab.policy.preflight:check", lambda cell: not _tiny_as_it_is(cell) or cell.quantization != "none"),
    Check("rftlab.policy.device:check", lambda cell: cell.device not in (AUTO, "cpu") or cell.processes > 1),
    Check("rftlab.preflight.start:check", lambda cell: bool(cell.start_from)),
    Check("rftlab.methods.teacher:check", _learns_from_a_teacher),
)


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `rftlab.preflight.check` gives to the driver, as a JSON object.

    Raises:
        RftlabError: the first problem.
    """
    cells = [Cell.make(values) for values in request["cells"]]
    looked = Looked(cells, request["limit"], request.get("here", True))
    with watched(unfollowed.folders(cells)) as opened:
        for each in CHECKS:
            looked.cells = [cell for cell in cells if each.needed(cell)]
            if looked.cells:
                resolve(Entry(each.target, ""))(looked)
    return {"notes": [*looked.notes, *unfollowed.notes(cells, opened)], "facts": looked.facts}


def require_same_again(task: Task, name: str, settings: Mapping[str, Any]) -> None:
    """Raise unless a user's task, loaded once more, has the same examples: every run loads it anew.

    Raises:
        RftlabError: it has others; the sentence names the first.
    """
    if ".py:" not in name:
        return
    again = load_task(name, settings)
    if again.fingerprint == task.fingerprint:
        return
    parts = ((before.train + before.prompts + before.test + before.beyond) for before in (task, again))
    first = next((a.id for a, b in zip(*parts, strict=False) if a != b), "")
    place = defined_at(resolve(find(TASKS, name, "task")[0]))
    raise RftlabError(
        f"task {task.name!r}, loaded twice, has other examples the second time"
        f"{f' (first: {one_line(first)})' if first else ''}{place}; draw them by random.Random(seed) of a fixed seed, "
        "not by the global generator, the time or the order of a set"
    )


def task_key(cell: Cell) -> tuple[str, str]:
    """Equal for cells that share a task."""
    return cell.task, key(cell.task_settings)


def key(settings: Any) -> str:
    """Equal for equal settings."""
    return json.dumps(settings, sort_keys=True, default=str)
