"""Few-shot as a swept arm: what is tried on the labels, what is taken, and what the record says of it."""

from collections.abc import Callable

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.evaluate import ask
from rftlab.experiment import Experiment
from rftlab.methods.base import load_method, make_settings
from rftlab.methods.prompting import FewShotSettings
from rftlab.tasks.base import Example
from rftlab.tasks.shots import in_turn
from tests.conftest import SMALL

LABELS = 10


@pytest.fixture(scope="module")
def tuned() -> Experiment:
    """The swept arm on ten labels, evaluated."""
    experiment = Experiment(Cell.make({**SMALL, "method": "base-few-shot", "preset": "tuned", "labels": LABELS}))
    experiment.train()
    experiment.evaluate()
    return experiment


def test_every_number_of_shots_is_tried_on_every_label_and_the_best_is_taken(tuned: Experiment) -> None:
    tried = [(each["settings"]["shots"], each["settings"]["choice"]) for each in tuned.tuning]
    assert tried[:4] == [(1, "random"), (1, "nearest"), (4, "random"), (4, "nearest")]
    assert all(count <= LABELS for count, _ in tried)
    assert {each["validation_items"] for each in tuned.tuning} == {LABELS}
    best = max(each["validation_accuracy"] for each in tuned.tuning)
    [chosen] = [each for each in tuned.tuning if each["chosen"]]
    assert chosen["validation_accuracy"] == best
    assert chosen is next(each for each in tuned.tuning if each["validation_accuracy"] == best)


def test_what_was_chosen_is_in_the_contract_and_what_it_took_in_the_cost(tuned: Experiment) -> None:
    record = tuned.record()
    assert record.contract["arm"]["chosen"] == tuned.chosen
    assert record.cost["flops"] == 0 < record.cost["tuning_flops"]
    costs = [each["cost"]["flops"] / each["settings"]["shots"] for each in tuned.tuning]
    assert record.cost["tuning_flops"] == sum(each["cost"]["flops"] for each in tuned.tuning)
    assert min(costs) > 0
    # Ten labels were asked with one shot each: every token of every prompt was charged.
    first, labels = tuned.tuning[0]["cost"]["flops"], tuned.labels.train
    alone = sum(tuned.policy.count_prompt(example, cot=True) for example in labels) / len(labels)
    assert first > 2 * tuned.policy.parameters * alone


def test_the_record_counts_what_is_read_for_an_answer(tuned: Experiment, small_cell: Callable[..., Cell]) -> None:
    base = Experiment(small_cell(method="base", labels=0))
    base.train()
    few, none = tuned.record().metrics, (base.evaluate(), base.record().metrics)[1]
    assert few["prompt_tokens"] > none["prompt_tokens"]
    per_token = few["answer_flops"] / (few["prompt_tokens"] + few["completion_tokens"])
    assert per_token == pytest.approx(2 * tuned.policy.parameters)
    assert few["shots"] == tuned.chosen["shots"]
    assert "shots" not in none


def test_folds_ask_every_label_once_and_never_show_it_to_itself() -> None:
    labels = [Example(str(i), f"question {i}", "1") for i in range(12)]
    folds = in_turn(labels)
    assert sorted(e.id for fold in folds for e in fold.validation) == sorted(e.id for e in labels)
    assert all(not {e.id for e in fold.train} & {e.id for e in fold.validation} for fold in folds)
    assert in_turn(labels[:1]) == []
    assert in_turn([labels[0], Example("twin", "Question  0", "1")]) == []


def test_more_shots_than_fit_or_than_there_are_labels_are_fewer_and_said(small_cell: Callable[..., Cell]) -> None:
    few = Experiment(small_cell(method="base-few-shot", settings={"shots": 5}, labels=2))
    few.train()
    few.evaluate()
    assert "5 shots were asked for, and there are 2 labels" in few.record().warnings
    many = Experiment(small_cell(method="base-few-shot", settings={"shots": 60, "choice": "nearest"}, labels=60))
    many.train()
    [said] = [each for each in many._budget_warnings if "of 60 shots fit" in each]
    rows = ask(many.policy, many.task.test[:2], many.verifier, many.capped, part="test")
    assert "512 tokens" in said
    assert 1 < rows[0]["prompt"].count("Q: ") < 61


def test_one_label_leaves_nothing_to_choose_by(small_cell: Callable[..., Cell]) -> None:
    experiment = Experiment(small_cell(method="base-few-shot", preset="tuned", labels=1))
    experiment.train()
    assert experiment.tuning == []
    assert experiment.policy.template.count == 1


def test_a_setting_of_several_kinds_is_refused_with_all_of_them() -> None:
    with pytest.raises(RftlabError) as told:
        make_settings(load_method("base-few-shot"), "base-few-shot", "", {"shots": "many"})
    assert "setting 'shots': Input should be a valid integer" in str(told.value)
    assert ", or: Input should be 'tuned' (got 'many')" in str(told.value)


@pytest.mark.parametrize("settings", [{"shots": 0}, {"shots": "all"}, {"choice": "best"}])
def test_settings_that_are_none_are_refused_by_name(settings: dict[str, object]) -> None:
    with pytest.raises(RftlabError, match=f"method 'base-few-shot', setting '{next(iter(settings))}"):
        make_settings(load_method("base-few-shot"), "base-few-shot", "", settings)
    with pytest.raises(ValueError, match="still to be chosen"):
        FewShotSettings(shots="tuned").fixed  # noqa: B018
