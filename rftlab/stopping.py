"""What a cell has to say for a plateau and LoRA dropout; the rule of the plateau itself is `rftlab.methods.plateau`."""

from collections.abc import Iterator, Mapping
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.registry import METHODS, find

SCHEDULE = "constant_with_warmup"
"""The learning rate's course of every method that trains to its plateau."""


def refuse_unreadable(cell: Cell) -> None:
    """Raise if a plateau is asked for that cannot be seen, a rate that decays to it, or marks where a rate may decay.

    Raises:
        RftlabError: as said, with what to give instead.
    """
    entry = METHODS.get(cell.method)
    if entry and not entry.trains:
        return
    if cell.budget.until == "spent":
        if cell.evaluation.marks:
            raise RftlabError(
                "evaluation.marks are read as what a run with so many FLOPs would have given, which a rate that decays "
                "over a larger budget is not; set budget.until: plateau, or run each budget by itself"
            )
        return
    looks, patience = cell.evaluation.along_the_way, cell.budget.patience
    if not looks:
        raise RftlabError(
            "budget.until: plateau is read off development items, but evaluation.along_the_way is 0; give the number "
            "of evaluations to spread over the budget, such as 15"
        )
    if patience >= looks:
        raise RftlabError(
            f"budget.until: plateau stops after {patience} evaluations without a gain (budget.patience), but there are "
            f"only {looks} (evaluation.along_the_way); give more of these, or less patience"
        )
    for given in _schedules(cell.settings):
        if given != SCHEDULE:
            raise RftlabError(
                f"settings.lr_scheduler_type is {given!r}, but with budget.until: plateau nobody knows over which "
                f"length to decay; leave it out (every method then has {SCHEDULE}), or set budget.until: spent"
            )


def _schedules(settings: Any) -> Iterator[Any]:
    """Every schedule that a method's settings name, those of the stages of a sequence too."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from [value] if name == "lr_scheduler_type" else _schedules(value)
    elif isinstance(settings, list):
        for each in settings:
            yield from _schedules(each)


def refuse_dropout(method: str, dropout: float) -> None:
    """Raise if the method's loss compares policies and so much LoRA dropout would be noise in it.

    Raises:
        RftlabError: as said.
    """
    if dropout and not find(METHODS, method, "method")[0].dropout:
        raise RftlabError(
            f"method {method!r} compares the policy with another one, and LoRA dropout would be noise in that; "
            "set adapter.dropout to 0 in all arms, so that none is regularised alone"
        )
