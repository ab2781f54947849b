"""Running model-written Python: what it returned, as plain data, from a process that can do nothing else.

One small *new* process (never a fork of the trainer) starts under bubblewrap where that works, gives up its privileges,
restricts itself with Landlock, and forks one child for each check. The child limits its CPU time, memory, output and
descriptors, installs a seccomp allow-list, runs the code and sends back what each call returned. Expected values never
enter it: the caller compares. So patched builtins, printed markers, ``sys.exit(0)`` or forged result lines are no more
than a claimed return value.

Covered: reading and writing files, listing folders, environment, network, starting processes and threads, signals,
other processes' memory, raised limits, endless loops, memory and output floods, crashes, anything left running.
Not covered: bugs in the kernel reachable through the allowed calls; side channels such as timing; the sum of memory of
all workers (each is limited, there is no cgroup); reading the Python installation itself; learning the inputs of later
cases of the same check. docs/sandbox.md has the whole list, level by level.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.sandbox.plain import PlainWorker
from rftlab.sandbox.worker import (
    OPT_OUT,
    UNSANDBOXED,
    Worker,
    default_levels,
    forget_in_forks,
    late_import,
    make_job,
    sentence,
    start_strongest,
)

_MOST_LATE = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """What one check may use.

    Attributes:
        case_s: wall seconds for one call; the calls after one that overran are not made.
        total_s: wall (and CPU) seconds for loading the code and all calls together.
        memory_mb: address space, MiB.
        output_bytes: bytes of encoded return values, all calls together.
    """

    case_s: float = 2.0
    total_s: float = 5.0
    memory_mb: int = 512
    output_bytes: int = 1 << 20


class Case(NamedTuple):
    """The arguments of one call: plain data (None, bool, int, float, complex, str, bytes and builtin containers)."""

    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Check:
    """One piece of code and the calls to make of it.

    Attributes:
        code: source text; hostile.
        entry_point: name of the function it must define.
        cases: the calls, in order, all in one child.
        limits: what it may use.
        steps: count interpreter instructions in each call and stop the check beyond this many; 0 does not count.
    """

    code: str
    entry_point: str
    cases: Sequence[Case]
    limits: Limits = field(default_factory=Limits)
    steps: int = 0


class Outcome(NamedTuple):
    """What came of one call; every word of it is a claim by hostile code.

    Attributes:
        tree: the returned value as a tree of ``values``; meaningless where there is a problem.
        problem: one sentence: the exception, "timeout", "signal 9", "exit 0", "output"; "" where the call returned.
        steps: interpreter instructions counted, None where not counted.
    """

    tree: Any
    problem: str = ""
    steps: int | None = None


class Result(NamedTuple):
    """What came of one check.

    Attributes:
        load_error: why the code could not be loaded (the compiler's sentence), "" where it could.
        outcomes: one for each case, in order.
        broken: why the sandbox itself could not answer, "" where it did; the code is not to blame then.
    """

    load_error: str
    outcomes: tuple[Outcome, ...]
    broken: str = ""


class Sandbox:
    """A pool of sandbox processes, started on first use and again whenever one ends; usable from any thread.

    Args:
        workers: processes; by default one for each CPU this process may use, at most 8.
        allow_unsandboxed: run with resource limits only where no level of isolation can be reached.
        levels: levels to try, strongest first; by default the ladder of this machine and user.
        python: interpreter for the code under test; by default the one this environment is built on.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        allow_unsandboxed: bool = False,
        levels: Sequence[str] | None = None,
        python: str = "",
    ) -> None:
        self.size = workers or min(8, _cpus())
        self.failures: dict[str, str] = {}
        self._levels = tuple(levels) if levels is not None else default_levels(allow_unsandboxed)
        self._python = python
        forget_in_forks(self)
        self.forget()

    def forget(self) -> None:
        """Let go of the workers without ending them: in a fork they belong to the parent."""
        self._idle: list[Worker | PlainWorker] = []
        self._level = ""
        self._lock = threading.Lock()
        self._start_lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(self.size)

    @property
    def level(self) -> str:
        """The level of isolation in force, such as "bwrap+landlock+seccomp", as a record holds it.

        Raises:
            RftlabError: no level can be reached on this machine.
        """
        if not self._level:
            with self._slots:
                self._give(self._take())
        return self._level

    def run(self, checks: Sequence[Check]) -> list[Result]:
        """Run checks, in parallel over the workers.

        Returns:
            One result for each check, in order; never raises for anything that the code under test does.

        Raises:
            RftlabError: no level can be reached on this machine, or a case's arguments are not plain data.
        """
        jobs = [_job(check) for check in checks]
        if len(jobs) < 2 or self.size == 1:
            return [self._run(job) for job in jobs]
        with ThreadPoolExecutor(min(self.size, len(jobs))) as pool:
            return list(pool.map(self._run, jobs))

    def close(self) -> None:
        """End the idle workers; the next check starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()

    def _run(self, job: dict) -> Result:
        with self._slots:
            return self._ask(job)

    def _ask(self, job: dict) -> Result:
        problem = ""
        for _ in range(2):
            worker = self._take()
            try:
                lines = worker.ask(job)
                # Where files cannot be opened, a late import is met by asking again with the module named beforehand.
                while (new := {*map(late_import, lines)} - {"", *job["late"]}) and len(job["late"]) < _MOST_LATE:
                    job["late"] += sorted(new)
                    lines = worker.ask(job)
            except OSError as error:
                problem = str(error)
                continue
            self._give(worker)
            return _read(lines)
        return Result("", (Outcome(None, problem),) * len(job["cases"]), problem)

    def _take(self) -> Worker | PlainWorker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        with self._start_lock:
            levels = (self._level,) if self._level else self._levels
            worker, failures = start_strongest(levels, python=self._python)
            self.failures.update(failures)
            if worker is None:
                raise RftlabError(_refusal(failures))
            self._level = worker.level
            return worker

    def _give(self, worker: Worker | PlainWorker) -> None:
        with self._lock:
            self._idle.append(worker)


@functools.cache
def shared_sandbox(*, allow_unsandboxed: bool = False) -> Sandbox:
    """The one pool of this process that all verifiers use."""
    return Sandbox(allow_unsandboxed=allow_unsandboxed)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _refusal(failures: Mapping[str, str]) -> str:
    reasons = "; ".join(f"{level}: {why}" for level, why in failures.items()) or "no level was asked for"
    return (
        f"model-written code cannot be isolated on this machine ({reasons}); use Linux with seccomp, or accept the "
        f"risk by name: {OPT_OUT}, which records the level {UNSANDBOXED!r}"
    )


def _job(check: Check) -> dict:
    try:
        cases = [[values.encode(list(args)), values.encode(dict(kwargs))] for args, kwargs in check.cases]
    except values.TreeError as error:
        raise RftlabError(f"the inputs of {check.entry_point!r} cannot be sent to the sandbox: {error}") from None
    limits = check.limits
    return make_job(
        cases,
        code=check.code,
        entry=check.entry_point,
        case_s=limits.case_s,
        total_s=limits.total_s,
        memory_mb=limits.memory_mb,
        output_bytes=limits.output_bytes,
        steps=check.steps,
    )


def _read(lines: Sequence[bytes]) -> Result:
    load_error, outcomes = "", []
    for line in lines:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            outcomes.append(Outcome(None, "the answer cannot be read"))
        elif "c" in message:
            load_error = load_error or sentence(message["c"]) or "the code does not load"
            outcomes.append(Outcome(None, "the code does not load"))
        elif "v" in message:
            steps = message.get("n")
            outcomes.append(Outcome(message["v"], "", steps if type(steps) is int and steps >= 0 else None))
        else:
            outcomes.append(Outcome(None, sentence(message.get("x") or message.get("e")) or "no answer"))
    late = [outcome.problem for line, outcome in zip(lines, outcomes, strict=True) if late_import(line)]
    return Result(load_error, tuple(outcomes), late[0] if late else "")
