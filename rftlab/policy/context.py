"""Completion caps, and whether prompts with them fit into a model's context; no torch.

`check` is for the tiny base, whose tokens are counted by its tokenizer's file alone; `rftlab.policy.preflight` asks the
same of any other model.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.policy.caps import CountTokens, capped, caps_of, given, parameter
from rftlab.policy.hub import locate
from rftlab.registry import METHODS, Entry, find, resolve
from rftlab.tasks.base import Example, Task, fingerprint
from rftlab.tasks.folds import rows
from rftlab.tasks.of_cell import draw_labels
from rftlab.tasks.shots import Shots
from rftlab.tasks.template import TEMPLATES, Template
from rftlab.user_code.child import announce

if TYPE_CHECKING:
    from rftlab.policy.load import Policy
    from rftlab.preflight.checks import Looked

# Of all prompts of a task those longest in bytes are counted in tokens.
_LONGEST = 20
# Loads a model, and so is imported only where it is needed.
_PROBE = Entry("rftlab.policy.probe:probe_cell", "")

# Counting and asking are ours: only code of the user's own is held to the limit that the user gives.
_LIMIT_S = 3600.0


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
        if (key := asked(cell, task)) in seen:
            continue
        seen.add(key)
        folder = Path(locate(cell.model))
        announce(f"counting the tokens of the prompts of task {cell.task_name!r}", limit=_LIMIT_S)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        template = TEMPLATES["qa" if cell.template == "auto" else cell.template]
        room = json.loads((folder / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]

        def count(examples: Sequence[Example], cot: bool) -> list[int]:
            texts = [template.completion(example, cot=cot) for example in examples]  # noqa: B023
            return [len(found) + 1 for found in tokenizer.encode_batch(texts, add_special_tokens=False)]  # noqa: B023

        def tokens(example: Example, cot: bool) -> int:
            return len(tokenizer.encode(template.prompt(example, cot=cot)).ids)  # noqa: B023

        known = say_caps(looked, cell, task, count)
        require_task_fits(known, task, tokens, room)

        def fits(text: str, cot: bool) -> bool:
            return len(tokenizer.encode(text).ids) + given(known, cot=cot) <= room  # noqa: B023

        say_shots(looked, known, task, template, fits)


def shots(cell: Cell, task: Task) -> tuple[Example, ...]:
    """The first of the labels that a cell's method puts before prompts; so many as by default where it chooses."""
    by_default = find(METHODS, cell.method, "method")[0].shots
    asked = cell.settings.get("shots", by_default)
    return draw_labels(cell, task).train[: asked if isinstance(asked, int) else by_default] if by_default else ()


def room_of(policy: "Policy", cell: Cell) -> Callable[[str, bool], bool]:
    """Whether a prompt as a template writes it, asked with chain-of-thought or without, leaves room for an answer.

    Args:
        policy: its chat template, tokens and context.
        cell: its caps as numbers.
    """

    def fits(text: str, cot: bool) -> bool:
        if policy.context is None:
            return True
        length = len(policy.encode_prompt(policy.in_chat(text, cot=cot)))
        return length + given(cell, cot=cot) <= policy.context

    return fits


def say_shots(looked: "Looked", cell: Cell, task: Task, template: Template, fits: Callable[[str, bool], bool]) -> None:
    """Say where not all the shots that a cell asks for fit before its longest labelled prompt."""
    if not (pool := shots(cell, task)):
        return
    longest = max(pool, key=lambda example: len(example.prompt))
    shown = Shots.of(template, pool, count=len(pool), cot=cell.cot, fits=fits)
    if (found := shown.shown_before(longest, cot=cell.cot_eval)) < len(pool):
        where = f"{cell.task_name} with {cell.model.rpartition('/')[2]}"
        looked.say(
            [f"{where}: {found} of {len(pool)} shots fit before its prompts; {cell.method} leaves out the others"]
        )


def asked(cell: Cell, task: Task) -> tuple[object, ...]:
    """Equal for cells of one model and one template whose caps and prompts are the same."""
    judged = json.dumps([cell.verifier, cell.verifier_settings, cell.answer_format], sort_keys=True)
    shown = (cell.method, *(example.id for example in found)) if (found := shots(cell, task)) else ()
    own = fingerprint(rows(task)) if task.folds else id(task)
    return (own, shown, cell.template, cell.cot, cell.cot_eval, cell.decoding, judged)


def say_caps(looked: "Looked", cell: Cell, task: Task, count: CountTokens) -> Cell:
    """The cell with its completion caps as numbers; what there is to say of them goes into the notes."""
    caps = caps_of(cell, task, count, lambda cot: resolve(_PROBE)(cell, task, cot), look=True)
    notes = [f"{cell.task_name} with {cell.model.rpartition('/')[2]}: {cap.note}" for cap in caps.values() if cap.note]
    looked.notes += [note for note in notes if note not in looked.notes]
    return capped(cell, caps)


def require_task_fits(cell: Cell, task: Task, tokens: Callable[[Example, bool], int], room: int | None) -> None:
    """`require_room` for all prompts of a task, however the cell asks."""
    for cot in sorted({cell.cot, cell.cot_eval}):
        prompts = (*task.train, *task.prompts, *task.test, *task.beyond)
        require_room(cell, prompts, lambda example: tokens(example, cot), room, cot=cot)  # noqa: B023


def require_room(
    cell: Cell, examples: Iterable[Example], tokens: Callable[[Example], int], room: int | None, *, cot: bool
) -> None:
    """Raise unless the longest prompts leave room for a completion.

    Args:
        cell: its caps as numbers.
        examples: whose prompts.
        tokens: of the whole prompt of an example.
        room: the model's context in tokens, None if it is not limited.
        cot: whether they are asked with chain-of-thought.

    Raises:
        RftlabError: naming the example with the longest prompt.
    """
    if room is None or not (longest := _longest(examples)):
        return
    length, example = max(((tokens(example), example) for example in longest), key=lambda pair: pair[0])
    require_prompt_fits(cell, f"the prompt of example {example.id} of task {cell.task_name!r}", length, room, cot=cot)


def require_prompt_fits(cell: Cell, what: str, length: int, room: int | None, *, cot: bool) -> None:
    """Raise unless a prompt of this many tokens and a completion fit into the model's context together.

    Raises:
        RftlabError: naming ``what``.
    """
    cap = given(cell, cot=cot)
    if room is not None and length + cap > room:
        raise RftlabError(
            f"{what} has {length} tokens; with a completion of up to {cap} that is more than the {room} of model "
            f"{cell.model!r}: shorten or drop it, or lower {parameter(cot=cot)}"
        )


def _longest(examples: Iterable[Example]) -> list[Example]:
    return sorted(examples, key=lambda example: len(example.prompt.encode(errors="replace")), reverse=True)[:_LONGEST]
