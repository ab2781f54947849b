"""A bar with what it says, and completions as they come, for a page."""

import html
from collections.abc import Sequence
from typing import NamedTuple

_SMALL = "font-size: 90%; opacity: 0.75"


class Sampled(NamedTuple):
    """A completion that training or an evaluation along the way has just seen.

    Attributes:
        prompt: the whole text put to the policy.
        completion: its text.
        reward: the verifier's, in [0, 1].
    """

    prompt: str
    completion: str
    reward: float


def bar(text: str, share: float) -> str:
    """A bar that is filled to a share in [0, 1], and a text behind it."""
    filled = min(max(share, 0.0), 1.0)
    return (
        f"<progress value='{filled:.3f}' max='1' style='width: 14em; vertical-align: middle'></progress> "
        f"<span style='vertical-align: middle'>{html.escape(text)}</span>"
    )


def sampled(rows: Sequence[Sampled], heading: str) -> str:
    """Completions under each other, with prompt and reward; hostile texts, so nothing of them is markup."""
    shown = "".join(
        f"<div style='margin: 0.4em 0; border-left: 3px solid #9aa3ad; padding-left: 0.6em'>"
        f"<div style='{_SMALL}; {_WRAPPED}'>{html.escape(row.prompt.strip())}</div>"
        f"<div style='{_WRAPPED}'>{html.escape(row.completion.strip())}</div>"
        f"<div style='{_SMALL}'>reward {row.reward:.2g}</div></div>"
        for row in rows
    )
    return f"<div><div style='{_SMALL}'>{html.escape(heading)}</div>{shown}</div>"


def seconds_left(seconds: float) -> str:
    """`about 40 s left`, or minutes, or hours."""
    for unit, size in (("s", 1), ("min", 60)):
        if seconds < 90 * size:
            return f"about {seconds / size:.0f} {unit} left"
    return f"about {seconds / 3600:.1f} h left"


_WRAPPED = "white-space: pre-wrap; overflow-wrap: anywhere"
