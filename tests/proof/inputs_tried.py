"""Something bad that is given to a command, and what has to come of it: a sentence, an exit code, and nothing else."""

import atexit
import contextlib
import hashlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.proof.proof import Case

Content = str | bytes | Callable[[Path], object]
"""Of a file: text in UTF-8, bytes, or what makes it at its path."""
QUICK_S, MODEL_S = 5.0, 20.0
PATIENCE = 4
"""Others use this machine, too: so many seconds of the wall for one of the processor."""
# A sentence says how to mend what is wrong in one of these ways.
_CURE = re.compile(
    r"; |, not |\(\w+\.py, line \d+\)|such as|did you mean|see .*--help|should (be|have|match)|"
    r"\b(give|name|leave|use|put|write|say|run|list|lower|raise|"
    r"mend|drop|remove|choose|declare|map|set|needs?|takes?|expected|must|at least|at most|only|there are|known)\b",
    re.IGNORECASE,
)
_LONGEST = 1200


@dataclass(frozen=True)
class Bad:
    """A command that must be refused.

    Attributes:
        what: names the case.
        arguments: of `rftlab`, run in a folder of its own.
        files: what lies in that folder.
        place: a regular expression that the sentence must match: where the mistake is.
        codes: exit codes that are right; with 1 the findings are on standard output.
        seconds: of the processor that it may take; of the wall it may take `PATIENCE` times as many.
        environment: variables beside those of this process.
    """

    what: str
    arguments: tuple[str, ...]
    files: Mapping[str, Content] = field(default_factory=dict)
    place: str = ""
    codes: tuple[int, ...] = (2,)
    seconds: float = QUICK_S
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a command ended; its code is None if it was ended because it took too long."""

    code: int | None
    out: str
    err: str
    seconds: float
    wall: float
    left: bool


Run = Callable[[Bad, Path, Path], Ended]
"""Runs a command in a folder, with its streams and temporary files in another."""


def try_all(cases: Sequence[Bad], count: int, folder: Path, chance: Random, run: "Run | None" = None) -> Iterator[Case]:
    """Try so many of the cases, as chance picks them, in order."""
    run = run or forked
    picked = sorted(chance.sample(range(len(cases)), min(count, len(cases))))
    for number in picked:
        yield cases[number].what, tried(cases[number], folder / str(number), run)


def tried(bad: Bad, folder: Path, run: Run) -> str:
    """How the command fell short; "" if it was refused as it has to be."""
    work, beside = folder / "work", folder / "beside"
    (beside / "tmp").mkdir(parents=True)
    for name, content in bad.files.items():
        put(work / name, content)
    work.mkdir(exist_ok=True)
    before = listing(work)
    ended = run(bad, work, beside)
    _keep(bad, ended)
    return _fell_short(bad, ended) or _traces(before, work, beside / "tmp")


def put(path: Path, content: Content) -> None:
    """Write a file, and the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)


def listing(folder: Path) -> dict[str, str]:
    """Everything below a folder: name -> what it is, or a digest of what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "" if path.is_file() else "special"
        found[str(path.relative_to(folder))] = kind or hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _fell_short(bad: Bad, ended: Ended) -> str:
    text = f"{ended.out}\n{ended.err}"
    said = [line for line in ended.err.splitlines() if line.strip()]
    if ended.code is None:
        return f"took more than {PATIENCE * bad.seconds:g} s"
    if ended.seconds > bad.seconds:
        return f"took {ended.seconds:.1f} s of the processor, more than {bad.seconds:g}"
    if "Traceback (most recent call last)" in text:
        return f"a traceback: {ended.err.strip().splitlines()[-1][:200]}"
    if ended.code not in bad.codes:
        return f"exit code {ended.code}: {(said or ended.out.strip().splitlines() or ['nothing said'])[-1][:200]}"
    if "unexpected " in ended.err and "belongs in a report of this fault" in ended.err:
        return f"a fault: {ended.err.strip()[:200]}"
    if ended.left:
        return "a process is left behind"
    sentence = said[0] if ended.code == 2 and said else text
    if ended.code == 2 and (len(said) != 1 or not re.match(r"rftlab( [a-z-]+)?: ", said[0])):
        return f"{len(said)} lines on standard error: {' / '.join(said)[:300]}"
    if ended.code == 2 and len(sentence) > _LONGEST:
        return f"a sentence of {len(sentence)} characters: {sentence[:200]}"
    if not sentence.replace("\n", "").isprintable():
        return f"characters that a terminal acts on: {sentence[:200]!a}"
    if not re.search(bad.place, sentence):
        return f"does not say where ({bad.place}): {sentence.strip()[:300]}"
    if ended.code == 2 and not _CURE.search(sentence.partition(": ")[2]):
        return f"does not say how to mend it: {sentence[:300]}"
    return ""


def _traces(before: Mapping[str, str], work: Path, temporary: Path) -> str:
    after = listing(work)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        return f"wrote or changed {', '.join(changed[:5])}"
    # Torch makes that folder where it is imported, once a machine.
    if left := sorted(path.name for path in temporary.iterdir() if not path.name.startswith("torchinductor_")):
        return f"left temporary files: {', '.join(left[:5])}"
    return ""


def _keep(bad: Bad, ended: Ended) -> None:
    """Note what was said, where a file for it is named, to be read by people."""
    if path := os.environ.get("RFTLAB_PROOF_SAID"):
        with open(path, "a", encoding="utf-8") as file:
            said = f"{ended.err.strip()}\n{ended.out.strip() if ended.code != 2 else ''}".strip()
            took = f"{ended.seconds:.1f} s, {ended.wall:.1f} of the wall"
            print(f"{bad.what} -> {ended.code} in {took}\n    {ascii(said)[1:-1][:1500]}", file=file)


def _environment(bad: Bad, beside: Path) -> dict[str, str]:
    own = {"HOME": str(beside), "TMPDIR": str(beside / "tmp"), "COLUMNS": "200"}
    return {**own, **bad.environment}


def forked(bad: Bad, work: Path, beside: Path) -> Ended:
    """Run it in a process forked from one that has rftlab imported."""
    out, err = beside / "out", beside / "err"
    request = {
        "arguments": bad.arguments,
        "folder": str(work),
        "out": str(out),
        "err": str(err),
        "limit": PATIENCE * bad.seconds,
        "environment": _environment(bad, beside),
    }
    answer = _server(bad.seconds > QUICK_S).ask(request)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
    return Ended(answer["code"], *texts, answer["seconds"], answer["wall"], answer["left"])


def inside(bad: Bad, work: Path, beside: Path) -> Ended:
    """Run it in this very process: for few cases, which end in what reads a grid file."""
    from rftlab.cli import main

    out, err, here, began = io.StringIO(), io.StringIO(), Path.cwd(), (time.process_time(), time.monotonic())
    os.chdir(work)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(bad.arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os.chdir(here)
    took = time.process_time() - began[0], time.monotonic() - began[1]
    return Ended(code, out.getvalue(), err.getvalue(), *took, False)


def started(bad: Bad, work: Path, beside: Path) -> Ended:
    """Run it as a person does, in a process of its own that imports all it needs."""
    began, before = time.monotonic(), used()
    environment = {**os.environ, **_environment(bad, beside), "PYTHONPATH": str(Path.cwd())}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rftlab", *bad.arguments],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=2 * PATIENCE * bad.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(None, "", "", used() - before, time.monotonic() - began, False)
    return Ended(done.returncode, done.stdout, done.stderr, used() - before, time.monotonic() - began, False)


def used() -> float:
    """Seconds of the processor that processes took which this one started and which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Server:
    def __init__(self, models: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.inputs_server", *(["models"] if models else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"},
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


@cache
def _server(models: bool) -> _Server:
    server = _Server(models)
    atexit.register(server.close)
    return server
