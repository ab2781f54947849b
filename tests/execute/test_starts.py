"""Cells that go on from policies of their own grid: each seed from its own, first things first, again after a stop."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rftlab import preflight, record, study
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.kernels import KernelSettings
from rftlab.execute.one_cell import Outcome
from rftlab.experiment import Experiment
from rftlab.grid import Grid
from rftlab.policy import weights
from tests.conftest import SMALL
from tests.execute.test_tuning import InProcess, checked

ROWS = """
defaults: {labels: 8, budget.amount: 2, seed: [0, 1]}
include:
  - {task: arithmetic/word, method: [base, sft]}
  - {task: arithmetic/word_both, method: [base, sft, grpo], labels: [2, 4], start_from: {method: sft, labels: 8}}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Grid]:
    def read(text: str = ROWS, *changes: tuple[str, str]) -> Grid:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "g.yaml").write_text(text)
        return Grid.load(tmp_path / "g.yaml")

    return read


def test_a_row_goes_on_seed_by_seed_from_the_arm_that_its_values_single_out(load: Callable[..., Grid]) -> None:
    cells = load().cells
    waiting = [cell for cell in cells if cell.waits]
    assert {(c.method, c.labels, c.seed) for c in waiting} == {
        (method, labels, seed) for method in ("sft", "grpo") for labels in (2, 4) for seed in (0, 1)
    }
    assert {cell.started_by.partition(",")[0] for cell in waiting} == {"word sft n=8 cot"}
    assert [cell.method for cell in cells if not cell.waits and cell.task.endswith("both")] == ["base", "base"]
    assert len({cell.id for cell in cells}) == len(cells) == 14
    with pytest.raises(RftlabError, match="is still to be trained; run its grid"):
        Experiment(waiting[0])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("labels: 8}}", "labels: 9}}", "no cell of this grid with seed 0 is of that arm"),
        ("{method: sft, labels: 8}", "{method: base}", "is the untrained base and keeps no policy"),
        ("[base, sft]}", "sft, budget.amount: [2, 3]}", "2 cells of this grid with seed 0 .*budget.amount=3"),
        ("[base, sft]}", "[base, sft], adapter.r: 8}", "has another model or adapter"),
        ("{method: sft, labels: 8}", "{methods: sft}", "unknown parameter 'methods'"),
        ("defaults:", "tuning: stage\ndefaults:", "tuning seeds have none; give it learning_rates"),
    ],
)
def test_an_arm_that_cannot_be_gone_on_from_is_a_sentence_with_its_line(
    load: Callable[..., Grid], old: str, new: str, says: str
) -> None:
    with pytest.raises(RftlabError, match=rf"g.yaml line \d: .*{says}"):
        load(ROWS, (old, new))


class Keeping(InProcess):
    """Real experiments, one after the other, that keep what the run wants kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._monkeypatch = monkeypatch

    def __call__(
        self, cells: Sequence[Cell], results: Path, listener: Any, *, settings: KernelSettings, **others: Any
    ) -> list[Outcome]:
        self._monkeypatch.setenv(weights.KEEP, settings.keep)
        outcomes = super().__call__(cells, results, listener, **others)
        for outcome in outcomes:
            listener.finished(outcome)
        return outcomes


def test_a_grid_trains_first_what_others_go_on_from_and_goes_on_after_a_stop(
    load: Callable[..., Grid], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Keeping(monkeypatch)
    monkeypatch.setattr(study, "_run_cells", lambda *_: executor)
    monkeypatch.setattr(study, "preheat", lambda _: None)
    monkeypatch.setattr(study, "report", lambda _: None)
    monkeypatch.setattr(preflight, "check", checked)
    asked = json.dumps({**SMALL["evaluation"], "retention": "arithmetic/dose"})
    rows = ROWS.replace("seed: [0, 1]}", f"seed: [0, 1], evaluation: {asked}}}")
    rows = rows.replace("[base, sft, grpo], labels: [2, 4]", "sft, labels: 2").replace("[base, sft]", "sft")
    where = tmp_path / "results"
    executor.until = 3
    with pytest.raises(Interrupted):
        study.run(load(rows), where)
    executor.until = None
    study.run(load(rows), where)
    assert [cell.task for cell in executor.ran] == ["arithmetic/word"] * 2 + ["arithmetic/word_both"] * 2
    parents = {cell.seed: record.cells_dir(where) / cell.id for cell in executor.ran[:2]}
    assert all(weights.has_policy(folder) for folder in parents.values())  # keep: best takes none of them
    for cell in executor.ran[2:]:
        contract = record.read(record.cells_dir(where) / cell.id).contract["match"]
        assert contract["start_from"] == cell.started_by
        parent = parents[cell.seed]
        assert contract["started_policy"] == f"{parent.name} {weights.digest(parent)}"
    found = read_results(where)
    assert set(found.cells["variant"]) == {""}  # seeds of one arm, though each has a parent of its own
    assert found.survey.refused == ()
    grid, done, left, _ = study.status(where)
    assert (len(grid.cells), len(done), left) == (4, 4, [])

    weights.remove(parents[0])
    with pytest.raises(RftlabError, match=rf"cell {parents[0].name} keeps no policy, .*--rerun {parents[0].name}"):
        study.run(load(rows), where, dry_run=True)
    again = study.run(load(rows), where, rerun=[parents[0].name])
    assert [outcome.cell.id for outcome in again] == [parents[0].name]  # to the same policy, so the others stand
