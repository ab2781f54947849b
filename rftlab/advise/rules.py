"""The published heuristics as data: which facts speak for or against which way to train, how strongly, and who says so.

Weights are ours: 1 slight, 2 fair, 3 strong, 9 decides alone; a family's weights are added. A rule whose facts are not
known is silent. Nothing here is evidence: records of a study outrank all of it (`rftlab.advise.evidence`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rftlab.advise.facts import Is
from rftlab.answer import published as by
from rftlab.answer.published import Published


class Family(NamedTuple):
    """A way to go.

    Attributes:
        title: for people.
        methods: rftlab's methods for it, the first one first in a study; none where it has none yet.
        note: what has to be said of it.
    """

    title: str
    methods: tuple[str, ...] = ()
    note: str = ""


FAMILIES: Mapping[str, Family] = {
    "none": Family("the base as it is"),
    "prompting": Family(
        "few-shot and prompt optimisation", ("base-few-shot", "prompt-search"),
        "rftlab measures few-shot (base-few-shot) and searches instructions and shots (prompt-search)",
    ),
    "sft": Family("SFT", ("sft",)),
    "hybrid": Family("hybrid, SFT then RFT", ("sft+grpo",)),
    "rft": Family("RFT", ("grpo",)),
    "preference": Family("learning from comparisons, DPO or RLHF", ("dpo", "rlhf")),
    "thumbs": Family("learning from thumbs up and down, KTO", ("kto",)),
    "distillation": Family(
        "distillation", (),
        "rftlab measures it where the teacher is named: methods distill and distill-offline with settings.teacher",
    ),
}  # fmt: skip
"""In order of cost: of two with equal weights the first is ranked first."""

OURS = Published("no source", "our judgement", "")


class Rule(NamedTuple):
    """One heuristic.

    Attributes:
        family: that it speaks for, or against where the weight is negative.
        weight: as above.
        because: in a few words.
        when: facts it rests on, all of which must hold.
        source: who says so, and which figures.
        unless: it is silent where all of these hold.
    """

    family: str
    weight: int
    because: str
    when: tuple[Is, ...]
    source: Published
    unless: tuple[Is, ...] = ()


class Bar(NamedTuple):
    """What makes a family impossible.

    Attributes:
        families: which ones.
        because: in a few words.
        when: all must hold.
        missing: the fact whose absence it is; "" where nothing can be added.
        unless: it bars nothing where all of these hold.
    """

    families: tuple[str, ...]
    because: str
    when: tuple[Is, ...]
    missing: str = ""
    unless: tuple[Is, ...] = ()


class Contradiction(NamedTuple):
    """Facts that cannot all be so, which of them are set aside, and why in a sentence."""

    when: tuple[Is, ...]
    aside: tuple[str, ...]
    because: str


def _yes(fact: str) -> Is:
    return Is(fact, "in", (True,))


def _no(fact: str) -> Is:
    return Is(fact, "in", (False,))


_NO_LABELS, _SOME, _TEN, _HUNDRED = (
    Is("labels", "<", 1), Is("labels", ">=", 1), Is("labels", ">=", 10), Is("labels", ">=", 100)
)  # fmt: skip
_FEW = Is("labels", "<", 100)
_CHECKED = Is("verifier", "in", ("gold", "no_gold"))
_NOBODY, _FREE_OF_GOLD, _JUDGE = (Is("verifier", "in", (name,)) for name in ("none", "no_gold", "judge"))
_NEVER, _EVER = Is("base_pass_at_8", "in", (0.0,)), Is("base_pass_at_8", ">", 0.0)
_SELDOM, _OFTEN = Is("base_pass_at_8", "<", 0.25), Is("base_pass_at_8", ">=", 0.5)
_AT_ZERO = Is("base_accuracy", "in", (0.0,))
_COMPARED, _RATED = Is("preferences", ">=", 1), Is("thumbs", ">=", 1)

RULES: tuple[Rule, ...] = (
    Rule("none", 9, "the base leaves at most 5 points to gain", (Is("base_accuracy", ">=", 0.95),), OURS),
    Rule("prompting", 3, "the weights may not be trained, and prompts may be changed", (_no("trainable"),), OURS),
    Rule("prompting", 1, "fewer than 10 labels fit into a prompt", (_SOME, Is("labels", "<", 10)), by.GEPA),
    Rule("prompting", -1, "it has been tried", (_yes("prompted"),), OURS),
    Rule("sft", 2, "100 labels or more are enough to imitate", (_HUNDRED,), by.VENDORS),
    Rule("sft", 1, "some tens of labels teach form and style", (_TEN, _FEW), by.VENDORS),
    Rule("sft", -1, "fewer than 10 labels are learnt by heart", (_SOME, Is("labels", "<", 10)), by.FROM_LESS),
    Rule("sft", 2, "many labels, and no reasoning is needed", (_HUNDRED, _no("reasoning")), by.HIDDEN_RULES),
    Rule("sft", 2, "worked steps to imitate, where reasoning counts",
         (_HUNDRED, _yes("reasoning"), _yes("rationales")), by.LIMO),
    Rule("sft", -1, "answers alone do not teach the steps", (_SOME, _yes("reasoning"), _no("rationales")), by.DEBUNKED),
    Rule("sft", 3, "the base never succeeds, and SFT needs no success to begin with", (_SOME, _NEVER), by.NOVA),
    Rule("sft", 2, "the base is at 0, and SFT needs no success to begin with", (_SOME, _AT_ZERO), by.NOVA,
         unless=(_EVER,)),
    Rule("sft", -1, "it copies the labels' mistakes", (_SOME, _no("clean")), OURS),
    Rule("sft", -1, "the check would know those mistakes", (_SOME, _no("clean"), _FREE_OF_GOLD), OURS),
    Rule("sft", -1, "imitation does not say what is better where taste decides", (_yes("subjective"),), by.INSTRUCTGPT),
    Rule("hybrid", 3, "labels to begin with, and a check to go on with, where reasoning counts",
         (_HUNDRED, _CHECKED, _yes("reasoning")), by.CORRECTED, unless=(_no("rationales"),)),
    Rule("hybrid", 2, "the labels' worked steps are the first stage's",
         (_HUNDRED, _CHECKED, _yes("reasoning"), _yes("rationales")), by.CORRECTED, unless=(_NEVER,)),
    Rule("hybrid", 1, "enough labels for a first stage, and a check for the second",
         (_HUNDRED, _CHECKED, _no("reasoning")), by.CORRECTED),
    Rule("hybrid", 2, "some labels with worked steps for a first stage",
         (_TEN, _FEW, _CHECKED, _yes("reasoning"), _yes("rationales")), by.CORRECTED),
    Rule("hybrid", 3, "the base seldom succeeds: SFT first makes rewards frequent",
         (_TEN, _CHECKED, _EVER, _SELDOM), by.SPLIT),
    Rule("hybrid", 1, "SFT first, then RFT from where it succeeds", (_SOME, _CHECKED, _NEVER), by.SPLIT),
    Rule("hybrid", -2, "its second stage has every completion checked, and a check costs", (_yes("verifier_paid"),),
         OURS),
    Rule("rft", 3, "no labels, and a check that needs none", (_NO_LABELS, _FREE_OF_GOLD), by.THREE_CONDITIONS),
    Rule("rft", 3, "fewer than 100 labels, and a check", (_SOME, _FEW, _CHECKED), by.PREDIBASE),
    Rule("rft", 2, "reasoning counts, and a check rewards it", (_yes("reasoning"), _CHECKED), by.THREE_CONDITIONS),
    Rule("rft", 1, "it finds steps of its own where the labels have none",
         (_yes("reasoning"), _no("rationales"), _SOME, _CHECKED), by.ONE_SHOT),
    Rule("rft", 1, "one of eight tries often succeeds: groups are mixed, so there is something to learn from",
         (_OFTEN,), by.NOVA),
    Rule("rft", -3, "the base seldom succeeds: most groups are all wrong and teach nothing", (_EVER, _SELDOM), by.NOVA),
    Rule("rft", -3, "the base is at 0, and whether samples of it ever succeed is not known", (_AT_ZERO,), by.NOVA,
         unless=(_EVER,)),
    Rule("rft", 1, "partial rewards can start what is never wholly right", (_NEVER, _yes("partial")), by.DELTA),
    Rule("rft", 3, "the labels are noisy, and the check does not read them",
         (_SOME, _no("clean"), _FREE_OF_GOLD), OURS),
    Rule("rft", -1, "noisy gold answers are wrong rewards too", (_SOME, _no("clean"), Is("verifier", "in", ("gold",))),
         OURS),
    Rule("rft", 1, "a grade is a reward, though one that can be gamed", (_JUDGE,), OURS, unless=(_yes("subjective"),)),
    Rule("rft", -2, "every completion is checked, and a check costs", (_yes("verifier_paid"),), OURS),
    Rule("rft", 1, "it moves less away from the base, and forgets less", (_yes("keep_skills"),), by.RAZOR),
    Rule("rft", -2, "where taste decides no answer is right", (_yes("subjective"),), OURS),
    Rule("preference", 3, "taste decides, and comparisons say what is better", (_yes("subjective"),), by.INSTRUCTGPT),
    Rule("preference", 2, "there are comparisons", (_COMPARED,), by.INSTRUCTGPT),
    Rule("preference", -2, "a check says more than a comparison", (_CHECKED, _no("subjective")), OURS),
    Rule("thumbs", 2, "single answers have a thumb up or down", (_RATED,), by.KTO),
    Rule("thumbs", 2, "taste decides, and thumbs say what is liked", (_yes("subjective"), _RATED), by.KTO),
    Rule("thumbs", -2, "a check says more than a thumb", (_CHECKED, _no("subjective")), OURS),
    Rule("distillation", 3, "the base never succeeds, and a stronger model may teach it", (_NEVER, _yes("teacher")),
         by.R1),
    Rule("distillation", 3, "a stronger model's worked steps, where reasoning counts and labels are few",
         (_yes("teacher"), _yes("reasoning"), _FEW), by.R1),
)  # fmt: skip

_TRAINED = ("sft", "hybrid", "rft", "preference", "thumbs", "distillation")
BARS: tuple[Bar, ...] = (
    Bar(_TRAINED, "the weights may not be trained", (_no("trainable"),)),
    Bar(("sft", "hybrid"), "there are no labels", (_NO_LABELS,), "labels"),
    Bar(("rft", "hybrid"), "nobody can check an answer", (_NOBODY,), "verifier"),
    Bar(("rft",), "the check compares with gold answers, and there are none",
        (_NO_LABELS, Is("verifier", "in", ("gold",))), "labels"),
    Bar(("rft",), "there are neither labels nor prompts to try", (_NO_LABELS, Is("prompts", "<", 1)), "prompts"),
    Bar(("rft",), "the base never succeeds, so that nothing is rewarded", (_NEVER,), "", (_yes("partial"),)),
    Bar(("preference",), "there are no comparisons", (Is("preferences", "<", 1),), "preferences"),
    Bar(("thumbs",), "there are no thumbs", (Is("thumbs", "<", 1),), "thumbs"),
    Bar(("distillation",), "a stronger model's answers may not be used", (_no("teacher"),)),
)  # fmt: skip

SHORT: tuple[Bar, ...] = (
    Bar(("sft",), "fewer than 10 labels are too few to imitate", (_SOME, Is("labels", "<", 10)), "labels"),
)  # fmt: skip
"""What makes nothing impossible, and is still missing."""

CONTRADICTIONS: tuple[Contradiction, ...] = (
    Contradiction(
        (Is("base_accuracy", ">=", 0.1), Is("base_pass_at_8", "in", (0.0,))), ("base_accuracy", "base_pass_at_8"),
        "the base cannot be right at the first try and never in eight; measure both on the same prompts",
    ),
    Contradiction(
        (_yes("subjective"), _CHECKED), ("subjective",),
        "where a check says what is right it is no matter of taste alone; if the check says only half of it, call it a "
        "judge",
    ),
    Contradiction((_NO_LABELS, _yes("rationales")), ("rationales",), "rationales are of labels, and there are none"),
    Contradiction((_NO_LABELS, _no("clean")), ("clean",), "noise is in labels, and there are none"),
)  # fmt: skip


def tables() -> str:
    """All of it for a page: rules, what makes a family impossible, and contradictions, in Markdown."""
    rules = [
        (FAMILIES[r.family].title, f"{r.weight:+d}", r.because, _all(r.when, r.unless), _told(r.source)) for r in RULES
    ]
    bars = [
        (", ".join(FAMILIES[name].title for name in bar.families), bar.because, _all(bar.when, bar.unless))
        for bar in BARS
    ]
    aside = [(_all(each.when, ()), ", ".join(each.aside), each.because) for each in CONTRADICTIONS]
    return "\n\n".join(
        (
            _table(("for", "weight", "because", "where", "source"), rules),
            _table(("not possible", "because", "where"), bars),
            _table(("contradiction", "set aside", "because"), aside),
        )
    )


def _all(when: Sequence[Is], unless: Sequence[Is]) -> str:
    told = "; ".join(map(str, when))
    return f"{told}; not where {'; '.join(map(str, unless))}" if unless else told


def _told(source: Published) -> str:
    return source.how if source is OURS else str(source)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)
