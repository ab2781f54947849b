"""Small families of problems that the tiny base can half solve: sums, doses, signs, letters, code, verse.

Each family draws problems with a gold answer, a gold rationale and typical mistakes. The gold part becomes
`Example`s; the mistakes are used only by `rftlab.policy.tiny_base`, which pretrains a model on a mixture of good and
bad ways to solve the same problems. What a problem is *about* (its numbers, not its wording) decides by hash whether it
belongs to pretraining, train, test or ood: the splits are disjoint for every seed, and so are their texts.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from rftlab.errors import RftlabError
from rftlab.tasks.base import RULE, SURFACE, Example, Task

Split = Literal["pretrain", "train", "test", "ood"]

SPLIT_SHARES: dict[Split, float] = {"pretrain": 0.5, "train": 0.2, "test": 0.2, "ood": 0.1}
MAX_STALE_DRAWS = 5000

NAMES = ("Tom", "Ann", "Sam", "Eva", "Ben", "Mia", "Leo", "Ida")
THINGS = ("apples", "pens", "cards", "coins", "books", "cups")
DRUGS = ("Alvan", "Bretol", "Cidex", "Dorin", "Elmex", "Fanol")


@dataclass(frozen=True)
class Problem:
    """One problem with its gold solution and one typical mistake of each kind.

    Args:
        key: what the problem is about, without its wording; decides the split.
        prompt: the question as a model sees it.
        answer: the gold answer.
        rationale: the steps that lead to it; None where there are none to write.
        flawed: a rationale with a mistake and the answer it leads to (which is right by luck now and then).
        guess: a plausible wrong answer given without thinking.
        meta: what a verifier needs beside the answer.
    """

    key: str
    prompt: str
    answer: str
    rationale: str | None
    flawed: tuple[str, str]
    guess: str
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A family of problems: a name, one paragraph about it, and how to draw one problem.

    Args:
        name: how it is asked for.
        card: a paragraph.
        draw: (rng, far) -> one problem; `far` asks for the wording and the range of the ood split.
        changed: one problem by another rule, out of distribution too; None where there is none worth asking.
        far_kind: which kind of ood items `far` gives.
        retention: other families that a policy trained on this one should not unlearn.
        splits_as: the family by whose splits its problems are split; "" for its own.
    """

    name: str
    card: str
    draw: Callable[[random.Random, bool], Problem]
    changed: Callable[[random.Random], Problem] | None = None
    far_kind: str = SURFACE
    retention: tuple[str, ...] = ("word", "dose")
    splits_as: str = ""

    def problems(self, split: Split, seed: int, far: bool | None = None) -> Iterator[Problem]:
        """Yield problems of one split without end, the same ones for the same seed; texts may repeat.

        Args:
            split: the part of the problem space to draw from.
            seed: start of the random stream.
            far: ood wording and range; by default just for the ood split.
        """
        far = split == "ood" if far is None else far
        rng = random.Random(f"{self.name}/{split}/{far}/{seed}")
        while True:
            problem = self.draw(rng, far)
            if split_of(f"{self.splits_as or self.name}/{problem.key}") == split:
                yield problem

    def generate(self, split: Split, n: int, seed: int) -> list[Example]:
        """Return the first n distinct examples of a split; a smaller n gives a prefix of a larger one.

        Args:
            split: train, test or ood.
            n: how many examples.
            seed: which random stream; splits stay disjoint whatever the seeds.

        Raises:
            RftlabError: the family has fewer than n distinct texts in this split.
        """
        return self._distinct(self.problems(split, seed), split, n, seed)

    def ood(self, n: int, seed: int) -> dict[str, tuple[Example, ...]]:
        """Out-of-distribution examples by kind, n of each.

        Raises:
            RftlabError: the family has fewer than n distinct texts of a kind.
        """
        found = {self.far_kind: tuple(self.generate("ood", n, seed))}
        return {RULE: tuple(self._distinct(self._changed(seed), RULE, n, seed)), **found} if self.changed else found

    def _changed(self, seed: int) -> Iterator[Problem]:
        assert self.changed is not None
        rng = random.Random(f"{self.name}/{RULE}/{seed}")
        while True:
            yield self.changed(rng)

    def _distinct(self, stream: Iterator[Problem], part: str, n: int, seed: int) -> list[Example]:
        examples: dict[str, Example] = {}
        stale = 0
        while len(examples) < n:
            problem = next(stream)
            if problem.prompt in examples:
                stale += 1
                if stale > MAX_STALE_DRAWS:
                    raise RftlabError(
                        f"family {self.name!r} has only about {len(examples)} distinct {part} problems, fewer than "
                        f"the {n} asked for; ask for fewer"
                    )
                continue
            stale = 0
            examples[problem.prompt] = Example(
                id=f"{self.name}-{part}-{seed}-{len(examples)}",
                prompt=problem.prompt,
                answer=problem.answer,
                rationale=problem.rationale,
                meta=problem.meta,
            )
        return list(examples.values())


def split_of(key: str) -> Split:
    """Return the split a problem belongs to: a fixed hash of its content, so that splits can never overlap."""
    position = zlib.crc32(key.encode()) / 2**32
    for split, share in SPLIT_SHARES.items():
        if position < share:
            return split
        position -= share
    return "ood"


def sum_steps(terms: list[int]) -> tuple[str, int]:
    """Return the running sums of signed terms as text, and the total.

    >>> sum_steps([4, 3, -2])
    ('4+3=7, 7-2=5.', 5)
    """
    steps, total = [], terms[0]
    for term in terms[1:]:
        steps.append(f"{total}{term:+d}={total + term}")
        total += term
    return ", ".join(steps) + ".", total


def flawed_sum(rng: random.Random, terms: list[int]) -> tuple[str, str]:
    """Return a sum with a term dropped or with every sign read as plus, and its result."""
    dropped = rng.randrange(1, len(terms))
    if rng.random() < 0.6 or all(term >= 0 for term in terms[1:]):
        terms = terms[:dropped] + terms[dropped + 1 :]
    else:
        terms = [abs(term) for term in terms]
    steps, total = sum_steps(terms)
    return steps, str(total)


def nearby(rng: random.Random, value: int) -> str:
    """Return a wrong number close to value."""
    return str(value + rng.choice((-4, -3, -2, -1, 1, 2, 3, 4)))


def sum_problem(rng: random.Random, prompt: str, terms: list[int]) -> Problem:
    """Return the problem whose solution is the running sum of signed terms."""
    steps, total = sum_steps(terms)
    return Problem(
        key=" ".join(map(str, terms)),
        prompt=prompt,
        answer=str(total),
        rationale=steps,
        flawed=flawed_sum(rng, terms),
        guess=nearby(rng, total),
    )


def changing_terms(rng: random.Random, changes: int) -> list[int]:
    """Return a start and signed one-digit changes whose running sum never falls below zero."""
    terms = [rng.randint(2, 9)]
    for _ in range(changes):
        change = rng.choice((-1, 1)) * rng.randint(1, 9)
        terms.append(change if sum(terms) + change >= 0 else -change)
    return terms


@cache
def chain_sums(far: bool) -> Any:
    """Return reasoning-gym's chain_sum with one-digit terms; only its generator is used, never its scorer."""
    from reasoning_gym.arithmetic.chain_sum import ChainSumConfig, ChainSumDataset  # takes 1.6 s

    few, many = (4, 5) if far else (3, 4)
    return ChainSumDataset(ChainSumConfig(min_terms=few, max_terms=many, min_digits=1, max_digits=1, seed=0))


def draw_chain(rng: random.Random, far: bool) -> Problem:
    """Draw a sum of one-digit terms."""
    expression = chain_sums(far)[rng.randrange(2**31)]["metadata"]["expression"]
    first, *rest = expression.split(" ")
    terms = [int(first)] + [int(sign + digit) for sign, digit in zip(rest[::2], rest[1::2], strict=True)]
    in_words = expression.replace("+", "plus").replace("-", "minus")
    return sum_problem(rng, f"Start with {in_words}." if far else f"What is {expression}?", terms)


def word_story(rng: random.Random, far: bool) -> tuple[str, list[int]]:
    """Draw a little story about somebody's things: its text, and what is there and comes or goes."""
    terms = changing_terms(rng, 3 if far or rng.random() < 0.5 else 2)
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    if far:
        moves = ", ".join(f"{term} go in" if term > 0 else f"{-term} come out" for term in terms[1:])
        return f"A box holds {terms[0]} {thing}. {moves}. How many {thing} are inside?", terms
    gains, losses = ("finds {n}", "gets {n}"), ("loses {n}", "sells {n}")
    moves = ", ".join(rng.choice(gains if t > 0 else losses).format(n=abs(t)) for t in terms[1:])
    return f"{name} has {terms[0]} {thing}, {moves}. How many {thing} now?", terms


def draw_word(rng: random.Random, far: bool) -> Problem:
    """Draw such a story; what goes is taken off."""
    return sum_problem(rng, *word_story(rng, far))


def draw_word_new(rng: random.Random, far: bool) -> Problem:
    """Draw such a story after its rule has changed: what goes counts as well; the mistake is the old rule."""
    prompt, terms = word_story(rng, far)
    now = sum_problem(rng, prompt, [abs(term) for term in terms])
    steps, before = sum_steps(terms)
    mistake = (steps, str(before)) if before < sum(map(abs, terms)) else now.flawed
    return replace(now, key=" ".join(map(str, terms)), flawed=mistake)


def draw_word_both(rng: random.Random, far: bool) -> Problem:
    """Draw a story by the changed rule that says so."""
    found = draw_word_new(rng, far)
    return replace(found, prompt=f"New: {found.prompt}")


def draw_word_together(rng: random.Random) -> Problem:
    """Draw a story by another rule: the things of two people count together."""
    start, change = changing_terms(rng, 1)
    (name, other), more, thing = rng.sample(NAMES, 2), rng.randint(2, 9), rng.choice(THINGS)
    move = rng.choice(("finds {n}", "gets {n}") if change > 0 else ("loses {n}", "sells {n}")).format(n=abs(change))
    prompt = f"{name} has {start} {thing}, {other} has {more}, {name} {move}. How many {thing} now?"
    return sum_problem(rng, prompt, [start, more, change])


def draw_rare(rng: random.Random, far: bool) -> Problem:
    """Draw a bus ride: sums again, but the base has rarely seen them solved well."""
    terms = changing_terms(rng, 3 if far or rng.random() < 0.5 else 2)
    if far:
        moves = ", ".join(f"{t} enter" if t > 0 else f"{-t} leave" for t in terms[1:])
        prompt = f"A lift starts with {terms[0]} people. {moves}. How many people are inside?"
    else:
        moves = ", ".join(f"{t} get on" if t > 0 else f"{-t} get off" for t in terms[1:])
        vehicle = rng.choice(("bus", "train", "boat", "tram"))
        prompt = f"The {vehicle} of {rng.choice(NAMES)} has {terms[0]} riders. {moves}. How many are left?"
    return sum_problem(rng, prompt, terms)


def draw_rare_together(rng: random.Random) -> Problem:
    """Draw a ride by another rule: the riders of two vehicles count together."""
    start, change = changing_terms(rng, 1)
    (vehicle, other), more = rng.sample(("bus", "train", "boat", "tram"), 2), rng.randint(2, 9)
    move = f"{change} get on" if change > 0 else f"{-change} get off"
    owner = rng.choice(NAMES)
    prompt = f"The {vehicle} of {owner} has {start} riders, the {other} has {more}. {move}. How many are left?"
    return sum_problem(rng, prompt, [start, more, change])


def draw_dose(rng: random.Random, far: bool) -> Problem:
    """Draw a daily dose from weight, dose per weight, times a day and an extra dose."""
    weight, dose = rng.randint(2, 9), rng.randint(2, 6)
    times, extra = rng.randint(2, 4), rng.randint(1, 9)
    drug, total = rng.choice(DRUGS), weight * dose * times + extra
    once, daily = weight * dose, weight * dose * times
    if far:
        prompt = f"{drug}: {dose} mg per kg. Weight {weight} kg. Doses a day: {times}. Extra: {extra} mg. Total mg?"
    else:
        regimen = f"{dose} mg per kg, {times} times a day, and {extra} mg extra"
        prompt = f"A child of {weight} kg takes {drug}, {regimen}. Total mg?"
    no_times = f"{weight}*{dose}={once}, {once}+{extra}={once + extra}.", str(once + extra)
    no_extra = f"{weight}*{dose}={once}, {once}*{times}={daily}.", str(daily)
    no_dose = (
        f"{weight}*{times}={weight * times}, {weight * times}+{extra}={weight * times + extra}.",
        str(weight * times + extra),
    )
    return Problem(
        key=f"{weight} {dose} {times} {extra}",
        prompt=prompt,
        answer=str(total),
        rationale=f"{weight}*{dose}={once}, {once}*{times}={daily}, {daily}+{extra}={total}.",
        flawed=rng.choice((no_times, no_extra, no_dose)),
        guess=nearby(rng, total),
    )


def draw_count(rng: random.Random, far: bool) -> Problem:
    """Draw three or four numbers and the signs that make a target of them, exactly one way."""
    size = 4 if far or rng.random() < 0.5 else 3
    while True:
        numbers = [rng.randint(1, 9) for _ in range(size)]
        minus = {i for i in range(1, size) if rng.random() < 0.5}
        subsets = [{i for i in range(1, size) if mask >> i & 1} for mask in range(0, 2**size, 2)]
        ways = [s for s in subsets if sum(numbers[i] for i in s) == sum(numbers[i] for i in minus)]
        target = sum(numbers) - 2 * sum(numbers[i] for i in minus)
        if minus and len(ways) == 1 and target > 0:
            break

    def signed(taken: set[int]) -> str:
        return "".join(f"{'' if i == 0 else '-' if i in taken else '+'}{n}" for i, n in enumerate(numbers))

    everything, total = sum_steps(numbers)
    over = total - target
    listed = " ".join(map(str, numbers))
    wrong = rng.choice([s for s in subsets if s != minus])
    taken = "".join(f"-{numbers[i]}" for i in sorted(minus))
    wrongly_taken = "".join(f"-{numbers[i]}" for i in sorted(wrong)) or "-0"
    return Problem(
        key=f"{listed} {target}",
        prompt=f"Numbers {listed}, signs + and -, result {target}. Which way?"
        if far
        else f"Put + or - between {listed} to make {target}.",
        answer=signed(minus),
        rationale=f"{everything} {total}-{target}={over}, half {over // 2}: {taken}.",
        flawed=(f"{total}-{target}: {wrongly_taken}.", signed(wrong)),
        guess=signed(wrong),
    )


def band_of(level: int) -> str:
    """Return the band of a level.

    >>> [band_of(level) for level in (10, 29, 30, 59, 60, 99)]
    ['A', 'A', 'B', 'B', 'C', 'C']
    """
    return "A" if level < 30 else "B" if level < 60 else "C"


def draw_band_higher(rng: random.Random) -> Problem:
    """Draw two levels and the band of the higher one: another rule, as one level decides in training."""
    levels, (item, other), name = rng.sample(range(10, 100), 2), rng.sample(THINGS + DRUGS, 2), rng.choice(NAMES)
    band, lower = band_of(max(levels)), band_of(min(levels))
    return Problem(
        key=f"{levels} {name} {item} {other}",
        prompt=f"{name} reads {levels[0]} for {item}, {levels[1]} for {other}. How high?",
        answer=band,
        rationale=f"{max(levels)} is {band}.",
        flawed=(f"{min(levels)} is {lower}.", lower),
        guess=lower,
    )


def draw_band(rng: random.Random, far: bool) -> Problem:
    """Draw a level and its band; no pretraining text asks for a band."""
    level, name, item = rng.randint(10, 99), rng.choice(NAMES), rng.choice(THINGS + DRUGS)
    band = band_of(level)
    wrong = rng.choice([letter for letter in "ABC" if letter != band])
    prompt = (
        f"For {item} {name} reads {level}. How high is it?" if far else f"{name} reads {level} for {item}. How high?"
    )
    return Problem(
        key=f"{level} {name} {item}",
        prompt=prompt,
        answer=band,
        rationale=f"{level} is {band}.",
        flawed=(f"{level} is {wrong}.", wrong),
        guess=wrong,
    )


def draw_choice(rng: random.Random, far: bool) -> Problem:
    """Draw three people with counts and ask, by letter, who has the most (far: the least)."""
    names, counts = rng.sample(NAMES, 3), rng.sample(range(1, 10), 3)
    best = counts.index(min(counts) if far else max(counts))
    wrong = rng.choice([i for i in range(3) if i != best])
    facts = ", ".join(f"{letter} {name} {count}" for letter, name, count in zip("ABC", names, counts, strict=True))
    return Problem(
        key=" ".join(map(str, counts)) + " " + " ".join(names),
        prompt=f"Who has the {'least' if far else 'most'}? {facts}",
        answer="ABC"[best],
        rationale=f"{names[best]} has {counts[best]}.",
        flawed=(f"{names[wrong]} has {counts[wrong]}.", "ABC"[wrong]),
        guess="ABC"[wrong],
    )


KINDS = {
    "fruit": ("plum", "pear", "fig", "lime", "grape", "melon"),
    "bird": ("crow", "gull", "owl", "hawk", "swan", "wren"),
    "metal": ("iron", "zinc", "lead", "tin", "gold", "copper"),
    "bone": ("rib", "femur", "ulna", "tibia", "skull", "radius"),
    "virus": ("herpes", "measles", "mumps", "rabies", "polio", "ebola"),
    "vitamin": ("retinol", "niacin", "biotin", "folate", "thiamin", "cobalamin"),
}


def draw_fact(rng: random.Random, far: bool) -> Problem:
    """Draw a multiple-choice question about what kind of thing a word names."""
    kinds = rng.sample(sorted(KINDS), 3)
    words = [rng.choice(KINDS[kind]) for kind in kinds]
    right = rng.randrange(3)
    wrong = rng.choice([i for i in range(3) if i != right])
    options = ", ".join(f"{letter} {word}" for letter, word in zip("ABC", words, strict=True))
    question = f"Pick the {kinds[right]}:" if far else f"Which one is a {kinds[right]}?"
    return Problem(
        key=f"{kinds[right]} {' '.join(words)}",
        prompt=f"{question} {options}",
        answer="ABC"[right],
        rationale=f"{words[right]} is a {kinds[right]}.",
        flawed=(f"{words[wrong]} is a {kinds[right]}.", "ABC"[wrong]),
        guess="ABC"[wrong],
    )


def draw_code(rng: random.Random, far: bool) -> Problem:
    """Draw a function of one number, told as steps; tests are in the meta."""
    operations = []
    for _ in range(rng.choice((2, 3))):
        n = rng.randint(2, 9)
        operations.append(
            rng.choice(
                (
                    (f"add {n}", "{x} + " + str(n), lambda v, n=n: v + n),
                    (f"take {n}", "{x} - " + str(n), lambda v, n=n: v - n),
                    (f"times {n}", "{x} * " + str(n), lambda v, n=n: v * n),
                    ("double", "{x} * 2", lambda v: v * 2),
                )
            )
        )

    def expression(chosen: list[Any], bracket: bool = True) -> str:
        text = "x"
        for _, template, _ in chosen:
            text = template.format(x=f"({text})" if bracket and text != "x" else text)
        return text

    def apply(value: int) -> int:
        for _, _, operation in operations:
            value = operation(value)
        return value

    dropped = rng.randrange(len(operations))
    shorter = operations[:dropped] + operations[dropped + 1 :]
    steps = [name for name, _, _ in operations]
    body = "def f(x):\n    return "
    return Problem(
        key=", ".join(steps),
        prompt=f"Define f of x. Steps: {', '.join(steps)}." if far else f"Write f(x): {' then '.join(steps)}.",
        answer=body + expression(operations),
        rationale=f"{expression(operations[:-1])}, {expression(operations)}.",
        flawed=(f"{expression(shorter)}.", body + expression(shorter)),
        guess=body + expression(operations, bracket=False) if len(operations) > 1 else body + expression(shorter),
        meta={"entry_point": "f", "tests": [[value, apply(value)] for value in (0, 1, 2, 5, -3)]},
    )


RHYMES = (("night", "light", "bright", "sight"), ("day", "way", "stay", "gray"), ("sea", "tree", "free", "bee"))
SUBJECTS = ("moon", "bell", "rain", "ship", "rose", "fox", "wind", "star", "song", "hill", "lamp", "road")


def draw_verse(rng: random.Random, far: bool) -> Problem:
    """Draw two short rhyming lines about two required words, the first line ending in a required word."""
    first, second = rng.sample(SUBJECTS, 2)
    group = rng.choice(RHYMES)
    end, rhyme = rng.sample(group, 2)
    mood = rng.choice(("glad", "sad", "calm", "wild"))
    astray = rng.choice([word for other in RHYMES if other != group for word in other])
    opening = rng.choice(("Oh {a}, oh {b}, so {m} and {e}", "The {a} and the {b} are {m} like {e}"))
    line = opening.format(a=first, b=second, m=mood, e=end)
    closing = rng.choice(("I love to see the {r}", "we sing until the {r}"))
    listed = f"{first} and {second}"
    return Problem(
        key=f"{first} {second} {mood} {end}",
        prompt=f"A {mood} rhyme on {end} about {listed}, please."
        if far
        else f"Write two {mood} lines with {listed}. The first ends in {end}.",
        answer=f"{line},\n{closing.format(r=rhyme)}.",
        rationale=f"{end}, {rhyme}.",
        flawed=(f"{end}, {astray}.", f"{line},\n{closing.format(r=astray)}."),
        guess=f"{line},\n{closing.format(r=astray)}.",
        meta={"words": [first, second], "end": end, "rhymes": list(group)},
    )


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "chain",
            "Sums of three or four one-digit terms (reasoning-gym's chain_sum). The rationale is the running sum. "
            "In support: the base solves it step by step now and then. Ood: the signs in words, four or five terms.",
            draw_chain,
            retention=("dose", "count"),
        ),
        Family(
            "word",
            "The same running sums told as a little story with two or three changes. In support with chain of thought. "
            "Ood: another story in other words, always three changes (surface); what two people have counts together "
            "(rule).",
            draw_word,
            changed=draw_word_together,
            retention=("dose", "count"),
        ),
        Family(
            "word_new",
            "The stories of word after its rule has changed: what is lost or sold counts as well. The wording is the "
            "same, so that the old rule is wrong now wherever something goes. What is held out here is trained on by "
            "neither. Ood: the other wording of word.",
            draw_word_new,
            splits_as="word",
        ),
        Family(
            "word_both",
            "The stories of word_new, each beginning with `New:`; those of word, without it, still go by the old rule: "
            "both can be kept. Ood: the other wording of word.",
            draw_word_both,
            splits_as="word",
        ),
        Family(
            "dose",
            "A daily dose: weight times dose times number of doses, plus an extra dose. In support with chain of "
            "thought. Ood: the same quantities as a terse list.",
            draw_dose,
            retention=("word", "count"),
        ),
        Family(
            "count",
            "Put + or - between three or four numbers so that they make a target; exactly one way does. The rationale "
            "halves the excess of the full sum. At the edge of support: its base is right less often than in the other "
            "stories. Ood: other wording, always four numbers.",
            draw_count,
        ),
        Family(
            "rare",
            "Running sums about riders on a bus. The base has seen these solved well far more rarely than the other "
            "stories: imitation leads early, reinforcement catches up slowly. Ood: a lift instead of a bus (surface); "
            "the riders of two vehicles count together (rule).",
            draw_rare,
            changed=draw_rare_together,
            retention=("dose", "count"),
        ),
        Family(
            "band",
            "Say how high a level between 10 and 99 is, as band A, B or C. The base has never seen the question, and "
            "the rule is not in the prompt: only labels can teach it. Ood: other wording (surface); the higher of two "
            "levels decides (rule).",
            draw_band,
            changed=draw_band_higher,
        ),
        Family(
            "choice",
            "Who of three people has the most; the answer is a letter. Ood asks for the least.",
            draw_choice,
            far_kind=RULE,
        ),
        Family(
            "fact",
            "Which of three words names a fruit, a bird, a bone, a virus and the like; the answer is a letter. Ood: "
            "other wording.",
            draw_fact,
        ),
        Family(
            "code",
            "Write a Python function of one number from two or three steps told in words; the meta carries tests. "
            "Ood: other wording.",
            draw_code,
        ),
        Family(
            "verse",
            "Two short lines with required words that rhyme on a required word; the gold answer is one of many good "
            "ones, the meta says what is required. Ood: other wording.",
            draw_verse,
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
