"""What flags say: NAME=VALUE texts, and which flags go with what a verb is asked about."""

import argparse
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from rftlab.errors import RftlabError

# Stands for `#` while YAML reads: on a command line it begins no comment.
_HASH = "\ue000"
_NULLS = ("null", "Null", "NULL", "~")
STANDS_IN_A_GRID: Mapping[str, str] = {
    "verifier": "verifier",
    "verifier_settings": "verifier_settings",
    "columns": "task_settings.columns",
    "settings": "task_settings",
    "test": "task_settings.test_path",
}
"""Flag of `rftlab check` -> the key of a grid that says the same."""


def pairs(option: str, given: Sequence[str], example: str) -> dict[str, str]:
    """NAME=VALUE texts of an option.

    Raises:
        RftlabError: one is not of that form, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not (name and equals and text):
            raise RftlabError(f"{option} {pair!r} is not of the form NAME=VALUE; give such as {example}")
        if name in found:
            raise RftlabError(f"{option} gives {name} twice; leave one out")
        found[name] = text
    return found


def values(option: str, given: Sequence[str], example: str) -> dict[str, Any]:
    """`pairs`, each with its `value`."""
    return {name: value(text) for name, text in pairs(option, given, example).items()}


def value(text: str) -> Any:
    """A value as a grid's file would have it; what YAML would read in part only is the text, whole.

    Examples: `60` is a number, `[a, b]` a list, `####`, `|` and `Answer:` are texts.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe", pure=True).load(f"value: {text.replace('#', _HASH)}")["value"]
    except (YAMLError, ValueError, TypeError, KeyError, RecursionError):
        return text
    if text.lstrip()[:1] in ("'", '"', "[", "{"):
        return _plain(found)
    scalar = isinstance(found, bool | int | float) or text.strip() in _NULLS
    return found if scalar else text


def _plain(found: Any) -> Any:
    """The value with its `#` back and dates as they are written."""
    if isinstance(found, dict):
        return {_plain(key): _plain(each) for key, each in found.items()}
    if isinstance(found, list):
        return [_plain(each) for each in found]
    if isinstance(found, datetime.date):
        return found.isoformat()
    return found.replace(_HASH, "#") if isinstance(found, str) else found


def refuse_for_a_grid(options: argparse.Namespace) -> None:
    """Raise if a flag is given that speaks of a task alone, where a grid is asked about, which has all of it.

    Raises:
        RftlabError: naming the key of the grid where this stands.
    """
    for name, key in STANDS_IN_A_GRID.items():
        if getattr(options, name):
            raise RftlabError(
                f"{option(name)} is for a data file or a task; a grid is checked as it stands: write it in "
                f"{options.task}, as {key}"
            )


def option(name: str) -> str:
    """An option as it is typed."""
    return f"--{name.replace('_', '-')}"
