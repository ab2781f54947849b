"""One study read at equal labels and at equal compute, on runs of the tiny base."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rftlab.answer.folder import read_cells
from rftlab.answer.readings import Run, capped, common_marks, largest_common_mark, read_runs, reading_of
from rftlab.cell import Cell
from rftlab.digests import settled
from rftlab.experiment import Experiment
from rftlab.record import SAMPLES, read_lines
from tests.conftest import SMALL

PLATEAU = {
    "budget": {"amount": 6.0, "until": "plateau", "patience": 1},
    "evaluation": {**SMALL["evaluation"], "along_the_way": 6, "marks": (1.0, 1e9, 1e14)},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, SFT that its cap ends, and SFT at another seed that ends at its plateau."""
    results = tmp_path_factory.mktemp("readings")
    capped = {"amount": 2.0, "until": "plateau", "patience": 5}
    for values in (
        {"method": "base", "labels": 0, "evaluation": {**PLATEAU["evaluation"], "marks": ()}},
        {"method": "sft", **PLATEAU},
        {"method": "sft", **PLATEAU, "budget": capped, "seed": 1},
    ):
        cell = settled(Cell.make({**SMALL, **values}))
        experiment = Experiment(cell, out=results / "cells" / cell.id)
        experiment.train()
        experiment.evaluate()
        experiment.save()
    return results


def part(results: Path, cell: str, name: str, **where: Any) -> dict[str, float]:
    rows = read_lines(results / "cells" / cell / SAMPLES)
    return {r["item"]: r["reward"] for r in rows if r["part"] == name and all(r[k] == v for k, v in where.items())}


def test_a_run_is_read_at_its_end_at_marks_it_crossed_and_beyond_its_plateau_but_not_beyond_its_cap(study: Path):
    cells = read_cells(study)
    runs = read_runs(study, cells)
    stopped, capped = (cells[(cells["method"] == "sft") & (cells["seed"] == seed)].iloc[0] for seed in (0, 1))
    assert (stopped["at_plateau"], capped["at_plateau"]) == (1, 0)
    found = {run.seed: run for run in runs if run.arm == "sft"}
    assert {seed: set(run.at) for seed, run in found.items()} == {
        "0 0 0 0": {1.0, 1e9, 1e14},
        "1 1 1 1": {1.0, 1e9},
    }
    assert common_marks(runs) == [1.0, 1e9]
    assert largest_common_mark(runs) == 1e9
    for cell, run in ((stopped, found["0 0 0 0"]), (capped, found["1 1 1 1"])):
        assert run.end.to_dict() == part(study, cell["id"], "test")
        assert run.at[1e9].to_dict() == part(study, cell["id"], "mark", mark=1e9)
    assert found["0 0 0 0"].at[1e14].to_dict() == part(study, stopped["id"], "test")


def test_runs_that_their_cap_ended_are_counted(study: Path):
    assert capped(read_cells(study), ("base", "sft", "grpo")) == {"sft": (1, 2)}
    assert capped(pd.DataFrame({"method": ["sft"]}), ("sft",)) == {}


def test_what_was_not_trained_is_the_same_at_all_marks(study: Path):
    base = next(run for run in read_runs(study, read_cells(study)) if run.arm == "base")
    assert set(base.at) == {1.0, 1e9, 1e14}
    assert all(values.equals(base.end) for values in base.at.values())


def test_a_mark_counts_as_common_only_where_every_run_can_be_read_at_it():
    values = pd.Series({"x": 1.0})
    runs = [
        Run(f"c{n}", arm, "0", values, dict.fromkeys(marks, values))
        for n, (arm, marks) in enumerate([("a", (1.0, 2.0)), ("b", (1.0,))])
    ]
    assert common_marks(runs) == [1.0]
    assert common_marks(runs, ["a"]) == [1.0, 2.0]
    assert largest_common_mark([run._replace(at={}) for run in runs]) is None


def test_the_reading_is_said_in_words(study: Path):
    cells = read_cells(study)
    cells = cells[cells["seed"] == 0]
    assert reading_of(cells) == "each arm trained to its plateau, at most 6 steps"
    assert reading_of(cells.assign(**{"budget.until": "spent"})).startswith("the same budget, 6")
    assert reading_of(cells[cells["method"] == "base"]) == ""
    other = cells.assign(**{"task": "arithmetic/rare", "budget.until": "spent", "budget.amount": 60.0})
    assert reading_of(pd.concat([cells, other])) == (
        "the same budget, 60 steps (rare); each arm trained to its plateau, at most 6 steps (word)"
    )
