"""Claims on other items than the test items: memorising (5) and generalising (8)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rftlab import record
from rftlab.answer.comparisons import Place
from rftlab.answer.groups import listed
from rftlab.answer.items import read_lines
from rftlab.answer.ledger.accuracy import FEW, up_to
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tables, Tested, beside, over_seeds
from rftlab.answer.ledger.view import COT, DIRECT, View, asked_as
from rftlab.answer.phrases import interval

ITEMS = 200
_KINDS = {"rule changed": "ood_rule_accuracy", "surface changed": "ood_surface_accuracy"}
_ASKED = "evaluation.ood_items"
_PROMPTS = (COT, DIRECT)


def overfitting(view: View) -> Iterator[Tested | Missing]:
    """5: train minus test accuracy, SFT's minus RFT's; the base's is the same for both, and falls out."""
    rft, sft = view.role("rft"), view.role("sft")
    for panel in view.panels:
        tested = []
        for prompt in _PROMPTS:
            gaps = _gaps(view, panel, prompt, sft, rft)
            if not gaps:
                continue

            def control(name: str, prompt: str = prompt, panel: Panel = panel) -> tuple[Contrast, ...] | None:
                if learnt_less(view, panel, prompt, name, rft):
                    return None  # whoever learns nothing memorises nothing
                return (_contrast(f"gap of {sft} minus gap of {name}", _gaps(view, panel, prompt, sft, name)),)

            unequal = view.unequal("accuracy", panel, prompt, (sft, rft), gaps)
            failed = (unequal,) if unequal else ()
            arms = {sft: (_contrast(f"gap of {sft} minus gap of {rft}", gaps),)}
            notes = (_loss(view, panel, prompt, sft, rft, gaps),)
            tested.append(view.tested(panel, prompt, arms, control, (sft, rft), failed=failed, notes=notes))
            falls = _falls(view, panel, prompt, sft, rft, gaps)
            if falls:
                arms = {sft: (_contrast(f"fall of {sft} from its best minus that of {rft}", falls),)}
                part = "fall from the best of the learning curve"
                tested.append(
                    view.tested(panel, prompt, arms, None, (sft, rft), part=part, failed=failed, primary=False)
                )
        yield from tested
        if not tested:
            entry = {"method": [sft, rft], "labels": [FEW], **asked_as(COT)}
            why = f"{sft} and {rft} have no train accuracy at a common budget up to {FEW} labels"
            yield Missing(panel, why, view.block(panel, entry))


def generalising(view: View) -> Iterator[Tested | Missing]:
    """8: out of distribution minus test accuracy, and out of distribution itself, RFT's minus SFT's, by kind."""
    rft, sft = view.role("rft"), view.role("sft")
    for panel in view.panels:
        tested = []
        for prompt in _PROMPTS:
            for part, measure in _KINDS.items():
                tables = view.pair(measure, panel, prompt, rft, sft)
                if not tables:
                    continue

                def control(
                    name: str, prompt: str = prompt, measure: str = measure, panel: Panel = panel
                ) -> tuple[Contrast, ...]:
                    return _beyond(view, measure, panel, prompt, name, sft)

                items = min(table.shape[1] for table in tables.values())
                few = items < ITEMS
                labels = sorted(map(int, tables))
                entry = {
                    "method": ["base", rft, sft],
                    "labels": labels,
                    **asked_as(prompt),
                    _ASKED: ITEMS,
                }
                failed = (f"{items} items of this kind, not {ITEMS}",) if few else ()
                tested.append(
                    view.tested(
                        panel, prompt, {rft: _beyond(view, measure, panel, prompt, rft, sft)}, control, (rft, sft),
                        [entry] if few else [], part=part, failed=failed,
                        control_axes={**asked_as(prompt), _ASKED: max(items, ITEMS)} if few else asked_as(prompt),
                        notes=against_base(view, measure, panel, prompt, (rft, sft), tables), asked=_ASKED,
                    )
                )  # fmt: skip
        yield from tested
        if not tested:
            labels = sorted(map(int, view.pair(view.decides, panel, COT, rft, sft))) or [FEW]
            entry = {"method": ["base", rft, sft], "labels": labels, **asked_as(COT), _ASKED: ITEMS}
            why = f"{rft} and {sft} were not both asked items out of distribution of a kind"
            yield Missing(panel, why, view.block(panel, entry))


def _contrast(name: str, tables: Tables) -> Contrast:
    return Contrast(name, tables, bound=2.0)


def _gaps(view: View, panel: Panel, prompt: str, first: str, second: str) -> dict[float, pd.DataFrame]:
    """Train minus test accuracy of one arm minus that of another, a value a seed: its train items are its own."""
    train = view.pair("train_accuracy", panel, prompt, first, second)
    test = view.pair("accuracy", panel, prompt, first, second)
    both = {n: beside(over_seeds(train[n]), over_seeds(test[n])) for n in up_to(train, FEW) if n in test}
    return {n: table for n, table in both.items() if table.size}


def learnt_less(view: View, panel: Panel, prompt: str, control: str, arm: str) -> bool:
    """Whether a control is decided to be worse than an arm on the test items, at every budget that both have."""
    labels = view.pair(view.decides, panel, prompt, control, arm)
    found = [view.decisions.between(Place(*panel, prompt, int(n)), control, arm) for n in labels]
    return bool(found) and all(each is not None and each.word == "worse" for each in found)


def _loss(view: View, panel: Panel, prompt: str, first: str, second: str, labels: Tables) -> str:
    found = {n: view.decisions.between(Place(*panel, prompt, int(n)), first, second, "accuracy") for n in labels}
    worse = [f"{n:g}" for n, each in found.items() if each and each.word == "worse"]
    if worse:
        return f"test accuracy of {first} is worse at {listed(worse)} labels"
    return f"test accuracy of {first} is nowhere decided to be worse: a gap is then memorised, harmless"


def _falls(view: View, panel: Panel, prompt: str, first: str, second: str, labels: Tables) -> dict[float, pd.DataFrame]:
    """How far an arm ended below the best of its learning curve, minus the same of another, a value a seed."""
    found = {}
    for n in labels:
        both = [_fall(view, panel, prompt, name, n) for name in (first, second)]
        if (table := beside(*both)).size:
            found[n] = table
    return found


def _fall(view: View, panel: Panel, prompt: str, arm: str, labels: float) -> pd.DataFrame:
    values = {}
    for cell, seed in view.seeds(panel, prompt, arm, labels).items():
        rows = read_lines(view.results.where, cell, record.TRACE, containing='"kind": "eval"')
        curve = [row[f"eval/{view.decides}"] for row in rows if row.get(f"eval/{view.decides}") is not None]
        if len(curve) > 1:
            values[seed] = max(curve) - curve[-1]
    return pd.DataFrame({"curve": pd.Series(values, dtype=float)})


def against_base(
    view: View, measure: str, panel: Panel, prompt: str, arms: tuple[str, ...], labels: Tables
) -> tuple[str, ...]:
    """How arms compare with the base by a measure, at the largest of these budgets, in words."""
    n = max(labels)
    found = {arm: view.decisions.between(Place(*panel, prompt, int(n)), arm, "base", measure) for arm in arms}
    told = [f"{arm} {interval(each.difference)}" for arm, each in found.items() if each and each.difference.seeds]
    return (f"against the base at {n:g} labels: {', '.join(told)}",) if told else ()


def _beyond(view: View, measure: str, panel: Panel, prompt: str, first: str, second: str) -> tuple[Contrast, ...]:
    """Out of distribution itself, and less test accuracy, of one arm minus another."""
    ood = view.pair(measure, panel, prompt, first, second)
    test = view.pair("accuracy", panel, prompt, first, second)
    less = {n: less_other_items(ood[n], test[n]) for n in ood if n in test}
    less = {n: table for n, table in less.items() if table.size}
    return (
        Contrast(f"out of distribution, {first} minus {second}", ood),
        _contrast(f"out of distribution less test accuracy, {first} minus {second}", less),
    )


def less_other_items(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """A table whose mean is that of the first minus that of the second, of the same seeds and other items.

    Items of either are a sample of their own. Those of the larger table are put together in as many groups as the other
    has items, each beside one of them: columns are then independent of each other, as items are.
    """
    seeds = first.index.intersection(second.index)
    columns = min(first.shape[1], second.shape[1])
    grouped = [_grouped(table.loc[seeds].to_numpy(dtype=float), columns) for table in (first, second)]
    return pd.DataFrame(grouped[0] - grouped[1], index=seeds)


def _grouped(values: np.ndarray, columns: int) -> np.ndarray:
    """Sums over every so-manieth item, scaled so that their mean is that of all."""
    sums = [values[:, start::columns].sum(axis=1) for start in range(columns)]
    return np.column_stack(sums) * columns / values.shape[1] if columns else values[:, :0]
