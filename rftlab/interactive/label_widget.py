"""The page on which two completions are compared: by buttons, or by keys without clicking anywhere first.

It shows whatever queue it is given: pairs to label (`label_pairs.PairQueue`) or a study's completions to judge
(`judge_pairs.JudgeQueue`). Texts are hostile and reach the page as text nodes alone.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anywidget
import traitlets

from rftlab.errors import RftlabError
from rftlab.interactive.page import module, style
from rftlab.tasks.choices import Word

# (prompt, one completion, another)
Candidate = tuple[str, str, str]
PLACES = ("first", "second")
KEYS: Mapping[str, Word] = {"1": "first", "2": "second", "t": "tie", "b": "both bad"}
_NAMES = {
    "1": "first is better", "2": "second is better", "t": "tie", "b": "both bad", "v": "verifier's opinion",
    "s": "skip", "u": "undo",
}  # fmt: skip


class Queue(Protocol):
    """What the widget shows."""

    path: Path

    @property
    def current(self) -> Candidate | None:
        """The candidate now; None when all are done."""
        ...

    @property
    def waiting(self) -> Sequence[Any]:
        """Those still to come."""
        ...

    @property
    def state(self) -> str:
        """How far it is, in a sentence."""
        ...

    @property
    def has_opinion(self) -> bool:
        """Whether `opinion` says anything."""
        ...

    def opinion(self) -> str:
        """What the verifier says of the current one; "" if it cannot be asked."""
        ...

    def choose(self, word: Word) -> None:
        """Judge the current one, and save."""
        ...

    def skip(self) -> None:
        """Put the current one last."""
        ...

    def undo(self) -> None:
        """Take the last choice back."""
        ...


class LabelWidget(anywidget.AnyWidget):
    """Prompt, two completions side by side, and how to choose; made by `label_widget`.

    Attributes:
        shown: prompt, first, second, opinion, state, problem (texts), number (of what is shown; a key that was pressed
            on what is no longer shown does nothing) and keys: [key, name, whether it does anything now].
    """

    _esm = module("label.js")
    _css = style("label.css")
    shown = traitlets.Dict().tag(sync=True)

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self.queue, self._number = queue, 0
        words: dict[str, Callable[[], None]] = {key: partial(queue.choose, word) for key, word in KEYS.items()}
        self._actions = {**words, "s": queue.skip, "u": queue.undo}
        self.on_msg(self._told)
        self._show()

    def press(self, key: str) -> None:
        """Do what a key does: 1, 2, t, b, v, s or u; nothing for another, or where there is nothing to judge."""
        opinion = problem = ""
        if key not in _NAMES or (key != "u" and self.queue.current is None):
            return
        try:
            if key == "v":
                opinion = self.queue.opinion()
            else:
                self._actions[key]()
                self._number += 1
        except RftlabError as error:
            problem = str(error)
        self._show(opinion, problem)

    def _told(self, _: Any, content: Any, __: Any) -> None:
        """What the page sends: a key, and on what it was pressed."""
        if isinstance(content, dict) and content.get("number") == self._number:
            self.press(str(content.get("key")))

    def _show(self, opinion: str = "", problem: str = "") -> None:
        current = self.queue.current
        prompt, first, second = current or ("All pairs are judged.", "", "")
        names = [key for key in _NAMES if key != "v" or self.queue.has_opinion]
        self.shown = {
            "prompt": prompt, "first": first, "second": second, "opinion": opinion, "problem": problem,
            "state": self.queue.state, "number": self._number,
            "keys": [[key, _NAMES[key], key == "u" or current is not None] for key in names],
        }  # fmt: skip


def label_widget(queue: Queue) -> LabelWidget:
    """Prompt, two completions side by side, and how to choose.

    Keys 1 (the first is better), 2 (the second), t (tie), b (both bad), v (the verifier's opinion, where the queue has
    one), s (skip) and u (undo) work without clicking anywhere first; each is a button too.

    Args:
        queue: what is judged.
    """
    return LabelWidget(queue)
