"""What a run says of every field of its contract, read off what it was given and did."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftlab.cell import Cell
from rftlab.contract import NA, ONE_SPLIT, Applies, grouped, of_cell, when
from rftlab.digests import identity_of, with_digests
from rftlab.policy import teachers
from rftlab.registry import METHODS, find
from rftlab.tasks.base import Labels, Task, fingerprint
from rftlab.tasks.folds import rows
from rftlab.tasks.of_cell import verifier_of
from rftlab.tasks.template import TEMPLATES

if TYPE_CHECKING:
    from rftlab.experiment import Experiment

# Settings that say what an optimiser step is made of, by the names that methods and TRL give them.
_BATCH = re.compile(r"\w*batch\w*|prompts_per_step|num_generations|gradient_accumulation_steps")
_AS_SHIPPED = "as shipped"


def contract_of(run: "Experiment") -> dict[str, Any]:
    """The contract of a run, in its three parts (see `rftlab.contract`).

    Args:
        run: an experiment that has been evaluated.
    """
    cell, task, policy = run.capped, run.task, run.policy
    applies = Applies.to(cell.method)
    identity, asked, decoding = policy.identity, cell.evaluation, cell.decoding
    verifier, settings = verifier_of(cell, task)
    template = TEMPLATES[policy.template.name]
    trained_cap = decoding.max_new_tokens if cell.cot else decoding.max_new_tokens_direct
    return grouped(
        {
            **of_cell(cell),
            "base_weights": identity["weights"],
            "base_config": identity["config"],
            "generation_config": identity["generation_config"],
            "tokenizer": identity["tokenizer"],
            "chat_template": identity["chat_template"],
            "precision": policy.number_format,
            # As registered: what a method puts before it (shots) follows from the method.
            "template": f"{template.name} {_short(vars(template))}",
            "thinking": f"{policy.thinking(cot=cell.cot_eval)}{', told to or not' * policy.switches_thinking}",
            "token_cap": cell.max_new_tokens,
            **when(applies.training, {"token_cap_training": trained_cap, "tuning_rates": _rates(run)}),
            **when(applies.labels, {"label_ids": fingerprint(sorted(run.labels.train, key=lambda e: e.id))}),
            **_prompts(run),
            "folds": task.folds.written if task.folds else ONE_SPLIT,
            "fold": fingerprint(task.test) if task.folds else NA,
            "train_pool": fingerprint(rows(task)),
            "development_items": _development(run.labels, cell),
            "test_items": _items(task, asked.test_items),
            "ood_items": fingerprint([e for part in task.ood_asked(asked.ood_items).values() for e in part]),
            "retention_items": fingerprint([e for each in run.also.retention for e in each.items])
            if run.also.retention
            else NA,
            "sampled_items": _items(task, asked.sampled_items),
            "method": bare(cell.method),
            "settings": bare(cell.settings),
            "chosen": run.chosen or NA,
            "verifier": bare(verifier),
            "verifier_settings": bare(settings),
            "apart": f"{bare(asked.verifier)} {_short(bare(asked.verifier_settings))}" if asked.verifier else NA,
            **run.code,
            **when(
                applies.training,
                {
                    "batch": _batch(run.settings.model_dump(mode="json")) or NA,
                    "processes": cell.processes,
                    "teacher": teachers.told(cell),
                },
            ),
        }
    )


def code_of(cell: Cell, task: Task) -> dict[str, str]:
    """What the files say that a run depends on: versions of packaged parts, digests of one's own, by field.

    To be taken before anything runs, of the files as they are then.

    Raises:
        RftlabError: a file cannot be read.
    """
    name, settings = verifier_of(cell, task)
    ran = {"method": cell.method, "preset": cell.preset, "settings": cell.settings, "evaluation": cell.evaluation}
    judged = Cell.make({**ran, "verifier": name, "verifier_settings": settings})
    parts = identity_of(with_digests(judged))
    return {
        "verifier_code": _told(parts, ("verifier", "verifier_settings")),
        "apart_code": _told(parts, ("evaluation.verifier", "evaluation.verifier_settings"))
        if cell.evaluation.verifier
        else NA,
        "method_code": _told(parts, ("method", "preset", "settings")),
        "notebook": parts.get("notebook", _AS_SHIPPED),
    }


def bare(value: Any) -> Any:
    """A value with the names of files for their paths: digests tell what is in them, and where they lie is free."""
    if isinstance(value, Mapping):
        return {name: bare(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [bare(each) for each in value]
    if isinstance(value, str) and "/" in value:
        path = value.rpartition(":")[0] if ".py:" in value else value
        return value.rpartition("/")[2] if Path(path).expanduser().exists() else value
    return value


def _rates(run: "Experiment") -> Any:
    """The rates tried or used; those that a stage chose follow from what it looked at, for each arm anew."""
    return NA if run.cell.tuned_by else list(run.rates)


def _prompts(run: "Experiment") -> dict[str, Any]:
    """Of a method that trains on prompts without labels, how many and which."""
    asked = run.labels.prompts
    if not find(METHODS, run.cell.method, "method")[0].prompts:
        return {"prompts": NA, "prompt_ids": NA}
    return {"prompts": run.cell.prompts, "prompt_ids": fingerprint(sorted(asked, key=lambda e: e.id)) if asked else NA}


def _development(labels: Labels, cell: Cell) -> str:
    if not labels.development:
        return NA
    return fingerprint(labels.development) if cell.development == "apart" else "a fold of the labels"


def _items(task: Task, count: int) -> str:
    """The first test items; of folds, whose test items differ by seed, the rows they are made of, and how many."""
    if task.folds is None:
        return fingerprint(task.test[:count])
    return f"{fingerprint(rows(task))}, {'all' if count >= task.folds.rows else f'at most {count}'} of a fold"


def _told(parts: Mapping[str, str], roles: Sequence[str]) -> str:
    """What stands under these parameters and inside them: itself if short, else hashed behind the first."""
    own = [text for name, text in parts.items() if any(re.match(rf"{re.escape(role)}([.:]|$)", name) for role in roles)]
    return own[0] if len(own) == 1 else f"{own[0]} and {_short(own[1:])}"


def _batch(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are about batches; those of a hybrid's stages by `method.name`."""
    found = {name: value for name, value in settings.items() if _BATCH.fullmatch(name)}
    for stage in settings.get("stages", ()):
        inside = _batch(stage.get("settings", {}))
        found |= {f"{stage['method']}.{name}": value for name, value in inside.items()}
    return found


def _short(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]
