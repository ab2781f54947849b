"""kill -9 in mid-grid, of the driver and of a kernel: run again, and the records are those of a run left in peace."""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.common.measured import measured

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9")
DRIVER = Path(__file__).parents[1] / "execute" / "stub_notebook.py"


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    return runpy.run_path(str(DRIVER))["write_stub"](tmp_path_factory.mktemp("stub") / "stub.ipynb")


@pytest.fixture(scope="module")
def in_peace(stub, tmp_path_factory):
    results = tmp_path_factory.mktemp("peace")
    assert drive(stub, results, "cold").wait(timeout=120) == 0
    return records(results)


def drive(stub, results, kind) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, DRIVER, stub, results, "3", "1.2", kind])


def records(results) -> dict[str, str]:
    return {path.parent.name: measured(path) for path in sorted(results.glob("cells/*/record.json"))}


def finished(results, count) -> bool:
    return len(records(results)) >= count


def wait_until(condition, seconds=60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def kernels(process) -> list[psutil.Process]:
    """Processes below the driver that listen on a kernel's sockets or were forked to."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if child.num_threads() > 1]


@pytest.mark.parametrize("kind", ["warm", pytest.param("cold", marks=pytest.mark.slow)])
def test_the_driver_is_killed(stub, in_peace, tmp_path, kind):
    first = drive(stub, tmp_path, kind)
    wait_until(lambda: finished(tmp_path, 1) and kernels(first))
    orphans = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert len(records(tmp_path)) < len(in_peace)
    psutil.wait_procs(orphans, timeout=10)
    assert not [orphan for orphan in orphans if orphan.is_running()]
    assert drive(stub, tmp_path, kind).wait(timeout=120) == 0
    assert records(tmp_path) == in_peace
    assert not list(tmp_path.glob("cells/.*"))


@pytest.mark.parametrize("kind", ["cold", pytest.param("warm", marks=pytest.mark.slow)])
def test_one_kernel_is_killed(stub, in_peace, tmp_path, kind):
    first = drive(stub, tmp_path, kind)
    wait_until(lambda: kernels(first))
    kernels(first)[0].send_signal(signal.SIGKILL)
    assert first.wait(timeout=120) == 1
    assert len(records(tmp_path)) == len(in_peace) - 1
    assert len(list(tmp_path.glob("failed/*/notebook.ipynb"))) <= 1
    assert drive(stub, tmp_path, kind).wait(timeout=120) == 0
    assert records(tmp_path) == in_peace
    assert not list(tmp_path.glob("failed/*"))
