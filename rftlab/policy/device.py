"""Where a policy computes: one device of this machine. With more than one GPU nobody has tested it yet."""

import os
from typing import TYPE_CHECKING

import torch

from rftlab.errors import RftlabError, about
from rftlab.parts import AUTO

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked

_VISIBLE = "CUDA_VISIBLE_DEVICES"
# Set once this process sees one GPU only: which of those it saw before, and all of those.
_TAKEN, _SEEN = "RFTLAB_DEVICE", "RFTLAB_DEVICES"


def check(looked: "Looked") -> None:
    """Raise if cells are to run on this machine, and one names a device that it does not have.

    Raises:
        RftlabError: naming the device and those that are there.
    """
    for device, processes in dict.fromkeys((cell.device, cell.processes) for cell in looked.cells if looked.here):
        with about("", {"device": device, "processes": processes}):
            require(device, processes)


def require(device: str, processes: int = 1) -> None:
    """Raise if this process cannot compute on the device that a cell's `device` names, or not with so many others.

    Args:
        device: as of a cell.
        processes: that train a cell together. On GPUs each takes one of its own, from the first on.

    Raises:
        RftlabError: it is not there, there are too few, or this process computes on another GPU already.
    """
    kind, _, number = device.partition(":")
    if processes > 1:
        _require_several(device, processes)
    if kind in (AUTO, "cpu"):
        return
    taken = os.environ.get(_TAKEN)
    if taken and kind == "cuda":
        if device not in ("cuda", taken):
            raise RftlabError(f"device is {device!r}, and this process computes on {taken}; restart the kernel")
    elif f"{kind}:{int(number or 0)}" not in _there():
        there = ", ".join(["cpu", *_there()])
        raise RftlabError(f"device is {device!r}, which is not there; this machine has {there}; give one, or auto")


def _require_several(device: str, processes: int) -> None:
    if device not in (AUTO, "cpu", "cuda"):
        raise RftlabError(
            f"device is {device!r}, and processes is {processes}: these take a CUDA GPU each, from the first on, or "
            "share the CPU; give device: auto, cuda or cpu"
        )
    gpus = len(_seen()) if device != "cpu" and torch.cuda.is_available() else processes
    if gpus < processes:
        raise RftlabError(
            f"processes is {processes}, and there {'is' if gpus == 1 else 'are'} {gpus} GPU{'s' * (gpus != 1)} here; "
            "give as many, or device: cpu"
        )


def nth(rank: int) -> dict[str, str]:
    """Environment variables with which another process sees the GPU of that rank alone."""
    return {_VISIBLE: _seen()[rank], _TAKEN: f"cuda:{rank}", _SEEN: ",".join(_seen())}


def _seen() -> list[str]:
    """The GPUs that this process sees, or saw before it hid all but one, as the system names them."""
    named = os.environ.get(_SEEN) or os.environ.get(_VISIBLE, "")
    return [name for name in named.split(",") if name] or [str(i) for i in range(torch.cuda.device_count())]


def place(device: str) -> torch.device:
    """The device that a cell's `device` names; of several GPUs this process sees that one alone from then on.

    transformers' trainer spreads a batch over all GPUs that it sees, and takes the first of them.

    Args:
        device: "auto" for the first CUDA GPU, else the CPU; "cpu"; "cuda:1"; another accelerator that torch has here.

    Raises:
        RftlabError: as `require`; or several GPUs are in use already, so that none can be hidden.
    """
    require(device)
    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == AUTO and not torch.cuda.is_available()):
        return torch.device("cpu")
    if kind not in (AUTO, "cuda"):
        return torch.device(device)
    if not os.environ.get(_TAKEN):
        _see_only(int(number or 0))
    return torch.device("cuda")


def _see_only(index: int) -> None:
    """Hide all GPUs but one of those that are visible, from all that is yet to look."""
    count = torch.cuda.device_count()
    if count == 1:
        return
    if torch.cuda.is_initialized():
        raise RftlabError(
            f"this process uses CUDA already, so that it cannot be kept to cuda:{index}; restart the kernel"
        )
    visible = _seen()
    os.environ |= {_VISIBLE: visible[index], _TAKEN: f"cuda:{index}", _SEEN: ",".join(visible)}


def _there() -> list[str]:
    """The accelerators of this machine, such as `cuda:0`."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return [f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count())] if accelerator else []
