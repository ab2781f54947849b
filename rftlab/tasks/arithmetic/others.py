"""Problems that are no sums: bands, choices, facts, code, verse."""

import random
from typing import Any

from rftlab.tasks.arithmetic.family import Problem
from rftlab.tasks.arithmetic.sums import DRUGS, NAMES, THINGS


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
        meta={"choices": words},
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
