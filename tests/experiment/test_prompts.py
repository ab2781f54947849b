"""Prompts without labels, from the cell to the record, on the tiny base."""

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.registry import METHODS
from tests.conftest import SMALL

ASKS = {**SMALL, "task": "arithmetic/word", "verifier": "story", "budget.amount": 2.0}
QUICK = ("grpo", "hpt")


@pytest.mark.parametrize(
    "method",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name, entry in METHODS.items()
        if entry.prompts
    ],
)
def test_a_method_trains_on_prompts_and_the_record_says_so(method, tmp_path, kept_cell):
    labels = 0 if METHODS[method].prompts == "alone" else 2
    settings = {"teacher": str(kept_cell("sft"))} if METHODS[method].teacher else {}
    cell = Cell.make({**ASKS, "method": method, "labels": labels, "prompts": 6, "settings": settings})
    experiment = Experiment(cell, out=tmp_path / "out")
    given = []
    score = experiment.verifier.score

    def seen(completions, examples):
        given.extend(examples)
        return score(completions, examples)

    experiment.verifier.score = seen
    experiment.train()
    trained_on = {example.id for example in given}
    experiment.evaluate()
    record = experiment.record()
    prompts = {example.id for example in experiment.labels.prompts}
    assert len(prompts) == 6
    assert trained_on & prompts or method in ("grpo-random", "distill")  # which ask no verifier
    held_out = {example.id for example in experiment.labels.development}
    assert trained_on <= prompts | held_out | {example.id for example in experiment.labels.train} | {
        example.id for example in experiment.task.beyond
    }
    assert all(not example.answer for example in given if example.id in prompts)
    assert record.contract["arm"]["prompts"] == 6
    assert len(record.contract["arm"]["prompt_ids"]) == 12
    assert (record.metrics["train_accuracy"] is None) == (labels == 0)


def test_prompts_are_refused_where_they_would_cost_a_label(tmp_path):
    with pytest.raises(RftlabError, match="verifier 'exact' compares with the gold answer, which the 6 prompts"):
        Experiment(Cell.make({**ASKS, "verifier": "", "method": "grpo", "labels": 0, "prompts": 6}))
