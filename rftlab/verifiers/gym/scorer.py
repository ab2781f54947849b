"""Runs inside the isolated worker: one call to a scorer of reasoning-gym."""

import copy
import functools
import json
from typing import Any

import reasoning_gym
from reasoning_gym.factory import DATASETS

# Made whole, and used once, before the process locks itself down: they read files or import late.
_READS_FILES: dict[str, dict[str, Any]] = {"word_ladder": {"min_word_length": 3, "max_word_length": 5}, "sokoban": {}}


def score(name: str, settings: str, entry: dict[str, Any], answer: str) -> float:
    """The scorer's number for an answer.

    Args:
        name: the dataset.
        settings: its settings as JSON.
        entry: the item: answer and metadata.
        answer: hostile text.
    """
    return float(_scorer(name, settings).score_answer(answer, entry))


@functools.cache
def _scorer(name: str, settings: str) -> Any:
    """A dataset that can only score: made without its initialiser, which may read files and prepare items."""
    kind, config_kind = DATASETS[name]
    dataset = copy.copy(_prepared[name]) if name in _prepared else object.__new__(kind)
    dataset.config = config_kind(**json.loads(settings))
    if hasattr(dataset.config, "board_format_opts"):
        dataset.board_format_opts = dataset.config.board_format_opts
    return dataset


def _prepare(name: str, **settings: Any) -> Any:
    dataset = reasoning_gym.create_dataset(name, seed=0, size=1, **settings)
    dataset.score_answer(dataset[0]["answer"], dataset[0])
    return dataset


_prepared = {name: _prepare(name, **settings) for name, settings in _READS_FILES.items()}
