"""Claim 9: whether RFT solves what the base never does."""

from collections.abc import Iterator

import pandas as pd

from rftlab.answer.ledger.accuracy import FEW
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tested
from rftlab.answer.ledger.view import COT, View, asked_as
from rftlab.answer.results import PASS_AT

K, SAMPLES, ITEMS = 128, 256, 100
_SAMPLED = "sampled_accuracy"
_VARIED = "distinct_correct_rationales"


def own_reasoning(view: View) -> Iterator[Tested | Missing]:
    """9: pass@128 of RFT minus the base's, of 256 samples of 100 items."""
    rft, sft = view.role("rft"), view.role("sft")
    for panel in view.panels:
        tables = _pass_at(view, panel, rft)
        items = min((table.shape[1] for table in tables.values()), default=0)
        if items < ITEMS:
            labels = view.budgets(view.decides, panel, COT, rft)[-1:] or [FEW]
            asked = {"evaluation.samples": SAMPLES, "evaluation.sampled_items": ITEMS}
            entry = {"method": ["base", rft, sft], "labels": labels, **asked_as(COT), **asked}
            why = f"base and {rft} have no {SAMPLES} samples of {ITEMS} items each"
            yield Missing(panel, why, view.block(panel, entry))
            continue

        def control(name: str, panel: Panel = panel) -> tuple[Contrast, ...]:
            return (_contrast(name, _pass_at(view, panel, name)),)

        known = [value for n in tables for value in view.values(panel, COT, rft, n, _VARIED) if value == value]
        failed = () if known else ("the rationales of right answers were not verified",)
        yield view.tested(
            panel, COT, {rft: (_contrast(rft, tables),)}, control, (rft, sft, "base"), failed=failed,
            notes=_notes(view, panel, (rft, sft), max(tables)), asked="evaluation.sampled_items",
        )  # fmt: skip


def _contrast(arm: str, tables: dict[float, pd.DataFrame]) -> Contrast:
    return Contrast(f"pass@{K} of {arm} minus the base's", tables)


def _pass_at(view: View, panel: Panel, arm: str) -> dict[float, pd.DataFrame]:
    """pass@128 of an arm minus the base's, by budget, a row a seed and a column an item."""
    return view.pair(f"{PASS_AT}{K}", panel, COT, arm, "base")


def _notes(view: View, panel: Panel, arms: tuple[str, ...], labels: float) -> tuple[str, ...]:
    """Items that only training solves, and how many ways to a right answer each arm has."""
    base = view.arm(_SAMPLED, panel, COT, labels, "base")
    told = []
    for name in arms:
        arm = view.arm(_SAMPLED, panel, COT, labels, name)
        if arm and base:
            ever = [each.table.max() > 0 for each in (arm, base)]
            share = float((ever[0] & ~ever[1].reindex(ever[0].index, fill_value=False)).mean())
            told.append(f"{name} solves {100 * share:.0f} % of items that the base never does")
        ways = [value for value in view.values(panel, COT, name, labels, _VARIED) if value == value]
        told += [f"{name} has {sum(ways) / len(ways):.1f} distinct correct rationales of 8"] if ways else []
    return tuple(told)
