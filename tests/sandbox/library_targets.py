"""Functions that the tests of isolated workers call in another process."""

import importlib
import os
import time

CALLS = []


def double(value):
    return value * 2


def late_import(text):
    import colorsys

    return f"{colorsys.__name__} {text}"


def late_and_caught(text):
    """A library that goes on without what it could not import, and says something else then."""
    found = []
    for name in ("no_such_module_anywhere", "wave", "xml.dom.minidom", "email.mime.text"):
        try:
            found.append(importlib.import_module(name).__name__)
        except ImportError:
            continue
    return [text, *found]


def misbehave(how):
    """Do one bad thing, by name."""
    CALLS.append(how)
    if how == "loop":
        while True:
            pass
    elif how == "sleep":
        time.sleep(60)
    elif how == "exit":
        os._exit(3)
    elif how == "raise":
        raise KeyboardInterrupt("no")
    elif how == "memory":
        return len(bytearray(8 << 30))
    elif how == "object":
        return object()
    elif how == "set":
        return {1, 2}
    elif how == "flood":
        os.write(3, b"x" * (2 << 20))
    elif how == "junk":
        os.write(3, b"not json\n")
    elif how == "deep":
        os.write(3, b"[" * 100_000 + b"\n")
    return len(CALLS)


def evaluate(text):
    """Stands for the library scorers that evaluate a model's answer."""
    return eval(text)
