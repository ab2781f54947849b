"""While a grid runs nothing listens where another machine could reach it; whoever reaches Ray needs the run's token."""

import ipaddress
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rftlab.sandbox.python import Case, Check, Sandbox

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads sockets of other processes")
DRIVER = Path(__file__).with_name("stub_notebook.py")
INTRUDER = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False)
print("got in", ray.get(ray.remote(lambda: 7).remote()))
"""


def open_to_others(process: psutil.Process) -> set[tuple[str, str]]:
    """Name and address of every socket, of a process and those below it, that takes what comes from elsewhere."""
    found = set()
    for each in [process, *process.children(recursive=True)]:
        try:
            sockets = each.net_connections(kind="inet")
            name = each.name()
        except psutil.Error:
            continue
        for socket in sockets:
            waits = socket.status == psutil.CONN_LISTEN or (socket.laddr and not socket.raddr)
            if waits and not loopback(socket.laddr.ip):
                found.add((name, socket.laddr.ip))
    return found


def loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def watch(stub: Path, results: Path, kind: str, *, kernels: int) -> tuple[set[tuple[str, str]], int, int]:
    """Sockets open to others while a grid runs, most processes seen at once, and the driver's exit code."""
    with subprocess.Popen([sys.executable, DRIVER, stub, results, "2", "0.5", kind]) as run:
        process, seen, most = psutil.Process(run.pid), set(), 0
        while run.poll() is None:
            seen |= open_to_others(process)
            most = max(most, len(process.children(recursive=True)) if process.is_running() else 0)
            time.sleep(0.05)
    assert most >= kernels
    return seen, most, run.returncode


def test_the_watch_sees_an_open_socket() -> None:
    code = "import socket, time; s = socket.create_server(('0.0.0.0', 0)); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout
        server.stdout.readline()
        assert {address for _, address in open_to_others(psutil.Process(server.pid))} == {"0.0.0.0"}
        server.kill()


@pytest.mark.parametrize("kind", ["cold", "warm", pytest.param("ray", marks=pytest.mark.slow)])
def test_nothing_listens_off_loopback_while_a_grid_runs(kind: str, stub: Path, tmp_path: Path) -> None:
    if kind == "ray":
        pytest.importorskip("ray")
    seen, _, code = watch(stub, tmp_path, kind, kernels=2)
    assert (seen, code) == (set(), 0)
    assert len(list((tmp_path / "cells").iterdir())) == 2


def test_nothing_listens_off_loopback_while_the_sandbox_runs() -> None:
    me = psutil.Process()
    before = open_to_others(me)
    sandbox = Sandbox(workers=2)
    try:
        sandbox.run([Check("def f(x):\n    return x", "f", [Case((n,))]) for n in range(4)])
        assert open_to_others(me) <= before
    finally:
        sandbox.close()


@pytest.mark.slow
def test_a_cluster_started_here_is_closed_to_other_users_of_the_machine() -> None:
    pytest.importorskip("ray")
    code = """
import os, subprocess, sys
from rftlab.execute import ray_cluster
ray = ray_cluster.import_ray()
with ray_cluster.connected(ray, ""):
    address = ray.get_runtime_context().gcs_address
    ours = dict(os.environ)
    for env in ({k: v for k, v in ours.items() if "RAY_AUTH" not in k}, ours):
        done = subprocess.run([sys.executable, "-c", sys.argv[1], address], env=env, capture_output=True, text=True)
        print("in" if "got in 7" in done.stdout else "out")
print(sorted(name for name in os.environ if "RAY_AUTH" in name))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", code, INTRUDER], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["out", "in", "[]"]
