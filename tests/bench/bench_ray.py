"""What Ray adds to a cell: cells that do nothing, by the local executor and as Ray tasks, two at once, cold kernels."""

import importlib.util
import logging
import os
import tempfile
import time
from pathlib import Path

from rftlab.execute import local
from rftlab.execute.kernels import KernelSettings
from tests.bench.measure import Row, note, row, seconds, take_turns
from tests.execute.stub_notebook import Quiet, cells, write_stub

WORKERS = 2


def run(quick: bool = False) -> dict[str, Row]:
    """Five rounds of eight cells (one of two if quick); starting Ray is timed apart."""
    if importlib.util.find_spec("ray") is None:
        note("Ray is not installed: no rows of ray; get it with pip install 'rftlab[ray]'")
        return {}
    import ray

    from rftlab.execute import on_ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    start = seconds(lambda: ray.init(address="local", num_cpus=WORKERS, object_store_memory=100 * 2**20, **quiet))
    wanted = cells(2 if quick else 8, do="nothing")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        stub = write_stub(Path(scratch) / "stub.ipynb")

        def per_cell(executor) -> float:
            results, settings = Path(scratch) / str(time.monotonic_ns()), KernelSettings(kind="cold")
            listener, notebooks = Quiet(), {"sft": stub}
            took = seconds(
                lambda: executor(wanted, results, listener, workers=WORKERS, settings=settings, notebooks=notebooks)
            )
            for outcome in listener.outcomes:
                assert outcome.status == "done", outcome.error
            return took / len(wanted)

        try:
            per_cell(on_ray.run_cells)  # Ray's workers import rftlab on their first task
            arms = {"local": lambda: per_cell(local.run_cells), "ray": lambda: per_cell(on_ray.run_cells)}
            took = take_turns(1 if quick else 5, arms)
        finally:
            ray.shutdown()
    added = [ours - theirs for ours, theirs in zip(took["ray"], took["local"], strict=True)]
    return {
        "ray.added_per_cell": row(added, "s/cell"),
        "ray.per_cell": row(took["ray"], "s/cell"),
        "ray.local_per_cell": row(took["local"], "s/cell"),
        "ray.start_once": row([start], "s"),
    }
