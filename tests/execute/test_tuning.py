"""The tuning stage: which cells it asks for, when it stops a rung, grows a ladder and goes on; and one real stage."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rftlab import record, study
from rftlab.cell import NOT_YET, Cell
from rftlab.errors import RftlabError
from rftlab.execute.interrupts import Interrupted
from rftlab.execute.one_cell import Outcome
from rftlab.execute.rungs import Score
from rftlab.execute.tuning import Arm, StageRun, tune
from rftlab.grid import Grid
from rftlab.grid.tuning import Stage
from tests.conftest import SMALL

SFT = [("sft", 1e-3, (3e-4, 1e-3, 3e-3))]
RightOf20 = Callable[[tuple[float, ...], int], int | None]


def climbed(right: RightOf20, ladders: Sequence[Any] = SFT, **stage: Any) -> tuple[Arm, list[list[Cell]]]:
    """An arm whose cells score as told by rates and seed (None diverges), and the rounds it asked for them in."""
    declared, scores, rounds = Stage.make(stage), dict[str, Score](), list[list[Cell]]()
    prototype = declared.prototype(Cell.make({"tuned_by": NOT_YET}))
    while (arm := tune(prototype, declared, ladders, lambda cell: scores.get(cell.id))).wanted:
        rounds.append(arm.wanted)
        for cell in arm.wanted:
            count = right(cell.learning_rates, cell.seed)
            scores[cell.id] = Score(() if count is None else (1.0,) * count + (0.0,) * (20 - count), 0.5)
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
