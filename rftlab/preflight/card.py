"""The card of a task, method or verifier: what `rftlab tasks NAME` prints, read off the thing itself.

Settings come from signatures, docstrings and the methods' own models, fields of an example from the verifier's
docstring and row. Nothing asks the network, and a packaged method is read without torch.
"""

import inspect
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any, Literal, get_args, get_origin

from rftlab import registry
from rftlab.errors import RftlabError
from rftlab.preflight import stand_ins
from rftlab.preflight.family import family
from rftlab.preflight.settings import Setting, flowing, listed, loader_of, settings_of, short, written
from rftlab.registry import METHODS, find
from rftlab.tasks.base import Example, Task, load_task
from rftlab.user_code.child import announce
from rftlab.verifiers.base import Verifier, make_verifier

_META = re.compile(r'meta\["(\w+)"\]')
_LOAD_METHOD = registry.Entry("rftlab.methods.base:load_method", "")


def card(request: Mapping[str, str]) -> str:
    """The card of what is known (or the user's own) by ``request["name"]``; for a process that ends when it has it.

    Raises:
        RftlabError: no such name, or it cannot be loaded.
    """
    kind, name = request["kind"], request["name"]
    os.environ["HF_HUB_OFFLINE"] = "1"
    known = getattr(registry, f"{kind.upper()}S")
    entry = known.get(name)
    if entry and entry.variants:
        return "\n".join(family(name, entry))
    entry, variant = registry.find(known, name, kind)
    announce(f"loading {kind} {name!r}")
    if kind == "method" and name not in known:  # with all that a method has to have
        found = type(registry.resolve(_LOAD_METHOD)(name))
    else:
        with stand_ins.in_place() if kind == "method" else nullcontext():
            found = registry.resolve(entry)
    parts = {"task": _task, "method": _method, "verifier": _verifier}[kind](found, name, variant)
    return "\n".join([f"{name}: {entry.summary} ({entry.target})", *filter(None, parts)])


def _task(load: Any, name: str, variant: str) -> Iterator[str]:
    loader = loader_of(load, variant)
    settings = settings_of(loader)
    task = _loaded(name, elsewhere=any(setting.name == "dataset" for setting in settings))
    yield task.card if task else (inspect.getdoc(loader) or "").partition("\n\n")[0]
    yield from listed("Settings (task_settings)", settings)
    if task:
        with_ = f" with {json.dumps(dict(task.verifier_settings))}" if task.verifier_settings else ""
        yield f"Verifier: {task.verifier}{with_}"
        yield _sizes(task)
        yield from _example(task.pool[0])
    elif name == "file":
        yield f"An example row of a file: {json.dumps({**Verifier.row, 'rationale': '2 + 3 = 5.'})}"
    else:
        yield "Its rows come from a hub, which a card does not ask."


def _loaded(name: str, elsewhere: bool) -> Task | None:
    """The task; None where its rows lie elsewhere, in a file to be named or on a hub."""
    try:
        return load_task(name)
    except RftlabError:
        if elsewhere:
            return None
        raise


def _sizes(task: Task) -> str:
    beyond = ", ".join(f"{len(examples)} {kind}" for kind, examples in task.ood.items())
    more = f" and {len(task.prompts)} prompts without labels" if task.prompts else ""
    trained = f"{len(task.train)} to train on{more}"
    return f"Examples: {trained}, {len(task.test)} to test; out of distribution: {beyond or 'none'}"


def _example(example: Example) -> Iterator[str]:
    yield "An example row:"
    fields = {"prompt": example.prompt, "answer": example.answer, "rationale": example.rationale, "meta": example.meta}
    for name, value in fields.items():
        if value:
            text = value if isinstance(value, str) else json.dumps(dict(value), default=str)
            yield f"  {name:<10} {short(text.replace(chr(10), ' '))}"


_PROMPTS = {
    "": "not used",
    "beside": "trained on beside labels",
    "alone": "trained on beside labels, or alone (labels: 0)",
}


def _verifier(found: Any, name: str, _: str) -> Iterator[str]:
    said = inspect.getdoc(found) or ""
    yield flowing(said.partition("\n\nArgs:")[0].partition("\n\nRaises:")[0])
    if not (isinstance(found, type) and issubclass(found, Verifier)):
        yield make_verifier(name).told
        return
    yield from listed("Settings (verifier_settings)", settings_of(found))
    row = getattr(found, "row", {})
    keys = dict.fromkeys([*_META.findall(said), *(key for key in row if key not in ("prompt", "answer"))])
    gold = "the gold answer" if getattr(found, "needs_gold", True) else "no gold answer"
    yield f"Reads of an example: {', '.join([gold, *(f'meta.{key}' for key in keys)])}"
    if row:
        yield f"An example row of a file: {json.dumps(row)}"
    if columns := [key for key in keys if key in row]:
        yield f"with task_settings: {{columns: {{meta: [{', '.join(columns)}]}}}}"


def _method(found: Any, name: str, _: str) -> Iterator[str]:
    fields = getattr(getattr(found, "Settings", None), "model_fields", {})
    yield flowing(str(getattr(found, "card", "")))
    yield from listed("Settings (settings)", [_field(key, field) for key, field in fields.items()])
    for preset, values in getattr(found, "presets", {}).items():
        yield f"Preset {preset}: {json.dumps(dict(values))}"
    if ladder := getattr(found, "ladder", None):
        lora, full = (", ".join(f"{rate:g}" for rate in rates) for rates in (ladder.lora, ladder.full))
        yield f"Learning rates, the default first: {lora}; for full fine-tuning {full}"
    yield _rate(fields)
    entry, _ = find(METHODS, name, "method")
    yield f"Prompts without labels (prompts): {_PROMPTS[entry.prompts]}"
    if entry.trains:
        yield f"A training that was killed: {'goes on from its last checkpoint' if entry.resumes else 'begins again'}"
        if entry.orders:
            yield "Order of prompts (curriculum): random, or by how often the base is right"


def _field(name: str, field: Any) -> Setting:
    """A field of a method's settings; where it has no description, what values it takes."""
    choices = ", ".join(map(str, get_args(field.annotation))) if get_origin(field.annotation) is Literal else ""
    return Setting(name, written(field.get_default(call_default_factory=True)), field.description or choices)


def _rate(fields: Mapping[str, Any]) -> str:
    """How a method's learning rate goes, from its settings; empty for what has none."""
    if "warmup_ratio" not in fields:
        return ""
    schedule, share = fields["lr_scheduler_type"].default, fields["warmup_ratio"].default
    course = {"linear": "falls linearly to the budget's end", "cosine": "falls as a cosine to the budget's end"}
    return (
        f"Rate: rises over the first {share:.0%} of the budget, in whatever unit it is counted, as in every method, "
        f"then {course.get(schedule, 'stays')} (lr_scheduler_type {schedule}, warmup_ratio {share:g})."
    )
