"""Reproducibility: the same records wherever and however a grid is run, and a seed changes what it should, no more."""

import atexit
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from rftlab import record
from rftlab.policy import weights
from rftlab.record.same import held_against
from tests.proof.proof import Case, Proof

ROOT = Path(__file__).parents[2]
EVALUATION = (
    "{test_items: 12, train_items: 4, ood_items: 4, sampled_items: 4, samples: 2, along_the_way: 2, along_items: 8}"
)
_HEAD = f"defaults:\n  task: arithmetic/word\n  labels: 10\n  budget.amount: 4\n  evaluation: {EVALUATION}\n"
GRID = f"{_HEAD}method: [base, sft, grpo, dpo]\n"
_SEEDS = f"""{_HEAD}include:
  - {{method: [sft, grpo]}}
  - {{method: [sft, grpo], seed_data: 1}}
  - {{method: [sft, grpo], seed_init: 1}}
  - {{method: [sft, grpo], seed_sampling: 1}}
"""


@dataclass(frozen=True)
class Variant:
    """Another way to run the same grid.

    Attributes:
        name: what is other.
        options: of `rftlab run`.
        environment: variables that are set.
        grid: the grid, whose cells are the same.
        clone: run a copy of the project that lies elsewhere.
        home: name of the folder it is run in.
    """

    name: str
    options: tuple[str, ...] = ("--workers", "2", "--kernel", "warm")
    environment: Mapping[str, str] = field(default_factory=dict)
    grid: str = GRID
    clone: bool = False
    home: str = "here"


VARIANTS = (
    Variant("a clone in another folder", clone=True, home="a {clone} elsewhere"),
    Variant("cold kernels", ("--workers", "2", "--kernel", "cold")),
    Variant("another order of cells", grid=f"{_HEAD}method: [dpo, grpo, sft, base]\n", options=("--workers", "1")),
    Variant("another locale and time zone", environment={"LC_ALL": "C", "LANG": "C", "TZ": "Pacific/Kiritimati"}),
    Variant("another hash seed", environment={"PYTHONHASHSEED": "4321"}),
    Variant("a checkpoint after every step", ("--workers", "2", "--checkpoint", "0")),
    Variant("other folders of the user and for temporary files", environment={"HOME": "{here}", "TMPDIR": "{here}"}),
    Variant("no policy kept", ("--workers", "2", "--keep", "none")),
)


def run(variant: Variant, folder: Path, name: str = "study") -> Path:
    """Run a grid in a folder of its own; its results.

    Raises:
        AssertionError: it did not end well.
    """
    home = folder / variant.home
    home.mkdir(parents=True, exist_ok=True)
    (home / f"{name}.yaml").write_text(variant.grid)
    source = _clone(home / "rftlab") if variant.clone else ROOT
    given = {key: value.format(here=home) for key, value in variant.environment.items()}
    done = subprocess.run(
        [sys.executable, "-m", "rftlab", "run", f"{name}.yaml", "--keep", "all", *variant.options],
        env={**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", **given},
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}"
    return home / "results" / name


@cache
def plain() -> Path:
    """Results of the grid as it is run by default, one worker after the other; kept until the process ends."""
    kept = Path(mkdtemp(prefix="rftlab-proof-same-"))
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    return run(Variant("plain", ("--workers", "1", "--kernel", "warm")), kept)


def folders(results: Path) -> dict[str, Path]:
    """Cells by id."""
    return {path.name: path for path in sorted((results / "cells").iterdir()) if path.name[0] != "."}


def unequal(then: Path, now: Path) -> list[str]:
    """What was measured otherwise in the second folder of a cell; kept policies included where both keep one."""
    records = [record.read(folder) for folder in (then, now)]
    assert records[0] is not None
    assert records[1] is not None
    said = list(held_against(records[0], then, records[1], now).differing)
    kept = weights.has_policy(then) and weights.has_policy(now)
    return [*said, "policy"] if kept and weights.digest(then) != weights.digest(now) else said


def _variants(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Each cell of each way is a case."""
    for number, variant in enumerate(VARIANTS[:count]):
        own = folder / str(number)  # where no cell is done yet
        now = folders(run(variant, own))
        yield f"{variant.name}: the cells", "" if now.keys() == folders(plain()).keys() else "other cells"
        for name, then in folders(plain()).items():
            method = record.read(then).parameters.method  # type: ignore[union-attr]
            yield f"{variant.name}: {method}", "; ".join(unequal(then, now[name])[:2]) if name in now else "not there"
        shutil.rmtree(own)


def _repeated(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """`rftlab repeat` on each kind of cell, in the results folder and in a moved copy of it."""
    cells = folders(plain())
    moved = Path(shutil.copytree(plain(), folder / "moved"))
    for number in range(count):
        name, then = list(cells.items())[number % len(cells)]
        where = plain() if number < len(cells) else moved
        command = [sys.executable, "-m", "rftlab", "repeat", name, "--results", str(where)]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        held = done.returncode == 0 and "\nmatched: metrics" in done.stdout
        method = record.read(then).parameters.method  # type: ignore[union-attr]
        yield f"{number + 1}: {method}", "" if held else f"{done.returncode}: {(done.stdout + done.stderr)[-300:]}"


def _seeds(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Seeds of data, adapter and sampling, one changed at a time."""
    found = {}
    for path in folders(run(Variant("seeds", grid=_SEEDS), folder)).values():
        cell = record.read(path).parameters  # type: ignore[union-attr]
        found[cell.method, cell.seed_data, cell.seed_init, cell.seed_sampling] = Streams(path)
    cases = [(method, *changed) for method in ("sft", "grpo") for changed in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    for method, *changed in cases[:count]:
        plainly, other = found[method, 0, 0, 0], found[method, *changed]
        seed = ("data", "init", "sampling")[changed.index(1)]
        yield f"{method}: seed_{seed}", _wrongly_moved(method, seed, plainly, other)


class Streams:
    """What a record tells of each random stream of its run.

    Args:
        folder: of a finished cell that keeps its policy.
    """

    def __init__(self, folder: Path) -> None:
        found = record.read(folder)
        assert found is not None
        samples = list(record.read_lines(folder / record.SAMPLES))
        trained = [row for row in record.read_lines(folder / record.TRACE) if "train/loss" in row]
        self.contract: dict[str, Any] = dict(found.contract["match"])
        self.parts: dict[str, Any] = {
            "labels": self.contract["label_ids"],
            "test items": [row["item"] for row in samples if row["part"] == "test"],
            "first step": {name: value for name, value in trained[0].items() if not name.endswith("seconds")},
            "policy": weights.digest(folder),
            "greedy answers": [row["completion"] for row in samples if row["part"] == "test"],
            "sampled answers": [row["completion"] for row in samples if row["part"] == "sampled"],
        }

    def moved(self, other: "Streams") -> set[str]:
        """Names of the streams that are other."""
        return {name for name, value in self.parts.items() if value != other.parts[name]}


# An adapter's first half is drawn and its second is zero, so that a first step computes what the base does: another
# draw leaves loss and completions of it as they are. What SFT learns does not depend on sampling at all.
_MOVE: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    ("sft", "data"): ({"labels", "first step", "policy"}, {"test items"}),
    ("sft", "init"): ({"policy"}, {"labels", "test items"}),
    ("sft", "sampling"): ({"sampled answers"}, {"labels", "test items", "first step", "policy", "greedy answers"}),
    ("grpo", "data"): ({"labels", "first step", "policy"}, {"test items"}),
    ("grpo", "init"): ({"policy"}, {"labels", "test items"}),
    ("grpo", "sampling"): ({"first step", "policy", "sampled answers"}, {"labels", "test items"}),
}
_OF_DATA = {"label_ids", "development_items", "seed_data"}


def _wrongly_moved(method: str, seed: str, plainly: Streams, other: Streams) -> str:
    moves, stays = _MOVE[method, seed]
    moved = plainly.moved(other)
    if still := moves - moved:
        return f"{', '.join(sorted(still))} did not move"
    if wrongly := moved & stays:
        return f"{', '.join(sorted(wrongly))} moved"
    fields = {name for name, value in plainly.contract.items() if value != other.contract.get(name)}
    fields -= _OF_DATA if seed == "data" else {f"seed_{seed}"}
    return f"of the contract {', '.join(sorted(fields))} moved" if fields else ""


def _clone(target: Path) -> Path:
    """The project as it stands here, in another folder."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "rftlab", "notebooks", "data", "docs"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    where = [sys.executable, "-c", "import rftlab; print(rftlab.__file__)"]
    env = {**os.environ, "PYTHONPATH": str(target)}
    found = subprocess.run(where, env=env, cwd=target, capture_output=True, text=True, check=True).stdout.strip()
    assert found == str(target / "rftlab" / "__init__.py"), f"not the clone is run but {found}"
    return target


REPRODUCIBILITY = [
    Proof(
        "reproducibility.ways",
        "Base, SFT, GRPO and DPO cells are equal bit for bit whichever way a grid is run",
        {"hour": len(VARIANTS), "full": len(VARIANTS)},
        _variants,
    ),
    Proof(
        "reproducibility.repeat",
        "rftlab repeat finds each kind of cell equal from its record alone, and in a moved copy",
        {"hour": 4, "full": 8},
        _repeated,
    ),
    Proof(
        "reproducibility.seeds",
        "A seed of data, adapter or sampling moves what is drawn with it, and nothing else",
        {"hour": 6, "full": 6},
        _seeds,
    ),
]
