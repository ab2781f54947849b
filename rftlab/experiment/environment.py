"""What a run ran on: versions, hardware, threads, commit and peak memory, for the record."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rftlab.methods.checkpoints import Checkpoints
from rftlab.policy.caps import told
from rftlab.policy.decode import own_forward
from rftlab.record.machine import machine

if TYPE_CHECKING:
    from rftlab.experiment import Experiment


def here() -> dict[str, Any]:
    """Library versions, hardware and threads."""
    return {
        **machine(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def environment() -> dict[str, Any]:
    """The same, and the git commit of the package's folder (None outside a checkout)."""
    return {**here(), "git_commit": _git_commit()}


def of_run(run: "Experiment", checkpoints: Checkpoints | None) -> dict[str, Any]:
    """What a run ran on, for its record."""
    resumed = checkpoints.resumed_at if checkpoints else None
    return {
        **environment(),
        "sandbox": run.verifier.isolation,
        "completion_caps": told(run.caps),
        "decoder": own_forward(run.policy.model, run.capped.max_new_tokens) or "written out",
        **({"resumed_at_step": resumed} if resumed is not None else {}),
    }


def peak_memory_bytes() -> int:
    """Most memory this process has held so far; on its GPU, or other accelerator that says so, where there is one."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
