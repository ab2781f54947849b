"""The card of a family of tasks: what `rftlab tasks NAME` prints of a name that has variants, a line for each."""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rftlab import registry
from rftlab.preflight.settings import Setting, listed, loader_of, settings_of
from rftlab.tasks.base import load_task

# Enough of each part for a task to be made, and no more than its card needs.
_FEW = {"train": 20, "test": 5, "ood": 1}
_LINE = 260
_SENTENCE_ENDS = re.compile(r"(?<=[\w)])\.(?:\s|$)")


def family(name: str, entry: registry.Entry) -> Iterator[str]:
    """Each variant with what it is in a line, and the settings that they take.

    Args:
        name: of the family, as registered.
        entry: the registered one.

    Raises:
        RftlabError: it cannot be loaded.
    """
    load = registry.resolve(entry)
    yield f"{name}: {entry.summary}"
    if entry.variants == ("*",):
        found: Mapping[str, str] = load.__globals__["variants"]()
        settings = {variant: settings_of(load) for variant in found}
    else:
        settings = {variant: settings_of(loader_of(load, variant)) for variant in entry.variants}
        found = {variant: _card(f"{name}/{variant}", load, settings[variant]) for variant in entry.variants}
    wide = max(len(variant) for variant in found)
    yield from (f"  {name}/{variant:<{wide}}  {_first(text)}".rstrip() for variant, text in found.items())
    alike: dict[tuple[Setting, ...], list[str]] = {}
    for variant, rows in settings.items():
        alike.setdefault(tuple(rows), []).append(f"{name}/{variant}")
    for shared, names in alike.items():
        of = "each" if len(alike) == 1 else ", ".join(names)
        yield from listed(f"Settings of {of} (task_settings)", shared)
    yield f"With an example row: rftlab tasks {name}/{entry.variants[0].replace('*', 'NAME')}"


def _card(name: str, load: Callable[..., Any], settings: list[Setting]) -> str:
    """The task's own card; where its rows lie elsewhere, what its loader says."""
    names = {setting.name for setting in settings}
    loader = loader_of(load, name.partition("/")[2])
    if "dataset" in names and loader is not load:
        return inspect.getdoc(loader) or ""
    return load_task(name, {part: count for part, count in _FEW.items() if part in names}).card


def _first(text: str) -> str:
    """The first sentence, in a line."""
    sentence = _SENTENCE_ENDS.split(" ".join(text.split()), maxsplit=1)[0]
    return textwrap.shorten(sentence, _LINE, placeholder=" ...").replace("``", "`")
