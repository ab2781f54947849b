"""Whether a task's prompts, with the completion cap, fit into a model's context; no torch.

`check` is for the tiny base, whose tokens are counted by its tokenizer's file alone; `rftlab.policy.preflight` asks the
same of any other model.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rftlab.cell import Cell
from rftlab.child import announce
from rftlab.errors import RftlabError
from rftlab.policy.hub import locate
from rftlab.tasks.base import Example, Task
from rftlab.tasks.template import TEMPLATES

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked

# Of all prompts of a task those longest in bytes are counted in tokens.
_LONGEST = 20


def check(looked: "Looked") -> None:
    """Raise unless every prompt of the cells' tasks fits into the tiny base.

    Raises:
        RftlabError: naming the example; or a system message, which the tiny base has no place for.
    """
    from tokenizers import Tokenizer

    seen = set()
    for cell in looked.cells:
        if cell.system:
            raise RftlabError(f"model {cell.model!r} has no chat template, so it takes no system message; remove it")
        task = looked.task(cell)
        key = (id(task), cell.template, *caps(cell))
        if key in seen:
            continue
        seen.add(key)
        folder = Path(locate(cell.model))
        announce(f"counting the tokens of the prompts of task {cell.task!r}")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        template = TEMPLATES["qa" if cell.template == "auto" else cell.template]
        room = json.loads((folder / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]

        def tokens(example: Example, cot: bool) -> int:
            return len(tokenizer.encode(template.prompt(example, cot=cot)).ids)  # noqa: B023

        require_room(cell, task, tokens, room)


def caps(cell: Cell) -> tuple[tuple[bool, int], ...]:
    """Each way a cell asks (with chain-of-thought or without) and its completion cap in tokens."""
    decoding = cell.decoding
    return tuple(
        (cot, decoding.max_new_tokens if cot else decoding.max_new_tokens_direct)
        for cot in sorted({cell.cot, cell.cot_eval})
    )


def require_room(cell: Cell, task: Task, tokens: Callable[[Example, bool], int], room: int | None) -> None:
    """Raise unless the longest prompts leave room for a completion.

    Args:
        cell: says how the model is asked.
        task: its prompts.
        tokens: of the whole prompt of an example, asked with or without chain-of-thought.
        room: the model's context in tokens, None if it is not limited.

    Raises:
        RftlabError: naming the example with the longest prompt.
    """
    if room is None:
        return
    longest = _longest((*task.train, *task.test, *task.ood))
    for cot, cap in caps(cell):
        length, example = max(((tokens(example, cot), example) for example in longest), key=lambda pair: pair[0])
        if length + cap > room:
            raise RftlabError(
                f"the prompt of example {example.id} of task {task.name!r} has {length} tokens; with a completion of "
                f"up to {cap} that is more than the {room} of model {cell.model!r}: shorten or drop the row, or lower "
                f"decoding.max_new_tokens{'' if cot else '_direct'}"
            )


def _longest(examples: Iterable[Example]) -> list[Example]:
    return sorted(examples, key=lambda example: len(example.prompt.encode(errors="replace")), reverse=True)[:_LONGEST]
