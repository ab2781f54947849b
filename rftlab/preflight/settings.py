"""Settings of a task, verifier or method for its card: read off signatures, docstrings and the functions they name."""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

from rftlab.screen import row

_SHOWN = 300
# How a line begins that does not go on with the one before: a word and a colon, an item of a list, further right.
_BEGINS = re.compile(r"[A-Z][\w ]{0,20}: |[-*] |\s|$")


class Setting(NamedTuple):
    """One setting: its name, its default as a grid would hold it, and what it is."""

    name: str
    default: str
    what: str


def loader_of(load: Callable[..., Any], variant: str) -> Callable[..., Any]:
    """What makes a variant: `load_VARIANT` or the recipe `VARIANT` beside ``load``, else ``load`` itself."""
    beside = load.__globals__ if inspect.isfunction(load) else {}
    own = beside.get(f"load_{variant}") or getattr(beside.get(variant.upper()), "task", None)
    return own if variant and own else load


def settings_of(target: Callable[..., Any]) -> list[Setting]:
    """Settings by name, and those of functions that the docstring names (`load_published`) for further ones."""
    classes = reversed(target.__mro__) if isinstance(target, type) else [target]
    said = {name: text for each in classes for name, text in _arguments(each.__doc__ or "").items()}
    found: dict[str, Setting] = {}
    for name, each in inspect.signature(target).parameters.items():
        if each.kind is each.KEYWORD_ONLY or (each.kind is not each.VAR_KEYWORD and each.default is not each.empty):
            default = "required" if each.default is each.empty else written(each.default)
            found[name] = Setting(name, default, said.get(name, "").replace("``", "`"))
        elif each.kind is each.VAR_KEYWORD:
            names = vars(sys.modules[target.__module__])
            for reference in re.findall(r"`([A-Za-z][\w.]*)`", said.get(f"**{name}") or target.__doc__ or ""):
                if callable(further := _named(reference, names)) and further is not target:
                    found = {**found, **{one.name: one for one in settings_of(further) if one.name not in found}}
    return list(found.values())


def _named(dotted: str, names: Mapping[str, Any]) -> Any:
    first, *rest = dotted.split(".")
    found = names.get(first)
    for name in rest:
        found = getattr(found, name, None)
    return found


def _arguments(docstring: str) -> dict[str, str]:
    """Argument -> its description, of a docstring in Google's style."""
    section = re.search(r"\nArgs:\n(.*?)(?:\n\S|\Z)", f"\n{inspect.cleandoc(docstring)}", re.DOTALL)
    pairs = re.findall(r"^    (\*{0,2}\w+): (.*?)(?=^    \S|\Z)", section[1] if section else "", re.DOTALL | re.M)
    return {name: " ".join(text.split()) for name, text in pairs if not text.startswith("see ``")}


def flowing(text: str) -> str:
    """Prose that was broken into lines at some width, a line for each of its paragraphs; code in single marks."""
    found: list[str] = []
    for line in text.splitlines():
        if found and found[-1].strip() and not _BEGINS.match(line):
            found[-1] += f" {line}"
        else:
            found.append(line)
    return "\n".join(found).replace("``", "`")


def listed(title: str, settings: Iterable[Setting]) -> Iterator[str]:
    """Settings as a table under a title."""
    rows = list(settings)
    if not rows:
        yield f"{title}: none"
        return
    yield f"{title}:"
    wide = max(len(each.name) for each in rows)
    yield from (row(each, (wide, 12)) for each in rows)


def written(value: Any) -> str:
    """A default as a grid would hold it."""
    return short(to_json(value, fallback=str).decode())


def short(text: str) -> str:
    """A text, cut where it is too long for a card."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
