"""The card of a task, method or verifier: what `rftlab tasks NAME` prints."""

from collections.abc import Mapping
from typing import Any

from rftlab import registry
from rftlab.tasks.base import load_task
from rftlab.user_code.child import announce


def card(request: Mapping[str, str]) -> str:
    """The card of what is known (or the user's own) by ``request["name"]``, with a line that says what it is.

    Raises:
        RftlabError: no such name, or it cannot be loaded.
    """
    kind, name = request["kind"], request["name"]
    entry, _ = registry.find(getattr(registry, f"{kind.upper()}S"), name, kind)
    announce(f"loading {kind} {name!r}")
    if kind == "task" and name != "file":
        return load_task(name).card
    found = registry.resolve(entry)
    text = str(getattr(found, "card", ""))
    return "\n".join(filter(None, [f"{name}: {entry.summary} ({entry.target})", text, _rate(found)]))


def _rate(found: Any) -> str:
    """How a method's learning rate goes, from its settings; empty for what has none."""
    fields = getattr(getattr(found, "Settings", None), "model_fields", {})
    if "warmup_ratio" not in fields:
        return ""
    schedule, share = fields["lr_scheduler_type"].default, fields["warmup_ratio"].default
    course = {"linear": "falls linearly to the budget's end", "cosine": "falls as a cosine to the budget's end"}
    return (
        f"Rate: rises over the first {share:.0%} of the budget, in whatever unit it is counted, as in every method,\n"
        f"then {course.get(schedule, 'stays')} (lr_scheduler_type {schedule}, warmup_ratio {share:g})."
    )
