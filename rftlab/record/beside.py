"""What several policies said to the same items, from rows of samples."""

from collections.abc import Mapping, Sequence
from typing import Any

from rftlab.record.outcomes import wholly_right
from rftlab.shown.beside import Answered, Beside, Item

Rows = Sequence[Mapping[str, Any]]


def beside(names: Sequence[str], answers: Sequence[Rows]) -> Beside:
    """Rows of `rftlab.evaluate.ask` or of samples.jsonl, one list a policy, the same items in the same order."""
    return Beside(names, [_item(rows) for rows in zip(*answers, strict=True)])


def _item(rows: Sequence[Mapping[str, Any]]) -> Item:
    said = tuple(Answered(row["completion"], row["reward"], wholly_right(row["reward"])) for row in rows)
    return Item(rows[0]["prompt"], str(rows[0].get("answer") or ""), said)
