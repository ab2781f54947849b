"""What records hold of the machine and its user, what listens while grids run, and what a run needs of the world."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from random import Random

import psutil

from rftlab.sandbox.canaries import CANARIES
from rftlab.sandbox.worker import LADDER, Worker, WorkerError
from tests.execute.stub_notebook import write_stub
from tests.execute.test_loopback import open_to_others, watch
from tests.proof.proof import Case

_TASK = """
from rftlab.tasks.base import Example, Task

def rows(first):
    return tuple(Example(f"e{i}", f"How much is {i} plus 1?", str(i + 1)) for i in range(first, first + 30))

def load(path=""):
    return Task("mine", "card", rows(0), rows(100))
"""
_GRID = """name: small
task: ./mine.py:load
task_settings: {path: ./data/rows.txt}
verifier: ./checks.py:score
labels: 5
method: [base, grpo]
cot: false
budget: {amount: 1.0}
settings: {prompts_per_step: 2, num_generations: 2}
decoding: {max_new_tokens_direct: 8}
evaluation: {test_items: 4, train_items: 2, ood_items: 0, sampled_items: 1, samples: 2, along_the_way: 0, retention: ""}
"""
_HOST = "canary-host-0016"
_SECRETS: Mapping[str, str] = {
    "HF_TOKEN": "hf_CANARYcanaryCANARYcanaryCANARY0001",
    "AWS_SECRET_ACCESS_KEY": "CANARY/aws/secret/0002",
    "AWS_ACCESS_KEY_ID": "AKIACANARY0000000003",
    "OPENAI_API_KEY": "sk-CANARY-0004",
    "WANDB_API_KEY": "CANARYwandb0005",
    "GITHUB_TOKEN": "ghp_CANARY0006",
    "HTTP_PROXY": "http://me:CANARY0007@127.0.0.1:9",
    "DATABASE_URL": "postgres://me:CANARY0008@127.0.0.1/db",
    "HOSTNAME": "canary-host-0009",
    "SSH_AUTH_SOCK": "/tmp/CANARY0010",
    "PIP_INDEX_URL": "https://me:CANARY0011@127.0.0.1/simple",
    "JPY_API_TOKEN": "CANARY0012",
    "KAGGLE_KEY": "CANARY0013",
    "USER": "canaryuser0014",
    "LOGNAME": "canaryuser0014",
    "SOMETHING_SECRET": "CANARY0015",
}


def _run(folder: Path, *before: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A small grid with code of its own, from a folder below home, run as a person runs it."""
    folder.mkdir(parents=True)
    for name, text in (
        ("mine.py", _TASK),
        ("checks.py", "def score(answer, example):\n    return float(answer == example.answer)\n"),
        ("small.yaml", _GRID),
        ("data/rows.txt", "a\nb\n"),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    whole = {**os.environ, "HOME": str(home), "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1", **environment}
    line = [*before, sys.executable, "-m", "rftlab", "run", "small.yaml", "--workers", "1"]
    return subprocess.run(line, cwd=folder, env=whole, capture_output=True, text=True, check=False, timeout=400)


def secrets(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """A case is a secret, or a name of the machine or its user, that must be in no file of the results."""
    home = folder / "canaryhome"
    named = () if _no_names() else ("unshare", "-ru", "sh", "-c", f'hostname {_HOST} && exec "$@"', "sh")
    done = _run(home / "work" / "study", *named, home=home, **_SECRETS)
    results = home / "work" / "study" / "results" / "small"
    if done.returncode:
        yield "the run", f"exit code {done.returncode}: {done.stderr[-300:]}"
        return
    archive = [sys.executable, "-m", "rftlab", "export", "results/small", "-o", "a.tar.xz"]
    subprocess.run(archive, cwd=home / "work" / "study", check=True, capture_output=True)
    subprocess.run(["tar", "-xf", "a.tar.xz", "--one-top-level=unpacked"], cwd=home / "work" / "study", check=True)
    everything = {**_contents(results), **_contents(home / "work" / "study" / "unpacked")}
    for name, value in {**_SECRETS, **({"the host's name": _HOST} if named else {})}.items():
        yield name, _found(value, everything)
    yield "the home folder", _found(str(home), everything)
    yield "the folder of the project", _found(str(Path.cwd()), everything)
    yield "paths below the grid", _absolute(results)


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _found(value: str, files: Mapping[Path, bytes]) -> str:
    found = sorted({path.name for path, content in files.items() if value.encode() in content})
    return f"in {', '.join(found[:4])}" if found else ""


@cache
def _no_names() -> str | None:
    """Why this process cannot be given a host name of its own, if it cannot."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    made = subprocess.run(["unshare", "-ru", "hostname", _HOST], capture_output=True, text=True, check=False)
    return None if made.returncode == 0 else f"unshare -ru is not allowed ({made.stderr.strip()})"


def _absolute(results: Path) -> str:
    """What of the user's own files a record names by more than a path below its grid."""
    for path in sorted(results.glob("cells/*/record.json")):
        cell = json.loads(path.read_text())["cell"]
        for name, value in (
            ("task", cell["task"]),
            ("verifier", cell["verifier"]),
            ("path", cell["task_settings"]["path"]),
        ):
            if value.startswith(("/", "~")):
                return f"{name} is {value}"
    return ""


def listening(kinds: tuple[str, ...], count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """A case is a way of running: what listens elsewhere than on loopback while two cells run."""
    for kind in kinds[:count]:
        (folder / kind).mkdir()
        seen, _, code = watch(write_stub(folder / kind / "stub.ipynb"), folder / kind / "results", kind, kernels=2)
        yield kind, f"open to others: {sorted(seen)}" if seen else "" if code == 0 else f"exit code {code}"
    if len(kinds) < count:
        yield "a socket that is open", "" if _seen_where_it_is_open() else "the watch does not see it"


def _seen_where_it_is_open() -> bool:
    with socket.create_server(("0.0.0.0", 0)):
        return bool(open_to_others(psutil.Process()))


def no_linux() -> str | None:
    """Why sockets of other processes cannot be counted here, if they cannot."""
    return None if sys.platform.startswith("linux") else "sockets of other processes can be read on Linux alone"


def no_ray() -> str | None:
    """Why Ray cannot be watched here, if it cannot."""
    try:
        import ray  # noqa: F401
    except ImportError:
        return "Ray is not installed"
    return no_linux()


def alone(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """A small grid where there is no network at all, not even loopback: every cell done, and the report."""
    done = _run(folder / "study", "unshare", "-rn", home=folder)
    results = folder / "study" / "results" / "small"
    cells = len(list(results.glob("cells/*/record.json")))
    yield (
        "every cell",
        ""
        if (done.returncode, cells) == (0, 2)
        else f"exit code {done.returncode}, {cells} cells: {done.stderr[-300:]}",
    )
    yield "the report", "" if (results / "report" / "report.html").is_file() else "there is none"
    named = re.search(r"(?i)connection|network is unreachable|name resolution|offline", done.stdout + done.stderr)
    yield "what is printed", f"it tells of {named[0]}" if named else ""


@cache
def no_namespace() -> str | None:
    """Why no network namespace can be made here, if none can."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    made = subprocess.run(["unshare", "-rn", "true"], capture_output=True, text=True, check=False)
    return None if made.returncode == 0 else f"unshare -rn is not allowed ({made.stderr.strip()})"


def sandbox(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """A case is a level of the sandbox that this machine has, and a canary; the honest one must be answered."""
    refused = {}
    for level in LADDER:
        try:
            worker = Worker(level)
        except WorkerError as error:
            refused[level] = str(error)
            continue
        try:
            wrong = {line.partition(":")[0]: line for line in worker.canaries()}
        finally:
            worker.close()
        yield from ((f"{level}: {name}", wrong.get(name, "")) for name in CANARIES)
    if len(refused) == len(LADDER):
        yield "any level", f"none is to be had: {refused}"


_OSV = "https://api.osv.dev/v1/querybatch"
_EXPLAINED: Mapping[str, str] = {}
"""Known vulnerability of a pinned version -> why it is none here."""


def _pins() -> list[tuple[str, str]]:
    lines = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
    return [(found[1], found[2]) for line in lines if (found := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line))]


def audit(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """Every pinned package, held against the open database of vulnerabilities in one question."""
    pins = _pins()[:count]
    for (name, version), found in zip(pins, _asked(pins), strict=True):
        new = sorted({each["id"] for each in found.get("vulns", [])} - _EXPLAINED.keys())
        yield f"{name} {version}", ", ".join(new)


def _asked(pins: list[tuple[str, str]], seconds: float = 60.0) -> list[dict[str, list[dict[str, str]]]]:
    queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in pins]
    request = urllib.request.Request(
        _OSV, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        found: list[dict[str, list[dict[str, str]]]] = json.load(answer)["results"]
    return found


@cache
def no_database() -> str | None:
    """Why the database of vulnerabilities cannot be asked here, if it cannot."""
    try:
        _asked(_pins()[:1], 10.0)
    except (OSError, ValueError, urllib.error.URLError) as error:
        return f"{_OSV} cannot be reached ({str(getattr(error, 'reason', error))[:80]})"
    return None


on_this_machine = partial(listening, ("cold", "warm"))
with_ray = partial(listening, ("ray",))
