"""A preference model as judge: trained on pairs that no arm saw, the same every time, and better than a coin."""

from dataclasses import replace
from pathlib import Path

import pytest

from rftlab import cli
from rftlab.answer.contests import contests, counts
from rftlab.answer.results import read_results
from rftlab.cell import Cell
from rftlab.digests import with_digests
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.judging import judge
from rftlab.judging.preference_model import PreferenceModel, arms_saw
from rftlab.record import cells_dir
from rftlab.record.judgements import JUDGEMENTS, read_judgements, read_judges
from rftlab.tasks.base import load_task, normalise_prompt
from rftlab.tasks.of_cell import draw_labels
from rftlab.tasks.pairs import Pair, write_pairs

SMALL = {"prompts": 30, "generations": 4, "epochs": 3}
TASK = {"task": "creative/tiny", "task_settings": {"train": 60, "test": 12, "ood": 1}, "cot": False}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """The base and SFT on couplets, two seeds each."""
    results = tmp_path_factory.mktemp("study")
    evaluation = {"test_items": 12, "train_items": 2, "ood_items": 0, "sampled_items": 0, "along_the_way": 0}
    for method, labels in (("base", 0), ("sft", 8)):
        for seed in (0, 1):
            values = {**TASK, "method": method, "labels": labels, "seed": seed, "budget.amount": 3.0}
            cell = with_digests(Cell.make({**values, "evaluation": {**evaluation, "retention": ""}}))
            experiment = Experiment(cell, out=cells_dir(results) / cell.id)
            experiment.train()
            experiment.evaluate()
            experiment.save()
    return results


def models(facts):
    return [each for each in facts.values() if isinstance(each, dict)]


def test_it_judges_alike_every_time_and_says_how_often_it_agrees(study):
    first = judge(study, **SMALL)
    said = {each.key: each.share for each in read_judgements(study)}
    assert first.asked + first.same == len(said) == 2 * 12 * 2
    (study / JUDGEMENTS).unlink()
    judge(study, **SMALL)
    assert {each.key: each.share for each in read_judgements(study)} == said
    [facts] = models(read_judges(study)[first.judge])
    assert facts["pairs_held_out"] > 0
    assert facts["agreement_trained_on"] > 0.5
    assert 0 <= facts["agreement_held_out"] <= 1


def test_order_does_not_matter_to_it(study):
    judge(study, **SMALL)
    said = {each.key[1:]: each.share for each in read_judgements(study)}
    assert all(said[b, a, item] == 1 - share for (a, b, item), share in said.items())


def test_nothing_that_an_arm_was_given_is_among_its_prompts(study):
    results, task = read_results(study), load_task(TASK["task"], TASK["task_settings"])
    cells = [record.parameters for record in results.records]
    saw = {normalise_prompt(example.prompt) for example in arms_saw(results, cells[0], task)}
    for cell in cells:
        labels = draw_labels(cell, task)
        assert {normalise_prompt(example.prompt) for example in (*labels.train, *labels.development)} <= saw


def test_with_all_prompts_given_away_it_says_what_to_do(study):
    cell = Cell.make({**TASK, "method": "sft", "labels": 55, "evaluation.along_the_way": 0})
    results = read_results(study)
    arms = [record for record in results.records if record.parameters.method == "sft"]
    greedy = replace(arms[0], cell=cell.model_dump(mode="json"))
    model = PreferenceModel(results._replace(records=[*results.records, greedy]))
    with pytest.raises(RftlabError, match="given to no arm, too few to train a judge on"):
        model.version(contests(results)[0])


def test_pairs_of_a_persons_teach_it_and_those_of_the_arms_prompts_are_left_out(study, tmp_path):
    task = load_task(TASK["task"], TASK["task_settings"])
    pairs = [Pair(e.prompt, f"<answer>{e.answer}</answer>", "<answer>no</answer>") for e in task.train]
    found = judge(study, pairs_file=str(write_pairs(tmp_path / "mine.jsonl", pairs)), epochs=3)
    [facts] = models(found.facts)
    assert facts["pairs_left_out"] == facts["prompts_arms_saw"] > 8
    assert not facts["simulated_by_verifier"]
    assert facts["agreement_held_out"] > 0.9


def test_pairs_of_test_items_are_refused(study, tmp_path):
    test = load_task(TASK["task"], TASK["task_settings"]).test[0]
    file = write_pairs(tmp_path / "leak.jsonl", [Pair(test.prompt, "a", "b")])
    with pytest.raises(RftlabError, match="prompt of test item"):
        judge(study, pairs_file=str(file), seed=3)


def test_a_model_of_other_pairs_is_another_judge(study):
    (study / JUDGEMENTS).unlink(missing_ok=True)
    judge(study, **SMALL)
    mine = {each.by for each in read_judgements(study)}
    again = judge(study, **SMALL)
    assert (again.asked, again.same) == (0, 0)
    other = judge(study, **SMALL | {"prompts": 20}, items=3)
    assert other.before == 0
    theirs = {each.by for each in read_judgements(study)} - mine
    assert len(mine) == len(theirs) == 1
    judges = {each.judge for each in counts(read_results(study))}
    assert judges == {f"{again.judge} ({version[:6]})" for version in mine | theirs}
    judge(study, **SMALL | {"prompts": 20})
    assert {each.judge for each in counts(read_results(study))} == {again.judge}


def test_a_setting_of_another_judge_is_one_sentence(study, capsys):
    assert cli.main(["judge", str(study), "--model", "x", "--seed", "9"]) == 2
    assert "it takes no model, which is for another judge; leave it out" in capsys.readouterr().err
