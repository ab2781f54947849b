"""How hard each row of a task is for the base, by its pass rate, and label budgets of a chosen difficulty.

Pass rates are data: a file that `rftlab pass-rates` measures once for a base, a task and its prompts, or a column
`pass_rate` of one's own rows. What stands in them is known before any cell runs, so that budgets can be drawn, checked
and told anywhere without a model.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.registry import METHODS, find
from rftlab.tasks.example import Example
from rftlab.tasks.labels import Labels

Difficulty = Literal["easy", "hard", "mixed"]
_COLUMN = "pass_rate"
_AGAIN = "measure it again with `rftlab pass-rates`"


class PassRates(NamedTuple):
    """What is known of how often the base is right.

    Attributes:
        rows: pass rate in [0, 1] by the example's id.
        made: what the file says of how they came about (base, samples, flops, ...); empty for a column of the rows.
    """

    rows: Mapping[str, float]
    made: Mapping[str, Any] = {}


def pass_rates(cell: Cell, pool: Sequence[Example]) -> PassRates:
    """The pass rates that a cell names, or those in its rows' own column; empty where it asks for none.

    Args:
        cell: its `pass_rates_path`, and whether `label_difficulty` or `curriculum` ask for them.
        pool: the task's rows.

    Raises:
        RftlabError: there are none, or the file is not one of pass rates.
    """
    if cell.label_difficulty == "any" and cell.curriculum == "none":
        return PassRates({})
    if cell.pass_rates_path:
        return read(cell.pass_rates_path)
    own = {row.id: _rate(row.meta[_COLUMN], f"example {row.id}") for row in pool if _COLUMN in row.meta}
    if not own:
        asked = "label_difficulty" if cell.label_difficulty != "any" else "curriculum"
        raise RftlabError(
            f"{asked} is {getattr(cell, asked)}, and how hard the rows of {cell.task_name} are is not known; measure "
            f"it with `rftlab pass-rates` and give pass_rates_path, or give the rows a column {_COLUMN}"
        )
    return PassRates(own)


def read(path: str | Path) -> PassRates:
    """Pass rates of a file, as `rftlab pass-rates` writes it; `{"rows": {ID: RATE, ...}}` is enough.

    Raises:
        RftlabError: there is no such file, or it is none of pass rates.
    """
    try:
        found = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RftlabError(f"pass rates {path}: {error}; {_AGAIN}") from None
    except (ValueError, RecursionError) as error:
        raise RftlabError(f"pass rates {path}: not JSON ({error}); {_AGAIN}") from None
    if not isinstance(found, dict) or not isinstance(found.get("rows"), dict) or not found["rows"]:
        raise RftlabError(f'pass rates {path}: no object {{"rows": {{ID: RATE, ...}}}}; {_AGAIN}')
    rows = {name: _rate(rate, f"pass rates {path}, row {name}") for name, rate in found.pop("rows").items()}
    return PassRates(rows, found)


def of_difficulty(order: Sequence[Example], rates: Mapping[str, float], difficulty: Difficulty) -> list[Example]:
    """The rows of a difficulty, in the order in which a label budget takes them.

    Rows are put in thirds by their pass rates, those of equal rates by their place in the order: easy is the third
    that the base gets right most often, hard the one it gets right least often, and mixed takes a row of each third in
    turn. Within a third rows come as in the order, so that budgets of one difficulty nest.

    Args:
        order: labelled rows in the order of the seed; those without a pass rate are left out.
        rates: pass rate by id.
        difficulty: easy, hard or mixed.

    Raises:
        RftlabError: fewer than three rows have a pass rate, or all have the same.
    """
    places = [i for i, row in enumerate(order) if row.id in rates]
    if len(places) < 3 or len({rates[order[i].id] for i in places}) == 1:
        what = f"all are {rates[order[places[0]].id]:g}" if len(places) > 2 else "three are needed"
        raise RftlabError(
            f"label_difficulty is {difficulty}, and the pass rates of {len(places)} rows do not tell easy from hard "
            f"({what}); measure more rows or samples, or leave label_difficulty out"
        )
    ranked = sorted(places, key=lambda i: -rates[order[i].id])  # stable: ties keep their places
    size = len(ranked) // 3
    thirds = [sorted(part) for part in (ranked[:size], ranked[size:-size], ranked[-size:])]
    if difficulty == "mixed":
        places = [i for turn in zip(*thirds, strict=False) for i in turn]
    else:
        places = thirds[0 if difficulty == "easy" else -1]
    return [order[i] for i in places]


def require_rates(curriculum: str, asked: Sequence[Example], rates: Mapping[str, float]) -> None:
    """Raise unless every prompt that a curriculum orders has a pass rate.

    Raises:
        RftlabError: naming the first that has none.
    """
    if lacking := next((example.id for example in asked if example.id not in rates), None):
        raise RftlabError(
            f"curriculum is {curriculum}, and example {lacking} that is trained on has no pass rate; measure more rows "
            "with `rftlab pass-rates`, or draw labels by label_difficulty, which takes measured ones alone"
        )


def check(cell: Cell, labels: Labels, pool: Sequence[Example]) -> None:
    """Raise unless what a cell asks for by pass rates can be had: an order by its method, and rates of what it orders.

    Raises:
        RftlabError: as said.
    """
    refuse_order(cell)
    if cell.curriculum != "none" and find(METHODS, cell.method, "method")[0].trains:
        require_rates(cell.curriculum, labels.asked, pass_rates(cell, pool).rows)


def refuse_order(cell: Cell) -> None:
    """Raise if a curriculum is asked for and the cell's method takes its examples in an order of its own.

    Raises:
        RftlabError: as said, or several processes are to train the cell.
    """
    entry, _ = find(METHODS, cell.method, "method")
    if cell.curriculum == "none" or not entry.trains:
        return
    if not entry.orders:
        able = ", ".join(name for name, each in METHODS.items() if each.orders)
        raise RftlabError(
            f"curriculum is {cell.curriculum}, and method {cell.method!r} takes its examples in an order of its own; "
            f"leave it out there: methods that go by one are {able}"
        )
    if cell.processes > 1:
        raise RftlabError(f"curriculum is {cell.curriculum}, and processes is {cell.processes}; give processes: 1")


def cost_of(rates: PassRates) -> dict[str, float]:
    """What it took to measure them, which all cells that use them share; nothing where it is not known."""
    named = ("flops", "completions", "verifier_calls", "seconds")
    return {f"pass_rate_{name}": float(rates.made[name]) for name in named if name in rates.made}


def told(cell: Cell, labels: Sequence[Example], rates: PassRates, base: str) -> list[str]:
    """For a record: how hard its labels are, and what that was known by; nothing where it was not asked for.

    Args:
        cell: what was asked for.
        labels: those that are trained on.
        rates: that they were drawn or ordered by.
        base: hash of the base that was trained.
    """
    of = rates.made.get("base", base)
    other = [f"pass rates are of another base than the one trained ({rates.made.get('model')})"] if of != base else []
    if cell.label_difficulty == "any" or not labels:
        return other
    own, all_rows = ([rates.rows[i] for i in ids] for ids in ([row.id for row in labels], rates.rows))
    how = f", over {rates.made['samples']} samples" if "samples" in rates.made else ""
    return [
        *other,
        f"labels are {cell.label_difficulty} (label_difficulty): the base's pass rate on them is "
        f"{sum(own) / len(own):.2f}, on all {len(all_rows)} rows that were measured {sum(all_rows) / len(all_rows):.2f}"
        f"{how}; whoever chooses labels so has asked the base about those rows, and judged it by their answers",
    ]


def _rate(value: Any, where: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(value) if isinstance(value, str) else value  # as a column of a CSV file may have it
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RftlabError(f"{where}: a pass rate is a number from 0 to 1, not {value!r}")
    return float(value)
