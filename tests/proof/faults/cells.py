"""One cell of two goes wrong: it fails with one sentence or is done, the other is done, and run again both are."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.proof.faults.driven import Place, in_peace, place, unlike
from tests.proof.proof import Case


class _Wrong(NamedTuple):
    """What one cell does, and the errors that may come of it; "" where it may be done all the same."""

    name: str
    do: str
    errors: tuple[str, ...] = ("",)
    settings: dict[str, Any] = {}  # noqa: RUF012  never changed


_LIMITED = """import resource
    resource.setrlimit(resource.RLIMIT_AS, (2**32, -1))
    x = [bytearray(2**28) for _ in range(99)]"""
_THREAD = """import threading, time
    threading.Thread(target=time.sleep, args=(1e6,)).start()"""
_NO_SOCKETS = ("KernelHung", "KernelDied", "RuntimeError", "OSError")
_WRONG = (
    _Wrong("asks for more memory than there is", "x = bytearray(2**50)", ("MemoryError",)),
    _Wrong("has less memory than it takes", _LIMITED, ("MemoryError", "KernelDied")),
    _Wrong("is killed for its memory", "os.kill(os.getpid(), 9)", ("KernelDied",)),
    _Wrong("hangs", "import time; time.sleep(1e6)", ("CellTimeout",), {"cell_timeout": 2}),
    _Wrong("computes for ever", "while True: pass", ("CellTimeout",), {"cell_timeout": 2}),
    _Wrong("is stopped", "os.kill(os.getpid(), 19)", ("KernelHung",), {"silent_timeout": 3.0}),
    _Wrong("raises", "raise ValueError('two\\nlines')", ("ValueError",)),
    _Wrong("leaves by sys.exit", "import sys; sys.exit(0)", ("NoRecord", "SystemExit", "")),
    _Wrong("leaves by os._exit", "os._exit(0)", ("KernelDied",)),
    _Wrong("crashes", "import ctypes; ctypes.string_at(0)", ("KernelDied",)),
    _Wrong("prints 30 MB", "print('x' * 30_000_000)"),
    _Wrong("fills its log", "os.write(2, b'x' * 30_000_000)"),
    _Wrong("changes its folder", "os.chdir('/')"),
    _Wrong("removes its folder", "import shutil; shutil.rmtree(out)", ("", "FileNotFoundError")),
    _Wrong("starts a program and leaves it", "import subprocess; subprocess.Popen(['sleep', '600'])"),
    _Wrong("starts a thread that never ends", _THREAD),
    _Wrong("closes its sockets", "os.closerange(3, 4096)", _NO_SOCKETS, {"silent_timeout": 5.0}),
)  # fmt: skip


def wrong_cells(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Each way once in cold kernels, then once in warm ones."""
    ways = [(wrong, kind) for kind in ("cold", "warm") for wrong in _WRONG]
    chance.shuffle(ways)
    for wrong, kind in sorted(ways[:count], key=lambda way: _WRONG.index(way[0])):
        with place(folder, count=2, seconds=0.0) as here:
            yield f"{wrong.name}, {kind}", _tried(wrong, kind, here)


def _tried(wrong: _Wrong, kind: str, here: Place) -> str:
    peace, _ = in_peace(kind, count=2, seconds=0.0)
    code, said = here.ended(here.drive(kind, f"if seed == 0: {_indented(wrong.do)}", **wrong.settings))
    lost = [name for name in peace if name not in here.records()]
    if not lost and "" not in wrong.errors:
        return "nothing went wrong"
    if len(lost) > 1 or code != len(lost):
        return f"ended with {code}, {len(lost)} cells lost: {said[-200:]}"
    if lost and not any(each and f'"{each}' in said for each in wrong.errors):
        return f"said: {said[-200:]}"
    return unlike(here.records(), peace) or here.again(peace, kind)


def _indented(code: str) -> str:
    return "\n    " + code
