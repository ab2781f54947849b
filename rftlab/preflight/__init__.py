"""Everything that can be checked before a grid runs: data, budgets, verifiers, models, settings. Writes nothing.

Public: `check`. The checks themselves (`checks`, one function each) run in a child process with a time limit, because
they load what is the user's: a task, a verifier, a method, a model. Nothing of that is ever imported by the driver.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rftlab.cell import Cell
from rftlab.user_code import child

TEST_ITEMS = "test_items"
"""The fact that says how many test items each task has, by its name."""


@dataclass(frozen=True)
class Findings:
    """What the checks have found out about cells that can run.

    Attributes:
        notes: what people should know before anything runs, a sentence each.
        facts: what a check hands to the driver, by the check's own name; JSON values.
    """

    notes: tuple[str, ...]
    facts: dict[str, Any]


def check(cells: Iterable[Cell], *, limit: float = child.LIMIT_S, here: bool = True) -> Findings:
    """What the checks found out; raises the first problem that would stop one of ``cells``.

    Args:
        cells: of a grid, or a single one.
        limit: seconds each step in a user's code may take (loading a task, scoring one example).
        here: whether they are to run on this machine, whose devices are then looked at.

    Raises:
        RftlabError: test items among the training items, a label budget larger than the data, rationales missing where
            the method imitates them, a verifier that rejects gold answers, a model that is not there or cannot be
            trained, settings a task, verifier or method does not take, a device that is not there, user's code that
            raises, ends its process or does not come to an end.
    """
    request = {"cells": [cell.model_dump(mode="json") for cell in cells], "limit": limit, "here": here}
    found = child.call("rftlab.preflight.checks:run", request, limit=limit)
    return Findings(tuple(found["notes"]), found["facts"])
