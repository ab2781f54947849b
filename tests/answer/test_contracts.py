"""Pairs of records that differ in one field each, over every field: refused, said or free; unknown, waived."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rftlab.answer import contracts
from rftlab.answer.contracts import check
from rftlab.cell import Cell, parameter_names
from rftlab.contract import AXES, CAME_LATER, FIELDS, NA, NOT_ASKED, ONE_SPLIT, grouped, of_cell
from rftlab.errors import RftlabError
from rftlab.record import Record

CELL = Cell.make({"method": "grpo", "tuning.trials": 2})
TO_PLATEAU = Cell.make({**CELL.flat(), "budget.until": "plateau", "evaluation.along_the_way": 15})
MATCH = [name for name, field in FIELDS.items() if field.group == "match" and name != "spent"]
SHOWN = [name for name, field in FIELDS.items() if field.group == "show"]
COST = {"optimizer_steps": 40, "tokens_generated": 100, "tokens_trained": 300, "flops": 1e9, "seconds": 4.0}
STAGE = {"tuning_stage": "3 seeds, 100 items", "folds": ONE_SPLIT}
# Another value of each field that differs by more than its text.
OTHER: dict[str, Any] = {
    "seed": 1, "seed_data": 5, "seed_init": 5, "seed_sampling": 5, "budget_unit": "flops", "budget_amount": 2e11,
    "cot": False, "cot_eval": False, "labels": 300, "adapter": {**CELL.adapter.model_dump(), "r": 8},
    "tuning_trials": 3, "trial_share": 0.25, "validation_share": 0.1, "temperature": 0.5, "top_p": 0.9,
    "tuning_rates": [1e-4], "samples": 4, "train_items": 50, "token_cap": 16, "token_cap_training": 16,
    "budget_until": "plateau", "label_noise": 0.2, "budget_patience": 4, "along_the_way": 9,
}  # fmt: skip


def record(changes: dict[str, Any] | None = None, **parts: Any) -> Record:
    """A complete record; ``changes`` replace fields of its contract or environment, None takes one out."""
    fields = {name: f"{name} x" for name in (*MATCH, *SHOWN)} | of_cell(CELL) | STAGE | (changes or {})
    fields = {name: value for name, value in fields.items() if value is not None}
    environment = {name: fields.pop(name) for name in SHOWN if name in fields and name not in ("batch", "processes")}
    values = {"cost": COST, "environment": environment, "metrics": {}} | parts
    return Record(cell=CELL.model_dump(mode="json"), id=CELL.id, contract=grouped(fields), **values)


def names(differences: tuple[contracts.Difference, ...]) -> tuple[str, ...]:
    return tuple(each.field for each in differences)


def test_every_parameter_of_a_cell_and_every_field_is_in_exactly_one_group():
    carried = Counter(parameter for field in FIELDS.values() for parameter in field.cell)
    carried.subtract(("decoding.max_new_tokens", "decoding.max_new_tokens_direct"))
    assert set(carried) == set(parameter_names().values())
    assert set(of_cell(CELL)) <= set(FIELDS)
    assert {axis for field in FIELDS.values() for axis in field.axes} == set(AXES)


def test_equal_records_are_compared_freely():
    assert check(record(), record()) == contracts.Comparison("method", (), (), (), ())


@pytest.mark.parametrize("name", MATCH)
@pytest.mark.parametrize("axis", AXES)
def test_a_field_that_must_match_refuses_alone_unless_it_follows_from_the_axis(name, axis):
    rule = of_cell(TO_PLATEAU) if name in ("budget_patience", "along_the_way") else {}  # elsewhere not applicable
    rule |= {name: "one"} if name == "started_policy" else {}
    found = check(record(rule), record({**rule, name: OTHER.get(name, "another")}), axis)
    # How a policy is asked follows from how it was trained only if both records were asked as they were trained.
    follows = axis in FIELDS[name].axes and (axis, name) != ("cot", "cot_eval")
    assert names(found.by_design) == ((name,) if follows else ())
    assert names(found.refused) == (() if follows else (name,))
    assert found.shown == found.waived == ()


@pytest.mark.parametrize("name", SHOWN)
def test_a_field_that_must_be_shown_is_said_and_refuses_nothing(name):
    found = check(record(), record({name: "another"}))
    assert (names(found.shown), found.refused) == ((name,), ())
    assert f"{name} ({name} x against another)" in contracts.named(found.shown)


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.group == "free"])
def test_free_parameters_are_in_no_contract(name):
    others = {"task": "file", "model": "models/copy", "digests": {"a.csv": "1"}, "marks": [1e9], "device": "cpu"}
    others |= {"gradient_checkpointing": True, "pass_rates_path": "rates.json"}
    changed = Cell.make({**CELL.flat(), "evaluation.marks" if name == "marks" else name: others[name]})
    assert (changed.id == CELL.id) == (name in ("device", "gradient_checkpointing"))
    assert of_cell(changed) == of_cell(CELL)
    found = check(record(), replace(record(), cell=changed.model_dump(mode="json")))
    assert found == contracts.Comparison("method", (), (), (), ())


@pytest.mark.parametrize("name", sorted({*MATCH, "spent"} - {*CAME_LATER, *NOT_ASKED}))
def test_a_field_that_a_record_lacks_is_unknown_and_refuses_until_it_is_waived_by_name(name):
    lacking = record(cost={}) if name == "spent" else record({name: None})
    axis = next(axis for axis in AXES if axis not in FIELDS[name].axes)
    for pair in ((record(), lacking), (lacking, record()), (lacking, lacking)):
        found = check(*pair, axis=axis)
        assert names(found.refused) == (name,)
        assert found.refused[0].unknown
        accepted = check(*pair, axis=axis, waive=(name,))
        assert (accepted.refused, names(accepted.waived)) == ((), (name,))


def test_a_record_from_before_there_was_a_plateau_spent_its_budget():
    before = record(dict.fromkeys(CAME_LATER))
    assert check(before, record()).refused == check(record(), before).refused == ()
    assert "budget_until" in names(check(before, record(of_cell(TO_PLATEAU))).refused)


@pytest.mark.parametrize(
    "name", ["budget_until", "budget_patience", "along_the_way", "budget_amount", "development_items"]
)
def test_under_the_plateau_the_rule_must_match_and_what_was_spent_need_not(name):
    rule = of_cell(TO_PLATEAU)
    other = "spent" if name == "budget_until" else OTHER.get(name, "another")
    ten_times = {axis: amount * 10 for axis, amount in COST.items()}
    assert check(record(rule), record(rule, cost=ten_times)).refused == ()
    assert names(check(record(rule), record({**rule, name: other})).refused) == (name,)


def test_evaluations_along_the_way_are_looks_where_the_budget_is_spent():
    looked = of_cell(Cell.make({**CELL.flat(), "evaluation.along_the_way": 9, "budget.patience": 5}))
    assert check(record(), record(looked)).refused == ()


def test_rates_of_a_stage_are_free_and_what_it_looked_at_is_not():
    told = [of_cell(Cell.make({"learning_rates": [rate], "tuned_by": by})) for rate, by in (
        (1e-3, "3 seeds, 100 items, 0a1b"), (1e-4, "3 seeds, 100 items, ffff"), (1e-3, "1 seed, 100 items, 0a1b"),
    )]  # fmt: skip
    assert told[0] == told[1]
    assert check(record(told[0]), record(told[2])).refused[0].field == "tuning_stage"
    assert check(record(told[0]), record(of_cell(Cell()))).refused[0].field == "tuning_ladder"


def test_rates_of_every_stage_are_given_as_those_of_a_cell_are_also_in_records_that_say_otherwise():
    given = of_cell(Cell.make({"learning_rates": [1e-3]}))
    stages = [{"method": name, "share": 0.5, "learning_rate": 1e-3} for name in ("sft", "grpo")]
    cell = Cell.make({"method": "sft+grpo", "settings": {"stages": stages}})
    assert of_cell(cell)["tuning_ladder"] == given["tuning_ladder"]
    one_open = [stages[0], {**stages[1], "learning_rate": None}]
    assert of_cell(Cell.make({"method": "sft+grpo", "settings": {"stages": one_open}}))["tuning_ladder"] != "given"
    older = replace(record({"tuning_ladder": "the method's own"}), cell=cell.model_dump(mode="json"))
    assert "tuning_ladder" not in names(check(record(given), older).refused)


def test_a_difference_that_is_known_is_never_waived():
    found = check(record(), record({"temperature": 0.5}), waive=("temperature",))
    assert names(found.refused) == ("temperature",)


@pytest.mark.parametrize("name", MATCH)
def test_what_does_not_apply_matches_anything(name):
    assert check(record(), record({name: NA}), "seed").refused == ()


@pytest.mark.parametrize("unit", ["steps", "tokens", "flops", "seconds"])
@pytest.mark.parametrize(
    ("more", "refused"), [(1.0, ()), (1.04, ()), (0.97, ()), (1.06, ("spent",)), (0.9, ("spent",))]
)
def test_what_was_really_spent_of_the_matched_unit_is_within_five_per_cent(unit, more, refused):
    cell = {"budget_unit": unit}
    cost = {axis: amount * more for axis, amount in COST.items()}
    assert names(check(record(cell), record(cell, cost=cost)).refused) == refused
    only = {"steps": ("optimizer_steps",), "tokens": ("tokens_generated", "tokens_trained")}.get(unit, (unit,))
    elsewhere = {axis: amount * (1 if axis in only else 9) for axis, amount in COST.items()}
    assert check(record(cell), record(cell, cost=elsewhere)).refused == ()


def test_a_refusal_for_what_was_spent_has_the_figures():
    found = check(record({"budget_unit": "flops"}), record({"budget_unit": "flops"}, cost={**COST, "flops": 1.18e9}))
    assert contracts.named(found.refused) == "spent (1e+09 flops against 1.18e+09 flops)"


def test_forty_steps_and_a_number_of_flops_are_no_equal_budgets():
    found = check(record(), record({"budget_unit": "flops", "budget_amount": 2e11}))
    assert names(found.refused) == ("budget_unit", "budget_amount")


def test_chain_of_thought_on_against_off_takes_how_it_is_asked_along_only_where_both_are_asked_as_trained():
    both = check(record(), record({"cot": False, "cot_eval": False, "token_cap": 9, "token_cap_training": 9}), "cot")
    assert (both.refused, set(names(both.by_design))) == (
        (), {"cot", "cot_eval", "token_cap", "token_cap_training"}
    )  # fmt: skip
    crossed = check(record({"cot_eval": False}), record({"cot": False, "cot_eval": True}), "cot")
    assert (names(crossed.refused), names(crossed.by_design)) == (("cot_eval",), ("cot",))


def test_an_untrained_arm_is_compared_with_any_budget_label_or_adapter():
    base = Cell.make({"method": "base", "labels": 0})
    runtime = (
        {name: f"{name} x" for name in MATCH}
        | {"folds": ONE_SPLIT}
        | dict.fromkeys(("label_ids", "token_cap_training", "tuning_rates", "development_items"), NA)
    )
    untrained = replace(record(cost={"seconds": 0.0}), contract=grouped(runtime | of_cell(base)))
    found = check(untrained, record())
    assert (found.refused, found.waived) == ((), ())
    assert names(found.by_design) == ("method",)


def test_a_record_from_before_cells_had_several_processes_was_trained_by_one():
    before, now = record(), record({"processes": 1})
    before.contract["shown"].pop("processes")
    assert check(before, now).shown == ()
    assert names(check(before, record({"processes": 2})).shown) == ("processes",)


def test_no_sandbox_and_some_sandbox_are_no_difference():
    assert check(record(), record({"sandbox": None})).shown == ()


@pytest.mark.parametrize(("waive", "says"), [("temprature", "temperature"), (["gpu"], "no field of the contract")])
def test_only_fields_that_must_match_can_be_waived(waive, says):
    with pytest.raises(RftlabError, match=says):
        check(record(), record(), waive=waive)


def test_waivers_may_be_given_in_one_text():
    assert contracts.waivers(" spent, seed ") == {"spent", "seed"}


def test_an_unknown_axis_is_an_error():
    with pytest.raises(RftlabError, match="method, labels"):
        check(record(), record(), "colour")


def test_the_docs_have_every_field_with_its_group_and_axes():
    page = (Path(__file__).parent.parent.parent / "docs/contract.md").read_text()
    rows = [[part.strip() for part in line.split("|")[1:4]] for line in page.splitlines() if line.startswith("| `")]
    groups = {"match": "must match", "show": "shown", "free": "free"}
    assert rows == [[f"`{name}`", groups[f.group], ", ".join(f.axes)] for name, f in FIELDS.items()]


def test_records_from_before_the_measures_there_are_now_are_compared_with_those_of_today():
    before = record(dict.fromkeys(NOT_ASKED))
    assert check(before, record()).refused == check(record(), before).refused == ()
    by_score = record(of_cell(Cell.make({"evaluation.decides": "score"})))
    assert "decides" in names(check(before, by_score).refused)
