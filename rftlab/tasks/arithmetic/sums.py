"""Sums and what can be told as one: chains, stories, passengers, doses, letters counted."""

import random
from dataclasses import replace
from functools import cache
from typing import Any

from rftlab.tasks.arithmetic.family import Problem

NAMES = ("Tom", "Ann", "Sam", "Eva", "Ben", "Mia", "Leo", "Ida")
THINGS = ("apples", "pens", "cards", "coins", "books", "cups")
DRUGS = ("Alvan", "Bretol", "Cidex", "Dorin", "Elmex", "Fanol")


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
