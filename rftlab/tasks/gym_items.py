"""Items of reasoning-gym's generators, the same in every run.

Most generators depend on their seed alone. A few iterate over sets or draw from the process's own random streams, and
give other items in every process; those run in a process of their own, with a fixed hash seed and fixed streams.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rftlab.errors import RftlabError
from rftlab.sandbox import values

# Measured with reasoning-gym 0.1.25: items differ between two processes with equal seeds.
UNSTEADY = frozenset(
    {
        "codeio",
        "isomorphic_strings",
        "knight_swap",
        "list_functions",
        "polynomial_multiplication",
        "ransom_note",
        "word_ladder",
    }
)


def make_items(name: str, settings: Mapping[str, Any], indices: Sequence[int]) -> list[dict[str, Any]]:
    """Items at the given indices, each with question, answer and metadata as plain data.

    Args:
        name: the dataset.
        settings: its settings, seed and size among them.
        indices: which items.

    Raises:
        RftlabError: no such dataset, settings it does not take, or an item it cannot make.
    """
    trees = _in_own_process(name, settings, indices) if name in UNSTEADY else _make(name, settings, indices)
    return [values.decode(tree) for tree in trees]  # type: ignore[misc]


def _make(name: str, settings: Mapping[str, Any], indices: Sequence[int], *, steady: bool = False) -> list[Any]:
    import reasoning_gym

    try:
        dataset = reasoning_gym.create_dataset(name, **settings)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RftlabError(f"gym/{name} cannot be made: {reason}; check the name and task_settings.config") from error
    trees = []
    for index in indices:
        if steady:
            _seed_streams(index)
        trees.append(values.encode(_plain(dataset[index])))
    return trees


def _in_own_process(name: str, settings: Mapping[str, Any], indices: Sequence[int]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-m", "rftlab.tasks.gym_items"],
        input=json.dumps([name, dict(settings), list(indices)]),
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RftlabError(f"gym/{name} cannot be made: {reason}; check the name and task_settings.config")
    trees: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return trees


def _seed_streams(seed: int) -> None:
    import numpy

    random.seed(seed)
    numpy.random.seed(seed)


def _plain(value: Any) -> Any:
    """The value with subclasses of text and numbers (numpy's among them) as the builtins they are."""
    kind = type(value)
    if kind is dict:
        return {_plain(key): _plain(item) for key, item in value.items()}
    if kind in (list, tuple, set, frozenset):
        return kind(_plain(item) for item in value)
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return str(value) if isinstance(value, str) else value


if __name__ == "__main__":
    print(json.dumps(_make(*json.load(sys.stdin), steady=True)))
