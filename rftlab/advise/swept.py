"""Which settings a grid sweeps, for the end of a dry run."""

import json
from collections.abc import Sequence

from rftlab.cell import FOLLOWS, OF_ROWS, Cell
from rftlab.contract import Applies
from rftlab.errors import one_line

# Follow from what is swept.
_FOLLOWING = frozenset({"digests", "start_from", "tuned_by"})
_OF_TRAINING = (*OF_ROWS, "preset", "settings", "budget.", "tuning.", "learning_rates", "adapter.")


def swept(cells: Sequence[Cell]) -> list[str]:
    """Every setting that is swept, with its values, a line each."""
    values: dict[str, dict[str, None]] = {}
    for cell, flat in zip(cells, Cell.as_said(cells), strict=True):
        trains = Applies.to(cell.method).labels
        for name, value in flat.items():
            follows = name in FOLLOWS and value == flat[FOLLOWS[name]]
            if name in _FOLLOWING or follows or (name.startswith(_OF_TRAINING) and not trains):
                continue
            values.setdefault(name, {}).setdefault(value if isinstance(value, str) else json.dumps(value))
    return [f"swept: {name} {', '.join(map(_shown, given))}" for name, given in values.items() if len(given) > 1]


def _shown(value: str) -> str:
    return one_line(value) or "(empty)"
