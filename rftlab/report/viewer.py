"""The answers themselves, for a reader to look at: completions of test items, arm beside arm.

What a model wrote is hostile. It reaches the page as JSON that cannot end its script element, and answers.js shows it
as text alone. The page must stay small enough to open, so one seed is shown, and of it as many items as fit.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rftlab import record
from rftlab.answer.decisions import Decisions
from rftlab.answer.items import read_lines
from rftlab.answer.outcomes import PART_OF, outcomes
from rftlab.answer.results import BASE, SHOWN_IN, UNTRAINED, Results, place
from rftlab.plots.cells import prompt_name
from rftlab.plots.names import title
from rftlab.registry import family_of

ITEMS, ARMS, BYTES = 200, 150, 1_000_000
"""At most so many items, arms and bytes of JSON are embedded."""
_HEAD, _TAIL = 3000, 1000
_GROUP = ["task", "model", "variant", "cot_eval"]
_FILES = (record.NOTEBOOK, record.RECORD, record.SAMPLES)
_Rows = dict[str, Mapping[str, Any]]
# What could end the script element or a line of script, and half a surrogate pair, which no file can hold.
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def samples(results: Results, decisions: Decisions) -> dict[str, Any]:
    """Greedy completions of test items of one seed.

    Args:
        results: as read.
        decisions: the measure that decides chooses the arm that is shown first.

    Returns:
        ``notes``: sentences on what is not here; and ``panels``, one for each task, model and way of asking: name,
        seed, items (id, prompt, answer), left and right (the arms shown first) and arms: name, cell, files (of the
        cell's folder, those that are there), before (what its prompt has before the others' prompt), parts (names of
        the parts of the reward), rows, one an item (None where it was not kept): completion, reward, what the verifier
        read, values of the parts, tokens, notes. A long text is [head, characters left out, tail].
    """
    cells, cut = _chosen(results.cells)
    rows = {cell: _rows(results, cell) for cell in cells["id"]}
    kept = cells[[bool(rows[cell]) for cell in cells["id"]]]
    panels = [_panel(results, decisions, key, group, rows) for key, group in kept.groupby(_GROUP, sort=False)]
    asked = max((len(outcomes(results.where, cell)) for cell in kept["id"]), default=0)
    _cut(panels)
    notes = [f"{cut} more arms are not here, to keep the page small"] if cut else []
    here = sorted({len(panel["items"]) for panel in panels})
    if here and here[0] < asked:
        notes.insert(0, f"{' to '.join(map(str, dict.fromkeys([here[0], here[-1]])))} of {asked} test items are here")
    return {"panels": panels, "notes": notes}


def beside_base(results: Results, ids: Sequence[str]) -> dict[str, Any]:
    """`samples` of single cells, each beside the untrained base of its seed where there is one.

    Args:
        results: as read.
        ids: of the cells; those that kept no answers to test items are left out.

    Returns:
        ``notes`` and ``panels`` as in `samples`, one panel for each cell, named after its seed.
    """
    cells = results.cells
    bases = cells[cells["method"] == BASE]
    panels = []
    for cell in cells[cells["id"].isin(list(ids))].sort_values("seed").to_dict("records"):
        same = np.logical_and.reduce([bases[name] == cell[name] for name in ("task", "model", "cot_eval", "seed")])
        shown = [each for each in bases[same].to_dict("records")[:1] if each["id"] != cell["id"]]
        rows = {each["id"]: _rows(results, each["id"]) for each in (*shown, cell)}
        if not rows[cell["id"]]:
            continue
        given = rows[cell["id"]].items()
        items = [(name, str(row.get("prompt", "")), str(row.get("answer", ""))) for name, row in given]
        arms = [_arm(results, _name(each, True), each["id"], items, rows[each["id"]]) for each in (*shown, cell)]
        told = [(name, _short(prompt), _short(answer)) for name, prompt, answer in items]
        name, seed = f"{cell['task']}, seed {cell['seed']}", int(cell["seed"])
        panels.append({"name": name, "seed": seed, "items": told, "arms": arms, "left": 0, "right": len(arms) - 1})
    return {"panels": _cut(panels), "notes": []}


def as_json(value: Any) -> str:
    """JSON for the inside of a script element: parsed it is ``value``, and nothing in it is markup."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _chosen(cells: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One cell an arm of each group, of the group's best filled seed; and how many arms are too many."""
    shown = cells.drop(columns="variant").explode(SHOWN_IN).rename(columns={SHOWN_IN: "variant"})
    seeds = (
        shown.groupby([*_GROUP, "seed"])
        .size()
        .reset_index(name="n")
        .sort_values(["n", "seed"], ascending=[False, True])
    )
    shown = shown.merge(seeds.drop_duplicates(_GROUP)[[*_GROUP, "seed"]], on=[*_GROUP, "seed"])
    shown["trained"] = ~shown["method"].isin(UNTRAINED)
    order = [*_GROUP, "trained", "labels", "arm", "cot", "id"]
    shown = shown.sort_values(order).drop_duplicates([*_GROUP, "arm", "labels", "cot"])
    turn = shown.groupby(_GROUP).cumcount()
    kept = turn.sort_values(kind="stable").index[:ARMS]
    return shown.loc[shown.index.isin(kept)], len(shown) - len(kept)


def _panel(
    results: Results, decisions: Decisions, key: Any, cells: pd.DataFrame, rows: Mapping[str, _Rows]
) -> dict[str, Any]:
    task, model, variant, cot_eval = key
    fullest = max((rows[cell] for cell in cells["id"]), key=len)
    items = [(name, str(row.get("prompt", "")), str(row.get("answer", ""))) for name, row in fullest.items()]
    several_prompts = cells["cot"].nunique() > 1
    arms = [
        _arm(results, _name(cell, several_prompts), cell["id"], items, rows[cell["id"]])
        for cell in cells.to_dict("records")
    ]
    left, right = _first_shown(cells.reset_index(drop=True), decisions.decides)
    return {
        "name": place((task, variant, prompt_name(bool(cot_eval), bool(cot_eval)), model)),
        "seed": int(cells["seed"].iloc[0]),
        "items": [(name, _short(prompt), _short(answer)) for name, prompt, answer in items],
        "arms": arms,
        "left": left,
        "right": right,
    }


def _rows(results: Results, cell: str) -> _Rows:
    """A cell's first greedy answers to test items, by item."""
    part = PART_OF["accuracy"].name
    lines = read_lines(results.where, cell, record.SAMPLES, containing=f'"part": "{part}"')
    found: _Rows = {}
    for line in lines:
        if line["part"] == part and "completion" in line:
            found[line["item"]] = line
        if len(found) == ITEMS:
            break
    return found


def _name(cell: Mapping[Any, Any], several_prompts: bool) -> str:
    words = [title(cell["arm"])]
    if cell["method"] not in UNTRAINED:
        words.append(f"{cell['labels']} labels")
        if several_prompts:
            words.append("trained with chain-of-thought" if cell["cot"] else "trained directly")
    return ", ".join(words)


def _first_shown(cells: pd.DataFrame, measure: str) -> tuple[int, int]:
    """Places of the base, or else of the first arm, and of the best arm that was trained, or else of any other."""
    bases = cells.index[cells["method"] == BASE]
    left = int(bases[0]) if len(bases) else 0
    others = cells.drop(index=[left])
    trained = others[~others["method"].map(family_of).isin(("base", "control"))]
    known = (trained if len(trained) else others).reindex(columns=[measure])[measure].dropna()
    return left, max(known.index, key=lambda n: float(known[n])) if len(known) else min(1, len(cells) - 1)


def _arm(
    results: Results,
    name: str,
    cell: str,
    items: Sequence[tuple[str, str, str]],
    rows: _Rows,
) -> dict[str, Any]:
    folder = record.cells_dir(results.where) / cell
    parts = list(dict.fromkeys(part for row in rows.values() for part in row.get("parts", ())))
    prompts = [(prompt, str(rows[item].get("prompt", ""))) for item, prompt, _ in items if item in rows]
    own = {given.removesuffix(prompt) for prompt, given in prompts}
    return {
        "name": name,
        "cell": cell,
        "files": [file for file in _FILES if (folder / file).is_file()],
        "before": _short(own.pop()) if len(own) == 1 else "",
        "parts": parts,
        "rows": [_row(rows[item], parts) if item in rows else None for item, *_ in items],
    }


def _row(row: Mapping[str, Any], parts: Sequence[str]) -> list[Any]:
    values = [_number(row.get("parts", {}).get(part)) for part in parts]
    read = None if row.get("extracted") is None else _short(str(row["extracted"]))
    return [_short(row["completion"]), _number(row["reward"]), read, values, row.get("length"), _notes(row)]


def _notes(row: Mapping[str, Any]) -> list[Any]:
    found = ["cut at the token cap"] if row.get("truncated") else []
    if not row.get("format_ok", True):
        found.append("not in the format asked for")
    if row.get("votes"):
        found.append(f"the most frequent of {row['votes']}")
    if "apart_reward" in row:
        found.append(f"the verifier apart from the reward gives {row['apart_reward']:g}")
    return [*found, *([_short(str(row["detail"]))] if row.get("detail") else [])]


def _number(value: Any) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    rounded = round(float(value), 4)
    return int(rounded) if rounded == int(rounded) else rounded


def _short(text: str) -> str | list[Any]:
    """A text, or its head, how many characters are left out, and its tail."""
    if len(text) <= _HEAD + _TAIL:
        return text
    return [text[:_HEAD], len(text) - _HEAD - _TAIL, text[-_TAIL:]]


def _cut(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The panels without the items that do not fit."""
    most = _that_fit(panels)
    for panel in panels:
        del panel["items"][most:]
        for arm in panel["arms"]:
            del arm["rows"][most:]
    return panels


def _that_fit(panels: Sequence[Mapping[str, Any]]) -> int:
    """How many items of each panel fit into `BYTES`; one at the least."""
    spent = sum(len(as_json({**panel, "items": [], "arms": []})) for panel in panels)
    spent += sum(len(as_json({**arm, "rows": []})) for panel in panels for arm in panel["arms"])
    for number in range(ITEMS):
        for panel in panels:
            if number < len(panel["items"]):
                column = [panel["items"][number], *(arm["rows"][number] for arm in panel["arms"])]
                spent += len(as_json(column).encode())
        if spent > BYTES and number:
            return number
    return ITEMS
