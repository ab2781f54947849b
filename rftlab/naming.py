"""What people call methods, verifiers and tasks: names as they are registered, and short ones of their own."""

import re
from collections import Counter
from collections.abc import Callable, Iterable

from rftlab.registry import METHODS, VERIFIERS
from rftlab.user_code import installed


def short_name(name: str) -> str:
    """What people call a method or a verifier: as it is registered; of one's own, its class or function.

    `code/my.py:Mine` and `my_package.rl:Mine` are Mine. One called `score`, `make` or the like is called after its
    file: `checks.py:score` is checks. One that would have a registered name has its file's before it: `my:sft`. For
    tasks see `rftlab.cell.task_name`.
    """
    if ".py:" not in name and not installed.is_dotted(name):
        return name
    place, _, attribute = name.rpartition(":")
    last = attribute.rpartition(".")[2]
    file = re.split(r"[/\\.]", place.removesuffix(".py"))[-1]
    short = file if last in _COMMON else last
    return f"{file}:{last}" if short in VERIFIERS or short in METHODS else short


# Names that say what kind of thing something is, not which.
_COMMON = {
    "build", "check", "create", "get", "judge", "load", "main", "make", "method", "reward", "score", "verifier",
    "verify",
}  # fmt: skip


def short_names(names: Iterable[str], called: Callable[[str], str] = short_name) -> dict[str, str]:
    """Name -> what it is called, `short_name` by default; those that would share one stay as they are."""
    shorts = {name: called(name) for name in names}
    times = Counter(shorts.values())
    return {name: short if times[short] == 1 else name for name, short in shorts.items()}


def is_called(method: str, name: str) -> bool:
    """Whether a name, a path or a short one, means a method."""
    if method == name or (method.endswith(f"/{name}") or name.endswith(f"/{method}")):
        return True
    return short_name(method) == name or method == short_name(name)
