"""Tables of texts: pandas cuts a text at 50 characters, and writes an absent value as NaN."""

import html
from typing import Any

import pandas as pd

_LEFT = "text-align: left; vertical-align: top"
_CELL = f"{_LEFT}; white-space: pre-wrap"
# A longer word is broken: the table would run out of the page. Where shorter ones were, it would break them first.
_LONG_WORD = 30
# Beside columns of numbers a browser makes one of prose as narrow as its words; a longer text gets some room.
_LONG_TEXT = 25
# Of code, so many characters a line are kept in a line: wrapped, it would have other indents.
_CODE_LINE = 45


class TextTable(pd.DataFrame):
    """A DataFrame that shows its texts whole, wrapped, absent values empty and numbers with three digits.

    A table computed from it is one too.
    """

    @property
    def _constructor(self) -> Any:
        return TextTable

    def __repr__(self) -> str:
        return _as_said(self).to_string(max_colwidth=None)

    def _repr_html_(self) -> str:
        said = _as_said(self)
        head = "".join(f"<th style='{_LEFT}'>{html.escape(str(name))}</th>" for name in ["", *said.columns])
        rows = (
            f"<tr><th style='{_LEFT}{_room(str(index))}'>{html.escape(str(index))}</th>"
            + "".join(f"<td style='{_CELL}{_broken(text)}{_room(text)}'>{html.escape(text)}</td>" for text in row)
            + "</tr>"
            for index, row in zip(said.index, said.to_numpy(dtype=object), strict=True)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


class Measures(pd.Series):
    """A Series of measurements that a notebook shows as a table: shares in percent, nothing where nothing is."""

    @property
    def _constructor(self) -> Any:
        return Measures

    def _repr_html_(self) -> str:
        return self._told()._repr_html_()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self._told()))

    def _told(self) -> TextTable:
        rows = {str(name).replace("_", " "): measured(str(name), value) for name, value in self.items()}
        return TextTable({str(self.name or ""): rows})


def measured(name: str, value: float) -> str:
    """A measurement as people read it: `62.5 %`, a difference in points, and other numbers with three digits."""
    if value != value:
        return ""
    if name.endswith(_DIFFERENCES):
        return f"{round(100 * value, 1) + 0:+.1f} points"
    if name.endswith(_SHARES) or name.startswith(_AT):
        return f"{round(100 * value, 1) + 0:.1f} %"
    return said(float(value))


_SHARES = ("accuracy", "score", "rate", "accuracy_lenient")
_AT = ("pass_at_", "majority_at_")
_DIFFERENCES = ("gap",)


def said(value: Any) -> str:
    """A value in few characters: a number with three digits, nothing for one that is absent, yes and no."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{round(value, 12) + 0:.3g}"  # never -0
    return str(value)


def _broken(text: str) -> str:
    return "; overflow-wrap: anywhere" if max(map(len, text.split()), default=0) > _LONG_WORD else ""


def _room(text: str) -> str:
    lines = text.split("\n")
    if any(line[:2] == "  " for line in lines) and max(map(len, lines)) <= _CODE_LINE:
        return "; white-space: pre"
    return "; min-width: 11em" if len(text) > _LONG_TEXT else ""


def _as_said(table: pd.DataFrame) -> pd.DataFrame:
    columns = {name: [said(value) for value in table[name].tolist()] for name in table.columns}
    return pd.DataFrame(columns, index=table.index, dtype=object)
