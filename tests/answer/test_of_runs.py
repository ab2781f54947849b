"""Contracts of real runs: two that differ in one parameter each, and what is found to differ."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rftlab.answer import contracts
from rftlab.answer.contracts import check
from rftlab.cell import Cell
from rftlab.contract import FIELDS, NA
from rftlab.experiment import Experiment
from rftlab.experiment.environment import environment
from rftlab.methods.monitor import Cost
from rftlab.policy.hub import TINY_BASE, locate
from rftlab.record import Record
from tests.conftest import SMALL

LENIENT = "def score(completion, example):\n    return float(example.answer in completion)\n"


def run(**values: Any) -> Record:
    asked = {"test_items": 2, "train_items": 1, "ood_items": 1, "sampled_items": 1, "samples": 2, "along_the_way": 0}
    cell = Cell.make({**SMALL, "method": "sft", "evaluation": asked, **values})
    experiment = Experiment(cell)
    experiment.train()
    experiment.evaluate()
    return experiment.record()


@pytest.fixture(scope="module")
def plain() -> Record:
    return run()


def fields(differences: tuple[contracts.Difference, ...]) -> set[str]:
    return {each.field for each in differences}


def test_a_run_says_something_of_every_field_and_leaves_none_unknown(plain):
    written = {**plain.contract["match"], **plain.contract["arm"], **plain.contract["shown"]}
    elsewhere = {*environment(), "sandbox", "spent"}
    assert set(written) == {name for name, field in FIELDS.items() if field.group != "free"} - elsewhere
    assert None not in written.values()
    itself = check(plain, plain)
    assert itself == contracts.Comparison("method", (), (), (), ())


@pytest.mark.parametrize(
    ("changed", "axis", "refused", "by_design", "shown"),
    [
        ({"tuning.learning_rates": [1e-4]}, "method", {"tuning_ladder"}, {"tuning_rates"}, set()),
        ({"settings": {"per_device_train_batch_size": 4}}, "method", set(), {"settings"}, {"batch"}),
        ({"settings": {"per_device_train_batch_size": 4}}, "labels", {"settings"}, set(), {"batch"}),
        ({"seed_init": 7}, "method", {"seed_init"}, set(), set()),
        ({"seed": 1}, "seed", set(), {"seed", "label_ids"}, set()),
        ({"seed_data": 1}, "method", {"seed_data", "label_ids"}, set(), set()),
        ({"budget.amount": 3.0}, "method", {"budget_amount", "spent"}, set(), set()),
        ({"budget": {"unit": "tokens", "amount": 600.0}}, "method", {"budget_unit", "budget_amount"}, set(), set()),
        ({"adapter.r": 4}, "adapter", set(), {"adapter"}, set()),
        ({"adapter.r": 4}, "method", {"adapter"}, set(), set()),
        ({"labels": 4}, "labels", set(), {"labels", "label_ids"}, set()),
        ({"cot": False}, "cot", set(), {"cot", "cot_eval", "token_cap", "token_cap_training"}, set()),
        ({"template": "instruct"}, "wording", set(), {"template"}, set()),
        ({"answer_format": "lenient"}, "method", {"answer_format"}, set(), set()),
    ],
)
def test_runs_that_differ_in_one_parameter(plain, changed, axis, refused, by_design, shown):
    found = check(plain, run(**changed), axis)
    assert (fields(found.refused), fields(found.by_design), fields(found.shown)) == (refused, by_design, shown)


def test_the_untrained_base_stands_beside_what_was_trained(plain):
    base = run(method="base", labels=0)
    assert check(base, plain).refused == ()
    assert base.contract["match"]["label_ids"] == base.contract["match"]["budget_amount"] == NA


def test_the_base_with_a_few_labels_in_its_prompt_stands_beside_what_was_trained_on_them(plain):
    shots = run(method="base-few-shot")
    assert check(shots, plain).refused == ()
    assert (shots.contract["match"]["label_ids"], shots.contract["match"]["budget_amount"]) == (
        plain.contract["match"]["label_ids"], NA
    )  # fmt: skip
    assert check(shots, run(method="base-few-shot", settings={"shots": 1}), "shots").refused == ()


def test_a_verifier_file_that_was_edited_is_another_verifier_and_one_that_was_moved_is_not(tmp_path):
    def judged_by(folder: str, text: str) -> Record:
        path = tmp_path / folder / "checks.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return run(method="base", labels=0, verifier=f"{path}:score")

    first, copy = judged_by("a", LENIENT), judged_by("b", LENIENT)
    assert check(first, copy).refused == ()
    edited = judged_by("a", LENIENT.replace("in completion", "in completion[:3]"))
    assert fields(check(first, edited).refused) == {"verifier_code"}
    assert str(tmp_path) not in str(first.contract)


def test_a_base_whose_configuration_differs_is_another_base(tmp_path: Path, plain):
    copy = tmp_path / "copy"
    shutil.copytree(locate(TINY_BASE), copy)
    asked = {"method": "base", "labels": 0, "model": str(copy)}
    assert check(run(**asked), plain).refused == ()
    config = copy / "generation_config.json"
    config.write_text(config.read_text().replace("{", '{"repetition_penalty": 1.0,', 1))
    assert fields(check(run(**asked), plain).refused) == {"generation_config"}


@pytest.mark.parametrize("unit", ["steps", "tokens", "flops", "seconds"])
def test_what_was_spent_is_read_as_the_trainers_count_it(unit: str, plain: Record):
    cost = Cost(**{name: float(place) for place, name in enumerate(asdict(Cost()), start=1)})  # type: ignore[arg-type]
    match = {**plain.contract["match"], "budget_unit": unit}
    said = contracts.terms(replace(plain, cost=asdict(cost), contract={**plain.contract, "match": match}))
    assert said.spent == cost.spent(unit)
