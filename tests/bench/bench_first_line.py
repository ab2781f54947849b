"""How long a command says nothing on a terminal: from its start to the first byte it prints. It is ended then."""

import os
import pty
import subprocess
import sys
import tempfile
import time

from tests.bench.measure import Row, row

COMMANDS = {"help": ("--help",), "run": ("run", "demo", "--dry-run"), "plan": ("plan", "demo")}


def run(quick: bool = False) -> dict[str, Row]:
    """Five starts of each (one if quick), in a folder with no results."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return {
            f"first_line.{name}": row([_silent_for(words, folder) for _ in range(1 if quick else 5)], "s")
            for name, words in COMMANDS.items()
        }


def _silent_for(words: tuple[str, ...], folder: str) -> float:
    """Seconds; OSError if it ends without a word."""
    shown, terminal = pty.openpty()
    began = time.perf_counter()
    command = [sys.executable, "-m", "rftlab", *words]
    with subprocess.Popen(command, cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        os.read(shown, 1)
        took = time.perf_counter() - began
        process.terminate()
        os.close(shown)
    return took
