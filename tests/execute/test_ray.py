"""The Ray executor on a cluster of several nodes on this host: nothing is lost, and the records are the local ones."""

import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from stub_notebook import Quiet, cells

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import on_ray, ray_cluster
from rftlab.execute.cluster import Resources
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.local import run_cells
from tests.common.measured import measured

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
COLD = KernelSettings(kind="cold")
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "memory": 2**30, "include_log_monitor": False}
NODES = 3


@pytest.fixture(scope="module")
def cluster():
    """A head and two further nodes, one core each; what a busy machine is too slow to start is tried again."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = None
    for attempt in range(3):
        try:
            made = Cluster(True, head_node_args={**NODE, "include_dashboard": False, "no_monitor": True})
            break
        except Exception:
            if attempt == 2:
                raise
    for _ in range(NODES - 1):
        made.add_node(**NODE)
    ray.init(address=made.address, log_to_driver=False, logging_level=logging.ERROR)
    on_every_node(lambda: importlib.import_module("rftlab.execute.cluster").__name__)
    yield made
    ray.shutdown()
    made.shutdown()


def on_every_node(function: Callable[[], object]) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(function)
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    nodes = [NodeAffinitySchedulingStrategy(node, soft=False) for node in alive]
    ray.get([task.options(scheduling_strategy=node).remote() for node in nodes])


def _pull_the_plug(node) -> None:
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in (raylet, *raylet.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def run(wanted, results, stub, **more):
    listener = Quiet()
    outcomes = on_ray.run_cells(wanted, results, listener, settings=COLD, notebooks={"sft": stub}, **more)
    return outcomes, listener


def files(results: Path, *names: str) -> dict[str, str]:
    wanted = names or ("record.json", "trace.jsonl", "samples.jsonl")
    return {f"{path.parent.name}/{path.name}": measured(path) for n in wanted for path in results.rglob(f"*/{n}")}


def test_a_node_killed_in_mid_grid_loses_nothing(cluster, stub, tmp_path):
    wanted = [*cells(5, do="sleep", seconds=3), Cell.make({"task_settings": {"do": "fail"}})]
    run_cells(wanted, tmp_path / "local", Quiet(), workers=2, settings=COLD, notebooks={"sft": stub})

    victim = next(iter(cluster.worker_nodes))
    killed = threading.Event()

    def kill_once_it_works() -> None:
        while len(list((tmp_path / "ray" / "cells").glob(".*.running"))) < NODES:
            time.sleep(0.05)
        time.sleep(0.5)
        _pull_the_plug(victim)
        killed.set()

    threading.Thread(target=kill_once_it_works, daemon=True).start()
    outcomes, listener = run(wanted, tmp_path / "ray", stub)

    assert killed.is_set()
    assert {outcome.cell.id for outcome in outcomes} == {cell.id for cell in wanted}
    assert [outcome.status for outcome in outcomes].count("done") == 5
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert files(tmp_path / "ray", "error.txt") == files(tmp_path / "local", "error.txt")
    assert not list((tmp_path / "ray").rglob(".*.running"))
    assert {cell.id for cell in listener.begun} == {cell.id for cell in wanted}
    assert any(note.startswith("begun again") for note in listener.notes)
    assert listener.progress


def test_files_come_back_from_nodes_that_do_not_see_the_folder(cluster, stub, tmp_path):
    wanted = [*cells(2, do="nothing"), Cell.make({"task_settings": {"do": "fail"}})]
    run_cells(wanted, tmp_path / "local", Quiet(), workers=2, settings=COLD, notebooks={"sft": stub})
    outcomes, _ = run(wanted, tmp_path / "ray", stub, resources=Resources(cpus=0.5, gather=True))
    assert {outcome.folder for outcome in outcomes} == {
        tmp_path / "ray" / ("failed" if cell == wanted[-1] else "cells") / cell.id for cell in wanted
    }
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert files(tmp_path / "ray", "notebook.ipynb").keys() == files(tmp_path / "local", "notebook.ipynb").keys()


@pytest.mark.parametrize("in_background", [False, True])
def test_an_interrupt_ends_the_tasks_and_leaves_nothing_half_written(cluster, stub, tmp_path, in_background):
    if in_background:  # as a shell starts processes there, and they their children
        on_every_node(lambda: str(signal.signal(signal.SIGINT, signal.SIG_IGN)))

    def interrupt_once_it_works() -> None:
        while not list((tmp_path / "cells").glob(".*.running")):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_once_it_works, daemon=True).start()
    with pytest.raises(Interrupted):
        run(cells(2, do="sleep", seconds=60), tmp_path, stub)
    assert not list((tmp_path / "cells").iterdir())


def test_what_cannot_be_is_refused_in_words(monkeypatch):
    with pytest.raises(RftlabError, match="fraction below 1"):
        Resources(gpus=1.5)
    with pytest.raises(RftlabError, match="no option partition; it takes memory"):
        ray_cluster.task_options({"partition": "gpu"})
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RftlabError, match=r"pip install 'rftlab\[ray\]'"):
        ray_cluster.import_ray()
