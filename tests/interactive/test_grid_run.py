"""A grid in a notebook before it has run; the scenario notebooks run some."""

import pytest

import rftlab
from rftlab.cell import Cell
from rftlab.execute.one_cell import Outcome
from rftlab.files.paths import packaged_grids
from rftlab.grid import Grid
from rftlab.interactive.grid_view import GridView, arms
from rftlab.record import Record

SCENARIOS = [name for name in packaged_grids() if name.startswith("scenario_") and not name.endswith("_smollm2")]


@pytest.mark.parametrize("name", SCENARIOS)
def test_gold_answers_of_the_scenarios_are_paid_and_silence_is_not(name: str, tmp_path) -> None:
    run = rftlab.GridRun(name, tmp_path)
    shown = run.examples(3)
    assert list(shown.columns) == ["prompt", "rationale", "answer", "reward"]
    assert list(shown["reward"]) == [1.0] * 3
    assert list(run.judged([shown["answer"][1], "", "no idea"], example=1)["reward"]) == [1.0, 0.0, 0.0]


def test_an_answer_in_tags_is_judged_as_it_stands(tmp_path) -> None:
    run = rftlab.GridRun("scenario_math", tmp_path)
    gold = run.examples(1)["answer"][0]
    said = [f"So: <answer>{gold}</answer>", f"<answer>{gold}</answer> or <answer>1</answer>"]
    assert list(run.judged(said)["reward"]) == [1.0, 0.0]


def test_there_is_no_example_beyond_the_labels(tmp_path) -> None:
    with pytest.raises(rftlab.RftlabError, match="there is no example 5000; give 0 to"):
        rftlab.GridRun("scenario_math", tmp_path).judged(["1"], example=5000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{method: base, labels: 0}", "no cell of own trains; add a method"),
        ("{method: [base, sft], labels: 10, tuning: stage, seed: [0, 1]}", "own tunes its learning rates in a stage"),
    ],
)
def test_what_it_cannot_run_is_said_at_once(text: str, says: str, tmp_path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(rftlab.RftlabError, match=says):
        rftlab.GridRun(file)


def test_arms_are_told_apart_by_what_differs_and_seeds_are_not_named() -> None:
    cells = Grid.load("scenario_medical").cells
    alone = [Cell.make({"method": method, "seed": seed}) for method in ("sft", "grpo") for seed in (0, 1)]
    assert set(arms(alone).values()) == {"sft", "grpo"}
    swept = [
        Cell.make({"method": m, "labels": n, "cot": cot}) for m in ("sft", "grpo") for n, cot in ((3, True), (9, False))
    ]
    assert list(arms(swept).values()) == [
        "sft [3 labels, thinks first]", "sft [9 labels, direct]",
        "grpo [3 labels, thinks first]", "grpo [9 labels, direct]"
    ]  # fmt: skip
    assert len(set(arms(cells).values())) == len({cell.variant for cell in cells})


def test_a_method_with_settings_of_its_own_is_no_other_arm() -> None:
    cells = [Cell.make({"method": "sft", "budget.amount": 60}), Cell.make({"method": "grpo", "preset": "deepseek"})]
    assert list(arms(cells).values()) == ["sft", "grpo"]


def test_it_is_said_how_far_a_grid_is_and_how_long_it_will_take_once_a_cell_like_the_others_has_ended(tmp_path) -> None:
    cells = [Cell.make({"method": "sft", "seed": seed, "budget.amount": 20}) for seed in range(3)]
    view = GridView(cells)
    assert view.told == "0 of 3 cells"
    view.started(cells[0])
    view.progressed(cells[0], {"phase": "train", "step": 9, "total": 20.0})
    assert view.told == f"0 of 3 cells, estimating the time left; {cells[0].label}: train 9/20"
    finished = Record(cell=cells[0].model_dump(mode="json"), id=cells[0].id, contract={}, metrics={}, cost={})
    finished.write(tmp_path, trace=[], samples=[])
    view.finished(Outcome(cells[0], "done", 60.0, tmp_path))
    view.started(cells[1])
    assert view.told == f"1 of 3 cells, about 2 min left; {cells[1].label}: starting"
    view.finished(Outcome(cells[1], "failed", 1.0, tmp_path, "KeyError: 'x'"))
    view.started(cells[2])
    assert view.told.startswith("1 of 3 cells, about 60 s left"), "a cell that failed tells nothing of the others"
