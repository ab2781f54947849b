"""Parts of pages that are made from what was measured, so that they cannot say anything else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Block(NamedTuple):
    """A part of a page that is made from a file, between two marks of its name.

    Attributes:
        name: of the marks.
        page: where it stands.
        source: what it is made from.
        text: makes it.
    """

    name: str
    page: Path
    source: Path
    text: Callable[[Path], str]

    @property
    def found(self) -> str:
        """As it stands on the page.

        Raises:
            ValueError: the page has no such marks, or has them twice.
        """
        [text] = self._marked.findall(self.page.read_text(encoding="utf-8"))
        return str(text)

    @property
    def made(self) -> str:
        """As it is made now."""
        return self.text(self.source)

    def write(self) -> None:
        """Put it on its page."""
        text = self.page.read_text(encoding="utf-8")
        self.page.write_text(self._marked.sub(lambda _: self.made, text), encoding="utf-8")

    @property
    def _marked(self) -> re.Pattern[str]:
        return re.compile(rf"(?<=<!-- {self.name} -->\n).*(?=<!-- /{self.name} -->)", re.DOTALL)
