"""A process that has rftlab imported and forks a command for each request, so that hundreds take minutes.

Run as a program, with "models" also with what loads models imported, it reads requests, a JSON object a line, and
answers each with one: the exit code (None if the command was ended at its limit), its seconds of processor and of the
wall, and whether it left a process behind. A command that ends its process, changes its folder or breaks its streams
does so to itself alone.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

from rftlab.files.paths import import_path
from rftlab.user_code import child
from tests.common.warm_children import WarmChildren

MODULES = (
    "rftlab.cli", "rftlab.study", "rftlab.advise.forecast", "rftlab.advise.check", "rftlab.advise.new",
    "rftlab.advise.on_machine", "rftlab.execute.cluster", "rftlab.execute.one_cell", "rftlab.grid.keys",
    "rftlab.answer.ledger", "rftlab.record.exported", "rftlab.report",
)  # fmt: skip
MODELS = ("torch", "transformers", "peft", "trl", "rftlab.policy.ask", "rftlab.experiment.kept_evaluation")


def serve() -> None:
    """Answer requests until their end."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in (*MODULES, *(MODELS if "models" in sys.argv else ())):
        importlib.import_module(name)
    children = WarmChildren(child._start)
    child._start = children.start
    with contextlib.suppress(OSError):  # its process is there before anything is forked, which all share
        first = children.start({**os.environ, **import_path()})
        first.kill()
        first.wait()
    # What this process would do at its end is not what a command does.
    atexit._clear()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(_answered(json.loads(line))), file=answers, flush=True)
    children.close()
    os._exit(0)  # with what libraries do at the end taken away, they would only complain


def _answered(request: Mapping[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        _become(request)
    code, seconds = None, 0.0
    while time.monotonic() - began < request["limit"]:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            code, seconds = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
            break
        time.sleep(0.005)
    wall = time.monotonic() - began
    left = code is not None and _is_there(pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if code is None:
        os.waitpid(pid, 0)
    return {"code": code, "seconds": seconds, "wall": wall, "left": left}


def _is_there(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def _become(request: Mapping[str, Any]) -> NoReturn:
    """Be the command that was asked for."""
    code = 70
    try:
        os.setsid()
        for number, name in enumerate((os.devnull, request["out"], request["err"])):
            file = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)
        os.environ.update(request["environment"])
        tempfile.tempdir = None
        os.chdir(request["folder"])
        sys.argv = ["rftlab", *request["arguments"]]
        from rftlab.cli import main

        code = main(request["arguments"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
