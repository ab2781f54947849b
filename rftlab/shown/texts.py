"""Texts in a page."""

import html


class Text(str):
    """A text that a notebook shows wrapped at words; what is printed, JupyterLab breaks within them."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return preformatted(self)


def preformatted(text: str) -> str:
    """A text as it is, wrapped. Completions are hostile text: nothing of it reaches the browser as markup."""
    return f"<pre style='white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere'>{html.escape(text)}</pre>"


def wrong(text: str) -> str:
    """A sentence on what is wrong, as markup."""
    return f"<div style='color: #a3261b; white-space: pre-wrap' role='alert'>{html.escape(text)}</div>"


def noted(text: str, kind: str = "") -> str:
    """A sentence on what is so now, as markup of a class; said aloud when it changes."""
    style = "white-space: pre-wrap; line-height: 1.4"
    return f"<div class='{kind}' aria-live='polite' style='{style}'>{html.escape(text)}</div>"
