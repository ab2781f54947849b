"""Pass rates of the untrained base: measured, counted, written, and drawn by."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.experiment.pass_rates import Measured, measure_pass_rates
from rftlab.tasks.folds import task_of
from rftlab.tasks.of_cell import draw_labels


@pytest.fixture(scope="module")
def measured() -> Measured:
    cells = [
        Cell.make({"method": m, "task_settings": {"train": 60, "test": 20}, "seed": s})
        for m in ("sft", "grpo")
        for s in (0, 1)
    ]
    return measure_pass_rates(cells, rows=30, samples=4)


def test_each_row_has_a_share_of_its_samples_and_what_it_took_is_counted(measured: Measured) -> None:
    assert len(measured.rows) == 30
    assert {rate * 4 for rate in measured.rows.values()} <= {0, 1, 2, 3, 4}
    assert len({*measured.rows.values()}) > 1
    made = measured.made
    assert (made["samples"], made["completions"], made["verifier_calls"]) == (4, 120, 120)
    assert made["flops"] > 0 < made["tokens_generated"]
    assert "30 rows of arithmetic/word, 4 samples" in str(measured).replace("\n", " ")


def test_a_cell_draws_and_orders_its_labels_by_them(
    measured: Measured, small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    path = measured.write(tmp_path / "rates.json")
    assert json.loads(path.read_text())["rows"] == measured.rows
    values: dict[str, Any] = {"task_settings": {"train": 60, "test": 20}, "pass_rates_path": str(path)}
    cell = small_cell(labels=4, label_difficulty="hard", curriculum="easy_first", **values)
    experiment = Experiment(cell, out=tmp_path / "out")
    experiment.train()
    experiment.evaluate()
    record = experiment.record()
    own = [measured.rows[example.id] for example in experiment.labels.train]
    assert sum(own) / 4 < sum(measured.rows.values()) / 30
    assert record.cost["pass_rate_flops"] == measured.made["flops"]
    assert any("labels are hard" in said for said in record.warnings)
    contract = {**record.contract["match"], **record.contract["arm"]}
    assert (contract["label_difficulty"], contract["curriculum"]) == ("hard", "easy_first")


def test_with_folds_every_row_is_measured_since_each_is_a_label_of_some_seed(tmp_path: Path) -> None:
    rows = [{"prompt": f"Ann has {i} pens, finds 1. How many pens now?", "answer": str(i + 1)} for i in range(1, 10)]
    (tmp_path / "few.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = {"path": str(tmp_path / "few.jsonl"), "verifier": "numeric", "folds": 3}
    values = {"task": "file", "task_settings": settings, "development": "from_labels", "cot": False}
    cells = [Cell.make({**values, "method": "grpo", "labels": 5, "seed": seed}) for seed in range(3)]
    found = measure_pass_rates(cells, rows=100, samples=1)
    asked = {row.id for cell in cells for row in draw_labels(cell, task_of(cell)).asked}
    assert len(found.rows) == 9
    assert asked <= set(found.rows)


def test_a_grid_of_two_wordings_is_refused() -> None:
    cells = [Cell.make({"cot": cot}) for cot in (True, False)]
    with pytest.raises(RftlabError, match="asks 2 different bases, tasks or wordings"):
        measure_pass_rates(cells, rows=2, samples=2)
