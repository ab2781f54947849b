"""Claims on accuracy over label budgets: 1, 2, 6 and 12."""

from collections.abc import Iterator
from typing import Any

from rftlab.answer.comparisons import EQUAL_COMPUTE
from rftlab.answer.groups import listed
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tables, Tested
from rftlab.answer.ledger.view import CONTROLS, COT, DIRECT, View, asked_as
from rftlab.registry import trains

FEW, MANY = 100, 300
UNTRAINED_RIVALS = ("base", "base-few-shot", "base-maj")
_PROMPTS = (COT, DIRECT)


def few_labels(view: View) -> Iterator[Tested | Missing]:
    """1: RFT minus SFT over 10 to 100 labels, greedy and sampled."""
    rft, sft = view.role("rft"), view.role("sft")
    sampled = view.decides.replace("accuracy", "sampled_accuracy").replace("score", "sampled_score")
    for panel in view.panels:
        tested = []
        for prompt in _PROMPTS:
            for part, measure in (("greedy", view.decides), ("sampled", sampled)):
                tables = view.pair(measure, panel, prompt, rft, sft)
                if not _cover(tables):
                    continue

                def control(
                    name: str, measure: str = measure, prompt: str = prompt, panel: Panel = panel
                ) -> tuple[Contrast, ...]:
                    return (_minus(name, sft, up_to(view.pair(measure, panel, prompt, name, sft), FEW)),)

                arms = {rft: (_minus(rft, sft, tables)._replace(span=(10, FEW)),)}
                failed = _incomplete(up_to(tables, FEW))
                notes = (f"{sft} learns the rationales of the labels, {rft} none",) if prompt == COT else ()
                tested.append(
                    view.tested(
                        panel, prompt, arms, control, (rft, sft), part=part, failed=failed, notes=notes,
                        primary=part == "greedy",
                        asked="evaluation.test_items" if part == "greedy" else "evaluation.sampled_items",
                    )
                )  # fmt: skip
        yield from tested
        if not tested:
            there = up_to(view.pair(view.decides, panel, COT, rft, sft), FEW)
            entry = {"method": [rft, sft], "labels": _to_cover(there), **asked_as(COT)}
            why = f"{rft} and {sft} have no 3 budgets in common that span 10 to {FEW} labels"
            yield Missing(panel, why, view.block(panel, entry))


def many_labels(view: View) -> Iterator[Tested | Missing]:
    """2: SFT minus RFT with direct prompts at the two largest budgets, and its rise with labels."""
    rft, sft = view.role("rft"), view.role("sft")
    for panel in view.panels:
        tables = view.pair(view.decides, panel, DIRECT, sft, rft)
        largest = sorted(n for n in tables if n >= MANY)[-2:]
        if len(largest) < 2:
            labels = [*map(int, largest), *(n for n in (MANY, 10 * FEW) if n not in largest)][:2]
            entry = {"method": [rft, sft], "labels": sorted(labels), **asked_as(DIRECT)}
            why = f"{sft} and {rft} have no two budgets of {MANY} labels or more with direct prompts"
            yield Missing(panel, why, view.block(panel, entry))
            continue

        def control(name: str, largest: list[float] = largest, panel: Panel = panel) -> tuple[Contrast, ...]:
            tables = view.pair(view.decides, panel, DIRECT, name, rft)
            return tuple(_minus(name, rft, tables, (n, n)) for n in largest if n in tables)

        at = [_minus(sft, rft, tables, (n, n)) for n in largest]
        rise = Contrast(f"rise of {sft} minus {rft} per tenfold of labels", tables, slope=True)
        failed = _overlap(view, panel, sft, int(largest[-1]))
        yield view.tested(panel, DIRECT, {sft: (*at, rise)}, control, (rft, sft), failed=failed)


def hybrid(view: View) -> Iterator[Tested | Missing]:
    """6: the hybrid minus SFT, and minus RFT, at equal training FLOPs."""
    rivals = (view.role("sft"), view.role("rft"))
    mixed = view.role("hybrid")
    for panel in view.panels:
        tested = []
        for prompt in _PROMPTS:
            measure = EQUAL_COMPUTE
            tables = _against(view, measure, panel, prompt, mixed, rivals)
            if not tables:
                measure = view.decides
                tables = _against(view, measure, panel, prompt, mixed, rivals)
            if not tables:
                continue

            def control(
                name: str, measure: str = measure, prompt: str = prompt, panel: Panel = panel
            ) -> tuple[Contrast, ...]:
                found = _against(view, measure, panel, prompt, name, rivals)
                return tuple(_minus(name, rival, each) for rival, each in found.items())

            arms = {mixed: tuple(_minus(mixed, rival, each) for rival, each in tables.items())}
            budgets = next(iter(tables.values()))
            unequal = view.unequal(measure, panel, prompt, (mixed, *rivals), budgets)
            failed = (unequal,) if unequal else ()
            part = "at equal compute" if measure == EQUAL_COMPUTE else ""
            tested.append(view.tested(panel, prompt, arms, control, (mixed, *rivals), part=part, failed=failed))
        yield from tested
        if not tested:
            labels = view.budgets(view.decides, panel, COT, rivals[0]) or [FEW]
            entry = {"method": [mixed, *rivals], "labels": labels, **asked_as(COT)}
            why = f"{listed([mixed, *rivals])} have no budget in common"
            yield Missing(panel, why, view.block(panel, entry))


def any_training(view: View) -> Iterator[Tested | Missing]:
    """12: the best trained arm minus the base, minus the base with examples in its prompt, minus its majority."""
    named = view.decisions.plan.arms(set(view.results.cells["method"]))
    trained = [name for name in named if trains(name) and name not in CONTROLS]
    for panel in view.panels:
        tested = []
        for prompt in _PROMPTS:
            tables = {arm: _each(view, view.decides, panel, prompt, arm) for arm in trained}
            tables = {arm: found for arm, found in tables.items() if "base" in found}
            if not tables:
                continue
            rivals = [name for name in UNTRAINED_RIVALS if all(name in found for found in tables.values())]
            absent = [name for name in UNTRAINED_RIVALS if name not in rivals]
            arms = {arm: tuple(_minus(arm, rival, found[rival]) for rival in rivals) for arm, found in tables.items()}

            def control(
                name: str, prompt: str = prompt, rivals: list[str] = rivals, panel: Panel = panel
            ) -> tuple[Contrast, ...]:
                found = _each(view, view.decides, panel, prompt, name)
                return tuple(_minus(name, rival, found.get(rival, {})) for rival in rivals)

            labels = sorted({int(n) for found in tables.values() for n in found["base"]})
            entry = {"method": absent, "labels": labels, **asked_as(prompt)}
            failed = (f"not run: {listed(absent)}",) if absent else ()
            notes = ("the majority's samples are not held to the tokens of the others",) if "base-maj" in rivals else ()
            tested.append(
                view.tested(
                    panel, prompt, arms, control, (*tables, *rivals), [entry] if absent else [], failed=failed,
                    notes=notes,
                )
            )  # fmt: skip
        yield from tested
        if not tested:
            labels = sorted({n for arm in trained for n in view.budgets(view.decides, panel, COT, arm)}) or [FEW]
            methods = [*UNTRAINED_RIVALS, *(trained or (view.role("sft"), view.role("rft")))]
            entry = {"method": methods, "labels": labels, **asked_as(COT)}
            yield Missing(panel, "no trained arm stands beside the base", view.block(panel, entry))


def _minus(first: str, second: str, tables: Tables, span: tuple[float, float] | None = None) -> Contrast:
    return Contrast(f"{first} minus {second}", tables, span)


def up_to(tables: Tables, most: float) -> dict[float, Any]:
    """Those of so many labels at most."""
    return {n: table for n, table in tables.items() if n <= most}


def _cover(tables: Tables) -> bool:
    few = up_to(tables, FEW)
    return len(few) >= 3 and min(few) <= 10 and max(tables) >= FEW


def _to_cover(there: Tables) -> list[int]:
    """Budgets that would make three that span 10 to 100."""
    wanted = {int(n) for n in there} | {10, FEW}
    return sorted(wanted if len(wanted) > 2 else wanted | {30})


def _incomplete(tables: Tables) -> tuple[str, ...]:
    seeds = {n: set(table.index) for n, table in tables.items()}
    short = [f"{n:g}" for n, own in seeds.items() if own != set.union(*seeds.values())]
    return (f"not every seed has run at {listed(short)} labels",) if short else ()


def _against(view: View, measure: str, panel: Panel, prompt: str, arm: str, rivals: tuple[str, ...]) -> dict[str, Any]:
    """Tables of an arm against each rival, at the budgets where it stands beside all; none if it does nowhere."""
    found = {rival: view.pair(measure, panel, prompt, arm, rival) for rival in rivals}
    common = set.intersection(*(set(each) for each in found.values()))
    return {rival: {n: each[n] for n in sorted(common)} for rival, each in found.items()} if common else {}


def _each(view: View, measure: str, panel: Panel, prompt: str, arm: str) -> dict[str, Any]:
    """Tables of an arm against each untrained rival that it stands beside."""
    found = {rival: view.pair(measure, panel, prompt, arm, rival) for rival in UNTRAINED_RIVALS}
    return {rival: tables for rival, tables in found.items() if tables}


def _overlap(view: View, panel: Panel, arm: str, labels: int) -> tuple[str, ...]:
    """Whether two seeds drew more than half of their labels alike."""
    share = view.shared_labels(panel, DIRECT, arm, labels)
    if share != share:
        return ("one seed: whether label sets overlap is unknown",)
    return (f"seeds share {100 * share:.0f} % of their labels at {labels}",) if share >= 0.5 else ()
