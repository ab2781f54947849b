"""Claim 7: whether RFT forgets less where it has learnt as much."""

from collections.abc import Iterator
from statistics import fmean

from rftlab.answer.comparisons import Place
from rftlab.answer.groups import listed
from rftlab.answer.ledger.accuracy import FEW
from rftlab.answer.ledger.beyond import against_base, learnt_less
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tables, Tested
from rftlab.answer.ledger.view import COT, DIRECT, View, asked_as

ASKED = "evaluation.retention_items, of all its tasks together"
_RETENTION = "retention_accuracy"
_PROMPTS = (COT, DIRECT)


def forgetting(view: View) -> Iterator[Tested | Missing]:
    """7: retention of RFT minus that of SFT, at budgets where their accuracies on the task are alike."""
    rft, sft = view.role("rft"), view.role("sft")
    margin = view.decisions.plan.smallest_effect
    for panel in view.panels:
        tested, why, include = [], "", ""
        for prompt in _PROMPTS:
            kept = view.pair(_RETENTION, panel, prompt, rft, sft)
            alike = {n: table for n, table in kept.items() if abs(_ahead(view, panel, prompt, rft, sft, n)) <= margin}
            if not alike:
                if kept and not why:
                    why = f"accuracies of {rft} and {sft} differ by more than {100 * margin:g} points at every budget"
                continue

            def control(
                name: str, prompt: str = prompt, alike: Tables = alike, panel: Panel = panel
            ) -> tuple[Contrast, ...] | None:
                if learnt_less(view, panel, prompt, name, rft):
                    return None
                tables = view.pair(_RETENTION, panel, prompt, name, sft)
                return (Contrast(f"retention of {name} minus {sft}", {n: tables[n] for n in alike if n in tables}),)

            arms = {rft: (Contrast(f"retention of {rft} minus {sft}", alike),)}
            failed = _not_shown_alike(view, panel, prompt, rft, sft, alike)
            failed += () if view.retained(panel) >= 2 else ("fewer than two tasks not trained on",)
            notes = _kept(view, panel, prompt, (rft, sft), alike)
            tested.append(
                view.tested(panel, prompt, arms, control, (rft, sft), failed=failed, notes=notes, asked=ASKED)
            )
        yield from tested
        if not tested:
            if not why:
                labels = sorted(map(int, view.pair(view.decides, panel, COT, rft, sft))) or [FEW]
                entry = {
                    "method": ["base", rft, sft],
                    "labels": labels,
                    **asked_as(COT),
                    "evaluation.retention": "auto",
                }
                why, include = "retention was not measured", view.block(panel, entry)
            yield Missing(panel, why, include)


def _ahead(view: View, panel: Panel, prompt: str, first: str, second: str, labels: float) -> float:
    found = view.decisions.between(Place(*panel, prompt, int(labels)), first, second)
    return found.difference.estimate if found else float("inf")


def _not_shown_alike(view: View, panel: Panel, prompt: str, first: str, second: str, labels: Tables) -> tuple[str, ...]:
    words = {n: view.decisions.between(Place(*panel, prompt, int(n)), first, second) for n in labels}
    open_at = [f"{n:g}" for n, each in words.items() if each is None or each.word != "same"]
    margin = 100 * view.decisions.plan.smallest_effect
    return (
        (f"accuracies are not shown to be the same within {margin:g} at {listed(open_at)} labels",) if open_at else ()
    )


def _kept(view: View, panel: Panel, prompt: str, arms: tuple[str, ...], labels: Tables) -> tuple[str, ...]:
    """Forward KL of both arms, and how each stands to the base."""
    told = []
    for arm in arms:
        values = [row for n in labels for row in view.values(panel, prompt, arm, n, "kl_from_base") if row == row]
        told += [f"{arm} {fmean(values):.3f}"] if values else []
    kl = (f"forward KL in nats a token: {', '.join(told)}",) if told else ()
    return (*kl, *against_base(view, _RETENTION, panel, prompt, arms, labels))
