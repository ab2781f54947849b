"""Library calls on hostile text, made in a locked-down process of their own.

For parsers and scorers that need the main thread (math-verify's SIGALRM), may run for ever, may exhaust memory, or
evaluate what they are given (several reasoning-gym scorers, sympy). The library is imported once in a new process,
which then locks itself down as the code sandbox does (see ``sandbox``); each batch runs in a fork of it, and an item
that overruns costs one kill and one fork, not a new import.

Covered: nothing escapes into this process or the machine; one item cannot delay another by more than its limit; with
``fresh`` one item cannot touch another's result. Not covered: a library that *evaluates* the text runs it beside its
own verdict, so the text can forge the verdict of its own item. Check such text against an allow-list of characters
first, or compare the value yourself.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.sandbox.plain import PlainWorker
from rftlab.sandbox.worker import (
    OPT_OUT,
    Worker,
    default_levels,
    forget_in_forks,
    late_import,
    make_job,
    sentence,
    start_strongest,
)

_BATCH = 200
_MOST_LATE = 20


class IsolatedWorker:
    """A function of a library, callable on hostile text from any thread.

    The process starts on the first call (the library's import time) and is started again if it ends.

    Args:
        target: "module:function"; takes plain data and returns None, bool, int, float, str, bytes, lists, tuples or
            dicts with text keys. It must live in an importable module, not in a notebook.
        seconds: wall limit for one item.
        memory_mb: address space of the process, in MiB, the library included.
        fresh: a new fork for each item; needed where the library evaluates the text.
        warm: argument lists the function is called with once, before the lock-down; they fill caches and bring in what
            the library imports late. Where files cannot be opened ("noopen"), a late import that is met all the same
            costs a new process that has it from the start, so that every level gives the same result.
        allow_unsandboxed: run with resource limits only where no level of isolation can be reached.
        levels: levels to try, strongest first; by default the ladder of this machine.

    Raises:
        RftlabError: the target is not of the form "module:function".
    """

    def __init__(
        self,
        target: str,
        *,
        seconds: float = 1.0,
        memory_mb: int = 2048,
        fresh: bool = False,
        warm: Sequence[Sequence[Any]] = (),
        allow_unsandboxed: bool = False,
        levels: Sequence[str] | None = None,
    ) -> None:
        module, colon, function = target.partition(":")
        if not (module and colon and function):
            raise RftlabError(f"the isolated target {target!r} is not of the form 'module:function'; name both")
        self.target, self.seconds, self.memory_mb, self.fresh = target, seconds, memory_mb, fresh
        self._warm = [list(args) for args in warm]
        self._late: list[str] = []
        self._levels = tuple(levels) if levels is not None else default_levels(allow_unsandboxed)
        forget_in_forks(self)
        self.forget()

    def forget(self) -> None:
        """Let go of the process without ending it: in a fork it belongs to the parent."""
        self._worker: Worker | PlainWorker | None = None
        self._lock = threading.Lock()

    @property
    def level(self) -> str:
        """The level of isolation in force; starts the process where it is not running."""
        with self._lock:
            return self._running().level

    def map(self, items: Sequence[Sequence[Any]]) -> list[Any | None]:
        """Call the function on each item's arguments.

        Args:
            items: positional arguments, one sequence for each call; plain data.

        Returns:
            The results in order; None where the call raised, overran its limit, crashed, or returned something that
            is not plain data.

        Raises:
            RftlabError: no level of isolation can be reached, the library cannot be imported, or an argument is not
                plain data.
        """
        return [result for result, _ in self.map_with_reasons(items)]

    def map_with_reasons(self, items: Sequence[Sequence[Any]]) -> list[tuple[Any | None, str]]:
        """As ``map``, each result with one sentence on what went wrong, "" where nothing did."""
        try:
            cases = [[values.encode(list(args)), ["d"]] for args in items]
        except values.TreeError as error:
            raise RftlabError(f"an argument for {self.target} cannot be sent to its process: {error}") from None
        with self._lock:
            lines = [line for i in range(0, len(cases), _BATCH) for line in self._ask(cases[i : i + _BATCH])]
        return [_read(line) for line in lines]

    def close(self) -> None:
        """End the process; the next call starts a new one."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def _ask(self, cases: list) -> list[bytes]:
        reason = ""
        job = make_job(
            cases,
            case_s=self.seconds,
            total_s=self.seconds * len(cases) + 5.0,
            memory_mb=self.memory_mb,
            resume=True,
            fresh=self.fresh,
        )
        for _ in range(2 + _MOST_LATE):
            try:
                lines = self._running().ask(job)
            except OSError as error:
                if reason:
                    break
                reason = str(error)
                continue
            if not self._fetch_late(lines):
                return lines
        return [json.dumps({"x": reason}).encode()] * len(cases)

    def _fetch_late(self, lines: list[bytes]) -> bool:
        """Have the next process import what this one could not; whether there is something new to ask for."""
        wanted = {*map(late_import, lines)} - {"", *self._late}
        wanted = set(sorted(wanted)[: _MOST_LATE - len(self._late)])
        if wanted and self._worker is not None:
            self._late += sorted(wanted)
            self._worker.close()
        return bool(wanted)

    def _running(self) -> Worker | PlainWorker:
        worker = self._worker
        if worker is None or not worker.close.alive:
            settings = {
                "target": self.target,
                "warm": self._warm,
                "late": self._late,
                **_imports(self.target.partition(":")[0]),
            }
            worker, failures = start_strongest(self._levels, **settings)
            if worker is None:
                reasons = "; ".join(f"{level}: {why}" for level, why in failures.items())
                raise RftlabError(
                    f"{self.target} cannot be isolated on this machine ({reasons}); mend one of these, or accept the "
                    f"risk by name: {OPT_OUT}"
                )
            self._worker = worker
        return worker


@functools.cache
def shared(
    target: str, *, seconds: float = 1.0, fresh: bool = False, memory_mb: int = 2048, runs_text: bool = False
) -> IsolatedWorker:
    """The process-wide worker of a target; every verifier that asks alike gets the same one.

    Args:
        target: as for `IsolatedWorker`.
        seconds: likewise.
        fresh: likewise.
        memory_mb: likewise.
        runs_text: whether the function executes what it is given, such as a query. One that only reads it is called in
            an ordinary process where nothing can be isolated (macOS, Windows).
    """
    return IsolatedWorker(target, seconds=seconds, fresh=fresh, memory_mb=memory_mb, allow_unsandboxed=not runs_text)


def _read(line: bytes) -> tuple[Any | None, str]:
    try:
        message = json.loads(line)
        if "v" in message:
            return values.decode(message["v"], hostile=True), ""
        return None, sentence(message.get("x") or message.get("e")) or "the isolated process gave no answer"
    except values.TreeError as error:
        return None, f"the result was dropped: {error}"
    except (ValueError, RecursionError, TypeError, AttributeError):
        return None, "the answer of the isolated process cannot be read"


def _imports(module: str) -> dict[str, list[str]]:
    """Where the process imports from, and what of the file system it may read: libraries, and the target's package."""
    top = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise RftlabError(f"the isolated target's module {top!r} is not on the import path; install it")
    own = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location else ())]
    path = [entry for entry in sys.path if entry and Path(entry).is_dir()]
    libraries = [entry for entry in path if Path(entry).name in ("site-packages", "dist-packages")]
    parents = {str(Path(folder).parent) for folder in own}
    kept = [entry for entry in path if entry in libraries] + sorted(parents - set(libraries))
    return {"path": kept, "readable": [*libraries, *own, str(Path(sys.base_prefix, "lib"))]}
