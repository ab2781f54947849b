"""What the further columns of a data file are for: options, what a verifier reads, or nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rftlab.errors import RftlabError, one_line
from rftlab.registry import VERIFIERS, resolve
from rftlab.tasks.base import Example
from rftlab.tasks.columns import placeholders
from rftlab.tasks.reader import with_point
from rftlab.verifiers.base import Verifier, make_verifier, tagged

_OPTION = re.compile(r"(?:(option|choice|answer|op|ans)[ _-]?)?([a-j]|\d)", re.IGNORECASE)
_LEAST_BARE, _TRIED = 3, 5
_NUMBERS = re.compile(r",(?:\d{1,2}|\d{4,})(?!\d)")
_IDS = frozenset({"id", "idx", "index", "uid", ""})
_OF_SHAPES: Mapping[str, Sequence[str]] = {
    "prompt-answer": ("prompt", "answer"),
    "question-answer": ("question", "answer"),
    "prompt-completion": ("prompt", "completion"),
    "trl-chat": ("prompt", "completion"),
    "chat": ("messages",),
    "alpaca": ("instruction", "input", "output", "system", "history"),
    "sharegpt": ("conversations", "system"),
}
# Columns that a card of one of these has say little: many a file has them for other reasons.
_NOT_BY_COLUMNS = frozenset({"choice", "numeric", "json-schema", "regex"})


def option_columns(row: Iterable[str]) -> list[str]:
    """Columns that hold the options of a question: A, B, C; option_a, option_b; choice1, choice2; or none."""
    series: dict[tuple[str, bool], list[tuple[str, str]]] = {}
    for name in row:
        if found := _OPTION.fullmatch(name.strip()):
            prefix, mark = (found[1] or "").casefold(), found[2].casefold()
            if prefix or not mark.isdigit():
                series.setdefault((prefix, mark.isdigit()), []).append((mark, name))
    for (prefix, _), marked in series.items():
        marks = [mark for mark, _ in marked]
        follows = all(ord(after) == ord(before) + 1 for before, after in pairwise(marks))
        if follows and marks[0] in ("a", "0", "1") and len(marks) >= (2 if prefix else _LEAST_BARE):
            return [name for _, name in marked]
    return []


def with_options(prompt: str, columns: Sequence[str]) -> str:
    """A template of a prompt with its options below it: `{question}`, then `A) {option_a}`."""
    return "\n".join([prompt, *(f"{chr(ord('A') + i)}) {{{name}}}" for i, name in enumerate(columns))])


def carded(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """Verifier -> the further columns of its card, of those that a row has all of; the most particular one first."""
    found = {}
    for name, entry in VERIFIERS.items():
        kind = resolve(entry)
        further = [column for column in vars(kind).get("row", {}) if column not in Verifier.row]
        if further and name not in _NOT_BY_COLUMNS and all(row.get(column) not in (None, "") for column in further):
            found[name] = further
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def refused(name: str, examples: Sequence[Example]) -> str:
    """Why a verifier gives some of the first gold answers less than full marks; "" where it gives all of them that."""
    tried = [example for example in examples if example.answer][:_TRIED]
    try:
        scores = make_verifier(name).score([tagged(example.answer) for example in tried], tried)
    except RftlabError as error:
        return str(error)
    wrong = [score for score in scores if score.reward < 1]
    return (wrong[0].reason or f"the reward is {wrong[0].reward:g}") if wrong else ""


def have_decimal_comma(answers: Sequence[str]) -> bool:
    """Whether all answers are numbers as they are written with a decimal comma, and one of them can be nothing else."""
    try:
        return bool(answers) and bool([with_point(each) for each in answers]) and any(map(_NUMBERS.search, answers))
    except RftlabError:
        return False


def unused(row: Iterable[str], settings: Mapping[str, Any], shape: str) -> str:
    """The columns that nothing reads, in a sentence; "" where all are read.

    Args:
        row: names of the columns.
        settings: of the task `file`.
        shape: the shape that its rows were recognised as, or "".
    """
    if shape == "rft":
        return ""
    columns = settings.get("columns", {})
    read = {"rationale", *(columns.get(name, "") for name in ("prompt", "answer", "rationale"))}
    read |= {*columns.get("meta", ()), *columns.get("choices", ()), *placeholders(settings.get("prompt", ""))}
    read |= {*_OF_SHAPES.get(shape, ())}
    read |= {name.partition(".")[0] for name in read}
    left = [one_line(name) for name in row if name not in read and name.casefold() not in _IDS]
    if not left:
        return ""
    return (
        f"not used: {', '.join(left[:10])}{', ...' if len(left) > 10 else ''}; name in columns.meta what a verifier "
        'reads, in prompt: "{...}" what the model is put'
    )
