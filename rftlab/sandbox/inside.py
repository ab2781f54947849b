"""What a child of the sandbox runs: a job's cases in order, one result line for each.

Standard library only: ``zygote`` and ``plain_child`` load this file by path.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import types
from collections.abc import Callable
from typing import Any

RESULT = 3
# Modules of the standard library that do something when imported, or need a screen.
ACTING = "antigravity ensurepip idlelib lib2to3 site test this tkinter turtle turtledemo venv"
_NAMED = re.compile(r"\b(?:from|import)\s+([\w., ]+)")


def describe(error: BaseException) -> str:
    """One line about an exception, at most 300 characters, whatever its ``__str__`` does."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:
        text = type(error).__name__
    return " ".join(text.split())[:300]


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def emit(line: dict) -> None:
    """Send one result line from the child."""
    body = _ENCODER.encode(line).encode() + b"\n"
    while body:
        body = body[os.write(RESULT, body) :]


def counted(most: int, function: Callable, args: list, kwargs: dict) -> tuple[Any, int]:
    """Call and count interpreter instructions; beyond ``most`` the child says so and ends; 0 does not count.

    Raises:
        RuntimeError: the interpreter dropped the counter, as it does where the stack overflows inside it; what ran
            afterwards was not counted.
    """
    if not most:
        return function(*args, **kwargs), 0
    steps = 0

    def trace(frame: types.FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            steps += 1
            if steps > most:
                sys.settrace(None)
                emit({"e": "more interpreter steps than allowed"})
                os._exit(0)
        return trace

    sys.settrace(trace)
    try:
        value = function(*args, **kwargs)
    finally:
        dropped = sys.gettrace() is not trace
        sys.settrace(None)
    if dropped:
        raise RuntimeError("the count of interpreter steps was lost")
    return value, steps


class Late:
    """Last on ``sys.meta_path`` where a child may not open files: remembers the module that it could not import.

    A library that imports late would give another verdict there than where files may be read; so such a call has none.
    """

    def __init__(self) -> None:
        self.refused = ""
        self.absent: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Find nothing; a module known to be absent everywhere is not remembered."""
        if name not in self.absent:
            self.refused = self.refused or name

    def fetch(self, name: str) -> None:
        """Import a module while files can still be opened; none that acts when it is imported."""
        if name.partition(".")[0] in ACTING.split() or "__" in name or name in sys.modules:
            return
        try:
            importlib.import_module(name)
        except BaseException:
            self.absent.add(name)

    def fetch_named(self, code: str) -> None:
        """Import what a source text names in its import statements; the text is searched, never parsed or run."""
        for phrase in _NAMED.findall(code)[:50]:
            first, *words = re.split(r"[ ,]+", phrase.strip())
            within = [f"{first}.{word}" for word in words[1:]] if "import" in words[:1] else words
            for name in [first, *within]:
                self.fetch(name)

    def line(self) -> dict:
        """The result line of a call that wanted a module it could not have."""
        return {"x": f"the module {self.refused!r} cannot be imported at this level", "late": self.refused}


class Inside:
    """What a child runs: one job, its cases in order, one result line for each."""

    def __init__(self, values: types.ModuleType, target: Callable | None, late: Late) -> None:
        self.values, self.target, self.late = values, target, late

    def run(self, job: dict, task: dict, cases: list) -> None:
        """Answer each case with ``{"v": tree}`` or ``{"e": sentence}``; code that does not load with ``{"c": ...}``."""
        function: Any = self.target
        loading = 0
        if task["code"] is not None:
            try:
                function, loading = counted(job["steps"], self._load, [task], {})
            except BaseException as error:
                emit(self.late.line() if self.late.refused else {"c": describe(error)})
                return
        for args, kwargs in cases:
            try:
                args, kwargs = self.values.decode(args), self.values.decode(kwargs)
                if job["steps"]:
                    value, steps = counted(job["steps"] - loading, function, args, kwargs)
                    emit({"v": self.values.encode(value), "n": loading + steps})
                    continue
                value = function(*args, **kwargs)
                # A library may catch the failed import and go on to another verdict.
                if self.late.refused and task["code"] is None:
                    emit(self.late.line())
                else:
                    emit({"v": self.values.encode(value)})
            except BaseException as error:
                emit(self.late.line() if self.late.refused else {"e": describe(error)})

    def _load(self, task: dict) -> Callable:
        # In sys.modules, because @dataclass under postponed annotations looks its module up there.
        module = sys.modules["solution"] = types.ModuleType("solution")
        exec(compile(task["code"], "<solution>", "exec", dont_inherit=True), module.__dict__)
        if task["entry"] not in module.__dict__:
            raise NameError(f"the code defines no {task['entry']!r}")
        return module.__dict__[task["entry"]]
