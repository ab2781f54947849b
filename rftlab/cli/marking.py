"""Completions shown in a terminal one by one, to be marked with single keys; without a terminal, with lines."""

import sys
from collections.abc import Sequence

from rftlab.advise.agreement import shown
from rftlab.advise.completions import Candidate
from rftlab.advise.marks import Mark, Marks
from rftlab.screen import say, width

KEYS: dict[str, Mark] = {"r": "right", "w": "wrong", "s": "unsure"}
_HELP = "r right, w wrong, s not sure, u undo, q quit (go on later)"
# Of a prompt or a completion, in the terminal.
_MAX_CHARS = 6_000


def mark(chosen: Sequence[Candidate], marks: Marks) -> bool:
    """Have what is not marked yet marked; False if it was ended before all are.

    Each mark is kept at once. Undo takes back the last one, also of a sitting before.

    Raises:
        RftlabError: the marks cannot be written.
    """
    every = list(chosen)
    while waiting := [candidate for candidate in every if candidate not in marks]:
        candidate = waiting[0]
        _show(candidate, len(every) - len(waiting) + 1, len(every))
        key = _key()
        while key not in (*KEYS, "u", "q", ""):
            say(_HELP)
            key = _key()
        if key in ("q", ""):
            return False
        if key in KEYS:
            marks.set(candidate, KEYS[key])
        elif last := marks.last_of(every):
            marks.take_back(last)
            every.remove(last)
            every.insert(0, last)  # so that it is the next one shown
        else:
            say("nothing is marked yet")
    return True


def _show(candidate: Candidate, number: int, count: int) -> None:
    head = f"--- {number} of {count} "
    say("", head + "-" * min(60, width() - len(head)))
    for name, text in (("prompt", candidate.prompt), ("gold", candidate.answer), ("completion", candidate.completion)):
        say(name, shown(text, _MAX_CHARS))
    print(f"{_HELP} > ", end="", flush=True)


def _key() -> str:
    """The next key, in lower case; "" at the end of the input."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        key = line.strip()[:1].lower() or "-" if line else ""
        print(key)
        return key
    key = _pressed().lower()
    print(key if key.isprintable() else "")
    return "" if key == "\x04" else key


def _pressed() -> str:
    try:
        import termios
        import tty
    except ImportError:  # Windows
        import msvcrt

        return msvcrt.getwch()  # type: ignore[attr-defined, no-any-return]
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)  # Ctrl-C still interrupts; what was typed ahead stays
        return sys.stdin.read(1)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
