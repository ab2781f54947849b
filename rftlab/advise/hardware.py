"""Machines that a study may run on: the one that is here, or one that is named."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from rftlab.errors import RftlabError
from rftlab.record.machine import gpu, gpu_bytes
from rftlab.registry import suggest

_GB = 10**9
_GIB = 2**30
# Of a device's memory what an estimate may fill: the rest is for fragments, and for what an estimate misses.
_FILLED = 0.9


@dataclass(frozen=True)
class Hardware:
    """A machine.

    Attributes:
        name: for people.
        kind: "cpu" or "gpu".
        bytes: memory of one device.
        devices: of them; a cell runs on one.
        source: who says so.
    """

    name: str
    kind: str
    bytes: float
    devices: int = 1
    source: str = ""

    @property
    def room(self) -> float:
        """Bytes that an estimate may fill."""
        return _FILLED * self.bytes

    def __str__(self) -> str:
        what = "GPU memory" if self.kind == "gpu" else "RAM"
        several = f"{self.devices} x " if self.devices > 1 else ""
        source = f"; {self.source}" if self.source else ""
        return f"{several}{self.name}, {self.bytes / _GB:.1f} GB of {what}{source}"


_NVIDIA, _CLOUD = "NVIDIA's data sheet", "AWS's instance page"
# Name -> GB as the maker counts them (GiB on the chip), and who says so.
GPUS: Mapping[str, tuple[int, str]] = {
    "t4": (16, _NVIDIA), "v100-16gb": (16, _NVIDIA), "v100-32gb": (32, _NVIDIA), "rtx-3060": (12, _NVIDIA),
    "rtx-3090": (24, _NVIDIA), "rtx-4060-ti-16gb": (16, _NVIDIA), "rtx-4080": (16, _NVIDIA), "rtx-4090": (24, _NVIDIA),
    "rtx-5090": (32, _NVIDIA), "a10": (24, _NVIDIA), "a10g": (24, _CLOUD), "l4": (24, _NVIDIA), "l40s": (48, _NVIDIA),
    "a6000": (48, _NVIDIA), "a100-40gb": (40, _NVIDIA), "a100-80gb": (80, _NVIDIA), "h100": (80, _NVIDIA),
    "h100-80gb": (80, _NVIDIA), "h200": (141, _NVIDIA),
}  # fmt: skip

_COUNT = re.compile(r"([1-9]\d{0,3})\s*x\s*(.+)")
_SIZE = re.compile(r"(cpu|ram|gpu)?\s*(\d+(?:\.\d+)?)\s*(gb|gib|tb)\s*(cpu|ram|gpu)?")
_FORMS = '"24 GB" (of a GPU), "cpu 32 GB", a name such as a100-80gb, or "2 x l4"'


def named(text: str) -> Hardware:
    """Hardware by its name, or by its memory; `cpu` alone is this machine's.

    Raises:
        RftlabError: it is neither, or a name of several sizes without one.
    """
    wanted = " ".join(text.casefold().split())
    count, rest = 1, wanted
    if several := _COUNT.fullmatch(wanted):
        count, rest = int(several[1]), several[2]
    if size := _SIZE.fullmatch(rest):
        if size[1] and size[4]:
            raise RftlabError(f"--hardware {text!r} names its kind twice; give {_FORMS}")
        bytes = float(size[2]) * {"gb": _GB, "gib": _GIB, "tb": 1000 * _GB}[size[3]]
        kind = "cpu" if (size[1] or size[4]) in ("cpu", "ram") else "gpu"
        if not 0 < bytes < 1e15:
            raise RftlabError(f"--hardware {text!r}: memory is from above 0 to 1000 TB; give {_FORMS}")
        return Hardware("a CPU" if kind == "cpu" else "a GPU", kind, bytes, count, "as given")
    if wanted in ("cpu", "ram"):
        return _this_cpu()
    name = re.sub(r"[\s_]+", "-", rest.removeprefix("nvidia "))
    if sizes := [] if name in GPUS else [each for each in GPUS if re.fullmatch(rf"{re.escape(name)}-\d+gb", each)]:
        many = f"{count} x " if several else ""
        choices = " or ".join(f'"{many}{each}"' for each in sizes)
        raise RftlabError(f"--hardware {text!r} is made with several sizes of memory; give {choices}, or its memory")
    if name not in GPUS:
        raise RftlabError(f"no hardware {text!r}{suggest(name, GPUS)}; give {_FORMS}")
    gigabytes, source = GPUS[name]
    return Hardware(name.upper(), "gpu", float(gigabytes * _GIB), count, source)


def found() -> Hardware:
    """The machine this runs on: its first GPU where it has one, else its memory, or its container's if that is less."""
    if (name := gpu()) and (size := gpu_bytes()):
        return Hardware(name, "gpu", float(size), source="found here")
    return _this_cpu()


def _this_cpu() -> Hardware:
    least = min([psutil.virtual_memory().total, *_limits()])
    return Hardware("this machine's CPU", "cpu", float(least), source="found here")


def _limits() -> Iterator[int]:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text.isdecimal() and int(text):
            yield int(text)
