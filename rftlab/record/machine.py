"""Which machine this is, as records name theirs, without torch: what was measured on one says nothing of another."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = ("rftlab", "torch", "transformers", "trl", "peft", "accelerate", "numpy", "tokenizers")
AUTO_PRECISION = "RFTLAB_AUTO_PRECISION"
"""Environment variable of a grid's kernels: what `precision: auto` is in this grid, for bases that are large enough."""
FP32, BF16 = "fp32", "bf16"
# Flags of processors that multiply bf16 matrices in less time than fp32 ones.
_CPU_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
# NVIDIA's GPUs do from this compute capability on.
_GPU_CAPABILITY = 8.0
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
    return (_queried() or (None,))[0]


def gpu_bytes() -> int:
    """Its memory; 0 without one."""
    return (_queried() or (None, 0))[1]


def auto_precision(*, on_cpu: bool = False) -> str:
    """bf16 where this machine's first GPU, or its processor if it has none, says that it computes in it; else fp32.

    Args:
        on_cpu: ask the processor, whether there is a GPU or not.
    """
    found = None if on_cpu else _queried()
    fast = found[2] >= _GPU_CAPABILITY if found else bool(_CPU_FLAGS & _flags())
    return BF16 if fast else FP32


@cache
def _queried() -> tuple[str, int, float] | None:
    """Name, memory and compute capability (0 where it is not told) of the first GPU."""
    command = shutil.which("nvidia-smi")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if command is None or visible == "":
        return None
    chosen = ["-i", visible.partition(",")[0]] if visible else []
    query = [command, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits", *chosen]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = done.stdout.split("\n")[0].rsplit(",", 2)
    if done.returncode or len(told) < 3:
        return None
    name, mebibytes, capability = map(str.strip, told)
    held = int(mebibytes) * 2**20 if mebibytes.isdecimal() else 0
    return name, held, float(capability) if re.fullmatch(r"\d+\.\d+", capability) else 0.0


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
def _flags() -> frozenset[str]:
    """What the processor says it can do; nothing where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
