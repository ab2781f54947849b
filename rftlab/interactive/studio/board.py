"""The grid of cells as a widget: it shows what `cells` found, and says what somebody wants of a cell."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from rftlab.interactive.studio.cells import Look, State
from rftlab.interactive.studio.detail import Detail

_HERE = Path(__file__).parent
ACTS = ("skip", "retry")


class Board(anywidget.AnyWidget):  # type: ignore[misc]
    """Buttons in rows and columns, one a cell, and below them the chosen cell in full.

    The page gets data alone, in JSON; `board.js` sets every text as text.

    Attributes:
        places: rows, columns, and `[id, label, row, column]` of each cell.
        states: id -> `[kind, share, said]`; a cell that is not in it waits.
        selected: id of the chosen cell; "" for none. Set by either side.
        shown: the chosen cell in full.
    """

    _esm = _HERE / "board.js"
    _css = _HERE / "board.css"
    places: Any = traitlets.Dict({"rows": [], "columns": [], "spots": []}).tag(sync=True)
    states = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    shown: Any = traitlets.Dict({"id": ""}).tag(sync=True)

    def __init__(self, act: Callable[[str, str], None] = lambda _act, _cell: None, **traits: Any) -> None:
        super().__init__(**traits)
        self._act = act
        self.on_msg(lambda _widget, message, _buffers: self.hear(message))

    def hear(self, message: Any) -> None:
        """A message of the page: `{"do": "skip" | "retry", "cell": id}`; any other is none."""
        act, cell = (str(message.get(name)) for name in ("do", "cell")) if isinstance(message, dict) else ("", "")
        if act in ACTS and any(spot[0] == cell for spot in self.places["spots"]):
            self._act(act, cell)

    def show(self, look: Look) -> None:
        """Draw what a look found; what has not changed is not sent."""
        spots: list[Any] = [[spot.id, spot.label, spot.row, spot.column] for spot in look.layout.spots]
        self.places = {"rows": list(look.layout.rows), "columns": list(look.layout.columns), "spots": spots}
        self.states = {name: _sent(state) for name, state in look.states.items() if state != State("waiting")}

    def show_detail(self, cell_id: str, label: str, found: Detail | None) -> None:
        """Draw one cell in full; None draws none."""
        if found is None:
            self.shown = {"id": ""}
            return
        curve = base64.b64encode(found.curve).decode()
        facts, samples = [list(fact) for fact in found.facts], [list(sample) for sample in found.samples]
        self.shown = {
            "id": cell_id, "label": label, "facts": facts, "curve": curve, "samples": samples, "log": found.log,
        }  # fmt: skip


def _sent(state: State) -> list[Any]:
    """What a page needs: shares in steps of a percent, so that a second in which nothing happens sends nothing."""
    return [state.kind, None if state.share is None else round(state.share, 2), state.said]
