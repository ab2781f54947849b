"""Example, one row of a task, and what makes rows fit to be one."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from rftlab.errors import RftlabError, one_line, printable

RULE, SURFACE, OTHER = "rule", "surface", "other"
"""Kinds of out-of-distribution items: another rule; other words, format or range of numbers; not said."""

MAX_NAMED = 5


class _Prompted(Protocol):
    @property
    def prompt(self) -> str: ...


_Row = TypeVar("_Row", bound=_Prompted)


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a task.

    Attributes:
        id: unique within its part of the task (checked on construction), stable between runs.
        prompt: the question alone; a `Template` adds what surrounds it.
        answer: the gold answer; "" where there is none, which only a verifier that needs no gold can judge.
        rationale: worked steps that lead to the answer, None where the data has none.
        meta: JSON values a verifier needs beside the answer (choices, hidden tests, ...).
    """

    id: str
    prompt: str
    answer: str
    rationale: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def normalise_prompt(prompt: str) -> str:
    """Prompt with case and white space levelled: what counts as the same item."""
    return " ".join(prompt.casefold().split())


def fingerprint(examples: Iterable[Example]) -> str:
    """12 hex digits of a SHA-256 over ids and contents, in order."""
    digest = hashlib.sha256()
    for example in examples:
        row = [example.id, example.prompt, example.answer, example.rationale, dict(example.meta)]
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=True).encode())
    return digest.hexdigest()[:12]


def unlike(rows: Iterable[_Row], held_out: Iterable[Example]) -> tuple[_Row, ...]:
    """Examples or pairs whose prompt is none of the held-out ones."""
    known = {normalise_prompt(example.prompt) for example in held_out}
    return tuple(row for row in rows if normalise_prompt(row.prompt) not in known)


def examples_of(rows: Any, part: str, task: str) -> tuple[Example, ...]:
    """A part as a tuple, also of one that is given as a list."""
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Example) for row in rows):
        wrong = (
            next((row for row in rows if not isinstance(row, Example)), rows)
            if isinstance(rows, list | tuple)
            else rows
        )
        raise RftlabError(f"task {task!r}: {part} holds a {type(wrong).__name__}; give a tuple of Examples")
    return tuple(rows)


def by_kind(ood: Any, task: str) -> dict[str, tuple[Example, ...]]:
    """Out-of-distribution items by kind, from such a mapping or from items of no known kind."""
    kinds = ood if isinstance(ood, Mapping) else {OTHER: ood}
    for kind in kinds:
        if not (isinstance(kind, str) and kind.isidentifier()):
            raise RftlabError(f"task {task!r}: {kind!r} names no kind of out-of-distribution items; give a word")
    return {kind: examples_of(examples, f"ood {kind}", task) for kind, examples in kinds.items() if examples}


def require_text(example: Example, task: str) -> None:
    """Raise unless id, prompt, answer and rationale are texts that can be written down."""
    texts = {"id": example.id, "prompt": example.prompt, "answer": example.answer, "rationale": example.rationale or ""}
    for name, text in texts.items():
        if not isinstance(text, str):
            which = f"task {task!r}: the {name} of example {one_line(str(example.id))}"
            raise RftlabError(f"{which} is a {type(text).__name__}, not a text")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = printable(text[error.start : error.end])
            which = f"task {task!r}: the {name} of example {one_line(str(example.id))}"
            raise RftlabError(f"{which} holds half a character ({half}), which cannot be written; mend it") from None
    if not example.prompt.strip():
        raise RftlabError(
            f"task {task!r}: the prompt of example {one_line(example.id)} is empty; fill it or drop the row"
        )
    try:
        json.dumps(dict(example.meta)) if example.meta else ""
    except (TypeError, ValueError) as error:
        which = f"task {task!r}: the meta of example {one_line(str(example.id))}"
        raise RftlabError(f"{which} holds what is no JSON value ({one_line(str(error))}); write it as text") from None


def require_own_ids(part: Sequence[Example], task: str) -> None:
    """Raise unless no two examples of a part have one id: what is written of one would be taken for the other's."""
    twice = [name for name, times in Counter(example.id for example in part).items() if times > 1]
    if twice:
        more = f" and {len(twice) - MAX_NAMED} more" if len(twice) > MAX_NAMED else ""
        named = ", ".join(map(one_line, twice[:MAX_NAMED]))
        raise RftlabError(f"task {task!r}: several examples have the id {named}{more}; give each an id of its own")
