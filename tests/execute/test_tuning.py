"""The tuning stage: which cells it asks for, when it stops a rung, grows a ladder and goes on; and one real stage."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rftlab import preflight, record, study
from rftlab.answer.tuning import limits
from rftlab.cell import NOT_YET, Cell
from rftlab.errors import RftlabError
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.ladders import Arm, Ladder, tune
from rftlab.execute.one_cell import Outcome
from rftlab.execute.results import results_lock, write_grid
from rftlab.execute.rungs import Score
from rftlab.grid import Grid
from rftlab.grid.tuning import Stage, method_key
from tests.conftest import SMALL

SFT = [("sft", 1e-3, (3e-4, 1e-3, 3e-3))]
RightOf20 = Callable[[tuple[float, ...], int], int | None]


def score_of(count: int | None) -> Score:
    """So many of 20 items right; None diverged."""
    return Score(() if count is None else (1.0,) * count + (0.0,) * (20 - count), 0.5)


def climbed(right: RightOf20, ladders: Sequence[Any] = SFT, **stage: Any) -> tuple[Arm, list[list[Cell]]]:
    """An arm whose cells score as told by rates and seed (None diverges), and the rounds it asked for them in."""
    declared, scores, rounds = Stage.make(stage), dict[str, Score](), list[list[Cell]]()
    prototype = declared.prototype(Cell.make({"tuned_by": NOT_YET}))
    while (arm := tune(prototype, declared, ladders, lambda cell: scores.get(cell.id))).wanted:
        rounds.append(arm.wanted)
        for cell in arm.wanted:
            scores[cell.id] = score_of(right(cell.learning_rates, cell.seed))
    return arm, rounds


def asked(cells: Iterable[Cell]) -> list[tuple[float, int]]:
    return [(cell.learning_rates[0], cell.seed) for cell in cells]


def test_the_first_seed_is_tried_at_every_rung_and_the_rest_at_those_that_may_still_win() -> None:
    arm, rounds = climbed(lambda rates, seed: {3e-4: 2, 1e-3: 18, 3e-3: 3}[rates[0]])
    assert asked(rounds[0]) == [(3e-4, 1000), (1e-3, 1000), (3e-3, 1000)]
    assert asked(rounds[1]) == [(1e-3, 1001), (1e-3, 1002), (3e-3, 1001), (3e-3, 1002)]
    assert len(rounds) == 2
    assert arm.rates == (1e-3,)
    assert arm.ladders[0].interior


def test_without_a_mark_every_rung_is_tried_at_every_seed_at_once() -> None:
    _, rounds = climbed(lambda rates, seed: {3e-4: 2, 1e-3: 18, 3e-3: 3}[rates[0]], stop_after=[])
    assert [len(cells) for cells in rounds] == [9]


def test_where_an_end_wins_the_ladder_grows_until_a_rung_inside_it_wins() -> None:
    arm, rounds = climbed(lambda rates, seed: {3e-4: 2, 1e-3: 8, 3e-3: 16}.get(rates[0], 5))
    assert asked(rounds[2]) == [(9e-3, 1000)]  # and it is stopped there, far behind
    assert len(rounds) == 3
    assert (arm.rates, arm.ladders[0].added, arm.ladders[0].interior) == ((3e-3,), (9e-3,), True)


def test_a_ladder_grows_at_most_as_often_as_declared_and_then_says_that_an_end_won() -> None:
    arm, _ = climbed(lambda rates, seed: 2 + sum(rates[0] > rung for rung in (3e-4, 1e-3, 3e-3, 9e-3)) * 4)
    assert (arm.rates, arm.ladders[0].added, arm.ladders[0].interior) == ((0.027,), (9e-3, 0.027), False)
    arm, _ = climbed(lambda rates, seed: {3e-4: 2, 1e-3: 8, 3e-3: 16}[rates[0]], growth=0)
    assert (arm.rates, arm.ladders[0].interior) == ((3e-3,), False)


def test_where_all_rungs_are_alike_the_default_is_taken_and_nothing_is_added() -> None:
    arm, rounds = climbed(lambda rates, seed: 0, ladders=[("sft", 3e-4, (3e-4, 1e-3, 3e-3))])
    assert (arm.rates, arm.ladders[0].added, len(rounds)) == ((3e-4,), (), 2)
    assert arm.ladders[0].undecided


def test_a_rate_that_was_chosen_by_any_score_is_decided() -> None:
    arm, _ = climbed(lambda rates, seed: {3e-4: 2, 1e-3: 18, 3e-3: 3}[rates[0]])
    assert not arm.ladders[0].undecided
    same = [Score((1.0, 0.0), sampled) for sampled in (0.25, 0.5)]
    assert not Ladder("sft", {3e-4: same[:1], 1e-3: same[1:]}, chosen=1e-3).undecided
    assert Ladder("sft", {3e-4: same[:1], 1e-3: same[:1], 3e-3: [Score(())]}, chosen=1e-3).undecided
    assert not Ladder("sft", {3e-4: same[:1], 1e-3: [Score(())]}, chosen=3e-4).undecided


def test_a_rung_that_diverges_is_out_and_where_all_do_it_is_said_what_to_mend() -> None:
    arm, _ = climbed(lambda rates, seed: None if rates[0] > 2e-3 else 10 + seed % 2 + (rates[0] == 1e-3) * 5)
    assert (arm.rates, arm.ladders[0].interior) == ((1e-3,), True)
    arm, _ = climbed(lambda rates, seed: None)
    assert (arm.rates, arm.wanted) == (None, [])
    assert arm.failed.startswith("training diverged at every learning rate of sft at 50 labels (0.0003, 0.001, 0.003)")


def test_stages_are_tuned_one_after_the_other_the_others_at_the_rate_chosen_or_the_default() -> None:
    best = {"sft": 3e-4, "grpo": 2e-3}
    arm, rounds = climbed(
        lambda rates, seed: 1 + 8 * (rates[0] == best["sft"]) + 8 * (rates[1] == best["grpo"]),
        ladders=[("sft", 1e-3, (1e-4, 3e-4, 1e-3)), ("grpo", 5e-4, (5e-4, 2e-3, 8e-3))],
    )
    assert arm.rates == (3e-4, 2e-3)
    first, second = ([cell.learning_rates for cell in rounds[place]] for place in (0, 2))
    assert {rates[1] for rates in first} == {5e-4}
    assert {rates[0] for rates in second} == {3e-4}
    assert (3e-4, 5e-4) not in second  # it has been tried


def test_a_ladder_of_one_rate_needs_no_cell() -> None:
    arm, rounds = climbed(lambda rates, seed: 0, ladders=[("sft", 1e-3, (3e-4,))])
    assert (arm.rates, rounds) == ((3e-4,), [])
    assert not arm.ladders[0].interior


class InProcess:
    """An executor without notebooks: real experiments, one after the other; interrupted after so many cells."""

    def __init__(self) -> None:
        self.ran: list[Cell] = []
        self.until: int | None = None

    def __call__(self, cells: Sequence[Cell], results: Path, listener: Any, *, grid: Grid, **_: Any) -> list[Outcome]:
        from rftlab.experiment import Experiment

        outcomes = []
        with results_lock(results):
            write_grid(results, grid)
        for cell in cells:
            if self.until is not None and len(self.ran) == self.until:
                raise Interrupted(2)
            self.ran.append(cell)
            folder = record.cells_dir(results) / cell.id
            experiment = Experiment(cell, out=folder)
            experiment.train()
            experiment.evaluate()
            experiment.save()
            outcomes.append(Outcome(cell, "done", 0.1, folder))
        return outcomes


_checked: dict[tuple[str, ...], Any] = {}
_check = preflight.check


def checked(cells: Sequence[Cell], *, limit: float, here: bool = True) -> Any:
    """The preflight, which starts a process, once for the same cells."""
    key = tuple(cell.id for cell in cells)
    if key not in _checked:
        _checked[key] = _check(cells, limit=limit, here=here)
    return _checked[key]


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """What `study.run` runs cells with; reports are left out."""
    made = InProcess()
    monkeypatch.setattr(study, "_run_cells", lambda *_: made)
    monkeypatch.setattr(study, "preheat", lambda _: None)
    monkeypatch.setattr(preflight, "check", checked)
    monkeypatch.setattr(study, "report", lambda _: None)
    monkeypatch.setenv("RFTLAB_KEEP", "none")
    return made


STAGE = {"seeds": 2, "labels": [4], "share": "labels", "items": 6, "ladders": {"sft": [1e-3, 3e-3, 1e30]}, "growth": 1}


def small_grid(**stage: Any) -> Grid:
    cells = [Cell.make({**SMALL, "method": "base", "labels": 0, "seed": 0})]
    cells += [Cell.make({**SMALL, "method": "sft", "labels": labels, "seed": 0}) for labels in (4, 8)]
    return Grid("small", tuple(cells), keep="none", tuning=Stage.make({**STAGE, **stage}))


def told(results: Path) -> dict[str, Any]:
    """tuning.json without what differs from run to run."""
    body = json.loads((results / "tuning.json").read_text())
    for cost in (body["cost"], *(arm["cost"] for arm in body["arms"])):
        del cost["seconds"], cost["evaluation_seconds"]
    return body


def test_a_study_trains_at_the_rates_its_stage_chose_and_goes_on_where_it_was_interrupted(
    executor: InProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    executor.until = 4
    with pytest.raises(Interrupted):
        study.run(small_grid(), tmp_path / "cut")
    assert json.loads((tmp_path / "cut" / "tuning.json").read_text())["arms"][0]["learning_rates"] is None
    first = {cell.id for cell in executor.ran}
    executor.until = None
    study.run(small_grid(), tmp_path / "cut")
    assert len({cell.id for cell in executor.ran}) == len(executor.ran) > len(first)  # no cell was run twice

    tuning = [cell for cell in executor.ran if cell.evaluation.part == "development"]
    of_study = [cell for cell in executor.ran if cell.evaluation.part == "test"]
    arm = told(tmp_path / "cut")["arms"][0]
    assert {cell.seed for cell in tuning} <= {1000, 1001}
    assert (arm["labels"], arm["rates_for_labels"], arm["ids"]) == (4, [4, 8], [cell.id for cell in tuning])
    rungs = {rung["rate"]: rung for rung in arm["stages"][0]["rungs"]}
    assert (rungs[1e30]["diverged"], rungs[1e30]["stopped"], rungs[1e30]["mean"]) == (True, True, None)
    for cell in of_study[1:]:
        assert list(cell.learning_rates) == arm["learning_rates"]
        assert cell.tuned_by == arm["tuned_by"]
        assert record.read(tmp_path / "cut" / "cells" / cell.id).metrics["learning_rate"] == arm["learning_rates"][0]

    # What was tuned is in no figure of the study, and saw no test item.
    assert {found.id for found in record.read_all(tmp_path / "cut")} == {cell.id for cell in of_study}
    kinds = {row["part"] for row in record.read_lines(tmp_path / "cut" / "cells" / tuning[0].id / record.SAMPLES)}
    assert kinds == {"development", "development_sampled"}

    assert study.status(tmp_path / "cut")[3][0] == (
        f"tuning: the rates of 1 of 1 arms are chosen, {len(tuning)} of {len(tuning)} cells so far done"
    )
    executor.ran.clear()
    capsys.readouterr()
    assert study.run(small_grid(), tmp_path / "cut") == []
    assert executor.ran == []
    assert "small: tuning of 1 arm on seeds 1000 to 1001, 6 development items: done" in capsys.readouterr().out


def test_a_dry_run_lists_the_cells_of_the_stage_and_says_that_the_rates_follow(
    executor: InProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.run(small_grid(), tmp_path / "none", dry_run=True) == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(
        "0 cells done, 3 next, at most 6 in all, besides up to 1 rung where an end of a ladder wins; "
        "the study's rates follow"
    )
    assert sum(line.startswith("  tune  ") for line in lines) == 3
    assert [line.split()[-4:] for line in lines if "after tuning" in line] == [
        ["n=4", "cot", "seed", "0"], ["n=8", "cot", "seed", "0"],
    ]  # fmt: skip
    assert sum(line.startswith("  left  ") for line in lines) == 1  # the base
    assert not (tmp_path / "none").exists()


def test_a_stage_of_ladders_of_one_rate_runs_nothing_and_says_that_nothing_was_tuned(
    executor: InProcess, tmp_path: Path
) -> None:
    study.run(small_grid(ladders={"sft": [1e-3]}), tmp_path)
    assert {cell.evaluation.part for cell in executor.ran} == {"test"}
    assert {cell.learning_rates for cell in executor.ran} == {(), (1e-3,)}
    assert limits(record.read_all(tmp_path), tmp_path)[-1] == (
        "The ladder of sft at 4 labels (sft, 0.001) had one rate: it was given, not tuned here."
    )


@pytest.mark.parametrize(("which", "said"), [("tune", "is a cell of the tuning stage"), ("none", "is no cell of the")])
def test_a_rerun_that_cannot_be_is_refused_before_the_stage_runs(
    executor: InProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str, said: str
) -> None:
    study.run(small_grid(), tmp_path / "s", dry_run=True)
    rungs = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("  tune")]
    with pytest.raises(RftlabError, match=said):
        study.run(small_grid(), tmp_path / "s", rerun=[rungs[0][:8] if which == "tune" else "no-such-cell"])
    assert not executor.ran
    assert not (tmp_path / "s").exists()


def test_an_arm_that_diverges_at_every_rate_fails_and_the_others_run(executor: InProcess, tmp_path: Path) -> None:
    outcomes = study.run(small_grid(ladders={"sft": [1e30, 1e32]}), tmp_path)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert [outcome.error for outcome in failed] == [
        "training diverged at every learning rate of sft at 4 labels (1e+30, 1e+32); give lower ones: tuning.ladders"
    ]
    assert [cell.method for cell in executor.ran if cell.evaluation.part == "test"] == ["base"]
    assert sum(cell.tuned_by == NOT_YET for cell in study.status(tmp_path)[2]) == 2


def test_what_the_study_measures_beside_and_further_seeds_of_it_orphan_no_tuning() -> None:
    stage, cell = Stage.make({}), Cell.make({"tuned_by": NOT_YET})
    other = Cell.make({**cell.flat(), "evaluation.test_items": 9, "evaluation.samples": 2, "seed": 5, "seed_data": 6})
    assert stage.prototype(cell) == stage.prototype(other)
    assert stage.prototype(cell) != stage.prototype(Cell.make({**cell.flat(), "evaluation.decides": "score"}))


@pytest.mark.parametrize(("labels", "tuned"), [(10, 10), (30, 10), (54, 10), (55, 300), (100, 300), (1000, 300)])
def test_a_budget_takes_the_rates_of_the_nearest_that_is_tuned(labels: int, tuned: int) -> None:
    assert Stage.make({"labels": [10, 300], "share": "labels"}).tuned_at(labels) == tuned


def test_ladders_of_another_number_than_the_method_has_stages_are_refused() -> None:
    stage = Stage.make({"ladders": {"sft+grpo": [1e-3, 3e-3]}})
    prototype = stage.prototype(Cell.make({"method": "sft+grpo", "tuned_by": NOT_YET}))
    own = {method_key(prototype): [["sft", [1e-3]], ["grpo", [5e-4]]]}
    with pytest.raises(RftlabError, match=r"gives method 'sft\+grpo' 1 ladder, but it takes 2 \(sft, grpo\)"):
        stage.rungs(prototype, own)
