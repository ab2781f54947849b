"""Claim 13: learning from comparisons beside SFT and the base, by win rate."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from rftlab.answer.contests import EVEN, Count, counts
from rftlab.answer.ledger.accuracy import FEW
from rftlab.answer.ledger.contrasts import Contrast, Missing, Panel, Tested
from rftlab.answer.ledger.view import DIRECT, View, asked_as
from rftlab.record.judgements import read_judges
from rftlab.registry import family_of

_LEARNERS = ("rlhf", "dpo")


def preference(view: View) -> Iterator[Tested | Missing]:
    """13: share that an arm that learns from comparisons wins of SFT, and of the base, minus one half."""
    sft = view.role("sft")
    present = set(view.results.cells["method"])
    named = view.decisions.plan.arms(present)
    learners = [name for name in named if family_of(name) == "preference"]
    learners = learners or [name for name in _LEARNERS if name in present]
    found = counts(view.results)
    judges = list(dict.fromkeys(each.judge for each in found))
    tested = []
    for panel, prompt in dict.fromkeys((Panel(*key[:3]), key[3]) for key in view.decisions.panels):
        for number, judge in enumerate(judges):
            said = [c for c in found if c.judge == judge and c.contest.place[:4] == (*panel, prompt)]
            arms = {arm: _over(said, arm, (sft, "base")) for arm in learners}
            arms = {arm: contrasts for arm, contrasts in arms.items() if len(contrasts) == 2}
            if not arms:
                continue
            tested.append(
                view.tested(
                    panel, prompt, arms, None, (*arms, sft, "base"), part=f"by {judge}", primary=number == 0,
                    notes=_notes(view, said, arms),
                )
            )  # fmt: skip
    yield from tested
    if not tested:
        panel = view.widest
        absent = [name for name in ("base", sft, *(learners or _LEARNERS)) if name not in present]
        labels = max((place[4] for place in (level.place for level in view.decisions.levels)), default=0) or FEW
        entry = {"method": absent, "labels": labels, **asked_as(DIRECT)}
        lacking = f"{', '.join(absent)} were not run, and " if absent else ""
        yield Missing(
            panel,
            f"{lacking}nobody has judged their completions: rftlab judge",
            view.block(panel, *([entry] if absent else [])),
        )


def _over(said: Sequence[Count], arm: str, rivals: Sequence[str]) -> tuple[Contrast, ...]:
    """What an arm won of each rival minus one half, at every budget where they were judged; those there are."""
    found = []
    for rival in rivals:
        tables = {
            float(each.contest.place.labels): table for each in said if (table := _won(each, arm, rival)) is not None
        }
        if tables:
            found.append(Contrast(f"win rate of {arm} over {rival}, less one half", tables, bound=EVEN))
    return tuple(found)


def _won(each: Count, arm: str, rival: str) -> pd.DataFrame | None:
    if (each.contest.first, each.contest.second) == (arm, rival):
        return each.table - EVEN
    return EVEN - each.table if (each.contest.first, each.contest.second) == (rival, arm) else None


def _notes(view: View, said: Sequence[Count], arms: Mapping[str, object]) -> tuple[str, ...]:
    """Lengths, position bias and what is known of the judge."""
    notes = []
    for each in said:
        contest, both = each.contest, each.verdicts["both orders"]
        if arms.keys() & {contest.first, contest.second}:
            bias = f", orders disagreed on {each.verdicts['disagreed'] / both:.0%}" if both else ""
            lengths = f"{each.tokens[0]:.0f} against {each.tokens[1]:.0f} tokens"
            notes.append(f"{contest.first} and {contest.second} at {contest.place.labels} labels: {lengths}{bias}")
    known = {by: made for facts in read_judges(view.results.where).values() for by, made in facts.items()}
    for made in (known.get(by) for by in dict.fromkeys(each.by for each in said)):
        if isinstance(made, dict) and "agreement_held_out" in made:
            by = "the verifier's" if made.get("simulated_by_verifier") else "its file's"
            notes.append(f"the judge agrees with {made['agreement_held_out']:.0%} of {by} pairs held out from it")
    return tuple(notes)
