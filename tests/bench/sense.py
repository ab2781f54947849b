"""Hold the forecasts of `rftlab sense` against what short runs did: `python -m tests.bench.sense [--half a|b]`.

A setting is a task, a prompt and a label budget of the tiny base. Of each: three seeds of SFT and of GRPO, sixty steps
each, and the forecast. "Improved" is the paired rule: the interval (95 %) of the greedy accuracy of a method minus that
of the base lies above 0, over seeds and 200 items, the spread of seeds pooled over label budgets, as in a study. What
has run is kept in results/bench-sense, and the same command goes on. Prints Markdown.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rftlab import record, stats
from rftlab.advise.sense.outlook import OFTEN
from rftlab.advise.sense.sensed import sense
from rftlab.cell import Cell
from rftlab.digests import with_all_digests
from rftlab.execute.kernels import default_kernel, kernel_settings
from rftlab.execute.local import run_cells
from rftlab.grid import is_done
from rftlab.record import write_atomically
from rftlab.record.outcomes import worth
from tests.execute.stub_notebook import Quiet

FOLDER = Path("results/bench-sense")
HALVES = {"a": ("word", "rare", "band", "choice"), "b": ("chain", "dose", "count", "word_new")}
"""Tasks that the bounds were chosen on, and those that they were held against afterwards, once."""
LABELS, SEEDS, STEPS, ITEMS = (10, 100), (0, 1, 2), 60.0, 200
METHODS = {"RFT": "grpo", "SFT": "sft"}
_EVALUATION = {
    "test_items": ITEMS, "train_items": 50, "ood_items": 0, "sampled_items": 30, "samples": 8, "along_the_way": 0,
    "retention": "",
}  # fmt: skip

_OF_BASE = {"sampled_items": 64, "samples": 16}
"""So much of the base that the forecast need not ask it again."""


class Setting(NamedTuple):
    """A task of the tiny base, a prompt, and a label budget."""

    task: str
    cot: bool
    labels: int

    def __str__(self) -> str:
        return f"{self.task}, {'with' if self.cot else 'without'} chain-of-thought, {self.labels} labels"

    def cell(self, method: str, seed: int) -> Cell:
        """One run of it; the base has no labels."""
        base = method == "base"
        asked = {**_EVALUATION, **(_OF_BASE if base else {})}
        values = {"task": f"arithmetic/{self.task}", "method": method, "cot": self.cot, "evaluation": asked}
        labels = 0 if base else self.labels
        (cell,) = with_all_digests([Cell.make({**values, "labels": labels, "seed": seed, "budget.amount": STEPS})])
        return cell

    def cells(self) -> Iterator[Cell]:
        """All runs of it."""
        yield self.cell("base", 0)
        yield from (self.cell(method, seed) for method in METHODS.values() for seed in SEEDS)


def main() -> int:
    """Run what is left, and print the settings and both confusion tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sense", description=__doc__)
    parser.add_argument("--half", choices=[*HALVES], help="the tasks that bounds were chosen on (a), or the others (b)")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    counts = []
    for half in [options.half] if options.half else HALVES:
        settings = [Setting(*each) for each in _product(HALVES[half])]
        cells = {cell.id: cell for each in settings for cell in each.cells()}
        left = [cell for cell in cells.values() if not is_done(cell, FOLDER)]
        print(f"half {half}: {len(left)} of {len(cells)} cells to run", file=sys.stderr, flush=True)
        kernels = kernel_settings(default_kernel(), options.workers, keep="none")
        run_cells(left, FOLDER, Quiet(), workers=options.workers, settings=kernels)
        print(f"\nTasks {', '.join(HALVES[half])}\n")
        counts.append(_table(settings))
        _confusion(counts[-1])
    if len(counts) > 1:
        print("\nAll of them\n")
        _confusion(sum(counts, Counter()))
    return 0


def _product(tasks: Sequence[str]) -> Iterator[tuple[str, bool, int]]:
    return ((task, cot, labels) for task in tasks for cot in (True, False) for labels in LABELS)


def _table(settings: Sequence[Setting]) -> Counter[tuple[str, str, bool]]:
    """Print what was forecast of each and what it did; count arm, forecast, and whether it improved."""
    found = {arm: _differences(settings, method) for arm, method in METHODS.items()}
    counts: Counter[tuple[str, str, bool]] = Counter()
    print("| setting | pass@1 | pass@8 | groups mixed | RFT forecast | GRPO did | SFT forecast | SFT did |")
    print("|---|--:|--:|--:|---|---|---|---|")
    for setting in settings:
        body = _forecast(setting)
        base = body["signals"]["cot" if setting.cot else "direct"]
        words = {each["arm"]: each["word"] for each in body["outlooks"]}
        cells = [f"{100 * each[0]:.0f} %" for each in (base["pass_at"]["1"], base["pass_at"]["8"], base["mixed"])]
        improved = {arm: bool(found[arm][setting].low > 0) for arm in METHODS}
        for arm in METHODS:
            cells += [words[arm], f"{stats.points(found[arm][setting])}{' **improved**' * improved[arm]}"]
            counts[arm, words[arm], improved[arm]] += 1
        published = "yes" if base["pass_at"]["8"][0] >= OFTEN else "no"
        counts["RFT, published rule", published, improved["RFT"]] += 1
        print(f"| {setting} | {' | '.join(cells)} |")
    return counts


def _confusion(counts: Counter[tuple[str, str, bool]]) -> None:
    print("\n| forecast | improved | did not |\n|---|--:|--:|")
    for arm, word in product((*METHODS, "RFT, published rule"), ("yes", "unsure", "no")):
        if arm in METHODS or word != "unsure":  # the rule is never unsure
            print(f"| {arm}: {word} | {counts[arm, word, True]} | {counts[arm, word, False]} |")


def _forecast(setting: Setting) -> dict:
    """What `rftlab sense` says of a setting, measured once."""
    path = FOLDER / "forecasts" / f"{setting.task}-{setting.cot:d}-{setting.labels}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        (sensed,) = sense(
            f"arithmetic/{setting.task}", labels=setting.labels, cot=setting.cot, folder=path.parent / "kept"
        )
        write_atomically(path, json.dumps(sensed.to_json(), indent=1))
    return json.loads(path.read_text(encoding="utf-8"))


def _differences(settings: Sequence[Setting], method: str) -> dict[Setting, stats.Difference]:
    """Of each setting a method's greedy accuracy minus the base's; the spread of seeds is pooled over label budgets."""
    tables: dict[Setting, pd.DataFrame] = {}
    for setting in settings:
        base = _outcomes(setting.cell("base", 0))
        runs = pd.DataFrame({seed: _outcomes(setting.cell(method, seed)) for seed in SEEDS}).T
        tables[setting] = runs - base
    found = {}
    for setting, table in tables.items():
        curve = [stats.table_spread(each) for other, each in tables.items() if other[:2] == setting[:2]]
        found[setting] = stats.table_difference(table, pooled=stats.Spread.pooled(curve))
    return found


def _outcomes(cell: Cell) -> pd.Series:
    rows = record.read_lines(record.cells_dir(FOLDER) / cell.id / record.SAMPLES, containing='"part": "test"')
    return pd.Series({row["item"]: worth(row) for row in rows})


if __name__ == "__main__":
    sys.exit(main())
