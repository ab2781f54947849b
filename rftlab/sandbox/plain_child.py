"""An ordinary process that answers jobs as a sandbox's child does, where no zygote can be forked (Windows).

Runs as a script of its own, ``python -P -s -S plain_child.py``. There is no isolation: it is for libraries that read
hostile text without running it, and for code where somebody has accepted the risk by name. A configuration, then jobs,
one JSON line each, come on standard input; result lines and, after each job, ``{"end": true}`` go to what was standard
output. Standard library only; ``inside`` and ``values`` are loaded by path.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType


def _neighbour(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _limit_memory(size: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main() -> None:
    """Read the configuration, import the target, answer jobs until the driver has gone."""
    inside, values = _neighbour("inside"), _neighbour("values")
    os.dup2(1, inside.RESULT)
    jobs = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    config = json.loads(jobs.readline())
    sys.dont_write_bytecode = True
    sys.path += config["path"]
    target = None
    if config["target"]:
        module, _, attribute = config["target"].partition(":")
        target = getattr(importlib.import_module(module), attribute)
        for args in config["warm"]:
            target(*args)
    cases = inside.Inside(values, target, inside.Late())
    inside.emit({"end": True})
    for line in jobs:
        job = json.loads(line)
        _limit_memory(job["memory_bytes"])
        cases.run(job, job, job["cases"])
        inside.emit({"end": True})


if __name__ == "__main__":
    main()
