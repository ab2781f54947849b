"""What is read of a tuning stage, and what an answer says about where its learning rates come from."""

import json
from pathlib import Path
from typing import Any

import pytest

from rftlab.answer.tuning import COLUMNS, arm_name, limits, read_tuning
from rftlab.cell import NOT_YET, Cell
from rftlab.errors import RftlabError
from rftlab.execute.tuning import StageRun
from rftlab.grid import Grid
from rftlab.grid.tuning import Stage, method_key
from rftlab.record import Record
from tests.execute.test_tuning import score_of

AT_10 = "3 seeds, 9 items, at 10 labels, 0a1b"


def record(**values: Any) -> Record:
    cell = Cell.make(values)
    return Record(cell=cell.model_dump(mode="json"), id=cell.id, contract={}, metrics={}, cost={})


def stage_run(results: Path, best: float) -> StageRun:
    """A stage that has run on made-up scores, and left its file."""
    stage = Stage.make({"seeds": 2, "labels": [10], "share": "labels", "growth": 0})
    cells = stage.opened([Cell.make({"labels": labels, "method": "sft"}) for labels in (10, 100)])
    ladders = {method_key(cells[0]): [["sft", [1e-3, 3e-4, 3e-3]]]}
    run = StageRun(
        Grid("g", cells, tuning=stage), ladders, results,
        score=lambda cell: score_of(18 if cell.learning_rates[0] == best else 4),
    )  # fmt: skip
    run.write()
    return run


def test_a_stage_is_read_as_one_row_an_arm_stage_and_rung(tmp_path: Path) -> None:
    run = stage_run(tmp_path, best=1e-3)
    rungs, cost = read_tuning(tmp_path)
    assert list(rungs) == list(COLUMNS)
    assert rungs[["rate", "chosen", "seeds", "stopped"]].to_numpy().tolist() == [
        [3e-4, False, 2, False], [1e-3, True, 2, False], [3e-3, False, 1, True],
    ]  # fmt: skip
    row = rungs[rungs.chosen].iloc[0]
    assert (row["mean"], row["margin"], row.interior, row.rates_for_labels) == (
        0.9,
        pytest.approx(0.7),
        True,
        [10, 100],
    )
    assert cost["cells"] == 0  # none of them left a record
    resolved = run.resolved().cells
    assert [cell.learning_rates for cell in resolved] == [(1e-3,), (1e-3,)]
    assert len({cell.tuned_by for cell in resolved}) == 1


def test_without_a_stage_there_are_no_rows_and_no_cost(tmp_path: Path) -> None:
    rungs, cost = read_tuning(tmp_path)
    assert (len(rungs), list(rungs), cost) == (0, list(COLUMNS), {})


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 1, "arms": [{"stages": []}]}'])
def test_a_file_that_is_damaged_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tuning.json").write_text(text)
    with pytest.raises(RftlabError, match=r"tuning\.json cannot be read .*; run the grid again"):
        read_tuning(tmp_path)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([{"method": "base", "labels": 0}], []),
        (
            [{"method": "base", "labels": 0}, {"method": "sft"}, {"method": "grpo"}],
            ["Learning rates were not tuned: sft and grpo trained at the default; at another rate the order may be "
             "another."],
        ),
        ([{"method": "sft", "learning_rates": [0.1]}], ["The learning rates of sft were given, not tuned here."]),
        (
            [{"method": "sft", "tuning.trials": 2}],
            ["sft: the method including its tuner, which chose a learning rate anew for each seed; that choice is part "
             "of the spread between seeds."],
        ),
        ([{"labels": 10, "learning_rates": [0.1], "tuned_by": AT_10}], []),
        (
            [{"labels": labels, "learning_rates": [0.1], "tuned_by": AT_10} for labels in (10, 30, 5)],
            ["Rates at 5 and 30 labels are those tuned at 10."],
        ),
    ],
)  # fmt: skip
def test_an_answer_says_where_its_rates_come_from(cells: list[dict[str, Any]], said: list[str], tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text('{"version": 1, "arms": []}')
    assert limits([record(**values) for values in cells], tmp_path) == said


def test_tuned_rates_without_the_file_that_says_how_are_said_to_be_so(tmp_path: Path) -> None:
    said = limits([record(labels=10, learning_rates=[0.1], tuned_by=AT_10)], tmp_path)
    assert said == ["How its learning rates were chosen is not known: tuning.json is missing."]


def test_an_answer_says_which_rates_are_ends_of_what_was_tried(tmp_path: Path) -> None:
    stage_run(tmp_path, best=3e-3)
    assert limits([], tmp_path) == [
        "The rate chosen for sft at 10 labels (sft, 0.003) is an end of what was tried: a better one may lie beyond."
    ]


@pytest.mark.parametrize("came_later", [False, True])
def test_where_all_rates_scored_alike_an_answer_says_that_none_was_chosen(tmp_path: Path, *, came_later: bool) -> None:
    path = stage_run(tmp_path, best=0.0).write()  # 20 % at every rate
    body = json.loads(path.read_text())
    assert body["arms"][0]["stages"][0].pop("undecided")
    if came_later:  # a file from before there was the field
        path.write_text(json.dumps(body))
    assert read_tuning(tmp_path).rungs.undecided.all()
    assert limits([], tmp_path) == [
        "At 10 labels all rates of sft scored alike (20 %): the one nearest to the default was taken."
    ]


def test_an_old_file_of_rates_that_differ_is_read_as_decided(tmp_path: Path) -> None:
    path = stage_run(tmp_path, best=1e-3).write()
    body = json.loads(path.read_text())
    assert not body["arms"][0]["stages"][0].pop("undecided")
    path.write_text(json.dumps(body))
    assert not read_tuning(tmp_path).rungs.undecided.any()


def test_an_arm_that_tunes_in_every_cell_is_named_with_its_tuner() -> None:
    assert arm_name(Cell.make({"method": "grpo", "tuning.trials": 3})) == "grpo including its tuner"
    assert arm_name(Cell.make({"method": "grpo", "tuned_by": NOT_YET})) == "grpo"
