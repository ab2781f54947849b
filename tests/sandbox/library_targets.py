"""Functions that the tests of isolated workers call in another process."""

import os
import time

CALLS = []


def double(value):
    return value * 2


def late_import(text):
    import colorsys

    return f"{colorsys.__name__} {text}"


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
