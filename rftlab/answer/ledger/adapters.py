"""Claim 11: LoRA beside full fine-tuning of the same method."""

from collections.abc import Iterator

import pandas as pd

from rftlab import stats
from rftlab.answer import contracts
from rftlab.answer.groups import listed
from rftlab.answer.items import item_table
from rftlab.answer.ledger.accuracy import FEW
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tested
from rftlab.answer.ledger.view import COT, View, asked_as
from rftlab.answer.results import is_base
from rftlab.contract import SEEDS

_KINDS = ("lora", "full")


def low_rank(view: View) -> Iterator[Tested | Missing]:
    """11: accuracy with LoRA minus that of full fine-tuning, method by method."""
    cells = view.results.cells
    trained = cells[~is_base(cells) & cells["adapter.kind"].isin(_KINDS)]
    tested = []
    for (task, model, prompt, method), runs in trained.groupby(["task", "model", "prompt", "method"]):
        kinds = {kind: runs[runs["adapter.kind"] == kind] for kind in _KINDS}
        common = sorted(set(kinds["lora"]["labels"]) & set(kinds["full"]["labels"]))
        if not common:
            continue
        panel = Panel(str(task), str(model), "")
        sides = {kind: part[part["labels"].isin(common)] for kind, part in kinds.items()}
        told = _told_apart(view, *sides.values())
        tables = {
            float(n): stats.paired_table(*(_outcomes(view, part[part["labels"] == n]) for part in sides.values()))
            for n in common
        }
        tables = {n: table for n, table in tables.items() if table.size}
        if told or not tables:
            yield Missing(panel, told or f"{method} with LoRA and in full share no seed and item")
            continue
        both = pd.concat(sides.values())
        rates = () if (both["tuned_by"] != "").all() else (f"no tuning stage chose the learning rates of {method}",)
        name = f"{method} with LoRA minus {method} in full"
        tested.append(
            Tested(
                panel, str(prompt), str(method), {str(method): (Contrast(name, tables),)}, None,
                tuple(sorted(both["id"])), rates, alike=True,
            )
        )  # fmt: skip
    yield from tested
    if not tested:
        yield _missing(view)


def _missing(view: View) -> Missing:
    rft, sft = view.role("rft"), view.role("sft")
    panel = view.widest
    labels = view.budgets(view.decides, panel, COT, rft)[-1:] or [FEW]
    entry = {"method": [rft, sft], "labels": labels, **asked_as(COT), "adapter.kind": list(_KINDS)}
    return Missing(panel, "no method was trained with both adapters", view.block(panel, entry))


def _told_apart(view: View, lora: pd.DataFrame, full: pd.DataFrame) -> str:
    """Why the two must not be compared; "" if they may."""
    key = ["labels", *SEEDS]
    if lora.duplicated(key).any() or full.duplicated(key).any():
        return "several settings of one adapter were run: compare them in studies of their own"
    pairs = lora.merge(full, on=key, suffixes=("", "_full"))
    terms = {record.id: contracts.terms(record) for record in view.results.records}
    refused: dict[str, None] = {}
    for one, other in zip(pairs["id"], pairs["id_full"], strict=True):
        refused |= dict.fromkeys(contracts.fields_against(terms[one], terms[other], "adapter").refused)
    return f"they differ in {listed(list(refused))} too" if refused else ""


def _outcomes(view: View, cells: pd.DataFrame) -> pd.DataFrame:
    return item_table(view.results.where, cells, view.decides)
