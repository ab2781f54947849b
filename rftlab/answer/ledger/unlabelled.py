"""Claim 3: RFT on prompts without labels."""

from collections.abc import Iterator

from rftlab.answer.comparisons import subtract
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tested
from rftlab.answer.ledger.view import COT, DIRECT, View, asked_as
from rftlab.answer.results import PASS_AT, arm_name

RANDOM = "grpo-random"
_K, _PROMPTS = 16, 200


def no_labels(view: View) -> Iterator[Tested | Missing]:
    """3: RFT with 0 labels and the most prompts it was given, minus the base and minus random reward on the same."""
    rft = view.role("rft")
    for panel in view.panels:
        tested = []
        for prompt in (COT, DIRECT):
            arms = view.by_prompts(panel, prompt, rft)
            if not arms:
                continue
            count = max(arms)
            rivals = ("base", arm_name(RANDOM, count))
            found = _against(view, panel, prompt, arms[count], rivals)
            if not found:
                continue

            def control(
                name: str, panel: Panel = panel, prompt: str = prompt, count: int = count
            ) -> tuple[Contrast, ...]:
                return _against(view, panel, prompt, arm_name(name, count), ("base",))

            axes = {**asked_as(prompt), "prompts": count}
            absent = [] if len(found) > 1 else [RANDOM]
            failed = [f"not run: {RANDOM} on the same prompts"] if absent else []
            failed += [why] if (why := _cannot_start(view, panel)) else []
            tested.append(
                view.tested(
                    panel, prompt, {arms[count]: found}, control, (arms[count], *rivals), failed=failed,
                    notes=(f"{count} prompts without labels",), control_axes=axes,
                )
            )  # fmt: skip
        yield from tested
        if not tested:
            entry = {"method": ["base", rft, RANDOM], "labels": 0, "prompts": _PROMPTS, **asked_as(COT)}
            why = f"no arm of {rft} trains on prompts alone (labels: 0, prompts: {_PROMPTS}) beside the base"
            yield Missing(panel, f"{why}; the verifier must need no gold answer", view.block(panel, entry))


def _against(view: View, panel: Panel, prompt: str, arm: str, rivals: tuple[str, ...]) -> tuple[Contrast, ...]:
    """An arm at 0 labels minus each of its rivals that was run."""
    first = view.arm(view.decides, panel, prompt, 0, arm)
    others = {name: view.arm(view.decides, panel, prompt, 0, name) for name in rivals}
    tables = {name: subtract(first, other) for name, other in others.items() if first and other}
    return tuple(Contrast(f"{arm} minus {name}", {0.0: table}) for name, table in tables.items() if table.size)


def _cannot_start(view: View, panel: Panel) -> str:
    """Why RFT could not start from this base; "" if it could."""
    cells = view.results.cells
    bases = cells[(cells["task"] == panel.task) & (cells["model"] == panel.model) & (cells["method"] == "base")]
    name = f"{PASS_AT}{_K}"
    if name not in bases or bases[name].isna().all():
        return f"pass@{_K} of the base was not measured; give evaluation.samples: {_K} or more"
    return "" if (bases[name] > 0).any() else f"pass@{_K} of the base is 0: RFT cannot start"
