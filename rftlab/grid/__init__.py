"""Grid: a YAML file of parameter values and lists to sweep, read into cells; every mistake is named with its line.

    name: demo                                   # default: the file's name
    keep: best                                   # policies: none, best (of each arm; the default) or all
    report_to: [tensorboard]                     # trackers that training reports to as well; default none
    named: [base, sft, grpo]                     # arms that the answer is about; default base, sft, grpo, sft+grpo
    claims: [1, 12]                              # claims of the ledger that are tested beside them; default none
    smallest_effect: 0.05                        # smallest difference in accuracy that matters
    max_seeds: 10                                # seeds that the study may grow to, declared before it begins
    labels_available: 60                         # labels you have, for the answer's last sentence
    defaults: {model: tiny-base, labels: 50}     # one line of defaults
    method: [base, sft, grpo]                    # a list is swept; fields are dotted (`budget.amount`) or nested
    seed: [0, 1, 2]
    include:                                     # further cells, each on top of the defaults
      - {method: grpo, preset: deepseek, seed: [0, 1, 2]}
    overrides:                                   # another value for the cells that match
      - {when: {method: grpo}, set: {budget.amount: 60}}
    exclude:                                     # cells that match are left out, after the overrides
      - {method: sft, labels: [10, 30]}
    tuning: stage                                # rates are chosen before the study; default: off

`rftlab parameters` lists all keys (`rftlab.grid.keys`); docs/grid_file.md explains them.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml.comments import CommentedMap

from rftlab import record
from rftlab.cell import OF_ROWS, Cell
from rftlab.contract import idle
from rftlab.digests import with_all_digests
from rftlab.errors import RftlabError, printable
from rftlab.files.paths import packaged_grids
from rftlab.grid.document import line_of, written_at
from rftlab.grid.keys import RESERVED, START
from rftlab.grid.parameters import Axes, GridFile, Located
from rftlab.grid.plan import Plan
from rftlab.grid.starts import going_on
from rftlab.grid.tuning import Stage
from rftlab.naming import is_called, short_name
from rftlab.registry import METHODS, TASKS, find, suggest, trains
from rftlab.user_code import DATA_SUFFIXES

# A .json file may be a grid: JSON is YAML.
_DATA = tuple(suffix for suffix in DATA_SUFFIXES if suffix != ".json")
# A grid of more is a mistake, or not one study.
MAX_CELLS = 100_000


@dataclass(frozen=True)
class Grid:
    """Cells to run together, in order, each once.

    Attributes:
        name: names the results folder.
        cells: unique by id.
        path: the file it was read from, None if it was made in code.
        keep: which trained policies are kept: none, best (of each arm) or all; "" if the file does not say.
        plan: what it declares of its answer.
        tuning: the stage that chooses learning rates before the study; None runs none.
        report_to: trackers that training reports to as well (`rftlab.trackers`); they are no part of a cell.
        idle: arms left out, each with its budget, since they have nothing to train on there.
    """

    name: str
    cells: tuple[Cell, ...]
    path: Path | None = None
    keep: str = ""
    plan: Plan = field(default_factory=Plan)
    tuning: Stage | None = None
    report_to: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str | Path, text: str | None = None) -> "Grid":
        """Grid from a YAML file, or by the name of a packaged one (`demo`) where there is no such file.

        Args:
            path: the file, or the name.
            text: what the file will hold, where it is not written yet.

        Raises:
            RftlabError: no such file, not YAML, an unknown parameter or name, a value out of range, or no cell at all;
                the sentence begins with file and line.
        """
        file = GridFile(_file(Path(path)) if text is None else Path(path), text)
        cells, left_out = _busy(_read_cells(file))
        plan = _plan(file, cells)
        if file.tuning:
            try:
                cells = file.tuning.opened(cells)
            except RftlabError as error:
                file.fail(line_of(file.document, "tuning"), str(error))
        return cls(file.name, cells, file.path, file.keep, plan, file.tuning, file.report_to, left_out).settled()

    def settled(self) -> "Grid":
        """The grid with the digests of the user's files as they are now, each cell once, open where a stage chooses."""
        cells = self.tuning.opened(self.cells) if self.tuning else self.cells
        # Two paths may lead to one content.
        cells = tuple({cell.id: cell for cell in with_all_digests(cells)}.values())
        return replace(self, cells=cells, plan=replace(self.plan, labels=self.plan.labels or label_budgets(cells)))

    @contextmanager
    def lines_named(self) -> Iterator[None]:
        """Errors about a setting (`rftlab.errors.about`) begin with file and line, where the file holds it."""
        try:
            yield
        except RftlabError as error:
            line = written_at(self.path, error.about, error.value) if self.path and error.about else 0
            if line:
                raise RftlabError(f"{self.path} line {line}: {error}") from error
            raise

    @property
    def variants(self) -> int:
        """Number of cells, not counting seeds."""
        return len({cell.variant for cell in self.cells})

    def split(self, results: Path) -> tuple[list[Cell], list[Cell]]:
        """Cells that have a readable record of theirs in ``results``, and cells that have none."""
        done: list[Cell] = []
        left: list[Cell] = []
        for cell in self.cells:
            (done if is_done(cell, results) else left).append(cell)
        return done, left


def _file(path: Path) -> Path:
    """The path, or the packaged grid that is called so.

    Raises:
        RftlabError: it is neither a file nor such a name, though it looks like a name; or it names data or a task.
    """
    known = packaged_grids()
    if path.name.endswith(_DATA):
        raise RftlabError(
            f"{path} is a data file, not a grid; rftlab new {path} writes a grid for it, and rftlab check {path} looks "
            "at it"
        )
    if path.parts and path.parts[0] in TASKS and str(path) not in known and not path.exists():
        raise RftlabError(f"{path} is a task, not a grid; a grid names it: task: {path}")
    if path.name != str(path) or path.suffix or "\0" in path.name or path.is_file():
        return path
    if path.name not in known:
        if path.exists():
            return path
        raise RftlabError(
            f"there is no grid {printable(path.name)!r}; give a YAML file or a packaged one's name"
            f"{suggest(path.name, known)}"
        )
    return known[path.name]


def _busy(cells: Sequence[Cell]) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Cells that have something to train on, and what is left out: SFT where a sweep of labels begins at 0.

    Of a method that would be left out altogether all cells stay: running it is a mistake, which the preflight names.
    """
    methods = {cell.method for cell in cells if not idle(cell)}
    left_out = {cell.id: cell for cell in cells if idle(cell) and cell.method in methods}
    told = dict.fromkeys(
        f"{cell.method_name} with {cell.label_budget.partition(' + ')[0]}" for cell in left_out.values()
    )
    return tuple(cell for cell in cells if cell.id not in left_out), tuple(told)


def label_budgets(cells: Sequence[Cell]) -> tuple[int, ...]:
    """Label budgets of the cells that have one, in order."""
    return tuple(sorted({cell.labels for cell in cells if find(METHODS, cell.method, "method")[0].uses_labels}))


def _plan(file: GridFile, cells: Sequence[Cell]) -> Plan:
    """What the file declares, held against the cells it has."""
    plan, seeds = replace(file.plan, labels=label_budgets(cells)), _most_seeds(cells)
    if "max_seeds" not in file.document:
        plan = replace(plan, max_seeds=max(plan.max_seeds, seeds))
    elif plan.max_seeds < seeds:
        problem = f"max_seeds is {plan.max_seeds}, but the grid has {seeds} seeds; declare at least those"
        file.fail(line_of(file.document, "max_seeds"), problem)
    methods = {cell.method for cell in cells}
    ladders = file.tuning.ladders if file.tuning else ()
    if untrained := [arm for arm in ladders if arm in methods and not trains(arm)]:
        file.fail(line_of(file.document, "tuning"), f"tuning.ladders: {untrained[0]} is not trained and has no rates")
    for key, inner, arms in (("named", "named", plan.named), ("tuning", "tuning.ladders", ladders)):
        for arm in arms:
            meant = [method for method in methods if is_called(method, arm)]
            if len(meant) != 1:
                what = "several methods called" if meant else "no method"
                near = "; give the path of one" if meant else suggest(arm, map(short_name, methods))
                file.fail(line_of(file.document, key), f"{inner}: the grid has {what} {arm!r}{near}")
    if plan.named and not any(find(METHODS, arm, "method")[0].uses_labels for arm in plan.arms(methods)):
        file.fail(line_of(file.document, "named"), "named: none of these is trained; name an arm that is")
    return plan


def _most_seeds(cells: Iterable[Cell]) -> int:
    """Of the arm that has most, at one label budget."""
    seeds: dict[str, set[int]] = {}
    for cell in cells:
        seeds.setdefault(cell.variant, set()).add(cell.seed)
    return max(map(len, seeds.values()))


def is_done(cell: Cell, results: Path) -> bool:
    """True if ``results`` holds this cell's record, readable and with its trace and samples as they were written."""
    return isinstance(record.examine(record.cells_dir(results) / cell.id), record.Record)


class _Rule(NamedTuple):
    """An override (values to set) or an exclusion (none), and where it stands."""

    when: Axes
    values: dict[str, Any]
    line: int


def _read_cells(file: GridFile) -> list[Cell]:
    defaults = file.axes(file.mapping(file.document, "defaults"), sweeps=True)
    skipped = (*RESERVED, *(["tuning"] if file.declares_tuning else []))
    swept = file.axes(file.document, skip=skipped, sweeps=True)
    overrides = [_override(file, entry) for entry in file.entries("overrides")]
    excluded = [_Rule(file.axes(entry), {}, entry.lc.line + 1) for entry in file.entries("exclude")]
    blocks = [{**defaults, **file.axes(entry, sweeps=True)} for entry in file.entries("include")]
    if swept and blocks and "method" not in {**defaults, **swept}:
        name, options = next(iter(swept.items()))
        file.fail(
            options[0].line,
            f"{name} at the top makes cells of its own, beside those of include and without a method; put it under "
            "defaults, where it holds for include too, or give a method beside it",
        )
    if swept or not blocks:
        blocks.insert(0, {**defaults, **swept})
    blocks = [file.squared(block) for block in blocks]
    _require_bounded(file, blocks)
    cells: dict[str, Cell] = {}
    later: list[tuple[Cell, Located]] = []
    matched: set[int] = set()
    for block in blocks:
        for cell, start in _product(file, block, overrides, matched):
            rules = [rule for rule in excluded if _matches(cell, rule.when)]
            matched |= {id(rule) for rule in rules}
            level = _levelled(cell)
            if start and not rules and find(METHODS, cell.method, "method")[0].trains:
                later.append((level, start))
            elif not rules:
                cells.setdefault(level.id, level)
    plain = tuple(cells.values())
    for cell, start in later:
        try:
            cell = going_on(cell, [each for each in plain if _same(each.flat(), start.value)])
        except RftlabError as error:
            file.fail(start.line, f"start_from: {error}")
        cells.setdefault(cell.id, cell)
    for kind, listed in (("override", overrides), ("exclude", excluded)):
        for rule in listed:
            if id(rule) not in matched:
                file.fail(rule.line, f"this {kind} matches no cell; mend its values, or remove it")
    if not cells:
        file.fail(1, "every cell is excluded; remove an entry of exclude")
    return list(cells.values())


def _require_bounded(file: GridFile, blocks: Sequence[Axes]) -> None:
    counts = [math.prod(len(options) for options in block.values()) for block in blocks]
    if sum(counts) > MAX_CELLS:
        longest = max((located for block in blocks for located in block.items()), key=lambda axis: len(axis[1]))
        file.fail(
            longest[1][0].line,
            f"the grid has {sum(counts):,} cells, more than {MAX_CELLS:,}; sweep less, or split it into several grids",
        )


def _override(file: GridFile, entry: CommentedMap) -> _Rule:
    line = entry.lc.line + 1
    if set(entry) != {"when", "set"}:
        file.fail(line, "an override has exactly the keys when and set")
    values = file.axes(file.mapping(entry, "set"))
    for name, options in values.items():
        if len(options) > 1:
            file.fail(options[0].line, f"set gives {name} one value, not a list")
    return _Rule(file.axes(file.mapping(entry, "when")), {name: v[0].value for name, v in values.items()}, line)


def _product(
    file: GridFile, axes: Axes, overrides: list[_Rule], matched: set[int]
) -> Iterator[tuple[Cell, Located | None]]:
    """Every cell of a block, and the arm whose policies it goes on from; None where it does not."""
    for combination in itertools.product(*axes.values()):
        located = dict(zip(axes, combination, strict=True))
        arm = located.pop(START) if START in located and isinstance(located[START].value, dict) else None
        values = {name: each.value for name, each in located.items()}
        try:
            cell = Cell.make(values)
            for override in overrides:
                if _matches(cell, override.when):
                    matched.add(id(override))
                    values = {**values, **override.values}
                    cell = Cell.make(values)
        except RftlabError as error:
            file.fail(min((located.line for located in combination), default=1), str(error))
        yield cell, arm


def _matches(cell: Cell, rule: Axes) -> bool:
    values = cell.model_dump(mode="json")
    return all(any(_same(_walk(values, name), each.value) for each in options) for name, options in rule.items())


def _walk(values: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _same(actual: Any, wanted: Any) -> bool:
    if isinstance(actual, Mapping) and isinstance(wanted, Mapping):
        return all(key in actual and _same(actual[key], value) for key, value in wanted.items())
    return bool(actual == wanted)


@cache
def _level_values() -> dict[str, Any]:
    trained = (
        *OF_ROWS,
        "preset",
        "settings",
        "budget.",
        "tuning.",
        "learning_rates",
        "tuned_by",
        "evaluation.marks",
    )
    return {name: value for name, value in Cell.make({}).flat().items() if name.startswith(trained)} | {"labels": 0}


def _levelled(cell: Cell) -> Cell:
    """The cell with defaults for what its method does not use, so that equal runs have equal ids."""
    method, _ = find(METHODS, cell.method, "method")
    if cell.start_from and not method.trains:  # the base is the base, whatever the others go on from
        cell = Cell.make({**cell.flat(), "start_from": ""})
    if method.uses_labels:
        return cell if method.prompts or not cell.prompts else Cell.make({**cell.flat(), "prompts": 0})
    return Cell.make({**cell.flat(), **_level_values(), "cot": cell.cot_eval})
