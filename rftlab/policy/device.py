"""Where a policy computes: one device of this machine. With more than one GPU nobody has tested it yet."""

import os

import torch

from rftlab.errors import RftlabError
from rftlab.parts import AUTO

_VISIBLE = "CUDA_VISIBLE_DEVICES"
# Set once this process sees one GPU only: which of those it saw before.
_TAKEN = "RFTLAB_DEVICE"


def place(device: str) -> torch.device:
    """The device that a cell's `device` names; of several GPUs this process sees that one alone from then on.

    transformers' trainer spreads a batch over all GPUs that it sees, and takes the first of them.

    Args:
        device: "auto" for the first CUDA GPU, else the CPU; "cpu"; "cuda:1"; another accelerator that torch has here.

    Raises:
        RftlabError: it is not there, or this process computes on another GPU already.
    """
    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == AUTO and not torch.cuda.is_available()):
        return torch.device("cpu")
    index = int(number or 0)
    if kind in (AUTO, "cuda"):
        if taken := os.environ.get(_TAKEN):
            if device not in (AUTO, "cuda", taken):
                raise RftlabError(f"this process computes on {taken} already; restart the kernel to use {device}")
            return torch.device("cuda")
        if index < torch.cuda.device_count():
            _see_only(index)
            return torch.device("cuda")
    elif f"{kind}:{index}" in _there():
        return torch.device(device)
    there = ", ".join(["cpu", *_there()])
    raise RftlabError(f"device {device!r} is not there; this machine has {there}; give one of them, or auto")


def _see_only(index: int) -> None:
    """Hide all GPUs but one of those that are visible, from all that is yet to look."""
    count = torch.cuda.device_count()
    if count == 1:
        return
    if torch.cuda.is_initialized():
        raise RftlabError(
            f"this process uses CUDA already, so that it cannot be kept to cuda:{index}; restart the kernel"
        )
    visible = [name for name in os.environ.get(_VISIBLE, "").split(",") if name] or [str(i) for i in range(count)]
    os.environ |= {_VISIBLE: visible[index], _TAKEN: f"cuda:{index}"}


def _there() -> list[str]:
    """The accelerators of this machine, such as `cuda:0`."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return [f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count())] if accelerator else []
