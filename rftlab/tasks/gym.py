"""Any reasoning-gym dataset by name: `gym/chain_sum`, `gym/maze`, ...

Items come from one seed: item i of seed s is item i - 1 of seed s + 1, so two seeds share nearly all items. Splits take
indices that never meet, and repeated texts are dropped.
"""

from collections.abc import Mapping
from typing import Any

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.tasks.base import SURFACE, Example, Task, normalise_prompt
from rftlab.tasks.gym_items import make_items

_NO_GOLD = "it stores no gold answer, so nothing can be imitated and its scorer cannot be checked"
REFUSED: Mapping[str, str] = {
    "boxnet": _NO_GOLD,
    "graph_color": _NO_GOLD,
    "propositional_logic": _NO_GOLD,
    "rubiks_cube": _NO_GOLD,
    "rush_hour": _NO_GOLD,
    "composite": "it mixes other datasets; ask for those one by one",
}
# Seconds to make one item, where that is more than 0.04 (one core of a shared machine).
SLOW: Mapping[str, float] = {
    "countdown": 0.05,
    "futoshiki": 0.3,
    "intermediate_integration": 0.2,
    "knight_swap": 1.5,
    "puzzle24": 0.1,
    "quantum_lock": 0.07,
    "sokoban": 0.25,
    "sudoku": 0.05,
    "zebra_puzzles": 0.1,
}
# Some gold answers of intermediate_integration are the integral itself, left as it is.
_NOT_SOLVED = "Integral("
# Items are made in chunks, a little more than are missing because some texts repeat.
_SPARE = 1.1
# Of eight indices, five belong to train, two to test and one to ood.
_PARTS = ("train",) * 5 + ("test",) * 2 + ("ood",)
_MOST_TRIES = 6


def load(
    name: str,
    *,
    seed: int = 0,
    train: int = 0,
    test: int = 0,
    ood: int = 0,
    config: Mapping[str, Any] | None = None,
    ood_config: Mapping[str, Any] | None = None,
    partial_credit: bool = False,
) -> Task:
    """A reasoning-gym dataset as a task.

    Args:
        name: its registered name.
        seed: the generator's seed, one for all splits.
        train: size of the pool label budgets are drawn from; 0 takes 300, or 40 where items are slow to make.
        test: number of held-out items; 0 takes 100, or 20.
        ood: number of out-of-distribution items; 0 takes 50 if ``ood_config`` is given and none if not.
        config: the dataset's own settings (its config class), by name.
        ood_config: settings on top of ``config`` for the ood part: longer, larger, harder.
        partial_credit: reward the scorer's own number instead of full marks only.

    Raises:
        RftlabError: unknown or refused dataset, settings it does not take, or too few distinct items.
    """
    if name in REFUSED:
        raise RftlabError(f"gym/{name} is refused: {REFUSED[name]}")
    slow = SLOW.get(name, 0.0)
    wanted = {
        "train": train or (40 if slow else 300),
        "test": test or (20 if slow else 100),
        "ood": ood or (50 if ood_config else 0),
    }
    if wanted["ood"] and not ood_config:
        raise RftlabError(f"gym/{name}: ood items need task_settings.ood_config, the settings that make them different")
    size = 8 * _MOST_TRIES * max(wanted.values())
    near = {**(config or {}), "seed": seed, "size": size}
    seen: set[str] = set()
    parts = {
        part: _take(name, {**near, **(ood_config or {})} if part == "ood" else near, part, count, seen)
        for part, count in wanted.items()
    }
    pace = f" Making one item takes about {slow:g} s." if slow else ""
    return Task(
        name=f"gym/{name}",
        card=f"Items of reasoning-gym's generator {name} (Apache-2.0; reasoning-gym.readthedocs.io). Right means full "
        "marks by its scorer, run in isolation, or by a check of ours where that scorer would execute the answer. "
        "Splits take indices of one seed that never meet. Rationales are not part of it, and the items are synthetic: "
        f"success says little about the same skill in other words.{pace}",
        train=tuple(parts["train"]),
        test=tuple(parts["test"]),
        ood={SURFACE: tuple(parts["ood"])},
        verifier="gym",
        verifier_settings={"partial_credit": partial_credit},
    )


def variants() -> dict[str, str]:
    """Every dataset that `load` takes, with what its generator says that it generates."""
    from reasoning_gym.factory import DATASETS

    said = {name: dataset.__doc__ or "" for name, (dataset, _) in DATASETS.items() if name not in REFUSED}
    return {name: said[name].strip().partition("\n\n")[0] for name in sorted(said)}


def _take(name: str, settings: Mapping[str, Any], part: str, count: int, seen: set[str]) -> list[Example]:
    """The first ``count`` items of a part whose texts were not seen before."""
    examples: list[Example] = []
    left = [index for index in range(settings["size"]) if _PARTS[index % 8] == part]
    while len(examples) < count:
        step = round((count - len(examples)) * _SPARE)
        chunk, left = left[:step], left[step:]
        if not chunk:
            raise RftlabError(
                f"gym/{name} gives only {len(examples)} distinct {part} items, fewer than the {count} asked for; lower "
                f"task_settings.{part}, or widen task_settings.config"
            )
        for index, item in zip(chunk, make_items(name, settings, chunk), strict=True):
            text = normalise_prompt(item["question"])
            if text not in seen and len(examples) < count and _NOT_SOLVED not in str(item["answer"]):
                seen.add(text)
                examples.append(_example(name, settings, f"{name}-{part}-{settings['seed']}-{index}", item))
    return examples


def _example(name: str, settings: Mapping[str, Any], identity: str, item: Mapping[str, Any]) -> Example:
    answer = item["answer"]
    if not isinstance(answer, str) or not answer.strip():
        raise RftlabError(f"gym/{name} is refused: {_NO_GOLD}")
    # The scorer needs the item but not its question, which is the prompt.
    entry = values.encode({"answer": answer, "metadata": item["metadata"]})
    meta = {"gym": {"dataset": name, "settings": dict(settings), "entry": entry}}
    return Example(identity, item["question"].strip(), answer.strip(), meta=meta)
