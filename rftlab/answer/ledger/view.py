"""A study as the ledger asks it: differences of arms by budget, the cells behind them, and blocks for missing ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import combinations
from math import nan
from statistics import fmean
from typing import Any

import pandas as pd

from rftlab.answer import comparisons
from rftlab.answer.comparisons import Arm, Place
from rftlab.answer.decisions import Decisions
from rftlab.answer.groups import listed
from rftlab.answer.ledger.contrasts import Contrast, Panel, Tested
from rftlab.answer.results import RETAINED, SHOWN_IN, UNTRAINED, Results, is_base
from rftlab.cell import Cell
from rftlab.contract import SEEDS, Applies
from rftlab.grid.written import alike, grid_text
from rftlab.plots.cells import prompt_name
from rftlab.registry import family_of

CONTROLS = ("grpo-random", "grpo-format")
COT, DIRECT = prompt_name(True, True), prompt_name(False, False)
ASKED = {prompt_name(cot, asked): (cot, asked) for cot in (True, False) for asked in (True, False)}
"""A prompt in words -> trained with chain-of-thought, asked with it."""
_DEFAULT = {"rft": "grpo", "sft": "sft", "hybrid": "sft+grpo"}
_AXES = {"task", "model", "method", "preset", "settings", "labels", "prompts", "cot", "cot_eval", "digests", "tuned_by",
         "learning_rates", "started_by", *SEEDS}  # fmt: skip
_UNEQUAL = 1.05


class View:
    """A study's arms by measure and place.

    Args:
        results: of the study.
        decisions: of these results.
    """

    def __init__(self, results: Results, decisions: Decisions) -> None:
        self.results, self.decisions = results, decisions
        self._arms, self._shown, self._cells = cache(self._read), cache(self._read_shown), cache(self._read_cells)
        self._alike = cache(self._read_alike)

    @property
    def decides(self) -> str:
        """The measure that decides."""
        return self.decisions.decides

    @property
    def panels(self) -> list[Panel]:
        """Each once, in order."""
        return sorted({Panel(*panel[:3]) for panel in self.decisions.panels})

    def role(self, family: str) -> str:
        """The method that stands for rft, sft or hybrid: the default, or the first that the plan names instead."""
        named = [name for name in self.decisions.plan.named if family_of(name) == family]
        return _DEFAULT[family] if _DEFAULT[family] in named or not named else named[0]

    def arm(self, measure: str, panel: Panel, prompt: str, labels: float, name: str) -> Arm | None:
        """An arm at a place, None where there is none; an untrained one is the same at every budget."""
        place = Place(*panel, prompt, int(labels))
        arms = self._arms(measure)
        if found := arms.get((place, name)):
            return found
        untrained = arms.get((place._replace(labels=0), name))
        return untrained if untrained and not untrained.trained else None

    def budgets(self, measure: str, panel: Panel, prompt: str, name: str) -> list[int]:
        """Label budgets of an arm."""
        here = (*panel, prompt)
        return sorted(
            place.labels
            for (place, arm), found in self._arms(measure).items()
            if arm == name and place[:4] == here and found.trained
        )

    def by_prompts(self, panel: Panel, prompt: str, method: str) -> dict[int, str]:
        """Arms of a method that train on prompts alone: how many prompts -> the arm."""
        cells = self._shown(panel)
        here = cells[(cells["method"] == method) & (cells["prompt"] == prompt) & (cells["labels"] == 0)]
        found = here.loc[here["prompts"] > 0, ["prompts", "arm"]].sort_values("prompts")
        return {int(n): str(arm) for n, arm in found.to_numpy()}

    def pair(self, measure: str, panel: Panel, prompt: str, first: str, second: str) -> dict[float, pd.DataFrame]:
        """Outcomes of one arm minus those of another at every budget where they share seeds and items."""
        found = {}
        for labels in self.budgets(measure, panel, prompt, first):
            both = [self.arm(measure, panel, prompt, labels, name) for name in (first, second)]
            if both[0] and both[1] and (table := comparisons.subtract(both[0], both[1])).size:
                found[float(labels)] = table
        return found

    def ids(
        self, panel: Panel, prompts: Iterable[str], arms: Iterable[str], labels: Iterable[float]
    ) -> tuple[str, ...]:
        """Cells of arms at label budgets; untrained ones at any."""
        cells, asked = self._shown(panel), {ASKED[prompt][1] for prompt in prompts}
        untrained = is_base(cells)
        here = cells["arm"].isin(arms) & (
            (untrained & cells["cot_eval"].isin(asked)) | (cells["labels"].isin(labels) & cells["prompt"].isin(prompts))
        )
        return tuple(sorted(cells.loc[here, "id"]))

    def unequal(self, measure: str, panel: Panel, prompt: str, arms: Sequence[str], labels: Iterable[float]) -> str:
        """How far apart the FLOPs of arms are, those before training too, if by over 5 % at any budget; else ""."""
        furthest, told = _UNEQUAL, ""
        for n in labels:
            spent = {name: arm.spent for name in arms if (arm := self.arm(measure, panel, prompt, n, name))}
            if len(spent) < 2:
                continue
            most, least = max(spent, key=lambda name: spent[name]), min(spent, key=lambda name: spent[name])
            if not spent[most] <= furthest * spent[least]:
                furthest = spent[most] / spent[least] if spent[least] else float("inf")
                times = f"{most} spent {furthest:.1f} times those of {least} at {n:g} labels"
                told = f"FLOPs of training and before it differ: {times}"
        return told

    @property
    def widest(self) -> Panel:
        """The panel with most cells."""
        return max(self.panels, key=self.cells_in)

    def cells_in(self, panel: Panel) -> int:
        """How many cells a panel shows."""
        return len(self._shown(panel))

    def values(self, panel: Panel, prompt: str, arm: str, labels: float, name: str) -> list[float]:
        """A column of the cells of an arm, one a seed; NaN where it was not measured."""
        here = self._runs(panel, prompt, arm, labels)
        return [float(value) for value in pd.to_numeric(here[name])] if name in here else []

    def seeds(self, panel: Panel, prompt: str, arm: str, labels: float) -> dict[str, str]:
        """The cells of an arm by id, with their seeds as outcome tables name them."""
        here = self._runs(panel, prompt, arm, labels)
        return {cell: " ".join(map(str, seeds)) for cell, *seeds in here[["id", *SEEDS]].itertuples(index=False)}

    def retained(self, panel: Panel) -> int:
        """How many tasks that were not trained on the cells of a panel were asked."""
        cells = self._shown(panel)
        names = [name for name in map(str, cells) if RETAINED.fullmatch(name)]
        return sum(bool(cells[name].notna().any()) for name in names)

    def shared_labels(self, panel: Panel, prompt: str, arm: str, labels: int) -> float:
        """Share of its labels that a seed has in common with another one, mean over pairs; NaN for one seed.

        Known of the labels that train accuracy is of, and scaled to all of them.
        """
        found = self.arm("train_accuracy", panel, prompt, labels, arm)
        if found is None or len(found.table) < 2:
            return nan
        own = found.table.notna().to_numpy()
        alike = [float((a & b).sum()) / max(1, int(a.sum())) ** 2 for a, b in combinations(own, 2)]
        return min(1.0, fmean(alike) * labels)

    def tested(
        self,
        panel: Panel,
        prompt: str,
        arms: Mapping[str, tuple[Contrast, ...]],
        control: Callable[[str], tuple[Contrast, ...] | None] | None,
        beside: Sequence[str],
        missing: Sequence[Mapping[str, Any]] = (),
        **more: Any,
    ) -> Tested:
        """A slice, with what is asked of every claim: rates chosen by a stage, and both controls.

        Args:
            panel: where.
            prompt: in words.
            arms: as in `Tested`.
            control: the same differences with a control in the place of the arm that the claim favours; None for one
                that was run and says nothing.
            beside: all arms that it rests on.
            missing: entries of cells that would mend what failed.
            more: further fields of `Tested`; `control_axes`, if a control is to be run with others than the prompt's.
        """
        labels = sorted({n for each in arms.values() for contrast in each for n in _within(contrast)})
        tried = {name: control(name) for name in CONTROLS} if control else {}
        controls = {name: found for name, found in tried.items() if found and all(each.tables for each in found)}
        absent = [name for name, found in tried.items() if name not in controls and found is not None]
        failed = [*more.pop("failed", ()), *self._untuned(panel, beside, labels)]
        failed += [f"controls were not run: {listed(absent)}"] if absent else []
        silent = [name for name, found in tried.items() if found is None]
        notes = [f"{listed(silent)} learnt less, and say nothing of this"] if silent else []
        entries = list(missing)
        axes = more.pop("control_axes", asked_as(prompt))
        entries += [{"method": absent, "labels": int(labels[-1]), **axes}] if absent else []
        ids = self.ids(panel, [prompt], [*beside, *controls], labels)
        return Tested(
            panel, prompt, more.pop("part", ""), arms, controls if controls or absent else None, more.pop("cells", ids),
            tuple(failed), (*more.pop("notes", ()), *notes), include=self.block(panel, *entries), **more,
        )  # fmt: skip

    def block(self, panel: Panel | None, *entries: Mapping[str, Any]) -> str:
        """An `include:` block for a grid: these axes, all else as in the panel's cells, at the study's seeds."""
        if not entries or panel is None:
            return ""
        cells = self._cells(panel)
        seeds, task = sorted({cell.seed for cell in cells}) or [0], cells[0].task if cells else panel.task
        axes = {"task": task, "model": panel.model, **self._alike(panel)}
        return grid_text({"include": [{**axes, **entry, "seed": seeds} for entry in entries]})

    def _untuned(self, panel: Panel, arms: Iterable[str], labels: Iterable[float]) -> list[str]:
        cells = self._shown(panel)
        here = cells[cells["arm"].isin(arms) & cells["labels"].isin(labels) & (cells["tuned_by"] == "")]
        methods = sorted({name for name in here["method"] if Applies.to(name).training})
        return [f"no tuning stage chose the learning rate of {listed(methods)}"] if methods else []

    def _runs(self, panel: Panel, prompt: str, arm: str, labels: float) -> pd.DataFrame:
        cells = self._shown(panel)
        return cells[(cells["arm"] == arm) & (cells["prompt"] == prompt) & (cells["labels"] == labels)]

    def _read_shown(self, panel: Panel) -> pd.DataFrame:
        cells = self.results.cells
        shown = cells[SHOWN_IN].map(lambda variants: panel.variant in variants)
        return cells[(cells["task"] == panel.task) & (cells["model"] == panel.model) & shown]

    def _read_cells(self, panel: Panel) -> list[Cell]:
        records = {record.id: record.parameters for record in self.results.records}
        here = self._shown(panel)
        trained = here[~here["method"].isin(UNTRAINED)]
        return [records[cell] for cell in (trained if len(trained) else here)["id"]]

    def _read_alike(self, panel: Panel) -> dict[str, Any]:
        return alike(self._cells(panel), _AXES)

    def _read(self, measure: str) -> Mapping[tuple[Place, str], Arm]:
        found = self.decisions.outcomes.get(measure)
        arms = comparisons.arms(self.results, measure) if found is None else found
        return {(arm.place, arm.arm): arm for arm in arms}


def asked_as(prompt: str) -> dict[str, bool]:
    """The axes of a prompt."""
    cot, asked = ASKED[prompt]
    return {"cot": cot} if cot == asked else {"cot": cot, "cot_eval": asked}


def _within(contrast: Contrast) -> list[float]:
    low, high = contrast.ends
    return [n for n in contrast.tables if low <= n <= high]
