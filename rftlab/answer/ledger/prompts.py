"""Claim 4, on chain-of-thought: how much of its effect is RFT's more than SFT's."""

from collections.abc import Iterator

import pandas as pd

from rftlab.answer.comparisons import Place, subtract
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tables, Tested, beside
from rftlab.answer.ledger.view import COT, DIRECT, View
from rftlab.plots.cells import prompt_name

_ASKED_ONLY = prompt_name(False, True)
_BOTH_WAYS = (COT, DIRECT, _ASKED_ONLY, prompt_name(True, False))


def chain_of_thought(view: View) -> Iterator[Tested | Missing]:
    """4: what chain-of-thought adds to RFT minus what it adds to SFT; and what training with it adds, asked with it."""
    rft, sft = view.role("rft"), view.role("sft")
    for panel in view.panels:
        tables = _more(view, panel, DIRECT, rft, sft)
        if not tables:
            there = view.pair(view.decides, panel, COT, rft, sft)
            entry = {"method": [rft, sft], "labels": _one_of(there), "cot": "2x2"}
            why = f"{rft} and {sft} were not both trained with and without chain-of-thought"
            yield Missing(panel, why, view.block(panel, entry))
            continue
        absent = [prompt for prompt in _BOTH_WAYS if not view.pair(view.decides, panel, prompt, rft, sft)]
        failed = (f"not the full 2x2: missing is {'; '.join(absent)}",) if absent else ()
        missing = [{"method": [rft, sft], "labels": [int(n) for n in tables], "cot": "2x2"}] if absent else []
        for part, without in (("", DIRECT), ("trained with it, asked with it", _ASKED_ONLY)):
            tables = _more(view, panel, without, rft, sft)
            if not tables:
                continue

            def control(name: str, panel: Panel = panel, without: str = without) -> tuple[Contrast, ...]:
                return (_contrast(name, sft, _more(view, panel, without, name, sft)),)

            yield view.tested(
                panel, COT, {rft: (_contrast(rft, sft, tables),)}, control, (rft, sft), missing, part=part,
                cells=view.ids(panel, (COT, without), (rft, sft, "base"), tables), failed=failed,
                notes=_notes(view, panel, sft), primary=not part, control_axes={"cot": "2x2"},
            )  # fmt: skip


def _contrast(first: str, second: str, tables: Tables) -> Contrast:
    return Contrast(f"gain of {first} from chain-of-thought minus that of {second}", tables, bound=2.0)


def _more(view: View, panel: Panel, without: str, first: str, second: str) -> dict[float, pd.DataFrame]:
    """What chain-of-thought adds to one arm minus what it adds to another, by budget."""
    with_it = _gain(view, panel, without, first)
    other = _gain(view, panel, without, second)
    found = {n: beside(with_it[n], other[n]) for n in with_it if n in other}
    return {n: table for n, table in found.items() if table.size}


def _gain(view: View, panel: Panel, without: str, arm: str) -> dict[float, pd.DataFrame]:
    found = {}
    for labels in view.budgets(view.decides, panel, COT, arm):
        both = [view.arm(view.decides, panel, prompt, labels, arm) for prompt in (COT, without)]
        if both[0] and both[1] and both[1].place.labels:
            found[float(labels)] = subtract(both[0], both[1])
    return found


def _one_of(there: Tables) -> int:
    """A budget that was run with chain-of-thought, as near to 100 as there is."""
    return int(min(there, key=lambda n: abs(n - 100), default=100))


def _notes(view: View, panel: Panel, sft: str) -> tuple[str, ...]:
    levels = [view.decisions.level(Place(*panel, prompt, 0), "base") for prompt in (DIRECT, COT)]
    shares = [f"{100 * level.mean.estimate:.0f} %" for level in levels if level]
    base = f"the base alone: {shares[0]} asked directly, {shares[1]} asked for it" if len(shares) == 2 else ""
    return tuple(text for text in (base, f"{sft} learns the rationales of the labels") if text)
