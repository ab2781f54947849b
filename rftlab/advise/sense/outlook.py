"""From figures to forecasts: will RFT get a signal, will SFT, and what to do where not. Pure functions.

The bounds are ours, made on one half of the settings in docs/sense.md and held against the other half; the published
rule stands beside them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan
from statistics import fmean
from typing import Literal, NamedTuple

from rftlab.advise.sense.signal import Signal
from rftlab.answer import published as by
from rftlab.stats import Difference, Interval, points

Word = Literal["yes", "no", "unsure"]

SOLVED, SELDOM, OFTEN = 0.95, 0.25, 0.5
"""Accuracy that leaves nothing to learn; pass@8 below which most groups are all wrong, and from which few are."""
FEW_PROMPTS = 30
"""Fewer are learnt by heart where right answers are rare."""
SMALL = 0.05
"""A gain that is not worth having, a share of accuracy."""
FALLEN, FRESH = 0.25, 50
"""Share by which the loss of the short SFT falls where it learns, and labels from which on that is not by heart."""
_FORM, _CUT, _TRIES = 0.5, 0.1, 8
_LITTLE = 0.2
"""So little to gain that it is said."""
TRACK: Mapping[tuple[str, Word], tuple[int, int]] = {
    ("RFT", "yes"): (6, 10), ("RFT", "unsure"): (3, 9), ("RFT", "no"): (0, 13),
    ("SFT", "yes"): (13, 15), ("SFT", "unsure"): (2, 11), ("SFT", "no"): (0, 6),
}  # fmt: skip
"""Of the tiny base's settings in docs/sense.md of which that was said: how many improved, of how many."""


@dataclass(frozen=True)
class Seen:
    """What was found of a task and its base.

    Attributes:
        cot: whether the way that is planned is with chain-of-thought.
        signals: by how the base was asked: cot, direct, shots (labels before the prompt), taught (after a short SFT).
        gains: greedy accuracy: cot (minus direct), shots and taught (each minus the base, asked the planned way).
        labels: that SFT and RFT may have.
        taught_on: labels of the short SFT.
        steps: of the short SFT.
        prompts: that RFT may have, labelled or not.
        losses: of the short SFT, nats per token, step by step; the first is the base's.
        graded: whether the verifier pays parts of an answer.
        sound: whether the check of data and verifier passed.
        lacking: name of a way -> why it was not measured.
        refused: why no cell of the planned way can run; "" where it can.
    """

    cot: bool
    signals: Mapping[str, Signal]
    gains: Mapping[str, Difference]
    labels: int = 0
    taught_on: int = 0
    steps: int = 0
    prompts: int = 0
    losses: tuple[float, ...] = ()
    graded: bool = False
    sound: bool = True
    lacking: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""

    @property
    def way(self) -> str:
        """The planned way, by its name in `signals`."""
        return "cot" if self.cot else "direct"

    @property
    def base(self) -> Signal | None:
        """The base asked the planned way; None where it could not be."""
        return self.signals.get(self.way)


class Outlook(NamedTuple):
    """A forecast.

    Attributes:
        arm: RFT or SFT.
        word: whether it will get a signal, so that held-out accuracy rises.
        because: why, with the figures.
        cures: what to do where it will not.
    """

    arm: Literal["RFT", "SFT"]
    word: Word
    because: tuple[str, ...]
    cures: tuple[str, ...] = ()


def outlooks(seen: Seen) -> tuple[Outlook, Outlook]:
    """Of RFT and of SFT."""
    if seen.refused:
        because = (f"no cell can run: {seen.refused}",)
        return Outlook("RFT", "no", because), Outlook("SFT", "no", because)
    return rft(seen), sft(seen)


def rft(seen: Seen) -> Outlook:
    """Whether reinforcement fine-tuning will find rewards that differ, and more than lucky guesses in them."""
    base = seen.base
    if base is None:
        why = seen.lacking.get(seen.way, "the base was not asked")
        return Outlook("RFT", "unsure", (f"it was not measured: {why}",))
    word, because = _of_rewards(seen, base)
    cures = () if word == "yes" else tuple(_cures(seen, base))
    if not seen.sound:
        word, because = "unsure", ("mend first what the check found: what is paid wrongly is taught", *because)
    return Outlook("RFT", word, because, cures)


def nova(base: Signal) -> bool | None:
    """What the published rule says, read as: more often than not one of 8 tries succeeds; None with fewer tries."""
    found = base.pass_at.get(_TRIES)
    return None if found is None else found.estimate >= OFTEN


def sft(seen: Seen) -> Outlook:
    """Whether supervised fine-tuning will carry over from labels to other prompts, by a short run of it."""
    if not seen.labels:
        return Outlook("SFT", "no", ("there are no labels to imitate",), ("label some prompts; ten show the form",))
    gain, base = seen.gains.get("taught"), seen.base
    if gain is None or base is None:
        why = seen.lacking.get("taught") or seen.lacking.get(seen.way) or "no short run of it was asked for"
        return Outlook("SFT", "unsure", (f"it was not measured: {why}",))
    because = [
        f"{seen.steps} steps on {seen.taught_on} labels took greedy accuracy from {percent(base.accuracy)} to "
        f"{percent(seen.signals['taught'].accuracy)}: {points(gain)} on the same prompts"
    ]
    if seen.losses:
        before, fallen = seen.losses[0], _fallen(seen.losses)
        way = "less" if fallen >= 0 else "more"
        because.append(f"loss on them: {before:.2f} nats a token before, {100 * abs(fallen):.0f} % {way} at the end")
    word: Word = "unsure"
    if base.accuracy.estimate >= SOLVED:
        word = "no"
        because.insert(0, "the base leaves nothing to learn")
    elif gain.low > 0 or (_fallen(seen.losses) >= FALLEN and seen.taught_on >= FRESH):
        word = "yes"
    elif gain.high < SMALL and _fallen(seen.losses) < FALLEN:
        word = "no"
    cures = () if word == "yes" else tuple(_cures_of_sft(seen))
    if not seen.sound:
        word = "unsure"
        because.insert(0, "mend first what the check found: faults of labels are imitated too")
    return Outlook("SFT", word, tuple(because), cures)


def _fallen(losses: Sequence[float]) -> float:
    """Share of its first loss that a run has lost by its end, which is the mean of the last quarter; 0 of no run."""
    last = losses[-max(1, len(losses) // 4) :]
    return 1 - fmean(last) / losses[0] if losses and losses[0] > 0 else 0.0


def _of_rewards(seen: Seen, base: Signal) -> tuple[Word, tuple[str, ...]]:
    if not base.pass_at:
        return "unsure", ("no completion was sampled",)
    tries = max(k for k in base.pass_at if k <= _TRIES)
    found, once = base.tried(), base.tried(1)
    said = (
        f"one of {tries} tries is right for {percent(found)} of prompts, and {percent(base.mixed)} of groups of "
        f"{base.group} have rewards that differ"
    )
    if 1 - _LITTLE < base.accuracy.estimate < SOLVED:
        said += f"; at most {100 * (1 - base.accuracy.estimate):.0f} points are left to gain"
    if base.accuracy.estimate >= SOLVED or once.estimate >= SOLVED:
        return "no", ("the base leaves nothing to learn", said)
    if base.mixed.estimate < SMALL and not seen.graded:
        return "no", (said, "groups of equal rewards teach nothing")
    if seen.graded and base.mixed.estimate >= OFTEN and found.estimate < SELDOM:
        return "unsure", (said, "partial answers are paid, so that something can be learnt though little is right")
    if found.estimate < SELDOM:
        return "no", (said, "most groups are all wrong and teach nothing")
    sure = base.majority.low if isfinite(base.majority.low) else base.majority.estimate
    if not isnan(base.guessed) and not sure > base.guessed:
        guess = (
            f"its most frequent answer is right ({percent(base.majority)}) as often as an answer to another prompt "
            f"({100 * base.guessed:.0f} %): guesses"
        )
        if not seen.cot:
            return ("unsure" if found.estimate >= OFTEN else "no"), (said, f"{guess}, with no steps to choose among")
        few = seen.prompts < FEW_PROMPTS
        return ("no" if few else "unsure"), (said, f"{guess}{', which few prompts let it learn by heart' * few}")
    if found.estimate >= OFTEN:
        return "yes", (said,)
    return "unsure", (said,)


def _cures(seen: Seen, base: Signal) -> Iterator[str]:
    """What makes rewards more frequent, what was measured before what is only said by others."""
    if base.accuracy.estimate >= SOLVED:
        yield "harder prompts, or the base as it is"
        return
    if base.truncated.estimate > _CUT:
        yield f"raise the cap on completions: it cuts {percent(base.truncated)} of them"
    if base.lenient.estimate - base.accuracy.estimate >= SMALL:
        yield (
            f"answer_format: lenient, which pays right answers whatever their form: {percent(base.lenient)} instead of "
            f"{percent(base.accuracy)}"
        )
    if base.accuracy.low > base.tried(1).high:
        yield (
            f"a lower decoding.temperature: greedy answers are right in {percent(base.accuracy)}, samples in "
            f"{percent(base.tried(1))}"
        )
    yield _first_sft(seen, base)
    if (shots := seen.gains.get("shots")) is not None and shots.low > 0:
        yield f"examples in the prompt: {points(shots)} greedy accuracy"
    other = seen.signals.get("direct" if seen.cot else "cot")
    if other and other.tried().low > base.tried().high:
        way = "without" if seen.cot else "with"
        yield f"prompts {way} chain-of-thought: one of {_TRIES} tries is right for {percent(other.tried())}"
    if (most := max(base.pass_at, default=0)) > _TRIES and base.pass_at[most].estimate > base.tried().estimate:
        yield f"more samples: one of {most} tries is right for {percent(base.pass_at[most])} of prompts"
    if base.tried().estimate < OFTEN:
        yield f"easier prompts, of the kind that it sometimes solves [{by.FROM_LESS}]"
        if not seen.graded:
            yield f"a reward for parts of an answer, then for whole ones alone [{by.DELTA}]"


def _first_sft(seen: Seen, base: Signal) -> str:
    """What the short SFT did for the answers that RFT would begin with, where it was run."""
    if not seen.labels:
        return f"ten labels for SFT first, then RFT [{by.SPLIT}]"
    taught = seen.signals.get("taught")
    if taught is None or not taught.pass_at:
        form = f": {percent(base.format_rate)} of its answers are in the right form"
        few = base.format_rate.estimate < _FORM
        return f"SFT first (sft+grpo), ten labels show the form{form * few} [{by.SPLIT}]"
    tries = f"one of {_TRIES} tries is right for {percent(taught.tried())} of prompts"
    if not taught.tried().estimate > base.tried().estimate:
        return f"SFT first (sft+grpo), longer than the {seen.steps} steps here, after which {tries} [{by.SPLIT}]"
    return (
        f"SFT first (sft+grpo): after {seen.steps} steps on {seen.taught_on} labels {percent(taught.format_rate)} "
        f"of answers are in the right form (base: {percent(base.format_rate)}), {percent(taught.accuracy)} are "
        f"right, and {tries}"
    )


def _cures_of_sft(seen: Seen) -> Iterator[str]:
    if seen.base and seen.base.accuracy.estimate >= SOLVED:
        yield "harder prompts, or the base as it is"
        return
    if (taught := seen.signals.get("taught")) and taught.truncated.estimate > _CUT:
        yield f"raise the cap on completions: after the short SFT it cuts {percent(taught.truncated)} of them"
    if not seen.cot and (gain := seen.gains.get("cot")) is not None and gain.low > 0:
        yield f"chain-of-thought, with rationales to imitate: the base gains {points(gain)} by it untrained"
    if seen.labels < 100:
        yield f"more labels, of mixed difficulty [{by.FROM_LESS}]"
    if not seen.cot:
        yield f"rationales: answers alone do not teach the steps [{by.DEBUNKED}]"


def percent(interval: Interval) -> str:
    """Such as `64 % [58, 70]`."""
    if not isfinite(interval.estimate):
        return "not known"
    limits = f" [{100 * interval.low:.0f}, {100 * interval.high:.0f}]" if isfinite(interval.low) else ""
    return f"{100 * interval.estimate:.0f} %{limits}"
