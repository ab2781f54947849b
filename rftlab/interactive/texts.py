"""Texts in a page."""

import html


def preformatted(text: str) -> str:
    """A text as it is, wrapped. Completions are hostile text: nothing of it reaches the browser as markup."""
    return f"<pre style='white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere'>{html.escape(text)}</pre>"
