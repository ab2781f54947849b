"""The card of a task, method or verifier: what `rftlab tasks NAME` prints."""

from collections.abc import Mapping

from rftlab import registry
from rftlab.child import announce
from rftlab.tasks.base import load_task


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
    text = str(getattr(registry.resolve(entry), "card", ""))
    return "\n".join(filter(None, [f"{name}: {entry.summary} ({entry.target})", text]))
