"""Small families of problems that the tiny base can half solve: sums, doses, signs, letters, code, verse.

Each family draws problems with a gold answer, a gold rationale and typical mistakes. The gold part becomes
`Example`s; the mistakes are used only by `rftlab.policy.tiny_base`, which pretrains a model on a mixture of good and
bad ways to solve the same problems. What a problem is *about* (its numbers, not its wording) decides by hash whether it
belongs to pretraining, train, test or ood: the splits are disjoint for every seed, and so are their texts.
"""

from rftlab.errors import RftlabError
from rftlab.tasks.arithmetic import others, sums
from rftlab.tasks.arithmetic.family import Family
from rftlab.tasks.base import RULE, Task

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "chain",
            "Sums of three or four one-digit terms (reasoning-gym's chain_sum). The rationale is the running sum. "
            "In support: the base solves it step by step now and then. Ood: the signs in words, four or five terms.",
            sums.draw_chain,
            retention=("dose", "count"),
        ),
        Family(
            "word",
            "The same running sums told as a little story with two or three changes. In support with chain of thought. "
            "Ood: another story in other words, always three changes (surface); what two people have counts together "
            "(rule).",
            sums.draw_word,
            changed=sums.draw_word_together,
            retention=("dose", "count"),
        ),
        Family(
            "word_new",
            "The stories of word after its rule has changed: what is lost or sold counts as well. The wording is the "
            "same, so that the old rule is wrong now wherever something goes. What is held out here is trained on by "
            "neither. Ood: the other wording of word.",
            sums.draw_word_new,
            splits_as="word",
        ),
        Family(
            "word_both",
            "Stories of word_new, each beginning with `New:`, beside those of word, by the old rule: both can be kept. "
            "Ood: the other wording of word.",
            sums.draw_word_both,
            splits_as="word",
        ),
        Family(
            "dose",
            "A daily dose: weight times dose times number of doses, plus an extra dose. In support with chain of "
            "thought. Ood: the same quantities as a terse list.",
            sums.draw_dose,
            retention=("word", "count"),
        ),
        Family(
            "count",
            "Put + or - between three or four numbers so that they make a target; exactly one way does. The rationale "
            "halves the excess of the full sum. At the edge of support: its base is right less often than in the other "
            "stories. Ood: other wording, always four numbers.",
            sums.draw_count,
        ),
        Family(
            "rare",
            "Running sums about riders on a bus. The base has seen these solved well far more rarely than the other "
            "stories: imitation leads early, reinforcement catches up slowly. Ood: a lift instead of a bus (surface); "
            "the riders of two vehicles count together (rule).",
            sums.draw_rare,
            changed=sums.draw_rare_together,
            retention=("dose", "count"),
        ),
        Family(
            "band",
            "Say how high a level between 10 and 99 is, as band A, B or C. The base has never seen the question, and "
            "the rule is not in the prompt: only labels can teach it. Ood: other wording (surface); the higher of two "
            "levels decides (rule).",
            others.draw_band,
            changed=others.draw_band_higher,
        ),
        Family(
            "choice",
            "Who of three people has the most; the answer is a letter. Ood asks for the least.",
            others.draw_choice,
            far_kind=RULE,
        ),
        Family(
            "fact",
            "Which of three words names a fruit, a bird, a bone, a virus and the like; the answer is a letter. Ood: "
            "other wording.",
            others.draw_fact,
        ),
        Family(
            "code",
            "Write a Python function of one number from two or three steps told in words; the meta carries tests. "
            "Ood: other wording.",
            others.draw_code,
        ),
        Family(
            "verse",
            "Two short lines with required words that rhyme on a required word; the gold answer is one of many good "
            "ones, the meta says what is required. Ood: other wording.",
            others.draw_verse,
        ),
    )
}


def load(family: str, *, seed: int = 0, train: int = 1000, test: int = 500, ood: int = 300) -> Task:
    """Return one family as a task.

    Args:
        family: a name in `FAMILIES`.
        seed: which examples are drawn; every seed's splits are disjoint from every other seed's other splits.
        train: size of the pool that label budgets are drawn from.
        test: number of held-out items.
        ood: number of out-of-distribution items of each kind.

    Raises:
        RftlabError: no such family, or it has fewer distinct problems than asked for.
    """
    if family not in FAMILIES:
        raise RftlabError(f"unknown arithmetic family {family!r}; known: {', '.join(FAMILIES)}")
    chosen = FAMILIES[family]
    return Task(
        name=f"arithmetic/{family}",
        card=f"{chosen.card} Generated by rftlab; correct means equal to the gold answer; made for the tiny base, says "
        "nothing about large models.",
        train=tuple(chosen.generate("train", train, seed)),
        test=tuple(chosen.generate("test", test, seed)),
        ood=chosen.ood(ood, seed),
        retention={f"arithmetic/{name}": {} for name in chosen.retention},
    )
