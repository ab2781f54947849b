"""Two records of one cell held against each other: what was measured is equal bit for bit, or said to differ.

What is measured is all but seconds and the memory of the process. What it ran on is told apart: versions, hardware and
threads explain a difference and are none.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rftlab.record import SAMPLES, TRACE, Record, read_lines
from rftlab.record.excerpt import Excerpt

_TIMES = re.compile(r"(.*_)?seconds|peak_memory_bytes")
# Of the environment, what was worked out by asking the base, and so is measured; and what tells of interruptions.
_WORKED_OUT, _INTERRUPTIONS = ("completion_caps",), ("resumed_at_step",)
_PARTS = ("metrics", "cost", "tuning", "contract", "warnings")
_ABSENT = "nothing"


@dataclass(frozen=True)
class Held:
    """What became of comparing two records of one cell.

    Attributes:
        parts: what was compared, in words.
        differing: sentences on what was measured otherwise; empty if all is equal.
        ran_on: sentences on what ran them and differs.
    """

    parts: Sequence[str]
    differing: Sequence[str] = field(default_factory=list)
    ran_on: Sequence[str] = field(default_factory=list)


def held_against(then: Record, then_folder: Path, now: Record, now_folder: Path) -> Held:
    """Compare a finished cell with one that ran it again.

    Args:
        then: the first record.
        then_folder: where it lies, with its trace and samples.
        now: the second record.
        now_folder: likewise.

    Raises:
        RftlabError: a trace or samples cannot be read.
    """
    differing = [
        f"{name}: {_told(before)} then, {_told(after)} now"
        for part in _PARTS
        for name, before, after in _unequal(getattr(then, part), getattr(now, part), part)
    ]
    differing += [
        f"{name}: {_told(before)} then, {_told(after)} now"
        for name, before, after in _unequal(_asked(then), _asked(now))
    ]
    differing += _rows_apart(TRACE, then_folder, now_folder)
    cut = Excerpt.of(then_folder).shortened
    if SAMPLES not in cut:
        differing += _rows_apart(SAMPLES, then_folder, now_folder)
    elif cut[SAMPLES]["written"] != now.files[SAMPLES]:
        differing.append("samples: others than were written then, of which the texts are not kept in full here")
    ran_on = [
        f"{name} {_told(before)} then, {_told(after)} now"
        for name, before, after in _unequal(_machine(then), _machine(now))
    ]
    parts = [part for part in _PARTS if part != "tuning" or then.tuning]
    return Held([*parts, "trace", "samples"], differing, ran_on)


def _asked(record: Record) -> dict[str, Any]:
    return {name: record.environment.get(name) for name in _WORKED_OUT}


def _machine(record: Record) -> dict[str, Any]:
    apart = (*_WORKED_OUT, *_INTERRUPTIONS)
    return {name: value for name, value in record.environment.items() if name not in apart}


def _rows_apart(name: str, then: Path, now: Path) -> list[str]:
    """What is said of the rows of one file that differ: how many, and what does in the first of them."""
    nothing: dict[str, Any] = {}
    rows = itertools.zip_longest(read_lines(then / name), read_lines(now / name), fillvalue=nothing)
    apart = [(number, found) for number, (a, b) in enumerate(rows, 1) if (found := list(_unequal(a, b)))]
    if not apart:
        return []
    number, found = apart[0]
    first = ", ".join(f"{key} {_told(before)} then, {_told(after)} now" for key, before, after in found[:2])
    count = "1 row differs" if len(apart) == 1 else f"{len(apart)} rows differ, the first of them"
    return [f"{name.partition('.')[0]}: {count}{'' if len(apart) > 1 else ','} row {number}: {first}"]


def _unequal(then: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted name and both values of all that is not equal in two JSON values, times apart."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            if not _TIMES.fullmatch(str(key)):
                yield from _unequal(then.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif _is_list(then) and _is_list(now):
        pairs: Iterable[tuple[Any, Any]] = itertools.zip_longest(then, now)
        for number, (before, after) in enumerate(pairs, 1):
            yield from _unequal(before, after, f"{name} {number}")
    elif then != now or type(then) is not type(now):
        yield name, then, now


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _told(value: Any) -> str:
    text = _ABSENT if value is None else ascii(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"
