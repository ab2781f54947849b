"""Which machine this is, as records name theirs, without torch: what was measured on one says nothing of another."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = ("rftlab", "torch", "transformers", "trl", "peft", "accelerate", "numpy", "tokenizers")
_COMPARED = ("python", "platform", "cpu_count", "processor")


def machine() -> dict[str, Any]:
    """Python, platform, library versions, number of cores and the processor's name."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "cpu_count": os.cpu_count(),
        "processor": _processor(),
    }


def is_here(environment: Mapping[str, Any], threads: int) -> bool:
    """Whether a record's environment is this machine's, with so many compute threads a process.

    One that does not name its processor, as of before records did, is not taken for this machine's.
    """
    here = machine()
    alike = all(environment.get(name) == here[name] for name in _COMPARED)
    return (
        alike
        and environment.get("threads") == threads
        and environment.get("gpu") == gpu()
        and _others(environment.get("libraries")) == _others(here["libraries"])
    )


def gpu() -> str | None:
    """Name of the first GPU that a process started here would see, as its driver tells; None without one."""
    return (_queried() or (None, 0))[0]


def gpu_bytes() -> int:
    """Its memory; 0 without one."""
    return (_queried() or (None, 0))[1]


@cache
def _queried() -> tuple[str, int] | None:
    """Name and memory of the first GPU."""
    command = shutil.which("nvidia-smi")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if command is None or visible == "":
        return None
    chosen = ["-i", visible.partition(",")[0]] if visible else []
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits", *chosen]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name, comma, mebibytes = done.stdout.split("\n")[0].rpartition(",")
    if done.returncode or not comma:
        return None
    return name.strip(), int(mebibytes) * 2**20 if mebibytes.strip().isdecimal() else 0


def _others(libraries: Any) -> dict[str, Any]:
    """Versions of all but rftlab, which in a checkout says nothing of what ran."""
    known = libraries if isinstance(libraries, Mapping) else {}
    return {name: value for name, value in known.items() if name != "rftlab"}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
