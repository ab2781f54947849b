"""Trackers that a cell reports to beside its record: what they are called, and whether they can be had.

They change no number, so they are no parameter of a cell: its id and its contract do not know them.
`rftlab.experiment.reports` writes to them.
"""

import importlib.util
from collections.abc import Mapping, Sequence

from rftlab.errors import RftlabError
from rftlab.registry import suggest

TRACKERS: Mapping[str, str] = {
    "tensorboard": "event files in the cell's own folder",
    "trackio": "trackio's local database; watch with `trackio show`",
}
"""Name, which is also that of its package and of the extra that brings it -> where it writes."""
PARAMETER = "report_to"
NONE = "none"


def named(value: str | Sequence[str]) -> tuple[str, ...]:
    """The trackers that a text with commas or a list names, each once; "" and "none" name none.

    Raises:
        RftlabError: unknown ones; the known are named.
    """
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise RftlabError(f"report_to is a list of trackers ({', '.join(TRACKERS)}), not {value!r}")
    names = tuple(dict.fromkeys(name for text in texts if (name := text.strip()) not in ("", NONE)))
    if isinstance(value, str) and value and not names and NONE not in map(str.strip, texts):
        raise RftlabError(f"report_to is {value!r}, which names no tracker; give {', '.join(TRACKERS)} or {NONE}")
    for name in names:
        if name not in TRACKERS:
            raise RftlabError(f"report_to: unknown tracker {name!r}{suggest(name, TRACKERS)}")
    return names


def require(trackers: Sequence[str]) -> None:
    """Raise unless the package of each is installed here.

    Raises:
        RftlabError: as said, with the extra that brings it.
    """
    for name in trackers:
        if importlib.util.find_spec(name) is None:
            raise RftlabError(
                f"report_to: {name} is not installed; run: pip install 'rftlab[{name}]', or leave it out of report_to"
            )
