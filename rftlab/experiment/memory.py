"""A cell that runs out of memory says so in one sentence, with what would help."""

import contextlib
import itertools
import re
from collections.abc import Iterator

import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods.base import Settings
from rftlab.registry import METHODS, find, trains

# How torch's allocator for the CPU says it; a GPU's has an exception of its own.
_CPU = ("can't allocate memory", "not enough memory")
_ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+ \w+)")
_PASS = "per_device_train_batch_size"


class OutOfMemory(RftlabError):
    """Training or evaluating a policy took more memory than there was."""


def ran_out(error: BaseException) -> bool:
    """Whether an allocation failed, of whichever device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(text in str(error) for text in _CPU)


@contextlib.contextmanager
def said_if_it_runs_out(cell: Cell, settings: Settings, doing: str) -> Iterator[None]:
    """While inside, an allocation that fails becomes one sentence with the settings that would help.

    Args:
        cell: the parameters of the run.
        settings: of its method.
        doing: training or evaluating.

    Raises:
        OutOfMemory: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        asked, helps = _ASKED.search(str(error)), itertools.islice(_would_help(cell, settings), 3)
        raise OutOfMemory(
            f"out of memory while {doing} {cell.label}{f', asking for {asked[1]}' if asked else ''}; give "
            f"{', '.join(helps)}; what fits says rftlab advise --model {cell.model}"
        ) from error


def _would_help(cell: Cell, settings: Settings) -> Iterator[str]:
    """Settings, those that change least of what is learnt first."""
    if size := getattr(settings, _PASS, 0):
        yield f"a smaller settings.{_PASS} (it is {size})"
    elif group := getattr(settings, "num_generations", 0):
        yield f"a smaller settings.num_generations (it is {group})"
    if find(METHODS, cell.method, "method")[0].recomputes and not cell.gradient_checkpointing:
        yield "gradient_checkpointing: true"
    yield f"a smaller decoding.max_new_tokens (it is {cell.decoding.max_new_tokens or 'auto'})"
    if not trains(cell.method):
        yield f"a smaller evaluation.samples (it is {cell.evaluation.samples})"
    elif cell.adapter.kind == "full":
        yield "adapter.kind: lora"
    else:
        yield f"a smaller adapter.r (it is {cell.adapter.r})"
