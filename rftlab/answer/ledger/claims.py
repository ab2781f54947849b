"""The thirteen claims of the field, as data: what each says, what would test it, and what was published.

Published figures are orientation, never ground truth: they enter no rule.
"""

from typing import NamedTuple

from rftlab.answer.published import (
    CORRECTED,
    DEBUNKED,
    DELTA,
    DFT,
    FROM_LESS,
    GEPA,
    MEMORISES,
    NOVA,
    ON_POLICY,
    ONE_SHOT,
    PREDIBASE,
    RAZOR,
    SAME_ROLLOUTS,
    SELF_DISTILLED,
    SHARPENS,
    SPLIT,
    SPURIOUS,
    Published,
)


class Claim(NamedTuple):
    """A claim in testable form.

    Attributes:
        number: 1 to 13.
        text: the claim in a sentence.
        estimand: what is estimated; A is accuracy over new seeds and new items.
        slice: the cells it needs.
        rule: what must hold besides the rule of all claims.
        published: what others found.
    """

    number: int
    text: str
    estimand: str
    slice: str
    rule: str
    published: tuple[Published, ...] = ()


CLAIMS: tuple[Claim, ...] = (
    Claim(
        1, "Under about 100 labels RFT beats SFT.", "area over log labels in [10, 100] of A_RFT - A_SFT",
        "at least 3 budgets that span 10 to 100, every seed at each, trained and asked by the same prompt",
        "two budgets that conclude oppositely: depends on the budget",
        (PREDIBASE, ONE_SHOT, FROM_LESS, SPURIOUS),
    ),
    Claim(
        2, "With many good labels and no reasoning SFT is better.",
        "A_SFT - A_RFT at the two largest budgets, and its slope per decade of labels above 0",
        "two budgets of at least 300, direct prompts", "seeds draw label sets of their own",
    ),
    Claim(
        3, "RFT works with a verifier and no labels.", "A_RFT(0 labels) - A_base, and minus A_random-reward",
        "0 labels, a verifier that needs no gold answer", "base pass@16 above 0, else it cannot start", (ONE_SHOT,),
    ),
    Claim(
        4, "Chain-of-thought helps RFT more than SFT.",
        "[A_RFT(1,1) - A_RFT(0,0)] - [A_SFT(1,1) - A_SFT(0,0)]; also of training alone, asked with it",
        "the full 2x2 of both (cot: 2x2), same seeds and items", "the same token cap; the base's own effect is shown",
    ),
    Claim(
        5, "SFT overfits small data more.", 
        "(train - test) of SFT minus that of RFT, less the base's on the same items",
        "budgets up to 100, greedy", "equal training FLOPs; a gap without loss of test accuracy is memorised, harmless",
    ),
    Claim(
        6, "A hybrid beats either alone.", "the smaller of A_hybrid - A_SFT and A_hybrid - A_RFT",
        "all three at one budget", "equal training FLOPs, both stages' rates tuned",
        (CORRECTED, SPLIT),
    ),
    Claim(
        7, "RFT forgets less.",
        "R_RFT - R_SFT at equal accuracy on the new task; R on two other tasks, minus the base's",
        "kept checkpoints of equal accuracy", "accuracies overlap; forward KL beside it",
        (RAZOR, SELF_DISTILLED),
    ),
    Claim(
        8, "SFT memorises, RFT generalises.",
        "(OOD - test) of RFT minus that of SFT, and OOD_RFT - OOD_SFT; both above 0",
        "both kinds of OOD (rule changed, surface changed)", "at least 200 items of each kind",
        (MEMORISES, DEBUNKED, SAME_ROLLOUTS),
    ),
    Claim(
        9, "RFT finds its own reasoning, SFT distils the teacher's.", "pass@128 of RFT minus the base's",
        "256 samples of 100 items, base, RFT and SFT", "the rationale is verified, not only the answer",
        (SHARPENS, DELTA),
    ),
    Claim(
        10, "RFT adapts better to drift.", "area under accuracy on the new rule against FLOPs, from equal adapters",
        "a task whose rule changes, k new labels in {0, 10, 30}", "what is kept of the old rule is shown",
    ),
    Claim(
        11, "LoRA matches full fine-tuning.", "A_LoRA - A_full inside the margin, same method",
        "adapter.kind lora and full", "each adapter tuned",
    ),
    Claim(
        12, "Training beats no training at all.", "A_best - A_base, A_best - A_few-shot, A_best - A_maj@k of the base",
        "base, base-few-shot and base-maj beside a trained arm", "majority at equal tokens is not checked",
        (SPURIOUS, GEPA, ON_POLICY, DFT, NOVA),
    ),
    Claim(
        13, "For subjective preference, learning from comparisons beats SFT.",
        "win rate of A_RLHF over A_SFT and over A_base, less .5",
        "a task without a right answer, pairs as labels, completions judged",
        "a judge that no arm saw; length beside it",
    ),
)  # fmt: skip
