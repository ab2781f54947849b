"""Whole studies by the command line on the tiny base, killed in their stages: tuning, long trainings, looks."""

import atexit
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from rftlab import record
from rftlab.record.same import held_against
from tests.proof.faults.driven import Place, moment, place, until
from tests.proof.proof import Case

_SMALL = "{test_items: 8, train_items: 1, ood_items: 0, sampled_items: 0, along_the_way: 0}"
_ALONG = "{test_items: 8, train_items: 4, ood_items: 4, sampled_items: 4, samples: 2, along_the_way: 4, along_items: 8}"


@dataclass(frozen=True)
class Study:
    """A grid, what `rftlab run` is told beside it, and what has to be there before it is killed."""

    name: str
    grid: str
    options: tuple[str, ...]
    begun: str

    def run(self, here: Place) -> "subprocess.Popen[str]":
        """Start it in a place."""
        file = here.results.with_name(f"{self.name}.yaml")
        file.write_text(f"name: {self.name}\ndefaults: {{task: arithmetic/word, labels: 10}}\n{self.grid}")
        return rftlab(here, "run", file, "--results", here.results, "--workers", "2", *self.options)


STUDIES = (
    Study(
        "tuned",
        f"method: sft\nbudget.amount: 4\ntuning: {{seeds: 2, items: 8, growth: 1}}\nevaluation: {_SMALL}\n",
        (),
        "cells/*/record.json",
    ),
    Study(
        "long",
        f"method: [grpo, sft+grpo]\nbudget: {{unit: steps, amount: 16}}\nevaluation: {_ALONG}\n",
        ("--checkpoint", "0"),
        "shared/checkpoints/*.pt",
    ),
    Study(
        "looks",
        f"method: [base, sft]\nseed: [0, 1, 2]\nmax_seeds: 5\nbudget.amount: 4\nevaluation: {_SMALL}\n",
        ("--until", "decided"),
        "cells/*/record.json",
    ),
)


def rftlab(here: Place, *arguments: object) -> "subprocess.Popen[str]":
    """Start a verb of the command line in a place."""
    return here.start([sys.executable, "-m", "rftlab", *map(str, arguments)])


@cache
def in_peace(study: Study) -> tuple[Path, float]:
    """Results of a study left in peace, kept until the process ends, and the seconds from its beginning to its end."""
    kept = Path(mkdtemp(prefix="rftlab-proof-peace-"))
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    with place(kept) as here:
        run = study.run(here)
        until(lambda: list(here.results.glob(study.begun)), 200)
        began = time.monotonic()
        code, said = here.ended(run)
        if problem := said[-300:] if code else here.left():
            raise AssertionError(f"{study.name} left in peace ended with {code}: {problem}")
        return here.results.rename(kept / "peace"), time.monotonic() - began


def stages(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Killed once or twice in the tuning stage, in trainings that write checkpoints, and between looks."""
    for number in range(count):
        study = STUDIES[number % len(STUDIES)]
        peace, seconds = in_peace(study)
        with place(folder) as here:
            times = chance.choice((1, 2))
            told = [killed(study, here, chance, seconds / times) for _ in range(times)]
            yield f"{number + 1}: {study.name}, after {' and '.join(told)} s", goes_on(study, here, peace)


def killed(study: Study, here: Place, chance: random.Random, seconds: float) -> str:
    """Run a study and kill it at a random moment after it has begun; the seconds that were waited."""
    run = study.run(here)
    until(lambda: list(here.results.glob(study.begun)) or run.poll() is not None, 200)
    waited = moment(chance, seconds)
    run.kill()
    run.communicate()
    return f"{waited:.1f}"


def goes_on(study: Study, here: Place, peace: Path) -> str:
    """How a study fell short of one left in peace once it is run again; "" if it did not."""
    if alive := here.settle():
        return f"{len(alive)} processes outlived what started them"
    code, said = here.ended(study.run(here))
    return f"run again it ended with {code}: {said[-200:]}" if code else differing(here.results, peace) or here.left()


def differing(found: Path, peace: Path) -> str:
    """What sets a study apart from one left in peace: cells, what was measured, what was chosen, which looks; or ""."""
    cells = [sorted(path.name for path in (results / "cells").iterdir()) for results in (found, peace)]
    if cells[0] != cells[1]:
        return f"{len(cells[0])} cells instead of {len(cells[1])}"
    for name in cells[1]:
        folders = [results / "cells" / name for results in (peace, found)]
        then, now = map(record.read, folders)
        assert then is not None
        assert now is not None
        if apart := held_against(then, folders[0], now, folders[1]).differing:
            return f"{name}: {apart[0]}"
    lists = [[_list(results / name) for name in (record.GRID, record.TUNING)] for results in (found, peace)]
    return "" if lists[0] == lists[1] else "another choice of rates, or other looks"


def _list(path: Path) -> object:
    """A list of a study, without seconds."""

    def timeless(value: object) -> object:
        if isinstance(value, dict):
            return {name: timeless(each) for name, each in value.items() if not name.endswith("seconds")}
        return [timeless(each) for each in value] if isinstance(value, list) else value

    return timeless(json.loads(path.read_text())) if path.is_file() else None


_DIVERGING = f"""method: [sft, grpo]
learning_rates: [[0.0005], [1.0e+30]]
budget.amount: 4
evaluation: {_SMALL}
"""


def diverging(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Numbers that are no longer finite end their cell with a sentence, and no other."""
    with place(folder) as here:
        code, said = here.ended(Study("diverging", _DIVERGING, (), "").run(here))
        found = [record.read(path) for path in sorted((here.results / "cells").iterdir())]
        rates = {(each.parameters.method, each.parameters.learning_rates) for each in found if each}
        for method in ("sft", "grpo")[:count]:
            error = [path.read_text() for path in here.results.glob("failed/*/error.txt")]
            told = [text for text in error if "training diverged at learning rate 1e+30" in text]
            held = code == 1 and rates == {("sft", (0.0005,)), ("grpo", (0.0005,))} and len(told) == len(error) == 2
            yield method, "" if held else f"ended with {code}, done {sorted(rates)}: {said[-200:]}"


def ray_nodes(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """A node of a Ray cluster is killed in mid-grid: the test of it, so many times."""
    for number in range(count):
        test = "tests/execute/test_ray.py::test_a_node_killed_in_mid_grid_loses_nothing"
        done = subprocess.run([sys.executable, "-m", "pytest", test], capture_output=True, text=True, check=False)
        yield f"{number + 1}: one node of three", "" if done.returncode == 0 else done.stdout.strip()[-200:]
