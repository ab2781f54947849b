"""Small list functions put together from steps: a step in words and in code, and the step it is mistaken for."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

Numbers = list[int]


class Step(NamedTuple):
    """One step of a function on a list of integers.

    Attributes:
        words: what it does, in the imperative.
        code: a Python expression of `numbers`.
        run: the same as a function.
        group: steps of one group can be mistaken for each other.
    """

    words: str
    code: str
    run: Callable[[Numbers], Any]
    group: str


def middle_steps(k: int) -> tuple[Step, ...]:
    """Steps from a list to a list, with the number k in those that need one."""
    return (
        Step(
            "keep only the even numbers",
            "[n for n in numbers if n % 2 == 0]",
            lambda v: [n for n in v if n % 2 == 0],
            "keep",
        ),
        Step(
            "keep only the odd numbers",
            "[n for n in numbers if n % 2 == 1]",
            lambda v: [n for n in v if n % 2 == 1],
            "keep",
        ),
        Step(
            f"keep only the numbers greater than {k}",
            f"[n for n in numbers if n > {k}]",
            lambda v: [n for n in v if n > k],
            "above",
        ),
        Step(
            f"keep only the numbers of at least {k}",
            f"[n for n in numbers if n >= {k}]",
            lambda v: [n for n in v if n >= k],
            "above",
        ),
        Step(f"add {k} to every number", f"[n + {k} for n in numbers]", lambda v: [n + k for n in v], "change"),
        Step(f"subtract {k} from every number", f"[n - {k} for n in numbers]", lambda v: [n - k for n in v], "change"),
        Step(f"multiply every number by {k}", f"[n * {k} for n in numbers]", lambda v: [n * k for n in v], "change"),
        Step("square every number", "[n * n for n in numbers]", lambda v: [n * n for n in v], "shape"),
        Step("double every number", "[n + n for n in numbers]", lambda v: [n + n for n in v], "shape"),
        Step(
            "take the absolute value of every number",
            "[abs(n) for n in numbers]",
            lambda v: [abs(n) for n in v],
            "shape",
        ),
        Step("sort the numbers in ascending order", "sorted(numbers)", sorted, "order"),
        Step(
            "sort the numbers in descending order",
            "sorted(numbers, reverse=True)",
            lambda v: sorted(v, reverse=True),
            "order",
        ),
        Step("reverse the list", "numbers[::-1]", lambda v: v[::-1], "order"),
        Step("keep the first three numbers", "numbers[:3]", lambda v: v[:3], "part"),
        Step("drop the first number", "numbers[1:]", lambda v: v[1:], "part"),
        Step("keep every second number, beginning with the first", "numbers[::2]", lambda v: v[::2], "part"),
    )


LAST_STEPS: tuple[Step, ...] = (
    Step("return the list", "numbers", lambda v: v, "list"),
    Step("return the sum", "sum(numbers)", sum, "total"),
    Step("return how many numbers are left", "len(numbers)", len, "total"),
    Step(
        "return the largest number, or 0 if there is none",
        "max(numbers, default=0)",
        lambda v: max(v, default=0),
        "end",
    ),
    Step(
        "return the smallest number, or 0 if there is none",
        "min(numbers, default=0)",
        lambda v: min(v, default=0),
        "end",
    ),
    Step(
        "return the last number, or 0 if there is none",
        "numbers[-1] if numbers else 0",
        lambda v: v[-1] if v else 0,
        "end",
    ),
)


class Function(NamedTuple):
    """A function put together from steps, the last of which returns."""

    steps: tuple[Step, ...]

    def run(self, numbers: Numbers) -> Any:
        """What the function returns for a list."""
        value: Any = list(numbers)
        for step in self.steps:
            value = step.run(value)
        return value

    def source(self, name: str) -> str:
        """Its source text under a name."""
        lines = [f"    numbers = {step.code}" for step in self.steps[:-1]]
        return "\n".join([f"def {name}(numbers):", *lines, f"    return {self.steps[-1].code}"])

    @property
    def words(self) -> str:
        """What it does, step by step."""
        return "; ".join(step.words for step in self.steps)


def draw_function(rng: random.Random, middle: int) -> Function:
    """Draw a function of so many different steps and a returning one."""
    groups: set[str] = set()
    chosen: list[Step] = []
    while len(chosen) < middle:
        step = rng.choice(middle_steps(rng.randint(2, 9)))
        if step.group not in groups:
            groups.add(step.group)
            chosen.append(step)
    return Function((*chosen, rng.choice(LAST_STEPS)))


def mistake(rng: random.Random, function: Function) -> Function:
    """The function with one step left out, or taken for another of its group."""
    place = rng.randrange(len(function.steps))
    step = function.steps[place]
    options = LAST_STEPS if place == len(function.steps) - 1 else middle_steps(rng.randint(2, 9))
    others = [other for other in options if other.group == step.group and other.code != step.code]
    replacement = [rng.choice(others)] if others else []
    if not replacement and place == len(function.steps) - 1:
        place = 0
    return Function((*function.steps[:place], *replacement, *function.steps[place + 1 :]))


def draw_inputs(rng: random.Random, function: Function, count: int) -> list[Numbers]:
    """Draw distinct lists on which the function returns at least three different values, where it can."""
    best: list[Numbers] = []
    for _ in range(20):
        lists: list[Numbers] = [[rng.randint(-9, 12) for _ in range(rng.randint(1, 7))] for _ in range(count - 1)]
        lists.append([])
        if len({tuple(each) for each in lists}) == count:
            best = max(best, lists, key=lambda each: len({str(function.run(numbers)) for numbers in each}))
            if len({str(function.run(numbers)) for numbers in best}) >= min(count, 4):
                break
    return best
