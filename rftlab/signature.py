"""What a function's signature says of the settings it is given: which does not fit its annotation, in one sentence."""

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Union, get_args, get_origin

from rftlab.errors import one_line

_FORMS: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    float: ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    str: ("a text", lambda value: isinstance(value, str)),
    Mapping: ("a mapping", lambda value: isinstance(value, Mapping)),
    Sequence: ("a list", lambda value: isinstance(value, Sequence) and not isinstance(value, str)),
}
_ALIASES: Mapping[Any, Any] = {dict: Mapping, list: Sequence, tuple: Sequence}


def misfit(target: Callable[..., Any], settings: Mapping[str, Any]) -> str:
    """The first setting that does not fit its parameter's annotation, such as `train is 'lots'; give a whole number`.

    Only plain annotations are looked at (numbers, texts, booleans, lists, mappings, literals and unions of them);
    anything else fits, and so does None where it is the default.

    Returns:
        The sentence; "" if all fit.
    """
    try:
        takes = inspect.signature(target, eval_str=True).parameters
    except (TypeError, ValueError, NameError):
        return ""
    for name, value in settings.items():
        if name not in takes or (value is None and takes[name].default is None):
            continue
        asked = list(_asked(takes[name].annotation))
        if not any(fits(value) for _, fits in asked):
            forms = dict.fromkeys(form for form, _ in asked if form)
            return f"{name} is {one_line(repr(value))}; give {' or '.join(forms)}"
    return ""


def misfit_in(trace: TracebackType | None, settings: Mapping[str, Any]) -> str:
    """`misfit` of the functions that were called, outermost first: a setting may be handed on to where it is named."""
    while trace is not None:
        frame = trace.tb_frame
        target: Any = frame.f_globals.get(frame.f_code.co_qualname.partition(".")[0])
        for part in frame.f_code.co_qualname.split(".")[1:]:
            target = getattr(target, part, None)
        handed = {name: each for name, each in settings.items() if frame.f_locals.get(name) == each}
        if callable(target) and (found := misfit(target, handed)):
            return found
        trace = trace.tb_next
    return ""


def _asked(annotation: Any) -> Iterator[tuple[str, Callable[[Any], bool]]]:
    """What fits an annotation, in words and as a test; one without words that anything passes where it is not plain."""
    origin = get_origin(annotation) or annotation
    if origin in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _asked(each)
    elif origin is Literal:
        choices = get_args(annotation)
        yield f"one of {', '.join(map(str, choices))}", lambda value: value in choices
    elif annotation is None or annotation is type(None):
        yield "", lambda value: value is None
    elif origin in _FORMS or origin in _ALIASES:
        form, fits = _FORMS[_ALIASES.get(origin, origin)]
        inside = get_args(annotation)[:1]
        if form == "a list" and inside and inside[0] in _FORMS:
            each, inner = _FORMS[inside[0]]
            yield f"a list, each of it {each}", lambda value: fits(value) and all(map(inner, value))
        else:
            yield form, fits
    else:
        yield "", lambda _: True
