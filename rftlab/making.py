"""Tasks, verifiers and methods made with their settings; however that fails, one sentence says so."""

import inspect
from collections.abc import Callable
from typing import Any

from rftlab import signature
from rftlab.errors import CAUGHT, RftlabError, came_from_user, defined_at, placed, told
from rftlab.registry import suggest

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def make(target: Callable[..., Any], who: str, *arguments: Any, **settings: Any) -> Any:
    """What ``target`` returns; however it fails, the error says so in one sentence.

    Args:
        target: a task's loader, a verifier's or a method's class.
        who: how the sentence begins: "task 'mine.py:make'".
        arguments: passed on.
        settings: passed on, their dicts and lists as copies: a cell's own never change.

    Raises:
        RftlabError: its own; a setting it does not take (the nearest are offered) or one it needs; anything it raised.
    """
    try:
        takes = dict(inspect.signature(target).parameters)
    except (TypeError, ValueError):  # made in C: calling it will tell
        takes = {}
    if not callable(target):
        raise RftlabError(f"{who} is a {type(target).__name__}; give a function or a class")
    ours = getattr(target, "__module__", "").startswith("rftlab.")
    if ours and (wrong := signature.misfit(target, settings)):
        raise RftlabError(f"{who} does not take these settings: {wrong}")
    try:
        return target(*arguments, **{name: _own(value) for name, value in settings.items()})
    except RftlabError as error:
        error.args = (placed(error),)
        raise
    except CAUGHT as error:
        if ours and (wrong := signature.misfit_in(error.__traceback__, settings)):
            raise RftlabError(f"{who} does not take these settings: {wrong}") from error
        if not isinstance(error, TypeError) or came_from_user(error):
            raise RftlabError(f"{who} cannot be made: {told(error)}") from error
        named = [name for name, each in takes.items() if each.kind not in _VARIADIC][len(arguments) :]
        unknown = next((name for name in settings if f"'{name}'" in str(error) and name not in takes), "")
        hint = suggest(unknown, named) if unknown and takes else ""
        where = defined_at(target)
        if not settings or "missing" in str(error):
            raise RftlabError(f"{who} cannot be made: {error}{where}; give its arguments defaults") from None
        said = f"there is no {unknown!r}" if unknown and takes else str(error)
        raise RftlabError(f"{who} does not take these settings: {said}{where}{hint}") from None


def _own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _own(each) for key, each in value.items()}
    return list(map(_own, value)) if isinstance(value, list) else value
