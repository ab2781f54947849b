"""How long prompts and labelled completions are in a model's tokens, and its group size; without weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rftlab.cell import Cell
from rftlab.policy.context import shots
from rftlab.policy.load import Policy, load_policy
from rftlab.preflight.checks import Looked
from rftlab.tasks.base import Example, Task
from rftlab.tasks.folds import rows
from rftlab.user_code.child import announce

_MOST = 400
"""Examples of a part that are counted, evenly spread; the longest in characters is always among them."""
_LOAD_LIMIT_S = 6 * 3600.0


def lengths(request: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of prompts and labelled completions as each cell asks, as JSON; runs the user's code in this process.

    Args:
        request: `cells` as JSON values, of one model and task; `rft`, method, preset and settings whose group size is
            asked for, or None; `limit`, seconds for a step in a user's code.

    Returns:
        `context`, tokens that the model has room for (None without a limit); `group`, completions per prompt; `ways`,
        for each cell `prompts` and `golds` (each `median`, `most` and `counted`), golds None where there are none to
        write: with chain-of-thought those with a rationale.

    Raises:
        RftlabError: a task, model or method cannot be loaded.
    """
    cells = [Cell.make(values) for values in request["cells"]]
    looked = Looked(cells, request["limit"])
    task = looked.task(cells[0])
    announce(f"loading model {cells[0].model!r} without its weights", limit=_LOAD_LIMIT_S)
    policy = load_policy(cells[0], meta=True)
    announce("counting tokens", limit=_LOAD_LIMIT_S)
    return {
        "context": policy.context,
        "group": _group(request["rft"]) if request["rft"] else None,
        "ways": [_of_way(policy, cell, task) for cell in cells],
    }


def _group(rft: Mapping[str, Any]) -> int | None:
    """Completions per prompt of a method, as its preset and settings have it; None where it has no groups."""
    from rftlab.methods.base import load_method, make_settings  # imports TRL, which counting needs not

    settings = make_settings(load_method(rft["method"]), rft["method"], rft["preset"], rft["settings"])
    return getattr(settings, "num_generations", None)


def _of_way(policy: Policy, cell: Cell, task: Task) -> dict[str, Any]:
    asked = replace(policy, template=policy.template.after(shots(cell, task), cot=cell.cot))
    prompts = _spread((*rows(task), *task.prompts, *task.test), lambda example: example.prompt)
    golds = [example for example in rows(task) if example.answer and (example.rationale or not cell.cot)]
    golds = _spread(golds, lambda example: f"{example.rationale or ''}{example.answer}")
    return {
        "prompts": _told([asked.count_prompt(example, cell.cot) for example in prompts]),
        "golds": _told(policy.count_gold(golds, cell.cot)) if golds else None,
    }


def _spread(examples: Sequence[Example], text: Any) -> list[Example]:
    few = list(examples[:: max(1, -(-len(examples) // _MOST))])
    return [*few, max(examples, key=lambda example: len(text(example)))] if examples else []


def _told(counts: Sequence[int]) -> dict[str, int]:
    return {"median": sorted(counts)[len(counts) // 2], "most": max(counts), "counted": len(counts)}
