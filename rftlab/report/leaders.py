"""Which method leads, if any: nothing leads that is at 0, tied, or no better than the untrained base."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rftlab import stats
from rftlab.answer.results import BASE, PANEL, is_base, panel_bases, place
from rftlab.plots import title

_EQUAL = 1e-9  # means of the same numbers in another order differ by rounding


def sentences(table: pd.DataFrame) -> list[str]:
    """One sentence per panel and label budget of `comparisons.compare_all`."""
    said = []
    for key, group in table.groupby([*PANEL, "labels"]) if len(table) else ():
        said.append(f"{place(key[:4])}, {key[4]} labels: {_leader(group.to_dict('records'))}.")
    return said


def uncompared(cells: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """What was measured in the panels and label budgets that have nothing to compare."""
    by = [*PANEL, "labels"]
    compared = set(table[by].itertuples(index=False, name=None)) if len(table) else set()
    trained = cells[~is_base(cells)]
    alone = trained if len(trained) else panel_bases(cells)
    said = []
    for key, group in alone.groupby(by):
        if key not in compared:
            found = ", ".join(
                f"{title(str(arm))} {_percent(mean)}" for arm, mean in group.groupby("arm")["accuracy"].mean().items()
            )
            lacking = "there is nothing to compare it with" if len(trained) else "nothing has been trained"
            budget = f", {key[4]} labels" if key[4] else ""
            said.append(f"{place(key[:4])}{budget}: measured was {found}; {lacking}.")
    return said


def _leader(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Rows compare one arm, the highest by mean accuracy, with every other one at the same budget."""
    best, top = title(rows[0]["first"]), rows[0]["best_accuracy"]
    bases = [row for row in rows if row["second_method"] == BASE]
    base = max(bases, key=lambda row: row["second_accuracy"], default=None)
    level = [row for row in rows if abs(row["second_accuracy"] - top) < _EQUAL and row not in bases]
    against = "; ".join(_against(row) for row in rows if row not in level)
    if not top > 0:
        above = base and base["second_accuracy"] > 0
        others = f"; {title(base['second'])} {_percent(base['second_accuracy'])}" if base and above else ""
        return f"nothing was learnt: {'every method' if others else 'all'} at 0 %{others}"
    if base and top <= base["second_accuracy"] + _EQUAL:
        names = " and ".join([best, *(title(row["second"]) for row in level)])
        nearest = f"the highest is {names} with {_percent(top)}"
        told = f"no method is above the {title(base['second'])} ({_percent(base['second_accuracy'])})"
        return f"{told}; {nearest}; {against}"
    if level:
        names = " and ".join([best, *(title(row["second"]) for row in level)])
        return f"tie at {_percent(top)}: {names}" + (f"; {against}" if against else "")
    paired = any(row["seeds"] for row in rows)
    return f"{best} leads with {_percent(top)}; {against}" if paired else f"{best} reached {_percent(top)}; {against}"


def _against(row: Mapping[Any, Any]) -> str:
    second = title(row["second"])
    if not row["seeds"]:
        return f"{second} reached {_percent(row['second_accuracy'])} with other seeds"
    shown = f"{stats.points(stats.Interval(row['difference'], row['low'], row['high'], 0))} over {second}"
    if not (row["low"] > 0 or row["high"] < 0):
        return f"{shown}, inconclusive"
    return f"{shown} (not after Holm's correction)" if row["p_holm"] > 0.05 else shown


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
