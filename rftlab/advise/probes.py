"""A measured probe: two short runs of each kind of cell, through the executor that runs a study, filed nowhere.

The first takes two steps and asks a few items. The second is as long as, going by the first, a few seconds allow: from
two amounts follows what grows with them and what does not. Both run as many at once as the study will.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rftlab.advise.measured import Measured, kind_of, measured
from rftlab.cell import NOT_YET, Cell
from rftlab.digests import with_all_digests
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.local import Unheard, run_cells
from rftlab.execute.one_cell import Outcome
from rftlab.files.staging import scratch

_TRAIN_S, _EVALUATE_S, _LOOK_S = 4.0, 2.5, 1.0
"""What training, the evaluation and a look along the way of the second run may take, going by the first."""
_FIRST_STEPS, _STEPS_OF_SEQUENCE = 2, 4
_FIRST_SHARE, _MOST_SHARE = 0.05, 0.5


def kinds(cells: Sequence[Cell]) -> dict[str, Cell]:
    """Kind of training -> the cell of it that is to be probed, that of the median label budget."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(kind_of(cell)[0], []).append(cell)
    # One that is scored on test items tells of development items too.
    tested = {
        kind: [cell for cell in group if cell.evaluation.part == "test"] or group for kind, group in groups.items()
    }
    return {kind: sorted(group, key=lambda cell: cell.labels)[len(group) // 2] for kind, group in tested.items()}


def probe(
    chosen: Mapping[str, Cell], workers: int, settings: KernelSettings, say: Callable[[str], None]
) -> tuple[dict[str, list[Measured]], list[str]]:
    """Two short runs of each kind; nothing of them is kept.

    Args:
        chosen: of `kinds`.
        workers: cells that run at once.
        settings: of the kernels, as the study's.
        say: told what happens.

    Returns:
        Kind -> its runs (one where it is over within the first), and a sentence on each run that failed.

    Raises:
        Interrupted: SIGINT, SIGTERM or SIGHUP.
    """
    whole = {kind: _measurable(cell) for kind, cell in chosen.items()}
    short = {kind: _short(cell, _first_steps(cell), _FIRST_SHARE, _FIRST_SHARE) for kind, cell in whole.items()}
    say(f"measuring {len(short)} kind{'s' * (len(short) != 1)} of cells, two short runs each, in a temporary folder")
    heard, settings = Failures(), replace(settings, stay_warm=True)
    with scratch() as folder:

        def runs(cells: Mapping[str, Cell]) -> dict[str, Measured]:
            run_cells(list(cells.values()), folder, heard, workers=workers, settings=settings)
            return {kind: m for kind, cell in cells.items() for m in measured(folder, [cell])}

        first = runs(short)
        second = runs({kind: _second(whole[kind], found) for kind, found in first.items()})
    found = {kind: [*{m.cell.id: m for m in (first[kind], second[kind])}.values()] for kind in second}
    return found, [f"{outcome.cell.label} failed when it was measured: {outcome.error}" for outcome in heard.failed]


def _measurable(cell: Cell) -> Cell:
    """The cell as it can run now: from the base, at default rates where a stage is still to choose them."""
    values: dict[str, Any] = {"tuned_by": "", "learning_rates": ()} if cell.tuned_by == NOT_YET else {}
    if cell.waits:
        (cell,) = with_all_digests([cell.unstarted()])
    budget = {"unit": "steps", "amount": float(_most_steps(cell)), "until": "spent"}
    return Cell.make(
        {**cell.model_dump(), **values, "budget": budget, "evaluation": {**cell.evaluation.model_dump(), "marks": ()}}
    )


def _most_steps(cell: Cell) -> int:
    return max(1, math.floor(cell.budget.amount)) if cell.budget.unit == "steps" else 10_000


def _first_steps(cell: Cell) -> int:
    """Of a sequence so many that each stage has its share."""
    return min(int(cell.budget.amount), _STEPS_OF_SEQUENCE if "+" in cell.method else _FIRST_STEPS)


def _second(whole: Cell, first: Measured) -> Cell:
    """A longer run: as many steps and items as a few seconds allow, going by the first."""
    steps = int(max(2 * first.steps, _TRAIN_S * first.steps / max(first.train, 1e-3)))
    share = _FIRST_SHARE * _EVALUATE_S / max(first.evaluation, 1e-3)
    look = first.cell.evaluation.along_items / whole.evaluation.along_items * _LOOK_S / max(first.along / 2, 1e-3)
    return _short(
        whole,
        min(int(whole.budget.amount), max(1, steps)),
        min(_MOST_SHARE, max(2 * _FIRST_SHARE, share)),
        min(1.0, max(2 * _FIRST_SHARE, look)),
    )


def _short(cell: Cell, steps: int, share: float, along: float) -> Cell:
    """The cell with so many steps, and shares of its items: of the last evaluation, and of those along the way."""
    asked = cell.evaluation
    fewer: Mapping[str, Any] = {
        "test_items": _part(asked.test_items, share, 4),
        "train_items": _part(asked.train_items, share, 4),
        "ood_items": _part(asked.ood_items, share, 2),
        "sampled_items": _part(asked.sampled_items, share, 1),
        "retention_items": _part(asked.retention_items, share, 2),
        "along_items": _part(asked.along_items, along if asked.part == "test" else share, 4),
        "along_the_way": min(1, asked.along_the_way),
    }
    return Cell.make(
        {
            **cell.model_dump(),
            "budget": {**cell.budget.model_dump(), "amount": float(steps)},
            "evaluation": {**asked.model_dump(), **fewer},
        }
    )


def _part(items: int, share: float, least: int) -> int:
    return min(items, max(least, math.ceil(share * items)))


class Failures(Unheard):
    """Listens to the runs of a probe, which nobody watches, and keeps what failed."""

    def __init__(self) -> None:
        self.failed: list[Outcome] = []

    def finished(self, outcome: Outcome) -> None:
        """Keep a failure."""
        if outcome.status == "failed":
            self.failed.append(outcome)
