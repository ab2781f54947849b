"""Two runs at once, a clock that jumps and folders that move: nothing is lost, nothing is mixed up."""

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.proof.faults.driven import Place, apart, in_peace, moment, place, unlike
from tests.proof.proof import Case

_DAYS = 86400.0
_CLOCK_OF_KERNEL = "import time; real = time.time; time.time = lambda: real() - 3e5"


def two_runs(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Two runs: in one folder one of them is refused; in two, what is left of a killed one is swept, no more."""
    cases: list[tuple[str, Callable[[Place, random.Random], str]]] = [
        ("in one folder", _one_folder),
        ("in two folders, one killed", _two_folders),
    ]
    for number in range(count):
        name, run = cases[number % 2]
        with place(folder) as here:
            yield f"{number + 1}: {name}", run(here, chance)


def clocks(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """The time of day jumps, in the driver or in its kernels."""
    peace, _ = in_peace("cold")
    jumps = [("three days back", -3 * _DAYS, ""), ("a year on", 365 * _DAYS, ""), ("in kernels", 0.0, _CLOCK_OF_KERNEL)]
    for number in range(count):
        name, jump, do = jumps[number % 3]
        with place(folder) as here:
            code, said = here.ended(here.drive(chance.choice(("warm", "cold")), do, jump_s=jump))
            short = f"ended with {code}: {said[-200:]}" if code else apart(here.records(), peace)
            yield f"{number + 1}: {name}", short or here.left() or here.again(peace)


def moved(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """The results folder is moved, after a kill or while it is worked in, and the run goes on where it is now."""
    peace, seconds = in_peace("cold")
    for number in range(count):
        killed = number % 2 == 0
        with place(folder) as here:
            run = here.drive("cold")
            waited = moment(chance, seconds)
            if killed:
                run.kill()
            there = dataclasses.replace(here, results=here.results.with_name("moved elsewhere"))
            if here.results.exists():
                here.results.rename(there.results)
            code, said = here.ended(run)
            short = "" if killed or code in (0, 1, 2) else f"ended with {code}: {said[-200:]}"
            short = short or ("a traceback" if "Traceback" in said else unlike(here.records(), peace))
            name = f"{number + 1}: {'after a kill' if killed else 'while it runs'}, after {waited:.2f} s"
            yield name, short or there.again(peace)


def _one_folder(here: Place, chance: random.Random) -> str:
    peace, seconds = in_peace("warm")
    first = here.drive("warm")
    moment(chance, 0.5 * seconds)
    second = here.drive("cold")
    ends = sorted(here.ended(run) for run in (first, second))
    if [code for code, _ in ends] != [0, 2] or "another run is working in" not in ends[1][1]:
        # Where the first one had ended, the second finds everything done.
        done_before = [code for code, _ in ends] == [0, 0]
        if not done_before:
            return f"ended with {ends[0][0]} and {ends[1][0]}: {ends[1][1][-200:]}"
    return apart(here.records(), peace) or here.left()


def _two_folders(here: Place, chance: random.Random) -> str:
    """With one temporary folder, where the sockets of both lie."""
    peace, seconds = in_peace("cold")
    there = dataclasses.replace(here, results=here.results.with_name("other"))
    living, killed = here.drive("cold", seconds=2 * seconds), there.drive("cold")
    moment(chance, seconds)
    killed.kill()
    killed.communicate()
    code, said = there.ended(there.drive("cold"))
    problem = f"the next run ended with {code}: {said[-200:]}" if code else apart(there.records(), peace)
    code, said = here.ended(living)
    if code:
        problem = problem or f"the living run ended with {code}: {said[-200:]}"
    return problem or here.left()
