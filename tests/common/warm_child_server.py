"""The process that children of tests are forked from: see `tests.common.warm_children`."""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

MODULES = (
    "torch", "transformers", "peft", "trl", "trl.trainer.sft_trainer", "trl.trainer.grpo_trainer", "pandas",
    "transformers.models.llama.modeling_llama", "rftlab.preflight.checks", "rftlab.preflight.card",
    "rftlab.methods.preflight", "rftlab.policy.preflight", "rftlab.experiment.method_checks", "rftlab.experiment.shown",
    "rftlab.advise.check", "rftlab.user_code.child",
)  # fmt: skip


def serve() -> NoReturn:
    """Import, then fork a child for each request until the socket closes."""
    control = socket.socket(fileno=int(sys.argv[2]))
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, ends, _, _ = socket.recv_fds(control, 1 << 20, 4)
        if not request:
            os._exit(0)
        if not os.fork():
            control.close()
            _watch(json.loads(request), ends)
        for end in ends:
            os.close(end)


def _watch(request: Mapping[str, Any], ends: list[int]) -> NoReturn:
    """Fork the child, say its number and, in the end, its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, told = ends
    pid = os.fork()
    if not pid:
        os.close(told)
        _become_child(request, streams)
    for stream in streams:
        os.close(stream)
    os.write(told, f"{pid}\n".encode())
    os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
    os._exit(0)


def _become_child(request: Mapping[str, Any], streams: list[int]) -> NoReturn:
    try:
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        from rftlab.user_code import child

        child._main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


serve()
