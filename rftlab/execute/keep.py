"""Which policies of a run are kept, and whether the disk has room for them.

A cell's kernel saves its policy beside its record. With "best" the driver removes, as soon as an arm (cells that differ
in their seeds alone) is complete, all of its policies but the one with the highest development accuracy, or score
where `evaluation.decides` says so; ties go to
the lowest seed. The choice is made among the policies that are there, so that it is the same after a crash, and made
again when seeds are added. Test items never have a say.
"""

import contextlib
import json
import math
import shutil
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.local import Listener
from rftlab.execute.one_cell import Outcome
from rftlab.grid.starts import arm_of
from rftlab.policy import weights
from rftlab.policy.hub import locate
from rftlab.policy.identity import folder_of
from rftlab.record.outcomes import ACCURACY
from rftlab.registry import METHODS, find

# Policies are saved as they are trained: adapters in single precision, whole models in at most that.
_BYTES = 4
_WORTH_SAYING = 2**30
_NOT_LINEAR = ("embed", "wte", "wpe", "lm_head")


class Keeper:
    """Keeps the policies of a grid's results folder to those that are wanted.

    Args:
        cells: of the whole grid.
        results: the grid's results folder.
        keep: "none", "best" or "all".
        forced: "best" was asked for by name: it also removes what a run with "all" had saved to stay.
    """

    def __init__(self, cells: Sequence[Cell], results: Path, keep: str, *, forced: bool) -> None:
        self._cells, self._results, self._best, self._forced = cells, results, keep == "best", forced
        self._needed = {cell.started_by for cell in cells}
        self._arms: dict[str, list[Cell]] = {}
        for cell in cells:
            self._arms.setdefault(cell.variant, []).append(cell)

    def __str__(self) -> str:
        """What is kept, in one line."""
        kept = [cell for cell in self._cells if weights.has_policy(self._folder(cell))]
        if not kept:
            return "no trained policy is kept"
        size = said_size(sum(weights.read_manifest(self._folder(cell)).bytes for cell in kept))
        count = "1 trained policy is kept" if len(kept) == 1 else f"{len(kept)} trained policies are kept"
        return f'{count} ({size}); to ask one: rftlab ask {kept[0].id} "..." --results {self._results}'

    def listener(self, listener: Listener) -> Listener:
        """A listener that passes all news on to another, and settles an arm once its last cell is done."""
        return _Settling(listener, self) if self._best else listener

    def settle(self) -> None:
        """Of each arm that is complete, keep the best policy; finish what a run that died left half-removed."""
        weights.sweep(self._results)
        for arm in self._arms.values() if self._best else ():
            self._settle(arm)

    def settle_arm_of(self, cell: Cell) -> None:
        """The same for the arm of one cell."""
        self._settle(self._arms[cell.variant])

    def _settle(self, arm: Sequence[Cell]) -> None:
        if arm_of(arm[0]) in self._needed:  # other cells go on from every seed of it
            return
        held = [cell for cell in arm if weights.has_policy(self._folder(cell))]
        if len(held) < 2 or not all((self._folder(cell) / record.RECORD).is_file() for cell in arm):
            return
        best = min(held, key=lambda cell: (-development_worth(self._folder(cell)), *_seeds(cell)))
        for cell in held:
            if cell is not best and (self._forced or weights.read_manifest(self._folder(cell)).keep == "best"):
                weights.remove(self._folder(cell))

    def _folder(self, cell: Cell) -> Path:
        return record.cells_dir(self._results) / cell.id


class _Settling:
    def __init__(self, listener: Listener, keeper: Keeper) -> None:
        self._listener, self._keeper = listener, keeper
        self.started, self.progressed, self.noted = listener.started, listener.progressed, listener.noted

    def finished(self, outcome: Outcome) -> None:
        self._listener.finished(outcome)
        if outcome.status == "done":
            try:
                self._keeper.settle_arm_of(outcome.cell)
            except (OSError, RftlabError) as error:
                self._listener.noted(f"a policy cannot be removed: {error}")


def development_worth(folder: Path) -> float:
    """What the choice goes by, of a finished cell, on development items: accuracy, or score where that decides.

    -1 where none was measured.
    """
    found = record.read(folder)
    measure = found.parameters.evaluation.decides if found else ACCURACY
    measured = found.metrics.get(f"development_{measure}") if found else None
    if measured is None:
        with contextlib.suppress(OSError, ValueError), (folder / record.TRACE).open(encoding="utf-8") as lines:
            for line in lines:
                measured = json.loads(line).get(f"eval/{measure}", measured)
    return -1.0 if measured is None else float(measured)


def require_room(left: Sequence[Cell], results: Path, keep: str, workers: int) -> str:
    """Raise if the policies of the cells that are left may not fit on the disk; else what to say about their size.

    Returns:
        "" unless they may take a gigabyte or more.

    Raises:
        RftlabError: there is too little room.
    """
    needed = peak_bytes(left, keep, workers)
    home = next(folder for folder in (results.resolve(), *results.resolve().parents) if folder.is_dir())
    free = shutil.disk_usage(home).free
    if needed > free:
        raise RftlabError(
            f"the trained policies may take {said_size(needed)} on the way, and {home} has {said_size(free)} left; "
            "give --keep none, another folder with --results, or fewer cells"
        )
    return f"; their policies may take {said_size(needed)} on the way" if needed >= _WORTH_SAYING else ""


def peak_bytes(left: Sequence[Cell], keep: str, workers: int) -> int:
    """Most bytes that policies take at any time of a run, at most; those of models not on this machine not counted.

    All seeds of an arm count until the last of them is done; then the best one does. Cells are taken in the order of
    the grid, and ``workers`` of them are not done yet when a further one has its policy written.
    """
    if keep == "none":
        return 0
    sizes = {cell.id: size for cell in left if (size := policy_bytes(cell))}
    of_arm = Counter(cell.variant for cell in left)
    begun: Counter[str] = Counter()
    done: Counter[str] = Counter()
    held = most = 0
    lag = max(1, workers or len(left))
    for number, cell in enumerate(left):
        begun[cell.variant] += 1
        held += sizes.get(cell.id, 0)
        most = max(most, held)
        if number >= lag and keep == "best":
            ended = left[number - lag]
            done[ended.variant] += 1
            if done[ended.variant] == of_arm[ended.variant]:
                held -= (of_arm[ended.variant] - 1) * sizes.get(ended.id, 0)
    return most


def policy_bytes(cell: Cell) -> int:
    """Bytes of a cell's policy as files, 0 for an untrained one or where the base's files are not on this machine."""
    if not find(METHODS, cell.method, "method")[0].trains:
        return 0
    folder = folder_of(locate(cell.model))
    shapes = _shapes(folder) if folder else {}
    if cell.adapter.kind == "full":
        return _BYTES * sum(math.prod(shape) for shape in shapes.values())
    names = [name.strip() for name in cell.adapter.target_modules.split(",")]
    return _BYTES * cell.adapter.r * sum(sum(shapes[name]) for name in shapes if _is_target(name, shapes[name], names))


def _seeds(cell: Cell) -> tuple[int, ...]:
    return cell.seed, cell.seed_data, cell.seed_init, cell.seed_sampling


def _is_target(name: str, shape: Sequence[int], targets: Sequence[str]) -> bool:
    module = name.removesuffix(".weight")
    if len(shape) != 2 or module == name:
        return False
    if targets == ["all-linear"]:
        return not any(part in module for part in _NOT_LINEAR)
    return any(module == target or module.endswith(f".{target}") for target in targets)


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape, from the headers of a folder's safetensors files."""
    found: dict[str, tuple[int, ...]] = {}
    for path in folder.glob("*.safetensors"):
        with contextlib.suppress(OSError, ValueError, struct.error), path.open("rb") as file:
            header: Mapping[str, Any] = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            found |= {name: tuple(each["shape"]) for name, each in header.items() if name != "__metadata__"}
    return found


def said_size(count: float) -> str:
    """Bytes in words: `3.1 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            break
        count, unit = count / 1000, {"B": "kB", "kB": "MB", "MB": "GB", "GB": "TB"}[unit]
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
