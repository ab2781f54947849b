"""Looks at a study that is run until it is decided, on made-up records whose truth is known."""

from dataclasses import replace
from pathlib import Path

import pytest

from rftlab.answer.card import answer
from rftlab.answer.decisions import decide
from rftlab.answer.ledger.book import ledger
from rftlab.answer.results import Results, read_results
from rftlab.answer.settle import further_seeds, look, replay, reseeded
from rftlab.cell import Cell
from rftlab.execute.results import Stop, read_stops, write_grid
from rftlab.grid import Grid
from tests import synthetic

TEXT = """\
max_seeds: 6
labels: [10, 50]
seed: [0, 1, 2, 3, 4, 5]
method: [base, sft, grpo]
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Six seeds: SFT is no better than the base, GRPO by far."""
    monkeypatch.setattr(synthetic, "skill", lambda cell: 0.9 if cell.method == "grpo" else 0.2)
    (tmp_path / "study.yaml").write_text(TEXT)
    grid = Grid.load(tmp_path / "study.yaml")
    results = tmp_path / "results"
    results.mkdir()
    write_grid(results, grid)
    for cell in grid.cells:
        synthetic.write_cell(results, cell.flat(), items=100)
    return read_results(results)


def of_seeds(results: Results, seeds: int) -> Results:
    cells = results.cells[results.cells["seed"] < seeds]
    return results._replace(cells=cells, records=[r for r in results.records if r.parameters.seed < seeds])


def test_what_is_decided_stops_and_the_arms_of_the_others_get_a_seed_more(study: Results) -> None:
    first = look(of_seeds(study, 3), ())
    why = {(stop.labels, stop.first, stop.second): stop.why for stop in first.stops}
    assert why[10, "base", "grpo"] == "better"
    assert why[50, "grpo", "sft"] == "better"
    assert all(stop.seeds == 3 for stop in first.stops)
    assert first.going_on + len(first.stops) == 6
    going_on = {cell.method for cell in first.wanted}
    assert going_on <= {"base", "sft"}
    assert {cell.seed for cell in first.wanted} <= {3}


def test_with_fewer_seeds_than_a_first_look_takes_all_get_what_is_missing(study: Results) -> None:
    found = look(of_seeds(study, 1), ())
    assert found.stops == ()
    assert {cell.seed for cell in found.wanted} == {1, 2}
    assert {cell.method for cell in found.wanted} == {"base", "sft", "grpo"}


def test_a_verdict_rests_on_the_seeds_that_it_stopped_with(study: Results) -> None:
    (place, *_) = decide(study).budgets(decide(study).panels[0])
    stop = Stop(*place, "base", "grpo", 3, "better")
    found = decide(study, [stop]).between(place, "grpo", "base")
    assert found is not None
    assert (found.difference.seeds, found.word, found.look) == (3, "better", "look 1 of 4")
    assert decide(study, []).between(place, "grpo", "base").difference.seeds == 6


def test_stops_are_kept_with_the_list_of_cells(study: Results) -> None:
    stops = (Stop("t", "m", "", "direct", 10, "base", "sft", 4, "futile"),)
    grid = Grid("study", tuple(record.parameters for record in study.records))
    write_grid(study.where, grid, stops)
    write_grid(study.where, replace(grid, cells=grid.cells[:3]))
    assert read_stops(study.where) == stops


def test_a_finished_study_again_needs_fewer_cells_and_says_the_same_of_what_is_there(study: Results) -> None:
    again = replay(study)
    ran, of = again.cells
    assert ran < of == len(study.records)
    whole = decide(study)
    for found in decide(again.results, again.stops).decisions:
        if found.family == "confirmatory" and found.word in ("better", "worse"):
            assert whole.between(found.place, found.first, found.second).word == found.word


def test_new_seeds_follow_those_there_are_and_leave_out_the_tuning_stages() -> None:
    assert further_seeds([2, 0])[:4] == [0, 2, 3, 4]
    assert not {*range(1000, 2000)} & {*further_seeds([998])[:50]}
    cell = reseeded(Cell.make({"seed": 1, "seed_data": 7}), 5)
    assert (cell.seed, cell.seed_data, cell.seed_init, cell.seed_sampling) == (5, 7, 5, 5)


def test_the_card_says_what_was_given_up_after_how_many_seeds_and_what_it_would_take(study: Results) -> None:
    early = of_seeds(study, 3)
    place = decide(early).budgets(decide(early).panels[0])[0]
    decided = Stop(*place, "base", "grpo", 3, "better")
    card = answer(early, decide(early, [decided, Stop(*place, "base", "sft", 3, "futile")]))
    given_up = (
        "Given up, with less than one chance in 10 to be decided by 6 seeds: the base and SFT at 10 labels after 3"
    )
    assert given_up in card.limits
    assert "etween SFT and the base a difference of 5 points would take" in card.next_step
    without = answer(early, decide(early, [decided]))
    assert "Given up" not in str(without)
    assert "etween SFT and the base" not in without.next_step


def test_a_claim_that_was_given_up_is_named_with_what_it_would_take(study: Results) -> None:
    early = of_seeds(study, 3)
    place = decide(early).budgets(decide(early).panels[0])[0]
    found = decide(early, [Stop(*place[:4], 0, "claim 5", "", 3, "futile")])
    found = replace(found, plan=replace(found.plan, claims=(5,)))
    card = answer(early, found)
    assert "claim 5 after 3 seeds" in card.limits
    needed = {row.needed for row in ledger(early, found).rows if row.claim.number == 5 and row.needed}
    assert needed
    assert all(each in card.next_step for each in needed)
