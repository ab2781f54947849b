"""What a grid will take and what it can show, said before it runs; and, once it has run, how far off that was.

`rftlab plan` measures what is not known; a dry run and a run go by cells of this machine that are known, and by what
`rftlab plan` has measured for this results folder. The file is `forecast.json` in it.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from rftlab import preflight
from rftlab.advise import costs, held, probes
from rftlab.advise.amounts import ROWS, counted, interval, plain
from rftlab.advise.costs import AXES, Amount, Rates
from rftlab.advise.detect import Detection, of_grid, of_results
from rftlab.advise.measured import Measured, kind_of, known_cells
from rftlab.advise.priced import checked_prices
from rftlab.advise.swept import swept
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import starts
from rftlab.execute.keep import peak_bytes, said_size
from rftlab.execute.kernels import cool, cores, default_kernel, default_workers, kernel_settings, preheat
from rftlab.execute.tuning import StageRun, stage_of
from rftlab.files.archive import SUFFIX
from rftlab.grid import Grid
from rftlab.grid.tuning import prototypes
from rftlab.policy.weights import DEFAULT_KEEP
from rftlab.record.machine import machine
from rftlab.screen import say
from rftlab.user_code.child import LIMIT_S


@dataclass(frozen=True)
class Forecast:
    """What a grid's cells will take.

    Attributes:
        name: of the grid.
        workers: cells run at once.
        cells: that are left to be run.
        done: that have run already.
        tuning: of those left, cells of the tuning stage, if no rung is stopped.
        amounts: by axis of `costs.AXES`, in all: `wall` of all workers together, `peak_bytes` of the largest cell; with
            `seconds`, from the first start to the last end. Without what is unknown.
        policies: bytes that trained policies take on the way, at most.
        unknown: labels of cells of whose kind nothing is known on this machine.
        source: where the amounts are from, and their intervals, in sentences.
        prices: what people named, by thing.
        shown: which differences can be shown.
        plateau: whether training may end before its budget.
        rates: what the amounts go by, for each kind of cell.
        ran: where nothing is left to run, what runs took beside what was planned for them, in lines.
    """

    name: str
    workers: int
    cells: tuple[Cell, ...]
    done: int
    tuning: int
    amounts: Mapping[str, Amount]
    policies: int
    unknown: tuple[str, ...]
    source: tuple[str, ...]
    prices: Mapping[str, float] = field(default_factory=dict)
    shown: Detection | None = None
    plateau: bool = False
    rates: Mapping[str, Rates] = field(default_factory=dict, repr=False)
    ran: tuple[str, ...] = ()

    @property
    def money(self) -> Amount | None:
        """At the prices that were given; None without, or where the time is not known."""
        if "machine_hour" not in self.prices or "seconds" not in self.amounts:
            return None
        return self.amounts["seconds"].times(self.prices["machine_hour"] / 3600)

    def seconds_of(self, cell: Cell) -> float | None:
        """What one cell will take on one worker; None where nothing is known of its kind."""
        found = _predicted(cell, self.rates)
        return found["wall"].estimate if found else None

    def __str__(self) -> str:
        if not self.cells:
            return "\n".join(self._finished())
        of_stage = f", {self.tuning} of them to tune, at most" if self.tuning else ""
        lines = [
            f"{self.name}, planned: {counted(len(self.cells), 'cell')} to run{of_stage}, {self.workers} at once"
            + (f"; {self.done} done" if self.done else "")
        ]
        for name, said, words in ROWS:
            if name in self.amounts and self.amounts[name].high:
                lines.append(f"  {words:<22} {interval(self.amounts[name], said)}{self._beside(name)}")
        if (money := self.money) is not None:
            of = ", ".join(f"{thing} {price:g}" for thing, price in self.prices.items())
            lines.append(f"  {'money':<22} {interval(money, plain)} ({of})")
        if self.unknown:
            some = ", ".join(self.unknown[:3]) + (f" and {len(self.unknown) - 3} more" if len(self.unknown) > 3 else "")
            lines.append(f"  not known: what {some} take{'s' * (len(self.unknown) == 1)} on this machine")
        lines += [f"  {sentence}" for sentence in self.source]
        lines += [f"  {sentence}" for sentence in self.shown.sentences] if self.shown else []
        return "\n".join(lines)

    def _finished(self) -> Iterator[str]:
        """Where all has run: what was planned before, and how far off it was."""
        yield f"{self.name}: nothing is left to run, {counted(self.done, 'cell')} done"
        unplanned = ("no forecast was recorded before a run of it (rftlab plan, then rftlab run)",)
        yield from (f"  {line}" for line in self.ran or unplanned)
        yield from (f"  {sentence}" for sentence in (self.shown.sentences if self.shown else ()))

    def _beside(self, name: str) -> str:
        if name == "seconds":
            cap = ", if every run goes to its cap" if self.plateau else ""
            return f"{cap}; checks and report come on top"
        if name == "peak_bytes":
            return f" a cell, of {self.workers} at once up to {said_size(self.workers * self.amounts[name].high)}"
        if name == "disk_bytes" and self.policies:
            return f", and trained policies up to {said_size(self.policies)}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """As written to `forecast.json`."""
        return {
            "name": self.name,
            "workers": self.workers,
            "ids": [cell.id for cell in self.cells],
            "tuning": self.tuning,
            "amounts": {axis: list(amount) for axis, amount in self.amounts.items()},
            "unknown": list(self.unknown),
            "source": list(self.source),
            "prices": dict(self.prices),
            "money": list(self.money) if self.money else None,
            "can_show": self.shown.smallest if self.shown and isfinite(self.shown.smallest) else None,
        }


def plan(
    target: Grid | str | Path,
    results: str | Path | None = None,
    *,
    workers: int | None = None,
    known: Sequence[str | Path] = (),
    prices: Mapping[str, float] | None = None,
    detect: float | None = None,
    measure: bool = True,
    check_timeout: float = LIMIT_S,
) -> Forecast | Detection:
    """What a grid will take and can show, before it runs; of a study that has records, what these say it can show.

    What no finished cell of this machine tells is measured: two short runs of each kind of cell, in a temporary folder.
    The forecast is left in the results folder as `forecast.json`, and a run of the grid is held against it.

    Args:
        target: a grid, its YAML file or a packaged one's name; or a results folder or an archive.
        results: of the grid; by default `results/NAME`.
        workers: cells run at once; by default as `rftlab.run`.
        known: further results folders and archives with cells of this machine.
        prices: of `rftlab.advise.priced.PRICES`, in whatever currency.
        detect: a difference to ask for, a share of accuracy (0.05 is 5 points); by default the grid's smallest_effect.
        measure: whether to measure what is not known.
        check_timeout: seconds a step in the user's code may take while it is checked.

    Raises:
        RftlabError: anything about the grid, a price or an argument that cannot work.
        Interrupted: SIGINT, SIGTERM or SIGHUP.
    """
    if detect is not None and not 0 < detect < 1:
        raise RftlabError(f"a difference to detect lies between 0 and 100 points, not at {100 * detect:g}")
    if not isinstance(target, Grid) and is_study(Path(target)):
        shown = of_results(Path(target), detect)
        return replace(shown, sentences=(*shown.sentences, *held.runs(Path(target))))
    priced = checked_prices(prices or {})
    grid = target.settled() if isinstance(target, Grid) else Grid.load(target)
    where = (Path(results) if results else Path("results") / grid.name).expanduser().resolve()
    grid = starts.resolved(grid, where)
    with grid.lines_named():
        found = preflight.check([*grid.cells, *prototypes(grid)], limit=check_timeout)
    stage = stage_of(grid, found.facts, where)
    forecast, rates = _forecast(grid, where, stage, workers or 0, known=known, measure=measure)
    forecast = replace(forecast, prices=priced, shown=of_grid(grid, detect, found.facts[preflight.TEST_ITEMS]))
    if not forecast.cells:  # what was planned before it ran stays
        return forecast
    probed = {kind: [m.to_json() for m in found.cells] for kind, found in rates.items() if found.probed}
    threads = kernel_settings(default_kernel(), forecast.workers).threads
    held.write(where, machine=_here(threads), planned=forecast.to_json(), probed=probed)
    return forecast


def before(
    grid: Grid,
    results: Path,
    stage: StageRun | None,
    workers: int,
    *,
    shown: Mapping[str, int] | None,
    machines: int = 0,
) -> Forecast:
    """What is known of a run that is about to begin, without measuring anything.

    Args:
        grid: to be run.
        results: where to.
        stage: its tuning stage.
        workers: cells run at once.
        shown: test items by task's name, to say which differences it can show; None says nothing of that.
        machines: of a cluster that run a cell each, taken to be like this one; 0 runs all on this one.
    """
    forecast, _ = _forecast(grid, results, stage, workers, machines=machines)
    return replace(forecast, shown=of_grid(grid, there=shown)) if shown is not None else forecast


def last_lines(grid: Grid, forecast: Forecast | None, items: Mapping[str, int], executor: str = "local") -> list[str]:
    """What a dry run ends with: what is swept, and what is known of time and the rest.

    Args:
        grid: that was not run.
        forecast: of it, by cells of this machine; None where nobody knows how many will run at once.
        items: test items by task's name.
        executor: what would run it.
    """
    lines = [f"  {line}" for line in swept(grid.cells)]
    grid_name = grid.path if grid.path and grid.path.is_file() else grid.name
    if forecast is None:
        return [
            *lines,
            f"  what it takes on {executor} is not known: the cluster decides how many cells run at once; --workers N "
            f"plans for N like this machine, and rftlab plan {grid_name} on one of its nodes measures a cell there",
            *(f"  {sentence}" for sentence in of_grid(grid, there=items).sentences),
        ]
    alike = (
        [f"  by cells of this machine, as if every worker of {executor} were like it"] if executor != "local" else []
    )
    hint = [f"  rftlab plan {grid_name} measures it"] if forecast.unknown else []
    return [*lines, str(forecast), *alike, *hint]


def is_study(path: Path) -> bool:
    """Whether a target is a results folder or an archive, not a grid."""
    return path.is_dir() or (path.is_file() and path.name.endswith(SUFFIX))


def _forecast(
    grid: Grid,
    where: Path,
    stage: StageRun | None,
    workers: int,
    *,
    known: Sequence[str | Path] = (),
    measure: bool = False,
    machines: int = 0,
) -> tuple[Forecast, dict[str, Rates]]:
    """The forecast, and what it goes by for each kind of cell."""
    done, left = grid.split(where)
    tuning = stage.at_most if stage else []
    todo = [*tuning, *left]
    many = workers or default_workers(todo or grid.cells)
    settings = kernel_settings(default_kernel(), many, keep="none")
    rates = _known(todo, [where, *_existing(known), *sorted(Path("results").glob("*/"))], where, settings.threads)
    chosen = {kind: cell for kind, cell in probes.kinds(todo).items() if kind not in rates}
    failed: list[str] = []
    if chosen and measure:
        preheat(settings)
        try:
            found, failed = probes.probe(chosen, many, settings, _say)
        finally:
            cool()
        rates |= {kind: Rates.of_probes(runs) for kind, runs in found.items()}
    predicted = [_predicted(cell, rates) for cell in todo]
    unknown = dict.fromkeys(
        f"{cell.method_name} on {cell.task_name.rpartition('/')[2]}"
        for cell, amounts in zip(todo, predicted, strict=True)
        if amounts is None
    )
    forecast = Forecast(
        name=grid.name,
        workers=machines or many,
        cells=tuple(todo),
        done=len(done),
        tuning=len(tuning),
        amounts={} if unknown else _summed([each for each in predicted if each], machines or many),
        policies=peak_bytes(left, grid.keep or DEFAULT_KEEP, many),
        unknown=tuple(unknown),
        source=(*_sources(rates, todo), *failed),
        plateau=any(cell.budget.until == "plateau" for cell in todo),
        rates=rates,
        ran=() if todo else tuple(held.runs(where)),
    )
    return forecast, rates


def _existing(places: Sequence[str | Path]) -> list[Path]:
    for place in places:
        if not Path(place).exists():
            raise RftlabError(f"there are no results in {place}: no such folder or archive")
    return [Path(place) for place in places]


def _known(todo: Sequence[Cell], places: Sequence[Path], where: Path, threads: int) -> dict[str, Rates]:
    """Kind -> what is known of it: cells that ran, else what was measured for this results folder before."""
    groups: dict[str, list[Measured]] = {}
    for each in known_cells(todo, places, threads):
        groups.setdefault(kind_of(each.cell)[0], []).append(each)
    # How far predictions are off is asked of all kinds together: of one alone there are few cells.
    pooled = Rates.of_cells([m for group in groups.values() for m in group])
    body = held.read(where)
    probed = body.get("probed") if body.get("machine") == _here(threads) else None
    try:
        found = {kind: Rates.of_probes([*map(Measured.of_json, runs)]) for kind, runs in (probed or {}).items()}
    except (RftlabError, TypeError, KeyError, ValueError, AttributeError):
        found = {}  # of another version, or not ours
    return {**found, **{kind: replace(pooled, cells=tuple(group)) for kind, group in groups.items()}}


def _predicted(cell: Cell, rates: Mapping[str, Rates]) -> dict[str, Amount] | None:
    found = rates.get(kind_of(cell)[0])
    return found.predict(cell) if found else None


def _summed(predicted: Sequence[Mapping[str, Amount]], workers: int) -> dict[str, Amount]:
    """Of all cells: what each takes added, the largest peak, and the seconds from the first start to the last end."""
    amounts = {
        axis: (Amount.largest if axis == "peak_bytes" else Amount.summed)([each[axis] for each in predicted])
        for axis in AXES
    }
    walls = [*zip(*(each["wall"] for each in predicted), strict=True)] or [()] * 3
    return {**amounts, "seconds": Amount(*(costs.makespan(each, workers) for each in walls))}


def _sources(rates: Mapping[str, Rates], todo: Sequence[Cell]) -> list[str]:
    """Where the amounts are from, and their intervals."""
    used = {kind: rates[kind] for cell in todo if (kind := kind_of(cell)[0]) in rates}
    ran = [each for each in used.values() if not each.probed]
    said = []
    if ran:
        count = sum(len(each.cells) for each in ran)
        apart = f", each held out and predicted from the others, off by {100 * ran[0].own_error:.0f} %" * bool(
            ran[0].held_out
        )
        said.append(f"from {counted(count, 'finished cell')} of this machine{apart}")
    if probed := len(used) - len(ran):
        said.append(f"from two short runs of each of {counted(probed, 'kind')} of cells, measured on this machine")
    if used:
        load = held.load()
        busy = (
            f"; other work keeps this machine busy now (load {load:.1f} on {cores()} cores)"
            if load > 0.5 * cores()
            else ""
        )
        said.append(
            f"in brackets intervals of {100 * costs.COVERAGE:.0f} %: docs/planning.md says how they are made{busy}"
        )
    return said


def _say(text: str) -> None:
    """To people, beside the plan itself."""
    say(text, file=sys.stderr)


def _here(threads: int) -> dict[str, Any]:
    return {**machine(), "threads": threads}
