"""The process warm kernels are forked from: imports modules once, then forks a kernel per request.

Run as `python -m rftlab.execute.zygote FD MODULE...`; FD is one end of a stream socket. It says {"ready": [modules it
could not import]} or {"unfit": why}, answers each {"argv", "cwd", "env", "log"} with {"pid"}, and reports
each end with {"pid", "code"}. It leaves when the socket closes, that is when its driver is gone.

Why it has to stay single-threaded: fork copies only the calling thread, so a lock held by any other one would be held
for ever in the child; an OpenMP pool that has computed in the parent hangs the child. So nothing is computed here,
nothing touches a GPU, no event loop and no ZeroMQ context exists before the fork. Of rftlab itself it imports the
kernel's program alone.
"""

import atexit
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
from typing import Any, NoReturn

# What ipykernel imports only when a kernel starts or runs its first cell; found by comparing sys.modules.
KERNEL_MODULES = (
    "rftlab.execute.kernel", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.datapub", "ipykernel.debugger",
    "ipykernel.subshell_manager", "ipykernel.comm.manager", "ipykernel.pylab.backend_inline",
    "IPython.core.completerlib", "IPython.core.magics", "IPython.core.historyapp", "IPython.extensions.storemagic",
    "tornado.platform.asyncio", "asyncio.selector_events", "zmq.eventloop.zmqstream",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Import, say whether that left a process fit to fork, and serve requests until the socket closes."""
    control = socket.socket(fileno=int(arguments[0]))
    missing = _import_all((*KERNEL_MODULES, *arguments[1:]))
    unfit = _unfit()
    if unfit:
        _send(control, {"unfit": unfit})
        return 1
    # Collected and frozen, so that the collector of a child does not touch, and thereby copy, the shared pages.
    gc.collect()
    gc.freeze()
    _send(control, {"ready": [name for name in missing if name not in KERNEL_MODULES]})
    return _serve(control)


def _serve(control: socket.socket) -> int:
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    buffer = b""
    while True:
        readable, _, _ = select.select([control.fileno(), wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
            _reap(control)
        if control.fileno() in readable:
            chunk = control.recv(1 << 16)
            if not chunk:
                return 0
            *requests, buffer = (buffer + chunk).split(b"\n")
            for request in requests:
                _fork(control, json.loads(request), (wake_read, wake_write))


def _fork(control: socket.socket, request: dict[str, Any], own: tuple[int, ...]) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        _send(control, {"pid": pid})
        return
    code = 1
    try:
        control.close()
        signal.set_wakeup_fd(-1)
        for handle in own:
            os.close(handle)
        _become_kernel(request, parent)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # the interpreter would, but nothing above this frame may run in a child
    finally:
        _leave(code)


def _become_kernel(request: dict[str, Any], parent: int) -> None:
    os.setsid()
    for signum in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    _redirect(request["log"])
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    sys.argv = ["kernel", *request["argv"]]
    from rftlab.execute.kernel import KernelApp

    # The parent is the zygote, not the driver: the kernel leaves by itself when the zygote is gone.
    app = KernelApp.instance(parent_handle=parent)
    app.initialize(request["argv"])
    # Closing sockets in an orderly way races with the kernel's own threads (ipykernel 7) and now and then hangs; a
    # process that is about to end needs no order.
    atexit.unregister(app.close)
    app.start()


def _redirect(log: str) -> None:
    null, sink = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    for stream in (1, 2):
        os.dup2(sink, stream)
    os.close(null)
    os.close(sink)


def _leave(code: int) -> NoReturn:
    """End a child: its exit handlers, but not the teardown of everything the zygote had imported."""
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _send(control, {"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _import_all(modules: tuple[str, ...]) -> list[str]:
    missing = []
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # the notebook that needs it will say why
            missing.append(name)
    return missing


def _unfit() -> str:
    """Why this process may not fork kernels, "" if it may."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        return f"importing the modules started {threads - 1} further threads"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "importing the modules initialised CUDA"
    return ""


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
