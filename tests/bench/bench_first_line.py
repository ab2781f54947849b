"""How long a command says nothing: from its start to the first byte it prints. It is ended then."""

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
    command = [sys.executable, "-m", "rftlab", *words]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        took = time.perf_counter() - began
        process.terminate()
        process.stdout.read()
    if not first:
        raise RuntimeError(f"rftlab {' '.join(words)} said nothing")
    return took
