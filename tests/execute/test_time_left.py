"""The time left goes by kind of cell, never by the mean of whatever has ended."""

import math

from rftlab.cell import Cell
from rftlab.execute.time_left import TimeLeft


def of(method, labels=10, seed=0, **more):
    return Cell.make({"method": method, "labels": labels, "seed": seed, **more})


BASE = [of("base", seed=seed) for seed in (0, 1)]
SFT = [of("sft", labels, seed) for labels in (10, 50) for seed in (0, 1)]
GRPO = [of("grpo", 10, seed) for seed in (0, 1)]


def unknown(cell):
    return None


def waiting(cells):
    return [cell.id for cell in cells]


def test_what_ended_of_another_kind_tells_nothing():
    left = TimeLeft([*BASE, *GRPO], 1, unknown)
    left.learn(BASE[0], 1.0)
    assert left.seconds({}, waiting([*BASE[1:], *GRPO])) is None
    assert left.seconds({}, waiting(BASE[1:])) == 1.0


def test_an_arm_goes_by_its_other_seeds_else_by_the_same_method_and_steps():
    left = TimeLeft(SFT, 1, unknown)
    left.learn(SFT[0], 4.0)
    assert left.seconds({}, waiting(SFT[1:])) == 3 * 4.0
    left.learn(SFT[2], 10.0)
    assert left.seconds({}, waiting([SFT[1], SFT[3]])) == 4.0 + 10.0


def test_more_steps_are_another_kind():
    longer = of("sft", budget={"unit": "steps", "amount": 400})
    left = TimeLeft([SFT[0], longer], 1, unknown)
    left.learn(SFT[0], 4.0)
    assert left.seconds({}, [longer.id]) is None


def test_what_is_planned_counts_before_anything_has_ended_and_then_as_far_off_as_it_was():
    left = TimeLeft([*SFT, *GRPO], 2, lambda cell: {"sft": 10.0, "grpo": 40.0}[cell.method])
    assert left.seconds({}, waiting([*SFT, *GRPO])) == 60.0
    left.learn(SFT[0], 20.0)
    left.learn(SFT[1], 20.0)
    assert left.seconds({}, waiting(GRPO)) == 80.0


def test_workers_share_what_is_left_and_running_cells_are_part_done():
    left = TimeLeft([*SFT, *GRPO], 2, lambda cell: 10.0)
    assert left.seconds({SFT[0].id: 4.0, SFT[1].id: 9.0}, waiting(SFT[2:])) == 16.0
    assert left.seconds({SFT[0].id: 25.0}, []) == 1.0  # later than expected: nobody says 0
    assert left.seconds({}, []) == 0.0
    assert math.isclose(TimeLeft(SFT, 0, lambda cell: 10.0).seconds({SFT[0].id: 5.0, SFT[1].id: 5.0}, []), 5.0)


def test_a_cell_that_was_not_to_be_run_is_unknown():
    left = TimeLeft(SFT, 1, lambda cell: 10.0)
    left.learn(GRPO[0], 3.0)
    assert left.seconds({GRPO[1].id: 1.0}, []) is None
