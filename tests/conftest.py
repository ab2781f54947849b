"""Fixtures shared by all tests. No test reaches the network; every process computes on one thread."""

import functools
import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "agg")
# As TRL's import does: what a process that stays warm was started with has to stay what children are started with.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rftlab.cell import Cell
from rftlab.execute import warm
from rftlab.tasks import arithmetic
from rftlab.tasks.base import Task
from rftlab.user_code import child
from tests.common.warm_children import WarmChildren

SMALL: dict[str, Any] = {
    "labels": 8,
    "budget.amount": 2.0,
    "evaluation": {
        "test_items": 8, "train_items": 4, "ood_items": 4, "sampled_items": 2, "samples": 2, "along_the_way": 1,
        "along_items": 4, "retention_items": 4,
    },
}  # fmt: skip


@pytest.fixture
def small_cell() -> Callable[..., Cell]:
    """Makes a cell that runs in about a second on the tiny base; keywords override."""

    def make(**values: Any) -> Cell:
        return Cell.make({**SMALL, **values})

    return make


KEPT: dict[str, dict[str, Any]] = {
    "sft": {"method": "sft", "budget.amount": 3.0},
    "grpo": {"method": "grpo", "settings": {"prompts_per_step": 2, "num_generations": 4}},
    "full": {"method": "sft", "adapter.kind": "full", "budget.amount": 3.0},
    "base": {"method": "base", "labels": 0},
}


@pytest.fixture(scope="session")
def kept_cell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a small finished cell of `KEPT`, run once a session with its policy kept; not to be changed."""
    from rftlab.experiment import Experiment

    results, folders = tmp_path_factory.mktemp("kept"), {}

    def make(name: str) -> Path:
        if name not in folders:
            cell = Cell.make({**SMALL, **KEPT[name]})
            experiment = Experiment(cell, out=results / "cells" / cell.id)
            experiment.train()
            experiment.evaluate()
            experiment.save()
            folders[name] = experiment.folder
        return folders[name]

    return make


def pytest_collection_finish() -> None:
    """Trainers collect garbage when they end: spare them all that was imported and collected before."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """Thousands of small files are written that need not outlive the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def drawing() -> Iterator[Callable[..., Task]]:
    """How the examples of an arithmetic task are drawn; here those of the same settings are drawn once."""
    drawn: dict[str, Task] = {}
    draw = arithmetic.load

    @functools.wraps(draw)
    def drawn_once(*arguments: Any, **settings: Any) -> Task:
        asked = repr((arguments, sorted(settings.items())))
        if asked not in drawn:
            drawn[asked] = draw(*arguments, **settings)
        return drawn[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arithmetic, "load", drawn_once)
        yield draw


@pytest.fixture(scope="session", autouse=True)
def cold_child() -> Iterator[Callable[..., Any]]:
    """How a child of `rftlab.user_code.child` starts; here all are forked from a process that is warm."""
    start = child._start
    if not sys.platform.startswith("linux"):
        yield start
        return
    children = WarmChildren(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "_start", children.start)
        yield start
    children.close()


@pytest.fixture(scope="session", autouse=True)
def cool_kernels() -> Iterator[Callable[[], None]]:
    """How the processes that kernels are forked from end after a run; here the last two stay for the runs to come."""
    end = warm.close_all

    def all_but_two() -> None:
        with warm._zygotes_lock:
            for key in list(warm._zygotes)[:-2]:
                warm._zygotes.pop(key).close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm, "close_all", all_but_two)
        yield end
    end()


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of the test's own."""
    return np.random.default_rng(0)
